-- Verdicts tell which run and which description they are on, and versions of capability vectors are signed.
-- What an earlier release signed did not say that, so its signatures are taken off: such a verdict promotes nothing
-- any more, and such a version is not rolled back to, until evaluate_policy and promote give the run a new one.

UPDATE cerebros.verdicts v
   SET verdict = v.verdict || jsonb_build_object(
           'run_id', v.run_id, 'pac_id', v.pac_id, 'signature', '',
           'description_digest', coalesce((SELECT s.result -> 'description' ->> 'digest' FROM cerebros.stages s
                                            WHERE s.run_id = v.run_id AND s.name = 'score'), ''));

UPDATE cerebros.stages s
   SET result = s.result || jsonb_build_object(
           'run_id', s.run_id, 'pac_id', r.pac_id, 'signature', '',
           'description_digest', coalesce((SELECT scored.result -> 'description' ->> 'digest' FROM cerebros.stages scored
                                            WHERE scored.run_id = s.run_id AND scored.name = 'score'), ''))
  FROM cerebros.runs r
 WHERE r.run_id = s.run_id AND s.name = 'verdict';

ALTER TABLE cerebros.vcv_entries ADD COLUMN signature text NOT NULL DEFAULT '';

-- The engine knows no kind, no stage and no job by name: what it has to know of them are columns.
ALTER TABLE cerebros.runs DROP CONSTRAINT runs_kind_check;
ALTER TABLE cerebros.runs RENAME COLUMN epoch TO attempt;
ALTER TABLE cerebros.runs ADD COLUMN promoted_version integer;
UPDATE cerebros.runs r
   SET promoted_version = (SELECT max(v.version) FROM cerebros.vcv_entries v
                            WHERE v.run_id = r.run_id AND v.rolled_back_from IS NULL);

-- What a run is asked for is its kind's own; what all runs have in common are columns.
UPDATE cerebros.runs
   SET payload = jsonb_build_object(
         'spec', (payload -> 'request') - '{run_id,pac_id,queue,priority,deadline_s,correlation_id}'::text[])
       || (payload - 'request')
 WHERE payload ? 'request';

-- What a stage, a trial and a rung took stand in columns, so that no cost is found by a name inside JSON.
ALTER TABLE cerebros.stages RENAME COLUMN duration_s TO wall_s;
ALTER TABLE cerebros.stages
    ADD COLUMN duration_s double precision NOT NULL DEFAULT 0,
    ADD COLUMN cpu_s      double precision NOT NULL DEFAULT 0,
    ADD COLUMN energy_j   double precision NOT NULL DEFAULT 0,
    ADD COLUMN cost_usd   double precision NOT NULL DEFAULT 0;
UPDATE cerebros.stages s
   SET duration_s = w.duration_s, cpu_s = w.cpu_s, energy_j = w.energy_j, cost_usd = w.cost_usd
  FROM (SELECT run_id, name, sum((spent ->> 'duration_s')::double precision) AS duration_s,
               sum((spent ->> 'cpu_s')::double precision) AS cpu_s,
               sum((spent ->> 'energy_j')::double precision) AS energy_j,
               sum((spent ->> 'cost_usd')::double precision) AS cost_usd
          FROM (SELECT run_id, name, result -> 'spent' AS spent FROM cerebros.stages WHERE name IN ('shortlist', 'score')
                UNION ALL
                SELECT run_id, name, result -> 'metrics' FROM cerebros.stages WHERE name = 'score') AS parts
         WHERE spent IS NOT NULL GROUP BY run_id, name) AS w
 WHERE s.run_id = w.run_id AND s.name = w.name;

UPDATE cerebros.stages SET result = result -> 'shortlist' WHERE name = 'shortlist' AND result ? 'shortlist';

ALTER TABLE cerebros.trials
    ADD COLUMN in_pareto_set boolean NOT NULL DEFAULT false,
    ADD COLUMN duration_s double precision,
    ADD COLUMN cpu_s      double precision,
    ADD COLUMN energy_j   double precision,
    ADD COLUMN cost_usd   double precision;
UPDATE cerebros.trials
   SET duration_s = (spent ->> 'duration_s')::double precision, cpu_s = (spent ->> 'cpu_s')::double precision,
       energy_j = (spent ->> 'energy_j')::double precision, cost_usd = (spent ->> 'cost_usd')::double precision
 WHERE spent IS NOT NULL;
ALTER TABLE cerebros.trials DROP COLUMN spent;
UPDATE cerebros.trials t SET in_pareto_set = true
  FROM cerebros.stages s
 WHERE s.run_id = t.run_id AND s.name = 'search' AND (s.result -> 'front') @> to_jsonb(t.number);
UPDATE cerebros.stages SET result = (result - 'front') || jsonb_build_object('pareto_set', result -> 'front')
 WHERE name = 'search' AND result ? 'front';

ALTER TABLE cerebros.rungs RENAME COLUMN epochs TO resource;
ALTER TABLE cerebros.rungs
    ADD COLUMN duration_s double precision NOT NULL DEFAULT 0,
    ADD COLUMN cpu_s      double precision NOT NULL DEFAULT 0,
    ADD COLUMN energy_j   double precision NOT NULL DEFAULT 0,
    ADD COLUMN cost_usd   double precision NOT NULL DEFAULT 0;
UPDATE cerebros.rungs
   SET duration_s = (spent ->> 'duration_s')::double precision, cpu_s = (spent ->> 'cpu_s')::double precision,
       energy_j = (spent ->> 'energy_j')::double precision, cost_usd = (spent ->> 'cost_usd')::double precision;
ALTER TABLE cerebros.rungs DROP COLUMN spent;

-- An epoch is a pass over training rows; a claim is an attempt, a lock has revisions.
ALTER TABLE cerebros.study_trials RENAME COLUMN epoch TO attempt;
ALTER TABLE cerebros.training_locks RENAME COLUMN epoch TO revision;
-- How far a training is, kinds count each in their unit. States in files of the form before are not read: those trials
-- begin anew.
DELETE FROM cerebros.checkpoints;
ALTER TABLE cerebros.checkpoints RENAME COLUMN epoch TO resource;

-- The fence. Numbers an event and stores it, only while the run is at work under this attempt (`unclaimed`: or waits).
-- With `end_state` the event is the run's last. No row where the claim is lost. Whatever else a worker stores it
-- stores in the statement, or the transaction, that calls this.
CREATE FUNCTION cerebros.append_event(
    of_run text, under_attempt integer, event_name text, event_measurements jsonb, event_metadata jsonb,
    end_state text DEFAULT NULL, end_metrics jsonb DEFAULT NULL, end_error jsonb DEFAULT NULL, unclaimed boolean DEFAULT false
) RETURNS TABLE (seq bigint, at timestamp with time zone, queue text)
LANGUAGE sql AS $$
    WITH numbered AS (
        UPDATE cerebros.runs r
           SET last_seq = r.last_seq + 1,
               state = coalesce(end_state, r.state),
               metrics = coalesce(end_metrics, r.metrics),
               error = coalesce(end_error, r.error),
               finished_at = CASE WHEN end_state IS NOT NULL THEN clock_timestamp() END,
               lease_until_s = CASE WHEN end_state IS NULL THEN r.lease_until_s END,
               slot = CASE WHEN end_state IS NULL THEN r.slot END
         WHERE r.run_id = of_run AND r.attempt = under_attempt AND (r.state = 'running' OR r.state = 'queued' AND unclaimed)
        RETURNING r.last_seq, r.queue
    ), stored AS (
        INSERT INTO cerebros.events (run_id, seq, name, measurements, metadata)
        SELECT of_run, last_seq, event_name, event_measurements, event_metadata FROM numbered
        RETURNING events.seq, events.at
    )
    SELECT stored.seq, stored.at, numbered.queue FROM stored, numbered
$$;

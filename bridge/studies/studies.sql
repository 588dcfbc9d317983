-- Studies and their trials.

-- name: insert_study
-- A new study, or no row when the id is taken.
INSERT INTO studies (study_id, plan) VALUES (%(study_id)s, %(plan)s)
ON CONFLICT (study_id) DO NOTHING
RETURNING study_key;

-- name: study_rows
-- Studies, newest first, with the counts of their trials.
SELECT s.study_id, s.plan, s.created_at, t.trials_total, t.trials_ok, t.trials_out
  FROM studies s,
       LATERAL (SELECT count(*)::int AS trials_total, (count(*) FILTER (WHERE outcome = 'ok'))::int AS trials_ok,
                       (count(*) FILTER (WHERE outcome IS NULL))::int AS trials_out
                  FROM study_trials WHERE study_key = s.study_key) t
 WHERE %(study_id)s::text IS NULL OR s.study_id = %(study_id)s
 ORDER BY s.created_at DESC, s.study_id
 LIMIT %(limit)s;

-- name: lock_study
-- A study as it stands, locked until the transaction ends.
SELECT study_key, plan, last_seq,
       coalesce((SELECT max(number) + 1 FROM study_trials t WHERE t.study_key = s.study_key), 0) AS trials_total,
       (SELECT count(*) FROM study_trials t WHERE t.study_key = s.study_key AND outcome IS NULL)::int AS trials_out
  FROM studies s WHERE study_id = %(study_id)s FOR UPDATE;

-- name: reclaim_trials
-- Trials whose lease ran out without a report, handed out again under a raised attempt.
WITH lapsed AS MATERIALIZED (
    SELECT number, c.seconds FROM study_trials, service_clock c
     WHERE study_key = %(study_key)s AND outcome IS NULL AND lease_until_s < c.seconds
     ORDER BY number LIMIT %(limit)s
)
UPDATE study_trials t SET attempt = attempt + 1, lease_until_s = lapsed.seconds + %(lease_s)s
  FROM lapsed
 WHERE study_key = %(study_key)s AND t.number = lapsed.number
RETURNING t.number, attempt, document -> 'tree' AS tree, document ->> 'tree_hash' AS tree_hash;

-- name: study_log
-- What was asked for and told behind a number, in that order; a trial that ended without values has none.
SELECT asked_seq AS seq, false AS told, document -> 'tree' AS tree, NULL AS values
  FROM study_trials WHERE study_key = %(study_key)s AND asked_seq > %(after_seq)s AND asked_seq <= %(up_to_seq)s
UNION ALL
SELECT told_seq, true, document -> 'tree', document -> 'values'
  FROM study_trials WHERE study_key = %(study_key)s AND told_seq > %(after_seq)s AND told_seq <= %(up_to_seq)s
 ORDER BY seq;

-- name: insert_study_trial
-- A trial that is handed out for the first time.
INSERT INTO study_trials (study_key, number, document, lease_until_s, asked_seq)
SELECT %(study_key)s, %(number)s, %(document)s, c.seconds + %(lease_s)s, %(seq)s FROM service_clock c
RETURNING number, attempt, document -> 'tree' AS tree, document ->> 'tree_hash' AS tree_hash;

-- name: tell_study_trial
-- How a trial ended.
UPDATE study_trials SET outcome = %(outcome)s, document = document || %(told)s, told_seq = %(seq)s
 WHERE study_key = %(study_key)s AND number = %(number)s;

-- name: advance_study
-- The number of the newest entry of a study's log.
UPDATE studies SET last_seq = %(seq)s WHERE study_key = %(study_key)s;

-- name: study_trials
-- Trials of a study by number.
SELECT number, outcome, attempt, document -> 'tree' AS tree, document ->> 'tree_hash' AS tree_hash,
       coalesce(document -> 'values', '{}') AS values, document ->> 'reason' AS reason
  FROM study_trials t JOIN studies s USING (study_key)
 WHERE s.study_id = %(study_id)s AND number = ANY (%(numbers)s)
 ORDER BY number;

-- name: study_values
-- The values of a study's trials that have any, by number.
SELECT number, document -> 'values' AS values
  FROM study_trials t JOIN studies s USING (study_key)
 WHERE s.study_id = %(study_id)s AND outcome = 'ok'
 ORDER BY number;

-- name: delete_study
-- Forgets a study with its trials.
DELETE FROM studies WHERE study_id = %(study_id)s;

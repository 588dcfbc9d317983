-- Trials of runs: results, rungs at which they wait, and checkpoints of those in training.

-- name: append_trial
-- The fence with a trial's result in the same statement; a number that has its effect already is a unique violation.
WITH fenced AS (
    SELECT seq, at FROM append_event(%(run_id)s, %(attempt)s, %(name)s, %(measurements)s, %(metadata)s)
), trial AS (
    INSERT INTO trials (run_id, number, outcome, tree, tree_hash, metrics, reason, curve, duration_s, cpu_s, energy_j, cost_usd)
    SELECT %(run_id)s, %(number)s, %(outcome)s, %(tree)s, %(tree_hash)s, %(metrics_of_trial)s, %(reason)s, %(curve)s, %(duration_s)s, %(cpu_s)s, %(energy_j)s, %(cost_usd)s
      FROM fenced
)
SELECT seq, at FROM fenced;

-- name: append_rung
-- The fence with a trial's standing at a rung in the same statement; a second one is a unique violation.
WITH fenced AS (
    SELECT seq, at FROM append_event(%(run_id)s, %(attempt)s, %(name)s, %(measurements)s, %(metadata)s)
), rung AS (
    INSERT INTO rungs (run_id, number, resource, tree, tree_hash, metrics, curve, duration_s, cpu_s, energy_j, cost_usd)
    SELECT %(run_id)s, %(number)s, %(resource)s, %(tree)s, %(tree_hash)s, %(metrics_of_trial)s, %(curve)s, %(duration_s)s, %(cpu_s)s, %(energy_j)s, %(cost_usd)s
      FROM fenced
)
SELECT seq, at FROM fenced;

-- name: rungs_of
-- How a run's trials stood at the rungs they came to.
SELECT resource, number, 'pruned' AS outcome, tree, tree_hash, metrics, curve FROM rungs WHERE run_id = %(run_id)s ORDER BY number, resource;

-- name: trials_of
-- All of a run's trials by number; `numbers` narrows them.
SELECT number, outcome, tree, tree_hash, metrics, reason, curve
  FROM trials
 WHERE run_id = %(run_id)s AND (%(numbers)s::int[] IS NULL OR number = ANY (%(numbers)s))
 ORDER BY number;

-- name: trials_after
-- A page of a run's trials: those behind a number, by number.
SELECT number, outcome, tree, tree_hash, metrics, reason, curve
  FROM trials WHERE run_id = %(run_id)s AND number > %(after)s ORDER BY number LIMIT %(limit)s;

-- name: pareto_set_of
-- The trials of these runs that no other trial beats, by number.
SELECT run_id, number, outcome, tree, tree_hash, metrics, reason, curve
  FROM trials WHERE run_id = ANY (%(run_ids)s) AND in_pareto_set ORDER BY run_id, number;

-- name: earlier_trials
-- The latest finished trials of ended runs on the same dataset, oldest first.
SELECT number, outcome, tree, tree_hash, metrics, reason, curve
  FROM (SELECT t.*
          FROM trials t JOIN runs r USING (run_id)
         WHERE r.dataset_digest = %(dataset_digest)s AND r.run_id <> %(run_id)s
           AND r.kind = ANY (%(kinds)s)
           AND r.state = 'succeeded' AND t.outcome = 'ok'
         ORDER BY t.finished_at DESC LIMIT %(limit)s) latest
 ORDER BY finished_at;

-- name: mark_pareto_set
-- Marks the trials of a run that no other trial beats.
UPDATE trials SET in_pareto_set = number = ANY (%(numbers)s)
 WHERE run_id = %(run_id)s AND in_pareto_set <> (number = ANY (%(numbers)s));

-- name: checkpoint_rows
-- A trial's checkpoints, newest first.
SELECT resource, digest FROM checkpoints WHERE run_id = %(run_id)s AND trial = %(trial)s ORDER BY resource DESC;

-- name: append_checkpoint
-- The fence with a state that a training can go on from, in the same statement.
WITH fenced AS (
    SELECT seq, at FROM append_event(%(run_id)s, %(attempt)s, %(name)s, %(measurements)s, %(metadata)s)
), kept AS (
    INSERT INTO checkpoints (run_id, trial, resource, digest, bytes)
    SELECT %(run_id)s, %(trial)s, %(resource)s, %(digest)s, %(bytes)s FROM fenced
    ON CONFLICT (run_id, trial, resource) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes
)
SELECT seq, at FROM fenced;

-- name: forget_checkpoints
-- Drops a trial's checkpoints but the newest few, and gives those whose files nobody needs any more.
DELETE FROM checkpoints
 WHERE run_id = %(run_id)s AND trial = %(trial)s
   AND resource NOT IN (SELECT resource FROM checkpoints WHERE run_id = %(run_id)s AND trial = %(trial)s
                      ORDER BY resource DESC LIMIT %(kept)s)
RETURNING resource, digest;

-- name: forget_checkpoints_of_trials
-- Drops the checkpoints of trials that have ended.
DELETE FROM checkpoints c USING trials t
 WHERE c.run_id = %(run_id)s AND t.run_id = c.run_id AND t.number = c.trial
RETURNING c.trial;

-- name: forget_checkpoints_of_runs
-- Drops the checkpoints of runs that have ended.
DELETE FROM checkpoints c USING runs r
 WHERE r.run_id = c.run_id AND r.state NOT IN ('queued', 'running')
RETURNING c.run_id;

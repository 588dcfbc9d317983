-- Every statement of the store. A line `-- name:` begins one; the comment
-- below it says what it gives. Seconds (`…_s`) are of the service clock, not
-- of a wall clock, wherever something depends on them.

-- name: tick
-- Moves the service clock by the seconds the caller counted since it saw tick
-- `seen`. No row when somebody else has moved it since: those seconds are told.
UPDATE service_clock SET seconds = seconds + %(elapsed_s)s, ticks = ticks + 1 WHERE ticks = %(seen)s
RETURNING ticks;

-- name: clock_ticks
-- How often the service clock has been moved.
SELECT ticks FROM service_clock;

-- name: insert_run
-- A new queued run with its first event, or no row when the id is taken or the queue is full.
WITH created AS (
    INSERT INTO runs (run_id, kind, pac_id, dataset, dataset_digest, payload, payload_digest, queue, priority, last_seq,
                      queued_s, deadline_s)
    SELECT %(run_id)s, %(kind)s, %(pac_id)s, %(dataset)s, %(dataset_digest)s, %(payload)s, %(payload_digest)s, %(queue)s,
           %(priority)s, 1, c.seconds, c.seconds + %(deadline_s)s::double precision
      FROM service_clock c
     WHERE (SELECT count(*) FROM (SELECT FROM runs WHERE state = 'queued' AND queue = %(queue)s LIMIT %(queued_at_most)s))
           < %(queued_at_most)s
    ON CONFLICT (run_id) DO NOTHING
    RETURNING run_id, last_seq, queue
)
INSERT INTO events (run_id, seq, name, measurements, metadata)
SELECT run_id, last_seq, %(name)s, %(measurements)s, %(metadata)s FROM created
RETURNING seq, at, (SELECT queue FROM created) AS queue;

-- name: payload_digest
-- What a run was started with, in short.
SELECT payload_digest FROM runs WHERE run_id = %(run_id)s;

-- name: run_rows
-- Runs as callers see them, newest first.
SELECT r.run_id, r.kind, r.pac_id, r.state, r.queue, r.priority, r.dataset, r.last_seq, r.epoch, r.metrics, r.error,
       r.created_at, r.started_at, r.finished_at,
       coalesce((SELECT array_agg(s.name ORDER BY s.done_at) FROM stages s WHERE s.run_id = r.run_id), '{}') AS stages_done,
       t.total AS trials_total, t.ok AS trials_ok, t.failed AS trials_failed,
       (SELECT array_agg(n::int) FROM stages s, jsonb_array_elements_text(s.result -> 'front') n
         WHERE s.run_id = r.run_id AND s.name = 'search') AS front,
       (SELECT max(v.version) FROM vcv_entries v
         WHERE v.run_id = r.run_id AND v.rolled_back_from IS NULL) AS promoted_version
  FROM runs r,
       LATERAL (SELECT count(*)::int AS total, (count(*) FILTER (WHERE outcome = 'ok'))::int AS ok,
                     (count(*) FILTER (WHERE outcome NOT IN ('ok', 'pruned')))::int AS failed
                  FROM trials WHERE trials.run_id = r.run_id) t
 WHERE (%(run_id)s::text IS NULL OR r.run_id = %(run_id)s)
   AND (%(pac_id)s::text IS NULL OR r.pac_id = %(pac_id)s)
   AND (%(state)s::text IS NULL OR r.state = %(state)s)
 ORDER BY r.created_at DESC, r.run_id
 LIMIT %(limit)s;

-- name: claim_run
-- The first run that waits in a queue with room, of a PAC that is not being
-- trained; raises its epoch. Two claims that race for the same PAC or slot are
-- told apart by the unique indexes: the loser's statement fails.
WITH next AS (
    SELECT r.run_id, q.running_at_most FROM runs r JOIN queues q ON q.name = r.queue
     WHERE r.state = 'queued' AND r.cancel_reason IS NULL
       -- One queue, so that its index gives the order; a run that is named is looked for in its own.
       AND r.queue = coalesce((SELECT queue FROM runs WHERE run_id = %(only)s), %(queue)s)
       AND (%(only)s::text IS NULL OR r.run_id = %(only)s)
       AND NOT EXISTS (SELECT FROM runs busy WHERE busy.pac_id = r.pac_id AND busy.state = 'running')
       AND NOT EXISTS (SELECT FROM training_locks l WHERE l.pac_id = r.pac_id AND l.state <> 'open')
       AND (q.running_at_most IS NULL
            OR q.running_at_most > (SELECT count(*) FROM runs busy WHERE busy.queue = r.queue AND busy.state = 'running'))
     ORDER BY r.priority DESC, r.queued_s, r.run_id
     LIMIT 1
     FOR UPDATE OF r SKIP LOCKED
)
UPDATE runs r
   SET state = 'running', epoch = epoch + 1, worker_id = %(worker_id)s, lease_until_s = c.seconds + %(lease_s)s,
       started_s = coalesce(started_s, c.seconds), started_at = coalesce(started_at, clock_timestamp()),
       slot = (SELECT min(n) FROM generate_series(1, next.running_at_most) n
                WHERE NOT EXISTS (SELECT FROM runs busy
                                   WHERE busy.queue = r.queue AND busy.slot = n AND busy.state = 'running'))
  FROM next, service_clock c
 WHERE r.run_id = next.run_id
RETURNING r.run_id, kind, pac_id, payload, epoch, lost_workers, c.seconds - queued_s AS queue_s,
          c.seconds - started_s AS elapsed_s;

-- name: renew_lease
-- Keeps a claim and tells what the claim's holder has to obey; no row when the claim is lost.
UPDATE runs r SET lease_until_s = c.seconds + %(lease_s)s
  FROM service_clock c
 WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND state = 'running'
RETURNING cancel_reason, coalesce(deadline_s < c.seconds, false) AS overdue,
          EXISTS (SELECT FROM training_locks l WHERE l.pac_id = r.pac_id AND l.state = 'locked') AS locked;

-- name: release_run
-- Gives a claimed run back to its queue.
UPDATE runs SET state = 'queued', worker_id = NULL, lease_until_s = NULL, slot = NULL, queued_s = c.seconds
  FROM service_clock c
 WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND state = 'running'
RETURNING queue;

-- name: requeue_lapsed
-- Runs whose workers let their leases run out go back to their queues, and the loss is counted.
UPDATE runs
   SET state = 'queued', worker_id = NULL, lease_until_s = NULL, slot = NULL, queued_s = c.seconds, lost_workers = lost_workers + 1
  FROM service_clock c
 WHERE run_id IN (SELECT run_id FROM runs, service_clock s
                   WHERE state = 'running' AND lease_until_s < s.seconds FOR UPDATE OF runs SKIP LOCKED)
RETURNING queue;

-- name: append_event
-- The fence: numbers an event under the claim's epoch and stores it; no row when the claim is lost.
WITH numbered AS (
    UPDATE runs SET last_seq = last_seq + 1
     WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND state = 'running'
    RETURNING last_seq
)
INSERT INTO events (run_id, seq, name, measurements, metadata)
SELECT %(run_id)s, last_seq, %(name)s, %(measurements)s, %(metadata)s FROM numbered
RETURNING seq, at;

-- name: append_trial
-- The fence with a trial's result in the same statement; a number that has its effect already is a unique violation.
WITH numbered AS (
    UPDATE runs SET last_seq = last_seq + 1
     WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND state = 'running'
    RETURNING last_seq
), trial AS (
    INSERT INTO trials (run_id, number, outcome, tree, tree_hash, metrics, spent, reason, curve)
    SELECT %(run_id)s, %(number)s, %(outcome)s, %(tree)s, %(tree_hash)s, %(metrics_of_trial)s, %(spent)s, %(reason)s, %(curve)s
      FROM numbered
)
INSERT INTO events (run_id, seq, name, measurements, metadata)
SELECT %(run_id)s, last_seq, %(name)s, %(measurements)s, %(metadata)s FROM numbered
RETURNING seq, at;

-- name: append_rung
-- The fence with a trial's standing at a rung in the same statement; a second one is a unique violation.
WITH numbered AS (
    UPDATE runs SET last_seq = last_seq + 1
     WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND state = 'running'
    RETURNING last_seq
), rung AS (
    INSERT INTO rungs (run_id, number, epochs, tree, tree_hash, metrics, spent, curve)
    SELECT %(run_id)s, %(number)s, %(epochs)s, %(tree)s, %(tree_hash)s, %(metrics_of_trial)s, %(spent)s, %(curve)s FROM numbered
)
INSERT INTO events (run_id, seq, name, measurements, metadata)
SELECT %(run_id)s, last_seq, %(name)s, %(measurements)s, %(metadata)s FROM numbered
RETURNING seq, at;

-- name: rungs_of
-- How a run's trials stood at the rungs they came to.
SELECT epochs, number, 'pruned' AS outcome, tree, tree_hash, metrics, curve FROM rungs WHERE run_id = %(run_id)s ORDER BY number, epochs;

-- name: append_end
-- The fence with the run's end in the same statement; an unclaimed run is ended where it waits.
WITH numbered AS (
    UPDATE runs
       SET last_seq = last_seq + 1, state = %(state)s, metrics = %(metrics_of_run)s, error = %(error)s,
           finished_at = clock_timestamp(), lease_until_s = NULL, slot = NULL
     WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND (state = 'running' OR state = 'queued' AND %(unclaimed)s)
    RETURNING last_seq, queue
)
INSERT INTO events (run_id, seq, name, measurements, metadata)
SELECT %(run_id)s, last_seq, %(name)s, %(measurements)s, %(metadata)s FROM numbered
RETURNING seq, at, (SELECT queue FROM numbered) AS queue;

-- name: count_refused_write
-- Remembers that the fence refused a write to the run.
UPDATE runs SET refused_writes = refused_writes + 1 WHERE run_id = %(run_id)s;

-- name: notify
-- Wakes all that wait for these topics, in every process.
SELECT pg_notify('cerebros_news', topic) FROM unnest(%(topics)s::text[]) AS topic;

-- name: events_after
-- A run's events behind a number, oldest first.
SELECT run_id, seq, name, measurements, metadata, at
  FROM events WHERE run_id = %(run_id)s AND seq > %(after_seq)s ORDER BY seq LIMIT %(limit)s;

-- name: forget_events
-- Of runs that ended longer ago than events are kept, only the last event stays.
WITH old AS (
    SELECT run_id, last_seq FROM runs
     WHERE finished_at < clock_timestamp() - %(kept_s)s::double precision * interval '1 second' AND first_seq < last_seq
     LIMIT 100 FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM events e USING old WHERE e.run_id = old.run_id AND e.seq < old.last_seq
)
UPDATE runs r SET first_seq = r.last_seq FROM old WHERE r.run_id = old.run_id RETURNING r.run_id;

-- name: run_state
-- State, and the numbers of the first event that is kept and of the last, for a watcher that wants to know what will come.
SELECT state, first_seq, last_seq FROM runs WHERE run_id = %(run_id)s;

-- name: request_cancel
-- Notes that the run shall end; its worker hears with its next heartbeat, a sweep ends it where there is none.
UPDATE runs SET cancel_reason = %(reason)s
 WHERE run_id = %(run_id)s AND state IN ('queued', 'running') AND cancel_reason IS NULL;

-- name: lock_forsaken
-- A run that shall end and that no worker holds, locked until the transaction ends.
SELECT run_id, epoch, kind, pac_id, cancel_reason FROM runs, service_clock c
 WHERE state = 'queued' AND (cancel_reason IS NOT NULL OR deadline_s < c.seconds)
   AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s)
 ORDER BY queued_s LIMIT 1 FOR UPDATE OF runs SKIP LOCKED;

-- name: set_training_lock
-- Opens or closes a PAC for training; no row when its lock has another epoch than the caller expects.
INSERT INTO training_locks AS l (pac_id, state, holder, reason)
SELECT %(pac_id)s, %(state)s, %(holder)s, %(reason)s
 WHERE coalesce(%(expected_epoch)s::int, 0) = 0 OR EXISTS (SELECT FROM training_locks WHERE pac_id = %(pac_id)s)
ON CONFLICT (pac_id) DO UPDATE
   SET state = excluded.state, holder = excluded.holder, reason = excluded.reason, epoch = l.epoch + 1, since = clock_timestamp()
 WHERE %(expected_epoch)s::int IS NULL OR l.epoch = %(expected_epoch)s
RETURNING pac_id, state, holder, reason, epoch, since;

-- name: training_lock
-- Whether a PAC may be trained, and the run that is training it now; open when nobody ever closed it.
SELECT %(pac_id)s AS pac_id, coalesce(l.state, 'open') AS state, coalesce(l.holder, '') AS holder,
       coalesce(l.reason, '') AS reason, coalesce(l.epoch, 0) AS epoch, l.since,
       (SELECT run_id FROM runs WHERE pac_id = %(pac_id)s AND state = 'running') AS run_id
  FROM (SELECT) AS one LEFT JOIN training_locks l ON l.pac_id = %(pac_id)s;

-- name: limit_queue
-- How many runs of a queue may be at work at once, on all machines together.
UPDATE queues SET running_at_most = %(running_at_most)s WHERE name = %(name)s;

-- name: queue_rows
-- The queues: how many runs wait, how many are at work, and how many workers look.
SELECT q.name, q.running_at_most,
       (SELECT count(*) FROM runs WHERE queue = q.name AND state = 'queued')::int AS queued,
       (SELECT count(*) FROM runs WHERE queue = q.name AND state = 'running')::int AS running,
       (SELECT count(*) FROM workers w, service_clock c WHERE w.queue = q.name AND w.seen_s > c.seconds - 30)::int AS workers
  FROM queues q ORDER BY q.name;

-- name: checkpoint_rows
-- A trial's checkpoints, newest first.
SELECT epoch, digest FROM checkpoints WHERE run_id = %(run_id)s AND trial = %(trial)s ORDER BY epoch DESC;

-- name: append_checkpoint
-- The fence with a state that a training can go on from, in the same statement.
WITH numbered AS (
    UPDATE runs SET last_seq = last_seq + 1
     WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND state = 'running'
    RETURNING last_seq
), kept AS (
    INSERT INTO checkpoints (run_id, trial, epoch, digest, bytes)
    SELECT %(run_id)s, %(trial)s, %(at_epoch)s, %(digest)s, %(bytes)s FROM numbered
    ON CONFLICT (run_id, trial, epoch) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes
)
INSERT INTO events (run_id, seq, name, measurements, metadata)
SELECT %(run_id)s, last_seq, %(name)s, %(measurements)s, %(metadata)s FROM numbered
RETURNING seq, at;

-- name: forget_checkpoints
-- Drops a trial's checkpoints but the newest few, and gives those whose files nobody needs any more.
DELETE FROM checkpoints
 WHERE run_id = %(run_id)s AND trial = %(trial)s
   AND epoch NOT IN (SELECT epoch FROM checkpoints WHERE run_id = %(run_id)s AND trial = %(trial)s
                      ORDER BY epoch DESC LIMIT %(kept)s)
RETURNING epoch, digest;

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

-- name: trial_counts
-- How many trials a run has, how many of them were trained to the end, and how many to a rung.
SELECT count(*)::int AS total, (count(*) FILTER (WHERE outcome = 'ok'))::int AS ok,
       (count(*) FILTER (WHERE outcome = 'pruned'))::int AS pruned
  FROM trials WHERE run_id = %(run_id)s;

-- name: spending
-- What a run's probes, trials and refit took together; a trial that still waits took what it took to its last rung.
SELECT coalesce(sum((spent ->> 'duration_s')::double precision), 0) AS duration_s,
       coalesce(sum((spent ->> 'cpu_s')::double precision), 0) AS cpu_s,
       coalesce(sum((spent ->> 'energy_j')::double precision), 0) AS energy_j,
       coalesce(sum((spent ->> 'cost_usd')::double precision), 0) AS cost_usd
  FROM (SELECT spent FROM trials WHERE run_id = %(run_id)s
        UNION ALL
        (SELECT DISTINCT ON (number) spent FROM rungs w
          WHERE run_id = %(run_id)s AND NOT EXISTS (SELECT FROM trials t WHERE t.run_id = w.run_id AND t.number = w.number)
          ORDER BY number, epochs DESC)
        UNION ALL
        SELECT result -> 'spent' FROM stages WHERE run_id = %(run_id)s AND name = 'shortlist'
        UNION ALL
        SELECT result -> 'metrics' FROM stages WHERE run_id = %(run_id)s AND name = 'score'
        UNION ALL
        SELECT result -> 'spent' FROM stages WHERE run_id = %(run_id)s AND name = 'score') AS work (spent);

-- name: stage_results
-- Results of the stages a run has finished.
SELECT name, result FROM stages WHERE run_id = %(run_id)s;

-- name: insert_stage
-- Remembers a finished stage.
INSERT INTO stages (run_id, name, result, duration_s)
VALUES (%(run_id)s, %(name)s, %(result)s, %(duration_s)s);

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

-- name: earlier_trials
-- The latest finished trials of ended runs on the same dataset, oldest first.
SELECT number, outcome, tree, tree_hash, metrics, reason, curve
  FROM (SELECT t.*
          FROM trials t JOIN runs r USING (run_id)
         WHERE r.dataset_digest = %(dataset_digest)s AND r.run_id <> %(run_id)s
           AND r.state = 'succeeded' AND t.outcome = 'ok'
         ORDER BY t.finished_at DESC LIMIT %(limit)s) latest
 ORDER BY finished_at;

-- name: insert_shortlist
-- The candidates the Parzen estimator hands to the search.
INSERT INTO shortlists (run_id, observations, probes, candidates)
VALUES (%(run_id)s, %(observations)s, %(probes)s, %(candidates)s);

-- name: shortlist_of
-- The persisted shortlist of a run.
SELECT run_id, observations, probes, candidates FROM shortlists WHERE run_id = %(run_id)s;

-- name: upsert_dataset
-- The newest report on a dataset.
INSERT INTO manifests (digest, name, manifest, report)
VALUES (%(digest)s, %(name)s, %(manifest)s, %(report)s)
ON CONFLICT (digest) DO UPDATE
   SET name = excluded.name, manifest = excluded.manifest, report = excluded.report, checked_at = clock_timestamp();

-- name: dataset_rows
-- Datasets that passed a check, newest first.
SELECT name, digest, report ->> 'task' AS task, (report ->> 'rows')::int AS rows,
       manifest ->> 'licence' AS licence, checked_at
  FROM manifests ORDER BY checked_at DESC LIMIT %(limit)s;

-- name: insert_artifact
-- An artifact of a run.
INSERT INTO artifacts (run_id, kind, digest, bytes) VALUES (%(run_id)s, %(kind)s, %(digest)s, %(bytes)s);

-- name: artifact_rows
-- Artifacts of a run, or those with a digest.
SELECT run_id, kind, digest, bytes, created_at FROM artifacts
 WHERE (%(run_id)s::text IS NULL OR run_id = %(run_id)s) AND (%(digest)s::text IS NULL OR digest = %(digest)s)
 ORDER BY created_at, kind;

-- name: insert_verdict
-- A signed verdict.
INSERT INTO verdicts (verdict_id, run_id, pac_id, decision, verdict, artifact_digest, issued_at, expires_at)
VALUES (%(verdict_id)s, %(run_id)s, %(pac_id)s, %(decision)s, %(verdict)s, %(artifact_digest)s,
        %(issued_at)s, %(expires_at)s);

-- name: verdict_by_id
-- A signed verdict.
SELECT verdict FROM verdicts WHERE verdict_id = %(verdict_id)s;

-- name: lock_pac
-- One writer of a PAC's versions at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('cerebros.pac.' || %(pac_id)s, 0));

-- name: insert_vcv
-- The PAC's next version; trust and reliability are measured here, from its verdicts and ended runs.
INSERT INTO vcv_entries (pac_id, version, task, capability, skills, accuracy, latency_s, cost_usd, energy_j,
                         trust, reliability, resources, policy_flags, dataset_digest, artifact_digest,
                         run_id, verdict_id, rolled_back_from)
SELECT %(pac_id)s,
       coalesce((SELECT max(version) FROM vcv_entries WHERE pac_id = %(pac_id)s), 0) + 1,
       %(task)s, %(capability)s::real[]::vector(384), %(skills)s, %(accuracy)s, %(latency_s)s, %(cost_usd)s, %(energy_j)s,
       (SELECT avg((decision = 'allow')::int) FROM verdicts WHERE pac_id = %(pac_id)s),
       -- The run that is being promoted has not ended yet, but it has got this far: it counts as a success.
       (SELECT (count(*) FILTER (WHERE state = 'succeeded') + 1)::double precision / (count(*) + 1)
          FROM runs WHERE pac_id = %(pac_id)s AND state IN ('succeeded', 'failed', 'timed_out') AND run_id <> %(run_id)s),
       %(resources)s, %(policy_flags)s, %(dataset_digest)s, %(artifact_digest)s, %(run_id)s, %(verdict_id)s,
       %(rolled_back_from)s
RETURNING version;

-- name: vcv_rows
-- Capability vectors: one version of one PAC, all of a PAC from the highest version down, or all PACs' newest first.
SELECT pac_id, version, task, capability::real[] AS capability, skills, accuracy, latency_s, cost_usd, energy_j,
       trust, reliability, resources, policy_flags, dataset_digest, artifact_digest, run_id, verdict_id,
       created_at, rolled_back_from
  FROM vcv_entries
 WHERE (%(pac_id)s::text IS NULL OR pac_id = %(pac_id)s)
   AND (%(version)s::int IS NULL OR version = %(version)s)
 ORDER BY CASE WHEN %(pac_id)s::text IS NULL THEN NULL ELSE version END DESC, created_at DESC LIMIT %(limit)s;

-- name: nearest_vcv
-- Current vectors of other PACs by cosine distance. The index yields rows in
-- order of distance (iterative scan, strict order), so filtering loses none.
SELECT v.pac_id, v.version, v.task, v.capability::real[] AS capability, v.skills, v.accuracy, v.latency_s,
       v.cost_usd, v.energy_j, v.trust, v.reliability, v.resources, v.policy_flags, v.dataset_digest,
       v.artifact_digest, v.run_id, v.verdict_id, v.created_at, v.rolled_back_from,
       v.capability <=> (SELECT capability FROM vcv_entries WHERE pac_id = %(pac_id)s
                          ORDER BY version DESC LIMIT 1) AS distance
  FROM vcv_entries v
 WHERE v.pac_id <> %(pac_id)s
   AND NOT EXISTS (SELECT FROM vcv_entries newer WHERE newer.pac_id = v.pac_id AND newer.version > v.version)
 ORDER BY distance, v.pac_id LIMIT %(limit)s;

-- name: worker_seen
-- A worker's sign of life.
INSERT INTO workers (worker_id, queue, seen_s) SELECT %(worker_id)s, %(queue)s, seconds FROM service_clock
ON CONFLICT (worker_id) DO UPDATE SET queue = excluded.queue, seen_s = excluded.seen_s;

-- name: worker_gone
-- A worker that leaves says so.
DELETE FROM workers WHERE worker_id = %(worker_id)s;

-- name: forget_workers
-- A worker that was killed could not say so.
DELETE FROM workers w USING service_clock c WHERE w.seen_s < c.seconds - %(unseen_s)s::double precision;

-- name: occupation
-- What the service is doing right now.
SELECT (SELECT count(*) FROM workers, service_clock c WHERE seen_s > c.seconds - 30)::int AS workers,
       (SELECT count(*) FROM runs WHERE state = 'queued')::int AS queued,
       (SELECT count(*) FROM runs WHERE state = 'running')::int AS running,
       (SELECT count(*) FROM runs, service_clock c WHERE state = 'running' AND lease_until_s < c.seconds)::int AS expired_leases,
       (SELECT coalesce(sum(refused_writes), 0) FROM runs)::int AS refused_writes;

-- name: run_figures
-- Per kind and state: how many runs, and the seconds they took.
SELECT kind, state, count(*)::int AS runs,
       coalesce(sum(extract(epoch FROM finished_at - started_at)), 0)::double precision AS duration_s
  FROM runs GROUP BY kind, state ORDER BY kind, state;

-- name: trial_figures
-- Per outcome: how many trials, and what they took.
SELECT outcome, count(*)::int AS trials,
       coalesce(sum((spent ->> 'duration_s')::double precision), 0) AS duration_s,
       coalesce(sum((spent ->> 'cpu_s')::double precision), 0) AS cpu_s,
       coalesce(sum((spent ->> 'energy_j')::double precision), 0) AS energy_j,
       coalesce(sum((spent ->> 'cost_usd')::double precision), 0) AS cost_usd
  FROM trials GROUP BY outcome ORDER BY outcome;

-- name: vcv_figures
-- How many capability vectors and PACs there are.
SELECT count(*)::int AS entries, count(DISTINCT pac_id)::int AS pacs FROM vcv_entries;

-- name: gate_figures
-- What the gate reads: the last ended run's telemetry, the last verdict, and the last day's failures.
SELECT (SELECT extract(epoch FROM clock_timestamp() - max(finished_at))::double precision FROM runs
         WHERE state = 'succeeded' AND (%(pac_id)s::text IS NULL OR pac_id = %(pac_id)s)) AS last_success_age_s,
       (SELECT count(*) FROM runs r
         WHERE state = 'succeeded' AND (%(pac_id)s::text IS NULL OR pac_id = %(pac_id)s)
           AND NOT EXISTS (SELECT FROM events e
                            WHERE e.run_id = r.run_id AND e.name = 'cerebros.run.stop'
                              AND jsonb_typeof(e.measurements -> 'duration_s') = 'number'
                              AND jsonb_typeof(e.measurements -> 'cost_usd') = 'number'
                              AND jsonb_typeof(e.measurements -> 'energy_j') = 'number'))::int AS runs_without_telemetry,
       (SELECT extract(epoch FROM clock_timestamp() - max(issued_at))::double precision FROM verdicts
         WHERE %(pac_id)s::text IS NULL OR pac_id = %(pac_id)s) AS verdict_age_s,
       (SELECT decision FROM verdicts WHERE %(pac_id)s::text IS NULL OR pac_id = %(pac_id)s
         ORDER BY issued_at DESC LIMIT 1) AS last_decision,
       (SELECT count(*) FROM runs WHERE state = 'queued')::int AS queued,
       (SELECT count(*) FROM runs, service_clock c WHERE state = 'running' AND lease_until_s < c.seconds)::int AS expired_leases,
       (SELECT avg((state IN ('failed', 'timed_out'))::int)::double precision FROM runs
         WHERE finished_at > clock_timestamp() - interval '1 day' AND state <> 'cancelled'
           AND (%(pac_id)s::text IS NULL OR pac_id = %(pac_id)s)) AS failed_share;

-- Studies

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
-- Trials whose lease ran out without a report, handed out again under a raised epoch.
WITH lapsed AS MATERIALIZED (
    SELECT number, c.seconds FROM study_trials, service_clock c
     WHERE study_key = %(study_key)s AND outcome IS NULL AND lease_until_s < c.seconds
     ORDER BY number LIMIT %(limit)s
)
UPDATE study_trials t SET epoch = epoch + 1, lease_until_s = lapsed.seconds + %(lease_s)s
  FROM lapsed
 WHERE study_key = %(study_key)s AND t.number = lapsed.number
RETURNING t.number, epoch, document -> 'tree' AS tree, document ->> 'tree_hash' AS tree_hash;

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
RETURNING number, epoch, document -> 'tree' AS tree, document ->> 'tree_hash' AS tree_hash;

-- name: tell_study_trial
-- How a trial ended.
UPDATE study_trials SET outcome = %(outcome)s, document = document || %(told)s, told_seq = %(seq)s
 WHERE study_key = %(study_key)s AND number = %(number)s;

-- name: advance_study
-- The number of the newest entry of a study's log.
UPDATE studies SET last_seq = %(seq)s WHERE study_key = %(study_key)s;

-- name: study_trials
-- Trials of a study by number.
SELECT number, outcome, epoch, document -> 'tree' AS tree, document ->> 'tree_hash' AS tree_hash,
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

-- Promotion and estimates of ended runs

-- name: payload_of
-- What a run was started with.
SELECT payload FROM runs WHERE run_id = %(run_id)s;

-- name: newest_verdict
-- The last verdict on a run.
SELECT verdict FROM verdicts WHERE run_id = %(run_id)s ORDER BY issued_at DESC LIMIT 1;

-- name: version_of_verdict
-- The version that a verdict promoted; rollbacks to it name the same verdict.
SELECT version FROM vcv_entries WHERE verdict_id = %(verdict_id)s AND rolled_back_from IS NULL;

-- name: version_of_rollback
-- A PAC's newest version, where it is the rollback to this version for this reason.
SELECT version FROM vcv_entries v
 WHERE pac_id = %(pac_id)s AND rolled_back_from = %(rolled_back_from)s AND policy_flags = %(policy_flags)s
   AND NOT EXISTS (SELECT FROM vcv_entries newer WHERE newer.pac_id = v.pac_id AND newer.version > v.version);

-- name: measured_runs
-- What the latest succeeded runs of a kind on a dataset took, with the epochs they were allowed.
SELECT extract(epoch FROM r.finished_at - r.started_at)::double precision AS duration_s,
       sum((spent ->> 'cpu_s')::double precision) AS cpu_s,
       sum((spent ->> 'energy_j')::double precision) AS energy_j,
       sum((spent ->> 'cost_usd')::double precision) AS cost_usd,
       (sum(CASE work.part WHEN 'pruned' THEN work.epochs WHEN 'probes' THEN 0
                           ELSE (r.payload #>> '{request,budget,epochs}')::int END)
        + (SELECT probes FROM shortlists l WHERE l.run_id = r.run_id))::int AS epochs_allowed
  FROM runs r
  JOIN (SELECT run_id, spent, outcome, cardinality(curve) FROM trials
        UNION ALL
        SELECT run_id, result -> 'spent', 'probes', 0 FROM stages WHERE name = 'shortlist'
        UNION ALL
        SELECT run_id, result -> 'metrics', 'refit', 0 FROM stages WHERE name = 'score') AS work (run_id, spent, part, epochs)
    USING (run_id)
 WHERE r.dataset_digest = %(dataset_digest)s AND r.kind = %(kind)s AND r.state = 'succeeded'
 GROUP BY r.run_id
 ORDER BY r.finished_at DESC LIMIT %(limit)s;

-- Runs: their queues, claims, fence, events and ends. A line `-- name:` begins a statement; the comment
-- below it says what it gives. Seconds (`…_s`) are of the service clock, not of a wall clock, wherever
-- something depends on them.

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
SELECT r.run_id, r.kind, r.pac_id, r.state, r.queue, r.priority, r.dataset, r.last_seq, r.attempt, r.metrics, r.error,
       r.created_at, r.started_at, r.finished_at, r.promoted_version,
       coalesce((SELECT array_agg(s.name ORDER BY s.done_at) FROM stages s WHERE s.run_id = r.run_id), '{}') AS stages_done,
       t.total AS trials_total, t.ok AS trials_ok, t.failed AS trials_failed, t.pruned AS trials_pruned
  FROM runs r,
       LATERAL (SELECT count(*)::int AS total, (count(*) FILTER (WHERE outcome = 'ok'))::int AS ok,
                     (count(*) FILTER (WHERE outcome NOT IN ('ok', 'pruned')))::int AS failed,
                     (count(*) FILTER (WHERE outcome = 'pruned'))::int AS pruned
                  FROM trials WHERE trials.run_id = r.run_id) t
 WHERE (%(run_id)s::text IS NULL OR r.run_id = %(run_id)s)
   AND (%(pac_id)s::text IS NULL OR r.pac_id = %(pac_id)s)
   AND (%(kind)s::text IS NULL OR r.kind = %(kind)s)
   AND (%(state)s::text IS NULL OR r.state = %(state)s)
 ORDER BY r.created_at DESC, r.run_id
 LIMIT %(limit)s;

-- name: claim_run
-- The first run that waits in a queue with room, of a PAC that is not being
-- trained, and of a kind the worker knows; raises its attempt. Two claims that race for the same PAC or slot are
-- told apart by the unique indexes: the loser's statement fails.
WITH next AS (
    SELECT r.run_id, q.running_at_most FROM runs r JOIN queues q ON q.name = r.queue
     WHERE r.state = 'queued' AND r.cancel_reason IS NULL AND r.kind = ANY (%(kinds)s)
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
   SET state = 'running', attempt = attempt + 1, worker_id = %(worker_id)s, lease_until_s = c.seconds + %(lease_s)s,
       started_s = coalesce(started_s, c.seconds), started_at = coalesce(started_at, clock_timestamp()),
       slot = (SELECT min(n) FROM generate_series(1, next.running_at_most) n
                WHERE NOT EXISTS (SELECT FROM runs busy
                                   WHERE busy.queue = r.queue AND busy.slot = n AND busy.state = 'running'))
  FROM next, service_clock c
 WHERE r.run_id = next.run_id
RETURNING r.run_id, kind, pac_id, payload, attempt, lost_workers, c.seconds - queued_s AS queue_s,
          c.seconds - started_s AS elapsed_s;

-- name: renew_lease
-- Keeps a claim and tells what the claim's holder has to obey; no row when the claim is lost.
UPDATE runs r SET lease_until_s = c.seconds + %(lease_s)s
  FROM service_clock c
 WHERE run_id = %(run_id)s AND attempt = %(attempt)s AND state = 'running'
RETURNING cancel_reason, coalesce(deadline_s < c.seconds, false) AS overdue,
          EXISTS (SELECT FROM training_locks l WHERE l.pac_id = r.pac_id AND l.state = 'locked') AS locked;

-- name: release_run
-- Gives a claimed run back to its queue.
UPDATE runs SET state = 'queued', worker_id = NULL, lease_until_s = NULL, slot = NULL, queued_s = c.seconds
  FROM service_clock c
 WHERE run_id = %(run_id)s AND attempt = %(attempt)s AND state = 'running'
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
-- The fence: stores an event under the claim's attempt; no row when the claim is lost.
SELECT seq, at FROM append_event(%(run_id)s, %(attempt)s, %(name)s, %(measurements)s, %(metadata)s);

-- name: append_end
-- The fence with the run's end; an unclaimed run is ended where it waits.
SELECT seq, at, queue
  FROM append_event(%(run_id)s, %(attempt)s, %(name)s, %(measurements)s, %(metadata)s,
                    %(state)s, %(metrics_of_run)s, %(error)s, %(unclaimed)s);

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

-- name: lock_orphaned
-- A run that shall end and that no worker holds, locked until the transaction ends. A lock of another is waited for:
-- who cancels a run that a sweep is just ending is answered with its end.
SELECT run_id, attempt, kind, pac_id, cancel_reason FROM runs, service_clock c
 WHERE state = 'queued' AND (cancel_reason IS NOT NULL OR deadline_s < c.seconds)
   AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s)
 ORDER BY queued_s LIMIT 1 FOR UPDATE OF runs;

-- name: stored_run
-- What a run was queued with.
SELECT kind, pac_id, payload FROM runs WHERE run_id = %(run_id)s;

-- name: stage_results
-- Results of the stages a run has finished.
SELECT name, result FROM stages WHERE run_id = %(run_id)s;

-- name: insert_stage
-- Remembers a finished stage and what it took.
INSERT INTO stages (run_id, name, result, wall_s, duration_s, cpu_s, energy_j, cost_usd)
VALUES (%(run_id)s, %(name)s, %(result)s, %(wall_s)s, %(duration_s)s, %(cpu_s)s, %(energy_j)s, %(cost_usd)s);

-- name: trial_counts
-- How many trials a run has, how many of them were trained to the end, and how many to a rung.
SELECT count(*)::int AS total, (count(*) FILTER (WHERE outcome = 'ok'))::int AS ok,
       (count(*) FILTER (WHERE outcome = 'pruned'))::int AS pruned
  FROM trials WHERE run_id = %(run_id)s;

-- name: spending
-- What a run's stages and trials took together; a trial that still waits took what it took to its last rung.
-- Summed in an order of their own: the same rows have the same sum to the last bit, wherever they lie. A verdict is
-- signed over it.
SELECT coalesce(sum(duration_s ORDER BY duration_s), 0) AS duration_s, coalesce(sum(cpu_s ORDER BY cpu_s), 0) AS cpu_s,
       coalesce(sum(energy_j ORDER BY energy_j), 0) AS energy_j, coalesce(sum(cost_usd ORDER BY cost_usd), 0) AS cost_usd
  FROM (SELECT duration_s, cpu_s, energy_j, cost_usd FROM stages WHERE run_id = %(run_id)s
        UNION ALL
        SELECT duration_s, cpu_s, energy_j, cost_usd FROM trials WHERE run_id = %(run_id)s
        UNION ALL
        (SELECT DISTINCT ON (number) duration_s, cpu_s, energy_j, cost_usd FROM rungs w
          WHERE run_id = %(run_id)s AND NOT EXISTS (SELECT FROM trials t WHERE t.run_id = w.run_id AND t.number = w.number)
          ORDER BY number, resource DESC)) AS work;

-- name: note_promotion
-- Remembers the version of its PAC's capability that a run's model became.
UPDATE runs SET promoted_version = %(version)s WHERE run_id = %(run_id)s;

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

-- name: training_lock
-- Whether a PAC may be trained, and the run that is training it now; open when nobody ever closed it.
SELECT %(pac_id)s AS pac_id, coalesce(l.state, 'open') AS state, coalesce(l.holder, '') AS holder,
       coalesce(l.reason, '') AS reason, coalesce(l.revision, 0) AS revision, l.since,
       (SELECT run_id FROM runs WHERE pac_id = %(pac_id)s AND state = 'running') AS run_id
  FROM (SELECT) AS one LEFT JOIN training_locks l ON l.pac_id = %(pac_id)s;

-- name: set_training_lock
-- Opens or closes a PAC for training; no row when its lock has another revision than the caller expects.
INSERT INTO training_locks AS l (pac_id, state, holder, reason)
SELECT %(pac_id)s, %(state)s, %(holder)s, %(reason)s
 WHERE coalesce(%(expected_revision)s::int, 0) = 0 OR EXISTS (SELECT FROM training_locks WHERE pac_id = %(pac_id)s)
ON CONFLICT (pac_id) DO UPDATE
   SET state = excluded.state, holder = excluded.holder, reason = excluded.reason, revision = l.revision + 1, since = clock_timestamp()
 WHERE %(expected_revision)s::int IS NULL OR l.revision = %(expected_revision)s
RETURNING pac_id, state, holder, reason, revision, since;

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

-- name: insert_artifact
-- An artifact of a run.
INSERT INTO artifacts (run_id, kind, digest, bytes) VALUES (%(run_id)s, %(kind)s, %(digest)s, %(bytes)s);

-- name: artifact_rows
-- Artifacts of a run, or those with a digest.
SELECT run_id, kind, digest, bytes, created_at FROM artifacts
 WHERE (%(run_id)s::text IS NULL OR run_id = %(run_id)s) AND (%(digest)s::text IS NULL OR digest = %(digest)s)
 ORDER BY created_at, kind;

-- Figures for operators: occupation, Prometheus, the release gate.

-- name: occupation
-- What the service is doing right now.
SELECT (SELECT count(*) FROM workers, service_clock c WHERE seen_s > c.seconds - 30)::int AS workers,
       (SELECT count(*) FROM runs WHERE state = 'queued')::int AS queued,
       (SELECT count(*) FROM runs WHERE state = 'running')::int AS running,
       (SELECT count(*) FROM runs, service_clock c WHERE state = 'running' AND lease_until_s < c.seconds)::int AS expired_leases,
       (SELECT coalesce(sum(refused_writes), 0) FROM runs)::int AS refused_writes;

-- name: seen_lately
-- A worker's sign of life within the time in which it counts.
SELECT EXISTS (SELECT FROM workers, service_clock c
                WHERE worker_id = %(worker_id)s AND seen_s > c.seconds - 30) AS seen;

-- name: run_figures
-- Per kind and state: how many runs, and the seconds they took.
SELECT kind, state, count(*)::int AS runs,
       coalesce(sum(extract(epoch FROM finished_at - started_at)), 0)::double precision AS duration_s
  FROM runs GROUP BY kind, state ORDER BY kind, state;

-- name: trial_figures
-- Per outcome: how many trials, and what they took.
SELECT outcome, count(*)::int AS trials,
       coalesce(sum(duration_s), 0) AS duration_s, coalesce(sum(cpu_s), 0) AS cpu_s,
       coalesce(sum(energy_j), 0) AS energy_j, coalesce(sum(cost_usd), 0) AS cost_usd
  FROM trials GROUP BY outcome ORDER BY outcome;

-- name: vcv_figures
-- How many capability vectors and PACs there are.
SELECT count(*)::int AS entries, count(DISTINCT pac_id)::int AS pacs FROM vcv_entries;

-- name: known_pac
-- A row where a PAC has a run or a capability vector.
SELECT 1 AS known WHERE EXISTS (SELECT FROM runs WHERE pac_id = %(pac_id)s)
                       OR EXISTS (SELECT FROM vcv_entries WHERE pac_id = %(pac_id)s);

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

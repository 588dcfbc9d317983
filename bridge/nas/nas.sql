-- Architecture search: shortlists, and what earlier searches took.

-- name: insert_shortlist
-- The candidates the Parzen estimator hands to the search.
INSERT INTO shortlists (run_id, observations, probes, candidates)
VALUES (%(run_id)s, %(observations)s, %(probes)s, %(candidates)s);

-- name: shortlist_of
-- The persisted shortlist of a run.
SELECT run_id, observations, probes, candidates FROM shortlists WHERE run_id = %(run_id)s;

-- name: measured_runs
-- What the latest succeeded runs of a kind on a dataset took, with the epochs they were allowed.
SELECT extract(epoch FROM r.finished_at - r.started_at)::double precision AS duration_s,
       sum(work.cpu_s) AS cpu_s, sum(work.energy_j) AS energy_j, sum(work.cost_usd) AS cost_usd,
       (sum(CASE work.part WHEN 'pruned' THEN work.epochs WHEN 'shortlist' THEN 0 WHEN 'other' THEN 0
                           ELSE (r.payload #>> '{spec,budget,epochs}')::int END)
        + (SELECT probes FROM shortlists l WHERE l.run_id = r.run_id))::int AS epochs_allowed
  FROM runs r
  JOIN (SELECT run_id, outcome, cardinality(curve), cpu_s, energy_j, cost_usd FROM trials
        UNION ALL
        SELECT run_id, CASE WHEN name IN ('shortlist', 'score') THEN name ELSE 'other' END, 0, cpu_s, energy_j, cost_usd
          FROM stages) AS work (run_id, part, epochs, cpu_s, energy_j, cost_usd)
    USING (run_id)
 WHERE r.dataset_digest = %(dataset_digest)s AND r.kind = %(kind)s AND r.state = 'succeeded'
 GROUP BY r.run_id
 ORDER BY r.finished_at DESC LIMIT %(limit)s;

-- Datasets that passed a check.

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

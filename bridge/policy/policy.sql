-- Signed verdicts.

-- name: insert_verdict
-- A signed verdict.
INSERT INTO verdicts (verdict_id, run_id, pac_id, decision, verdict, artifact_digest, issued_at, expires_at)
VALUES (%(verdict_id)s, %(run_id)s, %(pac_id)s, %(decision)s, %(verdict)s, %(artifact_digest)s,
        %(issued_at)s, %(expires_at)s);

-- name: verdict_by_id
-- A signed verdict, and the columns that repeat a part of it.
SELECT verdict, verdict_id, run_id, pac_id, decision, artifact_digest, issued_at, expires_at
  FROM verdicts WHERE verdict_id = %(verdict_id)s;

-- name: newest_verdict
-- The last verdict on a run, with the same columns. The later of its two times counts, so that no edit of one
-- of them puts an older verdict in its place.
SELECT verdict, verdict_id, run_id, pac_id, decision, artifact_digest, issued_at, expires_at
  FROM verdicts WHERE run_id = %(run_id)s
 ORDER BY greatest(issued_at, CASE WHEN pg_input_is_valid(verdict ->> 'issued_at', 'timestamptz')
                                   THEN (verdict ->> 'issued_at')::timestamptz END) DESC LIMIT 1;

-- Signed verdicts.

-- name: insert_verdict
-- A signed verdict.
INSERT INTO verdicts (verdict_id, run_id, pac_id, decision, verdict, artifact_digest, issued_at, expires_at)
VALUES (%(verdict_id)s, %(run_id)s, %(pac_id)s, %(decision)s, %(verdict)s, %(artifact_digest)s,
        %(issued_at)s, %(expires_at)s);

-- name: verdict_by_id
-- A signed verdict.
SELECT verdict FROM verdicts WHERE verdict_id = %(verdict_id)s;

-- name: newest_verdict
-- The last verdict on a run.
SELECT verdict FROM verdicts WHERE run_id = %(run_id)s ORDER BY issued_at DESC LIMIT 1;

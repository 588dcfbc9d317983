-- What must be known of a database before it is used.

-- name: server
-- What the server is, and what the user may do on it; for the extension, what is installed and what could be.
SELECT current_setting('server_version_num')::int AS version,
       pg_encoding_to_char(d.encoding) AS encoding,
       pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only') = 'on' AS read_only,
       d.datname AS name,
       current_user::text AS user,
       has_database_privilege(d.oid, 'CREATE') AS may_create,
       to_regnamespace('cerebros') IS NOT NULL AS has_schema,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
       (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'vector') AS vector_schema,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS vector_offered
  FROM pg_database d WHERE d.datname = current_database();

-- name: has_revisions
-- Whether the schema notes its revision.
SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'cerebros' AND c.relname = 'schema_version') AS found;

-- name: revision
-- The schema's revision.
SELECT version_num AS revision FROM cerebros.schema_version;

-- name: refused_tables
-- Tables of the schema that the user may not read and write.
SELECT coalesce(string_agg(c.relname, ', ' ORDER BY c.relname), '') AS names
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'cerebros' AND c.relkind = 'r' AND c.relname <> 'schema_version'
   AND NOT (has_schema_privilege(n.oid, 'USAGE')
            AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'));

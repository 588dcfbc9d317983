"""Alembic's entry: run migrations on the connection `bridge.store.migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema="cerebros",
)
with context.begin_transaction():
    context.run_migrations()

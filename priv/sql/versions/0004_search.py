"""What a search stores: rungs at which trials wait, and its goals."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

SQL = Path(__file__).parent.parent / "0004_search.sql"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SQL.read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute("ALTER TABLE cerebros.trials DROP CONSTRAINT trials_metrics_check")
    op.execute("DELETE FROM cerebros.trials WHERE outcome = 'pruned'")
    op.execute(
        "ALTER TABLE cerebros.trials ADD CONSTRAINT trials_check CHECK ((outcome = 'ok') = (metrics IS NOT NULL))"
    )
    op.execute("DROP TABLE cerebros.rungs")

"""Verdicts say which run and description they are on; versions of capability vectors are signed."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

SQL = Path(__file__).parent.parent / "0007_seals.sql"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SQL.read_text(encoding="utf-8"))


def downgrade() -> None:
    raise RuntimeError("a signature that was taken off cannot be put back; restore a backup from before 0007")

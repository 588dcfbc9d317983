"""Kinds, stages and costs as columns, the fence as a function."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

SQL = Path(__file__).parent.parent / "0006_seams.sql"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SQL.read_text(encoding="utf-8"))


def downgrade() -> None:
    raise RuntimeError("a payload cannot be put back into its older form; restore a backup from before 0006")

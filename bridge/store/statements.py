"""A room's SQL: written in the room's own `.sql` file and nowhere in Python."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast

from psycopg.rows import DictRow

from bridge.store.database import Connection, Database


class Statements:
    """The named statements of one `.sql` file, run on one database."""

    def __init__(self, database: Database, file: Path) -> None:
        self._database = database
        self._statements = read_statements(file)

    async def rows(self, statement: str, **parameters: Any) -> list[DictRow]:
        """Run one statement by itself and return its rows."""
        return await self._database.rows(self._statements[statement], parameters)

    async def row(self, statement: str, **parameters: Any) -> DictRow | None:
        """Like `rows`, for a statement that gives one row at most."""
        rows = await self.rows(statement, **parameters)
        return rows[0] if rows else None

    async def rows_on(self, connection: Connection | None, statement: str, **parameters: Any) -> list[DictRow]:
        """Run one statement within a transaction of the caller's, by itself where there is none."""
        if connection is None:
            return await self.rows(statement, **parameters)
        return await self._database.rows_on(connection, self._statements[statement], parameters)


@cache
def read_statements(file: Path) -> dict[str, LiteralString]:
    """Return each statement of an `.sql` file under its name, without its comments."""
    parts = re.split(r"^-- name: (\w+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    statements = {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    # The file is part of this package, as constant as a literal.
    return cast("dict[str, LiteralString]", statements)


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--")).strip().rstrip(";")

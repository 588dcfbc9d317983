"""Reads `queries.sql`: SQL is written there and nowhere in Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import LiteralString, cast


def read_statements() -> dict[str, LiteralString]:
    """Each statement of queries.sql under its name, without its comments."""
    text = (Path(__file__).parent / "queries.sql").read_text()
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    statements = {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    # The file is part of this package, as constant as a literal.
    return cast("dict[str, LiteralString]", statements)


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--")).strip().rstrip(";")

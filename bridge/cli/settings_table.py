"""The README's table of settings, built from the structs that declare them.

`python -m bridge.cli.settings_table README.md` brings the file's table up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bridge.contract.telling import fields_of
from bridge.process.settings import variable_of
from bridge.service import SETTINGS

# The lines between the heading of the section and the table stay as they are.
_TABLE = re.compile(r"(^## Settings\n(?:(?!\||## ).*\n)*)(?:\|.*\n)+", re.MULTILINE)


def settings_table(rooms: Iterable[type[msgspec.Struct]] = SETTINGS) -> str:
    """Return a row a setting: its variable, its meaning and its default."""
    rows = [
        f"| `{variable_of(field.name, field.extra)}` | {field.description} | {field.default_in_words} |"
        for room in rooms
        for field in fields_of(room)
    ]
    return "\n".join(("| variable | meaning | default |", "|---|---|---|", *rows))


def with_table(page: str) -> str:
    """Return the page with the table of its section `Settings` replaced."""
    return _TABLE.sub(lambda found: f"{found[1]}{settings_table()}\n", page)


def main() -> None:
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

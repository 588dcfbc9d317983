"""Names and cells of a dataset as messages show them: on one line, escaped where they would mislead, and bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from cerebros.errors import ManifestRejected

# Characters of a name or a cell, names of a list, and problems of an answer; more of each are counted only.
SHOWN_CHARACTERS = 60
SHOWN_NAMES = 8
SHOWN_PROBLEMS = 12
SHOWN_LIST = 600

# Problems are looked for and counted up to here: a hostile manifest of 64 kB has 30,000.
COUNTED_PROBLEMS = 100

# Names among which near ones are looked for; comparing costs microseconds each.
COMPARED_NAMES = 2_000


def quoted(text: str) -> str:
    """Quote a name or a cell: line breaks and invisible characters are escaped, long ones are cut."""
    return repr(_cut(text))


def listed(names: Iterable[str]) -> str:
    """List names; those that could be misread are quoted."""
    every = tuple(names)
    if not every:
        return "none"
    shown = ", ".join(_cut(name) if _is_plain(name) else quoted(name) for name in every[:SHOWN_NAMES])
    return shown if len(every) <= SHOWN_NAMES else f"{shown} and {len(every) - SHOWN_NAMES:,} more"


def toml_list(names: Iterable[str]) -> str:
    """Write names as a TOML array of strings, for the owner to copy; cut where it is very long."""
    shown = ", ".join(json.dumps(name, ensure_ascii=not name.isprintable()) for name in names)
    return f"[{shown}]" if len(shown) <= SHOWN_LIST else f"[{shown[:SHOWN_LIST]}…"


def near(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names that may be meant by one that does not exist, the likeliest first."""
    some = tuple(islice((other for other in names if len(other) <= SHOWN_CHARACTERS), COMPARED_NAMES))
    alike = tuple(other for other in some if other.strip().casefold() == name.strip().casefold())
    return alike or tuple(get_close_matches(name[:SHOWN_CHARACTERS], some))


def reject(origin: str, problems: Iterable[str]) -> None:
    """Refuse a dataset for all its problems, in their order; return where there are none, or empty ones only.

    Raises:
        ManifestRejected: there is a problem.
    """
    every = tuple(dict.fromkeys(islice(filter(None, problems), COUNTED_PROBLEMS)))
    if len(every) == 1:
        raise ManifestRejected(f"{origin}: {every[0]}")
    if every:
        told = "; ".join(f"({number}) {problem}" for number, problem in enumerate(every[:SHOWN_PROBLEMS], start=1))
        many = len(every) == COUNTED_PROBLEMS
        more = f"; and {len(every) - SHOWN_PROBLEMS} {'or ' * many}more" if len(every) > SHOWN_PROBLEMS else ""
        raise ManifestRejected(f"{origin}: {len(every)} {'or more ' * many}problems: {told}{more}")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _is_plain(name: str) -> bool:
    return name.isprintable() and name == name.strip() != "" and not set(name) & set(",'\"`\\")

"""The contract as a table of the Elixir client: `python -m bridge.cli.elixir_tables` writes it.

Procedures, message types, closed vocabularies and events, as `mix format` would write them. The client
builds its structs, its documentation and the names that it makes atoms of from this table.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from bridge.cli.proto_comments import every_procedure
from bridge.contract.procedure import AnyProcedure
from bridge.contract.telling import (
    Told,
    class_of,
    fields_of,
    is_document,
    is_struct,
    meaning,
    members,
    reachable,
    tag_of,
    vocabulary_of,
)
from bridge.contract.words import VOCABULARIES
from telemetry.events import VOCABULARY, Event

TABLE = Path("priv/elixir/lib/cerebros_bridge/generated.ex")

# Characters of a line, as `mix format` counts them.
WIDTH = 98

HEAD = '''defmodule CerebrosBridge.Generated do
  @moduledoc """
  The contract of the bridge as a table. Written by `make proto`; do not change it by hand.

  A type is one of `:string`, `:integer`, `:float`, `:boolean`, `:time`, `:any`, a document `:map`,
  `{:list, type}`, `{:map, type}` with texts as keys, `{:struct, name}`, `{:word, vocabulary}`, and
  `{:union, field, %{tag => struct}}`, whose `field` has the tag. An `optional` field may be left out;
  a `nullable` one may be nil.
  """
'''

# What each table is, as the documentation of its function.
TABLES = {
    "procedures": "Each procedure: whether it streams, its request and its reply, by name, and its meaning.",
    "types": "Each type of a message: its meaning and its fields, in their order.",
    "vocabularies": "Each closed set of words.",
    "events": "Each event: its meaning, the type of each measurement, and the keys of its metadata.",
}

SCALARS: dict[Any, str] = {
    str: "string", int: "integer", float: "float", bool: "boolean", datetime: "time", date: "string", Any: "any"
}  # fmt: skip


class Atom(str):
    """A text that is an atom in Elixir."""


def module() -> str:
    """Return the Elixir module."""
    table = every_procedure()
    content: dict[str, dict[str, Any]] = {
        "procedures": {procedure.name: _procedure(procedure) for procedure in table},
        "types": {
            class_of(struct).__name__: _type(struct)
            for struct in reachable(*(part for one in table for part in (one.request, one.reply)))
        },
        "vocabularies": {name: list(told.words) for name, told in VOCABULARIES.items()},
        "events": {event.name: _event(event) for event in VOCABULARY},
    }
    parts = [HEAD]
    for name, value in content.items():
        parts.append(f"  @{name} {_written(dict(sorted(value.items())), 2)}\n")
    for name, about in TABLES.items():
        parts.append(f'  @doc "{about}"\n  @spec {name}() :: map()\n  def {name}, do: @{name}\n')
    return "\n".join(parts) + "end\n"


def _procedure(procedure: AnyProcedure) -> dict[Atom, Any]:
    return {
        Atom("streams"): procedure.streams,
        Atom("request"): class_of(procedure.request).__name__,
        Atom("reply"): class_of(procedure.reply).__name__,
        Atom("doc"): meaning(procedure.request),
    }


def _type(struct: Any) -> dict[Atom, Any]:
    return {
        Atom("doc"): meaning(struct),
        Atom("fields"): _Keywords((field.name, _field(field)) for field in fields_of(struct)),
    }


def _field(field: Told) -> dict[Atom, Any]:
    facts: dict[Atom, Any] = {Atom("type"): _elixir_type(field.type)}
    if not field.required:
        facts[Atom("optional")] = True
    if field.nullable:
        facts[Atom("nullable")] = True
    if isinstance(field.default, int | float | str) and field.default != "":
        facts[Atom("default")] = field.default
    return facts | {Atom("doc"): field.sentence}


def _elixir_type(annotation: Any) -> Any:
    arguments = get_args(annotation)
    if name := vocabulary_of(annotation):
        return (Atom("word"), name)
    if get_origin(annotation) is Literal:
        return Atom("string")
    if get_origin(annotation) is tuple:
        return (Atom("list"), _elixir_type(arguments[0]))
    if get_origin(annotation) is dict:
        return (Atom("map"), _elixir_type(arguments[1]))
    if is_document(annotation):
        return Atom("map")
    if is_struct(annotation):
        return (Atom("struct"), class_of(annotation).__name__)
    if len(parts := members(annotation)) > 1:
        return _union(parts)
    return Atom(SCALARS[annotation])


def _union(parts: Sequence[Any]) -> Any:
    tags = [tag_of(part) for part in parts if is_struct(part)]
    if len(parts) > len(tags) or None in tags:
        # Numbers and nulls, or texts and truth values among them, as an event's metadata has.
        return Atom("float") if set(parts) <= {int, float, type(None)} else Atom("any")
    structs = {tag[1]: class_of(part).__name__ for tag, part in zip(tags, parts, strict=True) if tag}
    return (Atom("union"), Atom(next(tag[0] for tag in tags if tag)), structs)


def _event(event: type[Event]) -> dict[Atom, Any]:
    kinds = {field.name: str(field.type) for field in dataclasses.fields(event)}
    return {
        Atom("doc"): meaning(event),
        Atom("measurements"): _Keywords(
            (name, Atom("integer" if kinds[name].startswith("int") else "float")) for name in event.measured
        ),
        Atom("metadata"): [Atom(name) for name in kinds if name not in event.measured],
    }


class _Keywords(list[tuple[str, Any]]):
    """A map whose order counts: an Elixir keyword list."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__(pairs)


def _written(value: Any, indent: int) -> str:
    """A term as `mix format` leaves it: maps and keywords with a line for each key, all else on one line."""
    match value:
        case _Keywords():
            return _lines("[", [(f"{key}:", item) for key, item in value], "]", indent)
        case dict():
            keys = [f"{key}:" if isinstance(key, Atom) else f"{_text(key)} =>" for key in value]
            return _lines("%{", list(zip(keys, value.values(), strict=True)), "}", indent)
        case list():
            return f"[{', '.join(_written(item, indent) for item in value)}]"
        case tuple():
            return f"{{{', '.join(_inline(item) for item in value)}}}"
        case Atom():
            return f":{value}"
        case bool():
            return str(value).lower()
        case int() if abs(value) >= 100_000:
            return f"{value:_}"
        case str():
            return _text(value)
    return repr(value)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return f"%{{{', '.join(f'{_text(key)} => {_inline(item)}' for key, item in value.items())}}}"
    return _written(value, 0)


def _lines(opening: str, pairs: Sequence[tuple[str, Any]], closing: str, indent: int) -> str:
    if not pairs:
        return opening + closing
    rows = []
    for number, (key, value) in enumerate(pairs, 1):
        comma = "," if number < len(pairs) else ""
        row = f"{' ' * (indent + 2)}{key} {_written(value, indent + 2)}{comma}"
        # A text that is too long for the line of its key begins on the next one; it is never broken itself.
        if isinstance(value, str) and not isinstance(value, Atom) and len(row) > WIDTH:
            row = f"{' ' * (indent + 2)}{key}\n{' ' * (indent + 4)}{_written(value, indent + 4)}{comma}"
        rows.append(row)
    return "\n".join([opening, *rows, " " * indent + closing])


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("#{", "\\#{").replace("\n", "\\n")
    return f'"{escaped}"'


def main() -> None:
    """Write the module; with an argument, to that file."""
    (Path(sys.argv[1]) if sys.argv[1:] else TABLE).write_text(module(), encoding="utf-8")


if __name__ == "__main__":
    main()

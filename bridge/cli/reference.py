"""The reference manual, built from what the code declares: `python -m bridge.cli.reference docs/reference.md`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from bridge.cli.proto_comments import every_procedure
from bridge.contract.procedure import AnyProcedure
from bridge.contract.telling import (
    Told,
    class_of,
    fields_of,
    is_struct,
    meaning,
    members,
    reachable,
    summary,
)
from bridge.contract.words import VOCABULARIES
from bridge.process.settings import variable_of
from bridge.runs.kinds import Kind
from bridge.service import KINDS, SETTINGS
from cerebros.errors import CerebrosError, family
from cerebros.gate import Finding, GateFigures
from cerebros.space.rose_tree import Space, Tree
from telemetry import prometheus
from telemetry.events import VOCABULARY, Event
from telemetry.figures import Figures, Occupation, RunFigure, TrialFigure, VcvFigure

NAMES = {
    str: "text", int: "integer", float: "number", bool: "boolean", datetime: "time", date: "day", type(None): "null",
    Any: "anything", Tree: "rose tree", Space: "space",
}  # fmt: skip

# Those that have a plural.
COUNTED = (int, float, bool, datetime, date, Tree, Space)

HEAD = """# Reference

Built from the code by `make docs`; a change of the code changes this page, and nothing else does.
"""


def reference() -> str:
    """Return the manual as Markdown."""
    table = every_procedure()
    asked = [procedure.request for procedure in table] + [kind.spec for kind in KINDS]
    types = [struct for struct in reachable(*asked, *(one.reply for one in table)) if struct not in asked]
    parts = (
        _procedures(table),
        _kinds(KINDS),
        _types(types),
        _vocabularies(),
        _events(VOCABULARY),
        _errors(),
        _settings(SETTINGS),
        _metrics(),
    )
    return "\n".join([HEAD, *(line for part in parts for line in part)])


def _procedures(table: Iterable[AnyProcedure]) -> list[str]:
    """The procedures, by the room that declares them."""
    lines = ["## Procedures", "", "Served alike over gRPC, the Erlang port, GraphQL and the command line.", ""]
    for room, procedures in groupby(table, key=lambda procedure: procedure.run.__module__.split(".")[1]):
        lines += [f"### In the room {room}", ""]
        for procedure in procedures:
            answers = f"{'Streams' if procedure.streams else 'Answers'} {_in_words(procedure.reply)}"
            lines += [f"#### `{procedure.name}`", "", meaning(procedure.request), ""]
            whom = " Operators only." if procedure.operator else ""
            lines += [f"{answers}. Action: `{procedure.action}`.{whom}", "", *_fields(procedure.request)]
    return lines


def _kinds(kinds: Iterable[Kind[Any, Any]]) -> list[str]:
    lines = ["## Kinds of runs", "", "The `spec` of a run has its kind's name in the field `kind`, beside these.", ""]
    first: dict[str, tuple[Told, ...]] = {}
    for kind in kinds:
        stages = ", ".join(f"`{stage.name}`" for stage in kind.stages)
        alike = next((name for name, fields in first.items() if fields == fields_of(kind.spec)), None)
        lines += [f"### `{kind.name}`", "", meaning(kind.spec), "", f"Stages: {stages}.", ""]
        lines += [f"Fields: those of [`{alike}`](#{alike}).", ""] if alike else _fields(kind.spec)
        first.setdefault(kind.name, fields_of(kind.spec))
    return lines


def _types(structs: Iterable[Any]) -> list[str]:
    lines = ["## Types", ""]
    for struct in sorted(structs, key=lambda struct: class_of(struct).__name__):
        lines += [f"### Type `{class_of(struct).__name__}`", "", meaning(struct), "", *_fields(struct)]
    return lines


def _vocabularies() -> list[str]:
    rows = [
        (name, ", ".join(f"`{word}`" for word in told.words), told.description) for name, told in VOCABULARIES.items()
    ]
    return ["## Vocabularies", "", *_table(("Name", "Words", "Meaning"), rows)]


def _events(events: Sequence[type[Event]]) -> list[str]:
    lines = ["## Events", "", "Measurements are numbers; a figure that does not exist is null.", ""]
    for area, ones in groupby(events, key=lambda event: event.__module__.rpartition(".")[2]):
        rows = [_event(event) for event in ones]
        lines += [f"### Events of {area}", "", *_table(("Event", "Meaning", "Measurements", "Metadata"), rows)]
    return lines


def _event(event: type[Event]) -> tuple[str, str, str, str]:
    names = [field.name for field in dataclasses.fields(event)]
    measured, others = (
        ", ".join(f"`{name}`" for name in names if (name in event.measured) is wanted) for wanted in (True, False)
    )
    return f"`{event.name}`", meaning(event).replace("\n\n", " "), measured, others


def _errors() -> list[str]:
    rows = [
        (
            f"`{error.__name__}`",
            f"`{error.code.value}`",
            f"`{error('').error_class.value}`",
            "yes" if error("").retryable else "",
            summary(error),
        )
        for error in family()
        # A room's own error is one of these to whoever calls.
        if error.__module__ == CerebrosError.__module__
    ]
    return ["## Errors", "", *_table(("Error", "Code", "Class", "Worth a retry", "Meaning"), rows)]


def _settings(structs: Iterable[type[msgspec.Struct]]) -> list[str]:
    rows = [
        (
            f"`{variable_of(field.name, field.extra)}`",
            field.rule,
            field.default_in_words,
            field.description,
        )
        for struct in structs
        for field in fields_of(struct)
    ]
    return ["## Settings", "", *_table(("Variable", "Values", "Default", "Meaning"), rows)]


def _metrics() -> list[str]:
    """The families of a page on which every figure exists."""
    page = prometheus.render(
        Figures(
            occupation=Occupation(0, 0, 0, 0, 0),
            runs=(RunFigure("", "", 0, 0.0),),
            trials=(TrialFigure("", 0, 0.0, 0.0, 0.0, 0.0),),
            vcv=VcvFigure(0, 0),
            gate=GateFigures(0.0, 0, 0.0, "allow", 0, 0, 0.0),
        ),
        (Finding("", "healthy", None, None, ""),),
    )
    rows = [
        (
            f"`{metric.samples[0].name}`",
            metric.type,
            ", ".join(f"`{label}`" for label in metric.samples[0].labels),
            metric.documentation,
        )
        for metric in text_string_to_metric_families(page)
    ]
    return ["## Prometheus metrics", "", *_table(("Metric", "Type", "Labels", "Meaning"), rows)]


def _fields(struct: Any) -> list[str]:
    rows = [
        (f"`{field.name}`", _type(field), field.rule, field.default_in_words, field.description)
        for field in fields_of(struct)
    ]
    return _table(("Field", "Type", "Values", "Default", "Meaning"), rows) if rows else ["No fields.", ""]


def _type(field: Told) -> str:
    return f"{_in_words(field.type)}, may be absent" if field.nullable else _in_words(field.type)


def _in_words(annotation: Any) -> str:
    """A type as a reader of any transport knows it."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return NAMES[str]
    if get_origin(annotation) is tuple:
        return f"list of {_several(arguments[0])}"
    if get_origin(annotation) is dict:
        return f"map of {_several(arguments[1])}"
    if len(members(annotation)) > 1:
        return " or ".join(map(_in_words, members(annotation)))
    if is_struct(annotation):
        name = class_of(annotation).__name__
        kind = next((kind.name for kind in KINDS if kind.spec is annotation), None)
        return f"[`{kind}`](#{kind})" if kind else f"[{name}](#type-{name.lower()})"
    return NAMES[annotation]


def _several(annotation: Any) -> str:
    return f"{NAMES[annotation]}s" if annotation in COUNTED else _in_words(annotation)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table without the columns that are empty in every row."""
    kept = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    lines = [[heads[column] for column in kept], ["---"] * len(kept)]
    lines += [[row[column].replace("|", "\\|") for column in kept] for row in rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def main() -> None:
    """Write the manual to the file that is named."""
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Texts of the command line that stand for more than a text or a number."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from bridge.contract.nas import Shortlist
from cerebros.errors import InvalidArgument
from cerebros.space.rose_tree import Tree


def json_object(text: str) -> dict[str, Any]:
    """Return the JSON object that a text of the command line is.

    Raises:
        InvalidArgument: it is none, or nested too deeply.
    """
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Any])
    # ValueError: text that is no UTF-8, or a number of more digits than Python reads.
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise InvalidArgument(
            f'the request is not a JSON object: {problem}; an example: \'{{"run_id": "a"}}\''
        ) from None


class CommaSeparated(click.ParamType[tuple[Any, ...]]):
    """Values with commas between."""

    name = "a,b,…"

    def __init__(self, item: type[Any]) -> None:
        self._item = item

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        try:
            return tuple(map(self._item, value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of {self._item.__name__} with commas between", param, ctx)


class NamedNumber(click.ParamType[tuple[str, float]]):
    """A number with its name, one entry of a map."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, _ctx: click.Context | None) -> tuple[str, float]:
        name, _, number = value.partition("=")
        try:
            return name, float(number)
        except ValueError:
            option = param.opts[0].lstrip("-") if param else "value"
            raise InvalidArgument(f"{option} {value!r} is not NAME=VALUE; an example: latency=0.001") from None


class JsonFile(click.ParamType[Any]):
    """A file with a JSON document."""

    name = "file"
    expected = "JSON document"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        file = click.File("rb").convert(value, param, ctx)
        try:
            return self.read(file.read())
        # ValueError: bytes that are no UTF-8, or a number of more digits than Python reads.
        except (msgspec.DecodeError, ValueError, RecursionError) as problem:
            raise InvalidArgument(f"{value} is no {self.expected}: {problem}") from None

    def read(self, document: bytes) -> Any:
        return msgspec.json.decode(document)


class TreesFile(JsonFile):
    """A file with trees: a JSON list of them, or a shortlist."""

    expected = "shortlist, as `call shortlist` prints one"

    def read(self, document: bytes) -> tuple[Tree, ...]:
        found: Shortlist | tuple[Tree, ...] = msgspec.json.decode(document, type=Shortlist | tuple[Tree, ...])
        return tuple(one.tree for one in found.candidates) if isinstance(found, Shortlist) else found

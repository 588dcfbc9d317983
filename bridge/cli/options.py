"""The arguments of a command, built from the type of the request that it sends.

Each field is an option, the fields of nested structs beside the others. Names,
types, choices, help and defaults come from the contract; nothing is checked
here that the contract checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, get_args, get_origin

import click
import msgspec

from bridge.cli.parameter_types import CommaSeparated, JsonFile, NamedNumber, TreesFile
from bridge.contract.procedure import Request
from bridge.contract.telling import Told, fields_of, is_struct
from cerebros.errors import InvalidArgument
from cerebros.space.rose_tree import Tree

# Fields whose options are not called as they are.
SPELT = {"pac_id": "pac"}

# Options that every command has beside those of its request.
RESERVED = ("json", "help")

# What click reads of one text; the contract turns texts into times.
SCALARS: dict[Any, type] = {str: str, int: int, float: float, date: str, datetime: str}


@dataclass(frozen=True)
class Field:
    """A field of a request, at its path from the request; `required` where the request cannot do without it."""

    path: tuple[str, ...]
    told: Told
    required: bool

    @property
    def key(self) -> str:
        """The name under which click hands over the value."""
        return "__".join(self.path)

    @property
    def repeated(self) -> bool:
        return get_origin(self.told.type) is dict


class Form(Generic[Request]):
    """The arguments of a command, and the request that they fill in.

    An option is called as its field; where an outer field has that name, the names of the structs around it come
    first. One field that the request cannot do without may be positional.
    """

    def __init__(self, request: Any, inside: str = "") -> None:
        """Take the first field that the struct `inside` cannot do without as the positional one, "" for the request."""
        self._request = request
        self._fields = list(_flat(request, (), required=True))
        within = (inside,) if inside else ()
        positional = next((field for field in self._fields if field.required and field.path[:-1] == within), None)
        names: dict[str, Field] = {}
        for field in sorted(self._fields, key=lambda field: len(field.path)):
            if field is not positional:
                names[_name(field, names)] = field
        self._options = {field.path: name.replace("_", "-") for name, field in names.items()}

    @property
    def parameters(self) -> list[click.Parameter]:
        """Click's parameters for the fields; all but the positional one are options."""
        return [
            _option(field, self._options[field.path]) if field.path in self._options else _argument(field)
            for field in self._fields
        ]

    def filled(self, given: Mapping[str, Any]) -> Request:
        """Return the request that the command line gives.

        Raises:
            InvalidArgument: a value breaks a rule; the message names the option.
        """
        raw = self._raw(given)
        try:
            request: Request = msgspec.convert(raw, self._request)
        except msgspec.ValidationError as problem:
            raise InvalidArgument(self._in_options(str(problem), raw)) from None
        return request

    def _raw(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The request as a map, of what was given at the command line alone."""
        raw: dict[str, Any] = {
            told.name: {} for told in fields_of(self._request) if told.required and is_struct(told.type)
        }
        for field in self._fields:
            value = given[field.key]
            if value is None or value == ():
                continue
            place = raw
            for name in field.path[:-1]:
                place = place.setdefault(name, {})
            place[field.path[-1]] = dict(value) if field.repeated else value
        return raw

    def _in_options(self, problem: str, raw: Mapping[str, Any]) -> str:
        """A broken rule as the user meets it: the option and its value for the path in the request."""
        rule, _, place = problem.partition(" - at `$")
        names = tuple(re.findall(r"\w+", place))
        for field in self._fields:
            if names[: len(field.path)] == field.path:
                value: Any = raw
                for name in field.path:
                    value = value.get(name) if isinstance(value, Mapping) else None
                option = f"--{self._options[field.path]}" if field.path in self._options else _argument_name(field)
                # A pattern is for programs; the field's sentence says the same in words.
                broken = "does not fit" if "matching regex" in rule else f"{rule[:1].lower()}{rule[1:]}"
                return f"{option} {_shown(value)}: {broken}; {field.told.sentence}"
        return problem


def _shown(value: Any) -> str:
    """A value in few characters and on one line, as it was written."""
    entries = [f"{name}={one}" for name, one in value.items()] if isinstance(value, Mapping) else value
    written = ",".join(map(str, entries)) if isinstance(entries, tuple | list) else str(entries)
    return written[:80].translate({ord("\n"): "\\n", ord("\t"): "\\t"})


def _flat(struct: Any, path: tuple[str, ...], *, required: bool) -> Iterator[Field]:
    for told in fields_of(struct):
        here, needed = (*path, told.name), required and told.required
        if is_struct(told.type):
            yield from _flat(told.type, here, required=needed)
        else:
            yield Field(here, told, needed)


def _name(field: Field, taken: Collection[str]) -> str:
    *around, last = (SPELT.get(name, name) for name in field.path)
    name = last.removesuffix("s") if field.repeated else last
    while (name in taken or name in RESERVED) and around:
        name = f"{around.pop()}_{name}"
    return name


def _argument_name(field: Field) -> str:
    return SPELT.get(field.path[-1], field.path[-1]).upper()


def _argument(field: Field) -> click.Argument:
    return click.Argument([field.key], metavar=_argument_name(field), type=_type(field.told))


def _option(field: Field, dashed: str) -> click.Option:
    if field.told.type is bool:
        return click.Option([f"--{dashed}/--no-{dashed}", field.key], default=None, help=field.told.sentence)
    return click.Option(
        [f"--{dashed}", field.key],
        type=_type(field.told),
        multiple=field.repeated,
        required=field.required,
        help=field.told.sentence,
    )


def _type(told: Told) -> click.ParamType[Any]:
    """Return click's type for a field; what no rule knows is read from a JSON file."""
    if told.choices:
        return click.Choice(told.choices)
    if told.type in SCALARS:
        return click.types.convert_type(SCALARS[told.type])
    match get_origin(told.type), get_args(told.type):
        case (kind, (item, *_)) if kind in (tuple, list) and item is Tree:
            return TreesFile()
        case (kind, (item, *_)) if kind in (tuple, list) and item in SCALARS:
            return CommaSeparated(SCALARS[item])
        case (kind, (_, value)) if kind is dict and value is float:
            return NamedNumber()
    return JsonFile()

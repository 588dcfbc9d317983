"""The arguments of a command, built from the type of the request that it sends.

Each field is an option, the fields of nested structs beside the others. Names,
types, choices, help and defaults come from the contract; nothing is checked
here that the contract checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args, get_origin

import click

from bridge.cli.parameter_types import CommaSeparated, JsonFile, NamedNumber, TreesFile
from bridge.contract.telling import Told, fields_of, is_struct
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


def flat_fields_of(request: Any) -> list[Field]:
    """Return a request's fields, those of nested structs in the place of the struct."""
    return list(_flat(request, (), required=True))


def first_required(fields: Sequence[Field], struct: str) -> Field | None:
    """Return the first field that the nested `struct` cannot do without, None where it has none."""
    return next((field for field in fields if field.required and field.path[:-1] == (struct,)), None)


def parameters_of(fields: Sequence[Field], positional: Field | None) -> list[click.Parameter]:
    """Return click's parameters for the fields; all but the positional one are options.

    An option is called as its field; where an outer field has that name, the names of the structs around it come first.
    """
    names: dict[str, Field] = {}
    for field in sorted(fields, key=lambda field: len(field.path)):
        if field is not positional:
            names[_name(field, names)] = field
    spelt = {field.path: name for name, field in names.items()}
    return [_option(field, spelt[field.path]) if field.path in spelt else _argument(field) for field in fields]


def raw_request(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request as a map, of what was given at the command line alone."""
    raw: dict[str, Any] = {}
    for field in fields:
        value = given[field.key]
        if value is None or value == ():
            continue
        place = raw
        for name in field.path[:-1]:
            place = place.setdefault(name, {})
        place[field.path[-1]] = dict(value) if field.repeated else value
    return raw


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


def _argument(field: Field) -> click.Argument:
    name = SPELT.get(field.path[-1], field.path[-1])
    return click.Argument([field.key], metavar=name.upper(), type=_type(field.told))


def _option(field: Field, name: str) -> click.Option:
    dashed = name.replace("_", "-")
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

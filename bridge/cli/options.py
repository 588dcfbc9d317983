"""The arguments of a command, built from the type of the request that it sends.

Each field is an option, the fields of nested structs beside the others. Names,
types, choices, help and defaults come from the contract; nothing is checked
here that the contract checks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec
from msgspec import inspect

from bridge.cli.parameter_types import CommaSeparated, JsonFile, NamedNumber, TreesFile
from cerebros.space.rose_tree import Tree

# A field whose option is not simply called as it is.
SPELT = {"pac_id": "pac"}

# Options that every command has beside those of its request.
RESERVED = ("json", "help")

_NUMBERS: dict[type[inspect.Type], type] = {inspect.IntType: int, inspect.FloatType: float}
_TEXTS = (
    inspect.StrType,
    inspect.DateType,
    inspect.DateTimeType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.UUIDType,
    inspect.DecimalType,
)
_LISTS = (inspect.VarTupleType, inspect.ListType, inspect.SetType, inspect.FrozenSetType)


@dataclass(frozen=True)
class Field:
    """A field of a request, at its path from the request.

    Attributes:
        kind: its type without `None`.
        required: the request cannot do without it.
    """

    path: tuple[str, ...]
    kind: inspect.Type
    description: str
    required: bool
    default: object

    @property
    def key(self) -> str:
        """The name under which click hands over the value."""
        return "__".join(self.path)

    @property
    def help(self) -> str:
        """The description with the default."""
        if self.required or self.default in (None, "", (), {}):
            return self.description
        shown = ",".join(map(str, self.default)) if isinstance(self.default, tuple) else self.default
        return f"{self.description}  [default: {shown}]".strip()


def fields_of(request: type[msgspec.Struct]) -> list[Field]:
    """Return a request's fields, those of nested structs in the place of the struct."""
    info = inspect.type_info(request)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{request} is no struct")
    return list(_leaves(info, (), required=True))


def first_required(fields: Sequence[Field], struct: str) -> Field | None:
    """Return the first field that the nested `struct` cannot do without, None where it has none."""
    return next(
        (field for field in fields if field.required and len(field.path) == 2 and field.path[0] == struct), None
    )


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
        place[field.path[-1]] = dict(value) if isinstance(field.kind, inspect.DictType) else value
    return raw


def _leaves(info: inspect.StructType, path: tuple[str, ...], *, required: bool) -> Iterator[Field]:
    for field in info.fields:
        kind, description = _bare(field.type)
        here, needed = (*path, field.encode_name), required and field.required
        if isinstance(kind, inspect.StructType):
            yield from _leaves(kind, here, required=needed)
        else:
            default = None if field.default is msgspec.NODEFAULT else field.default
            yield Field(here, kind, description, needed, default)


def _bare(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """Return a type without its `None` and its Meta, and the Meta's description."""
    description = ""
    while True:
        if isinstance(kind, inspect.Metadata):
            description = description or (kind.extra_json_schema or {}).get("description", "")
            kind = kind.type
        elif isinstance(kind, inspect.UnionType) and len(some := _some(kind)) == 1:
            (kind,) = some
        else:
            return kind, description


def _some(union: inspect.UnionType) -> list[inspect.Type]:
    return [kind for kind in union.types if not isinstance(kind, inspect.NoneType)]


def _name(field: Field, taken: Collection[str]) -> str:
    *around, last = (SPELT.get(name, name) for name in field.path)
    name = last.removesuffix("s") if isinstance(field.kind, inspect.DictType) else last
    while (name in taken or name in RESERVED) and around:
        name = f"{around.pop()}_{name}"
    return name


def _argument(field: Field) -> click.Argument:
    return click.Argument([field.key], metavar=field.path[-1].upper(), type=_type(field.kind))


def _option(field: Field, name: str) -> click.Option:
    dashed = name.replace("_", "-")
    if isinstance(field.kind, inspect.BoolType):
        return click.Option([f"--{dashed}/--no-{dashed}", field.key], default=None, help=field.help)
    return click.Option(
        [f"--{dashed}", field.key],
        type=_type(field.kind),
        multiple=isinstance(field.kind, inspect.DictType),
        required=field.required,
        help=field.help,
    )


def _type(kind: inspect.Type) -> click.ParamType[Any]:
    """Return click's type for a field; what no rule knows is read from a JSON file."""
    if isinstance(kind, inspect.LiteralType):
        return click.Choice(kind.values)
    if isinstance(kind, inspect.EnumType):
        return click.Choice([member.value for member in kind.cls])
    if isinstance(kind, _TEXTS):
        return click.STRING
    if type(kind) in _NUMBERS:
        return click.types.convert_type(_NUMBERS[type(kind)])
    if isinstance(kind, inspect.DictType) and isinstance(_bare(kind.value_type)[0], inspect.FloatType):
        return NamedNumber()
    if isinstance(kind, _LISTS):
        item, _ = _bare(kind.item_type)
        if isinstance(item, inspect.StructType) and item.cls is Tree:
            return TreesFile()
        if isinstance(item, _TEXTS) or type(item) in _NUMBERS:
            return CommaSeparated(_NUMBERS.get(type(item), str))
    return JsonFile()

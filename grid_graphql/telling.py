"""The contract's own sentences, as GraphQL tells them: fields are spelt in camel case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta
from strawberry.utils.str_converters import to_camel_case

from bridge.contract import telling


def unannotated(told: Any) -> Any:
    """Return a type without the rules on itself; those on its parts stay."""
    return get_args(told)[0] if get_origin(told) is Annotated else told


def rules(told: Any) -> tuple[Meta, ...]:
    """Return a type's rules and descriptions, those of an alias before those of the field."""
    return tuple(part for part in get_args(told)[1:] if isinstance(part, Meta)) if get_origin(told) is Annotated else ()


def meaning(field: msgspec.structs.FieldInfo, struct: Any) -> str | None:
    """Return a field's description, None where the contract has none."""
    described = _descriptions(struct)[field.name]
    return _in_camel_case(described, struct) if described else None


@cache
def _descriptions(struct: Any) -> dict[str, str]:
    return {one.name: one.description for one in telling.fields_of(struct)}


def purpose(struct: Any) -> str | None:
    """Return the first sentence of a struct's docstring, None where it has none."""
    text = account(struct)
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0] if text else None


def account(struct: Any, *others: Any) -> str | None:
    """Return the docstring of a struct, or else of the first of the others that has one, without its sections."""
    told = next((text for one in (struct, *others) if (text := telling.meaning(one))), None)
    return _in_camel_case(told, struct) if told else None


def _in_camel_case(text: str, struct: Any) -> str:
    """Spell a struct's fields as GraphQL does, where the text quotes them."""
    names = {field.name for field in msgspec.structs.fields(struct)}
    return re.sub(r"`[^`]+`", lambda quoted: _spelt(quoted[0], names), text)


def _spelt(quoted: str, names: Iterable[str]) -> str:
    return re.sub(r"\w+", lambda word: to_camel_case(word[0]) if word[0] in names else word[0], quoted)

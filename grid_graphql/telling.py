"""The contract's own sentences, as GraphQL tells them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Annotated, Any, cast, get_args, get_origin

import msgspec
from msgspec import Meta
from strawberry.utils.str_converters import to_camel_case

_SECTION = re.compile(r"\w+:\n")  # such as `Raises:`


def bare(told: Any) -> Any:
    """Return a type without its rules and its description."""
    return get_args(told)[0] if get_origin(told) is Annotated else told


def rules(told: Any) -> tuple[Meta, ...]:
    """Return a type's rules and descriptions, those of an alias before those of the field."""
    return tuple(part for part in get_args(told)[1:] if isinstance(part, Meta)) if get_origin(told) is Annotated else ()


def class_of(struct: Any) -> type[msgspec.Struct]:
    """Return a struct type without its type arguments."""
    return cast(type[msgspec.Struct], get_origin(struct) or struct)


def meaning(field: msgspec.structs.FieldInfo, struct: Any) -> str | None:
    """Return a field's description, None where the contract has none."""
    told = [meta.description for meta in rules(field.type) if meta.description]
    return _in_camel_case(told[-1], struct) if told else None


def purpose(struct: Any) -> str | None:
    """Return the first sentence of a struct's docstring, None where it has none."""
    text = account(struct)
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0] if text else None


def account(struct: Any, *others: object) -> str | None:
    """Return the docstring of a struct, or else of the first of the others that has one, up to its first section."""
    for documented in (class_of(struct), *others):
        text = vars(documented).get("__doc__") or ""  # what a struct inherits describes its base
        told = [" ".join(one.split()) for one in inspect.cleandoc(text).split("\n\n") if not _SECTION.match(one)]
        if told[0]:
            return _in_camel_case("\n\n".join(told), struct)
    return None


def _in_camel_case(text: str, struct: Any) -> str:
    """Spell a struct's fields as GraphQL does, where the text quotes them."""
    names = {field.name for field in msgspec.structs.fields(struct)}
    return re.sub(r"`[^`]+`", lambda quoted: _spelt(quoted[0], names), text)


def _spelt(quoted: str, names: Iterable[str]) -> str:
    return re.sub(r"\w+", lambda word: to_camel_case(word[0]) if word[0] in names else word[0], quoted)

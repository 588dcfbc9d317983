"""The words and numbers of Thundergrid: enums, whole numbers beyond 31 bits, and JSON."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any, NewType, cast, get_args

import msgspec
import strawberry
from graphql import GraphQLError
from graphql.pyutils import inspect
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from bridge.contract.words import VOCABULARIES

# GraphQL's own Int ends at 2^31 - 1, which a byte count or a number of operations passes.
BigInt = NewType("BigInt", int)
BIG_INT_FROM = -(2**63)
BIG_INT_DIGITS = 19


def _whole_number(value: object) -> BigInt:
    # Text is taken too: JavaScript cannot write the larger seeds as a number.
    if isinstance(value, str) and len(value) <= BIG_INT_DIGITS + 1 and value.removeprefix("-").isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and BIG_INT_FROM <= value < -BIG_INT_FROM:
        return BigInt(value)
    raise GraphQLError(
        f"BigInt cannot represent {inspect(value)}; give a whole number of up to 64 bits, or its digits as text"
    )


_BIG_INT = strawberry.scalar(
    name="BigInt",
    description="A whole number of up to 64 bits, written as a JSON number; taken as a number or its digits.",
    serialize=int,
    parse_value=_whole_number,
)

# As Strawberry's own, but a struct may stand for the document that it is written as.
_JSON = strawberry.scalar(
    name="JSON",
    description="Any JSON value: an object, a list, a text, a number, a boolean or null.",
    specified_by_url="https://ecma-international.org/wp-content/uploads/ECMA-404_2nd_edition_december_2017.pdf",
    serialize=msgspec.to_builtins,
    parse_value=lambda value: value,
)

CONFIG = StrawberryConfig(scalar_map={BigInt: _BIG_INT, JSON: _JSON})


def enum_of(literal: Any, name: str) -> type[StrEnum]:
    """Return the enum of a contract's words.

    Its values are lower-case because they are the very words that every other
    transport uses; a hyphen, which a GraphQL name has not, becomes an underscore.

    Args:
        literal: `Literal[…]` of texts.
        name: its name if `VOCABULARIES` has none for it.
    """
    for known_as, vocabulary in VOCABULARIES.items():
        if vocabulary.literal == literal:
            return _enum(known_as, vocabulary.words, vocabulary.description)
    return _enum(name, get_args(literal), None)


@cache
def _enum(name: str, words: tuple[str, ...], description: str | None) -> type[StrEnum]:
    members: Any = StrEnum(name, {word.replace("-", "_"): word for word in words})  # type: ignore[misc]
    return cast(type[StrEnum], strawberry.enum(members, name=name, description=description))

"""The contract's types, read back: fields with their meaning, their rule and their default in words.

GraphQL types, command-line help, reference pages and comments in the `.proto` files are built from these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta

from bridge.contract.words import VOCABULARIES


@dataclass(frozen=True)
class Told:
    """A field of a message.

    Attributes:
        type: its type without annotations, and without None where that is one of its values.
        nullable: None is one of its values.
        default: `msgspec.NODEFAULT` where a value must be given.
        rule: the values that are taken, in words, such as `1 to 10,000`; empty where the type says all.
        choices: the words of a closed vocabulary.
        extra: what else its `Meta` says; a `default` there stands for one that differs by machine.
    """

    name: str
    description: str
    type: Any
    nullable: bool
    default: Any
    rule: str
    choices: tuple[str, ...]
    extra: Mapping[str, Any]

    @property
    def required(self) -> bool:
        return self.default is NODEFAULT

    @property
    def default_in_words(self) -> str:
        """The default as a reader writes it; empty where there is none."""
        if "default" in self.extra:
            return str(self.extra["default"])
        return "" if self.required or self.default is None else _value_in_words(self.default)

    @property
    def sentence(self) -> str:
        """The description with the rule and the default, as far as it does not name them."""
        rule = self.rule
        if self.choices and all(f"`{word}`" in self.description for word in self.choices):
            rule = ""
        default = f"{self.default_in_words} when absent" if self.default_in_words and self.default else ""
        told = "; ".join(filter(None, (rule, default)))
        return f"{self.description} {told[:1].upper()}{told[1:]}.".strip() if told else self.description


def fields_of(struct: Any) -> tuple[Told, ...]:
    """Tell of a struct's fields, in their order; of a generic struct, as its type arguments make them."""
    return tuple(_told(field) for field in msgspec.structs.fields(struct))


def summary(struct: Any) -> str:
    """Return the first paragraph of a type's docstring on one line, empty without one."""
    return meaning(struct).partition("\n\n")[0]


def meaning(struct: Any) -> str:
    """Return a type's docstring, a line per paragraph and without its sections."""
    paragraphs = [" ".join(text.split()) for text in (class_of(struct).__doc__ or "").split("\n\n")]
    return "\n\n".join(text for text in paragraphs if text and not text.startswith(("Attributes:", "Raises:")))


def class_of(struct: Any) -> type[msgspec.Struct]:
    """Return the class behind a type: that of `StartRun[Nas | Cycle]` is `StartRun`."""
    found: type[msgspec.Struct] = get_origin(struct) or struct
    return found


def is_struct(annotation: Any) -> bool:
    """Return True for a struct that travels as its fields, False for a document or any other type."""
    return _is_any_struct(annotation) and not is_document(annotation)


@cache
def is_document(annotation: Any) -> bool:
    """Return True for a struct that travels as one JSON document: it holds itself, or a map of structs."""
    if not _is_any_struct(annotation):
        return False
    held, seen = set(_held_by(annotation)), set[Any]()
    while held - seen:
        one = (held - seen).pop()
        seen.add(one)
        held.update(_held_by(one))
    return annotation in held or any(_maps_structs(field.type) for field in msgspec.structs.fields(annotation))


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def tag_of(struct: Any) -> tuple[str, str] | None:
    """Return the field and the value that tell this member of a union from the others, None without them."""
    config = class_of(struct).__struct_config__
    return None if config.tag is None else (str(config.tag_field), str(config.tag))


def vocabulary_of(annotation: Any) -> str | None:
    """Return the name of the vocabulary that a Literal type is, None where it is none."""
    return next((name for name, known in VOCABULARIES.items() if known.literal == annotation), None)


def reachable(*types: Any) -> tuple[Any, ...]:
    """Return these structs and all that their fields hold, each once, in order of appearance."""
    found: dict[Any, None] = {}
    waiting = list(types)
    while waiting:
        struct = waiting.pop(0)
        if struct not in found:
            found[struct] = None
            waiting += [part for field in fields_of(struct) for part in structs_in(field.type)]
    return tuple(found)


def structs_in(annotation: Any) -> Iterator[Any]:
    """Give the structs that a type names, at any depth of unions, lists and maps."""
    return filter(is_struct, _any_structs_in(annotation))


def bare(annotation: Any) -> Any:
    """Return a type without its annotations, at any depth."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return bare(arguments[0])
    if origin in (Union, UnionType):
        return reduce(or_, map(bare, arguments))
    if origin in (tuple, list, dict):
        return origin[tuple(argument if argument is ... else bare(argument) for argument in arguments)]
    return annotation


def _is_any_struct(annotation: Any) -> bool:
    found = class_of(annotation)
    return isinstance(found, type) and issubclass(found, msgspec.Struct)


def _held_by(struct: Any) -> Iterator[Any]:
    for field in msgspec.structs.fields(struct):
        yield from _any_structs_in(field.type)


def _any_structs_in(annotation: Any) -> Iterator[Any]:
    if _is_any_struct(annotation):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _any_structs_in(argument)


def _maps_structs(annotation: Any) -> bool:
    if get_origin(annotation) in (dict, Mapping):
        return any(True for _ in _any_structs_in(annotation))
    return any(map(_maps_structs, get_args(annotation)))


def _told(field: msgspec.structs.FieldInfo) -> Told:
    notes, value = _opened(field.type)
    nullable = NoneType in members(bare(field.type))
    default = field.default
    if field.default_factory is not NODEFAULT:
        default = field.default_factory()
    choices = get_args(value) if get_origin(value) is Literal else ()
    return Told(
        name=field.encode_name,
        description=next((note.description for note in notes if note.description), ""),
        type=bare(value),
        nullable=nullable,
        default=default,
        rule=_listed([f"`{word}`" for word in choices]) or _rule(notes, bare(value)),
        choices=tuple(map(str, choices)),
        extra={key: value for note in reversed(notes) for key, value in (note.extra or {}).items()},
    )


def _opened(annotation: Any) -> tuple[list[Meta], Any]:
    """The notes on a type, outermost first, and the type that they are on, without None."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        deeper, value = _opened(inner)
        return [*(note for note in reversed(notes) if isinstance(note, Meta)), *deeper], value
    if len(solid := [member for member in members(annotation) if member is not NoneType]) == 1:
        return _opened(solid[0]) if solid[0] is not annotation else ([], annotation)
    return [], reduce(or_, solid)


def _rule(notes: list[Meta], value: Any) -> str:
    for note in notes:
        if note.extra and "rule" in note.extra:
            return str(note.extra["rule"])
    pattern, least, above, most, below, fewest, longest = (
        next((bound for note in notes if (bound := getattr(note, name)) is not None), None)
        for name in ("pattern", "ge", "gt", "le", "lt", "min_length", "max_length")
    )
    if pattern is not None:
        return f"text that matches `{pattern}`"
    unit = "characters" if value is str else "entries"
    return _span(fewest, longest, unit) or ", ".join(
        filter(
            None,
            (
                f"above {_number(above)}" if above is not None else "",
                _span(least, most),
                f"below {_number(below)}" if below is not None else "",
            ),
        )
    )


def _span(least: float | None, most: float | None, unit: str = "") -> str:
    if least is not None and most is not None:
        text = f"{_number(least)} to {_number(most)}"
    elif least is not None:
        text = f"at least {_number(least)}"
    elif most is not None:
        text = f"at most {_number(most)}"
    else:
        return ""
    unit = {"characters": "character", "entries": "entry"}[unit] if unit and (most or least) == 1 else unit
    return f"{text} {unit}".strip()


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _value_in_words(value: Any) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return _number(value)
        case "" | () | []:
            return "empty"
        case str():
            return f"`{value}`"
        case tuple() | list():
            return ", ".join(map(_value_in_words, value))
        case msgspec.Struct():
            return "the defaults of its fields"
    return "empty" if not value else f"`{msgspec.json.encode(value).decode()}`"


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,}"

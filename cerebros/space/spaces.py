"""Reading of spaces from documents: our own JSON, and the flat forms that Thunderline writes.

    form                   example
    rose tree              {"root": "net", "types": {"net": {"params": {…}, "slots": […]}}}
    /propose               {"lr": {"loguniform": [1e-4, 0.1]}, "act": {"choice": ["relu", "gelu"]}}; also "int"
    TPE parameter list     [{"name": "lr", "type": "float", "low": 1e-4, "high": 0.1, "log": true}]
    the same in a map      {"parameters": [{"name": "lr", …}]}, where no list can be sent (gRPC, GraphQL)
    parameters of a spec   {"lr": {"type": "float", "min": 0.0, "max": 1.0}, "act": {"type": "choice", "values": […]}}
    ranges                 {"levels": [1, 4], "activation": ["relu", "gelu"], "gate": true}

A flat form becomes a space of one node, of type `params`. In ranges, two
rising numbers are a range (of whole numbers, when both are whole), any other
list is a choice, and a single value is fixed.

Every rule that is a map may have conditions (`rules.py`):
`{"kernel": {"int": [1, 7], "when": {"op": ["conv"]}}}`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from reprlib import repr  # a message need not hold a whole document
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from cerebros.errors import SpaceRejected
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Ordered, Param, Space, Value
from cerebros.space.rules import Conditions, require_range

FLAT_ROOT = "params"

T = TypeVar("T")

# More steps than this are taken for a mistake; a continuum needs no step.
STEPS_AT_MOST = 10_000

# Options, numbers of lists, steps and conditions' values of a whole space: whoever uses the space reads them all.
VALUES_AT_MOST = 20_000


class _Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter of a flat form; `low` and `min`, `high` and `max`, `choices` and `values` are synonyms."""

    type: Literal["float", "int", "integer", "categorical", "choice"]
    name: str = ""
    low: int | float | None = None
    high: int | float | None = None
    min: int | float | None = None
    max: int | float | None = None
    choices: tuple[Value, ...] | None = None
    values: tuple[Value, ...] | None = None
    log: bool | None = None
    step: Annotated[float, Meta(gt=0)] | None = None
    default: Value | None = None  # read and ignored: a search starts from its densities, not from a default
    when: Conditions = {}


def space_from_document(document: object) -> Space:
    """Read a space from a decoded JSON document (or Elixir map) in any of the forms above.

    Raises:
        SpaceRejected: it has no parameters, an unknown form, or contradicts itself.
    """
    match document:
        case {"root": _, "types": _}:
            space = _converted(document, Space)
            _count_values(rule for kind in space.types.values() for rule in kind.params.values())
            return space
        case {"parameters": [{}, *_] as parameters, **others} if not others:
            return _listed(parameters)
        case Mapping() if document:
            return _flat((str(name), _rule(str(name), rule)) for name, rule in document.items())
        case [_, *_]:
            return _listed(document)
        case _:
            raise SpaceRejected(f"{repr(document)} has no parameters; a space is a map or a list of at least one")


def _listed(document: Sequence[object]) -> Space:
    parameters = [_converted(item, _Parameter) for item in document]
    names = [parameter.name for parameter in parameters]
    if "" in names or len(set(names)) != len(names):
        raise SpaceRejected(f"parameters are named {repr(names)}; give each a name of its own")
    rules = ((parameter, _described(parameter.name, parameter)) for parameter in parameters)
    return _flat((parameter.name, msgspec.structs.replace(rule, when=parameter.when)) for parameter, rule in rules)


def _flat(params: Iterable[tuple[str, Param]]) -> Space:
    read: dict[str, Param] = {}
    # Counted as they are read: a short document may tell of millions of steps.
    _count_values(read.setdefault(name, rule) for name, rule in params)
    return Space(FLAT_ROOT, {FLAT_ROOT: NodeType(read)})


def _count_values(rules: Iterable[Param]) -> None:
    """Check that the rules list `VALUES_AT_MOST` values at most.

    Raises:
        SpaceRejected: they list more.
    """
    total = 0
    for rule in rules:
        listed = rule.options if isinstance(rule, Choice) else rule.values if isinstance(rule, Ordered) else ()
        total += len(listed) + sum(map(len, rule.when.values()))
        if total > VALUES_AT_MOST:
            raise SpaceRejected(
                f"the space lists {total} values or more, and {VALUES_AT_MOST} are allowed in all; "
                "let an int be the place in a list of your own, or use a range without steps"
            )


def _rule(name: str, rule: object) -> Param:
    match rule:
        case {"when": when, **others}:
            return msgspec.structs.replace(_rule(name, others), when=_converted(when, Conditions, name))
        case {"choice": options, **others} if not others:
            return _converted({"type": "choice", "options": options}, Choice, name)
        case {"uniform": ends, **others} if not others:
            return Float(*_converted(ends, tuple[float, float], name))
        case {"loguniform": ends, **others} if not others:
            return Float(*_converted(ends, tuple[float, float], name), log=True)
        case {"int": ends, **others} if not others:
            return Int(*_converted(ends, tuple[int, int], name))
        case Mapping():
            return _described(name, _converted(rule, _Parameter, name))
        case [int(low), int(high)] if low < high and not isinstance(low, bool):
            return Int(low, high)
        case [int() | float() as low, int() | float() as high] if low < high and not isinstance(low, bool):
            return Float(float(low), float(high))
        case str() | bool() | int() | float():
            return Choice((rule,))
        case _:
            return _converted({"type": "choice", "options": rule}, Choice, name)


def _described(name: str, parameter: _Parameter) -> Param:
    if parameter.type in ("categorical", "choice"):
        options = parameter.choices if parameter.choices is not None else parameter.values
        if not options:
            raise SpaceRejected(f"{name} is a choice of nothing; list its choices")
        return Choice(options)
    low = parameter.low if parameter.low is not None else parameter.min
    high = parameter.high if parameter.high is not None else parameter.max
    if low is None or high is None:
        raise SpaceRejected(f"{name} goes from {low} to {high}; a number needs both low and high")
    require_range(name, low, high)
    log = bool(parameter.log)
    if parameter.type == "float":
        return Float(float(low), float(high), log) if parameter.step is None else _steps(name, parameter, low, high)
    if low % 1 or high % 1:
        raise SpaceRejected(f"{name} is a whole number from {low} to {high}; both ends must be whole")
    if parameter.step in (None, 1):
        return Int(int(low), int(high), log)
    if parameter.step % 1:  # NaN for an infinite one
        raise SpaceRejected(f"{name} is a whole number with step {parameter.step}; the step must be whole")
    return Ordered(tuple(int(value) for value in _steps(name, parameter, low, high).values))


def _steps(name: str, parameter: _Parameter, low: int | float, high: int | float) -> Ordered:
    step = parameter.step or 1.0
    if parameter.log:
        raise SpaceRejected(f"{name} has a step and a log scale; leave one out")
    if not (high - low) / step < STEPS_AT_MOST:
        raise SpaceRejected(f"{name} goes from {low} to {high} by {step}; that is above {STEPS_AT_MOST} values")
    # Rounding errors must not lose the last value.
    return Ordered(tuple(low + n * step for n in range(math.floor((high - low) / step + 1e-9) + 1)))


def _converted(document: object, shape: type[T], name: str = "") -> T:
    """Convert a part of the document to a type; tuples and lists are interchangeable.

    Raises:
        SpaceRejected: it has another shape.
    """
    plain = tuple(document) if isinstance(document, Sequence) and not isinstance(document, str) else document
    try:
        return msgspec.convert(plain, shape)
    except msgspec.ValidationError as problem:
        where = f"parameter {name!r}" if name else "the space"
        raise SpaceRejected(f"{where} is not readable: {problem}; it is {repr(document)}") from None

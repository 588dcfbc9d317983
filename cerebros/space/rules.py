"""The rules of parameters: the values each may have, and the conditions under which it exists.

A parameter may wait for others of its node:

    {"type": "int", "low": 1, "high": 7, "when": {"op": ["conv"]}}

exists only in nodes whose `op` is `conv`. All of several conditions must
hold. A condition on an absent parameter does not hold, so conditions chain.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta
from numpy.random import Generator

from cerebros.errors import SpaceRejected

Value = int | float | str | bool

# Whole numbers up to here are exact as doubles and in JSON.
EXACT = 2**53

# Names of other parameters of the same node, each with the values for which a parameter exists.
Conditions = dict[str, tuple[Value, ...]]


# Defaults stay unwritten: the JSON of a space without conditions is as it was before there were any.
class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    when: Conditions = {}


class Float(_Rule, frozen=True, tag="float"):
    """A real number between low and high, both included; `log` spreads it evenly over magnitudes."""

    low: float
    high: float
    log: bool = False


class Int(_Rule, frozen=True, tag="int"):
    """A whole number between low and high, both included."""

    low: int
    high: int
    log: bool = False


class Choice(_Rule, frozen=True, tag="choice"):
    """One of several options without an order."""

    options: Annotated[tuple[Value, ...], Meta(min_length=1)]


class Ordered(_Rule, frozen=True, tag="ordered"):
    """One of several numbers in rising order: widths 16, 32, 64, or steps of a range."""

    values: Annotated[tuple[int | float, ...], Meta(min_length=1)]


Param = Float | Int | Choice | Ordered


def exists(rule: Param, values: Mapping[str, Value]) -> bool:
    """Return True if a node with these values has a parameter of this rule."""
    return not rule.when or all(
        other in values and any(_same(values[other], value) for value in wanted) for other, wanted in rule.when.items()
    )


def draw_uniform(rule: Param, generator: Generator) -> Value:
    """Draw a value uniformly over a rule (over its logarithm where `log` is set)."""
    match rule:
        case Choice(options):
            return options[int(generator.integers(len(options)))]
        case Ordered(values):
            return values[int(generator.integers(len(values)))]
        case Float(low, high, log):
            return _from_scale(generator.uniform(_to_scale(low, log), _to_scale(high, log)), low, high, log)
        case Int(low, high, log=False):
            return int(generator.integers(low, high + 1))
        case Int(low, high):
            # Half a unit on either side gives the ends their full share.
            scaled = generator.uniform(_to_scale(low - 0.5, True), _to_scale(high + 0.5, True))
            return min(high, max(low, round(_from_scale(scaled, low - 0.5, high + 0.5, True))))


def allows(rule: Param, value: Value) -> bool:
    """Return True if a value obeys a rule."""
    match rule:
        case Choice(options):
            return _option(value) in map(_option, options)
        case Ordered(values):
            place = 0 if isinstance(value, bool | str) else bisect_left(values, value)
            return place < len(values) and _same(values[place], value)
        case Float(low, high):
            return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        case Int(low, high):
            return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def added(rule: Float | Int | Ordered) -> tuple[float, float]:
    """Return the least and the most that a parameter adds to a sum; an absent one adds nothing."""
    low, high = (rule.values[0], rule.values[-1]) if isinstance(rule, Ordered) else (rule.low, rule.high)
    return (min(0.0, low), max(0.0, high)) if rule.when else (low, high)


def decidable(node: str, params: dict[str, Param]) -> dict[str, Param]:
    """Order a node type's parameters so that each comes after those it waits for.

    Parameters without conditions keep their order.

    Raises:
        SpaceRejected: a rule contradicts itself, or a condition can never be decided.
    """
    for name, rule in params.items():
        _check_rule(f"{node}.{name}", rule)
    _check_conditions(node, params)
    try:
        order = [*TopologicalSorter({name: rule.when for name, rule in params.items()}).static_order()]
    except CycleError as problem:
        circle = " → ".join(problem.args[1][:8])
        raise SpaceRejected(f"{node}: parameters wait for each other ({circle}); let one always exist") from None
    return {name: params[name] for name in order}


def _check_rule(name: str, rule: Param) -> None:
    if isinstance(rule, Choice):
        if len(set(map(repr, rule.options))) != len(rule.options):
            raise SpaceRejected(f"{name} offers an option twice: {_some(rule.options)}")
        strange = [option for option in rule.options if not isinstance(option, str) and not _exact(option)]
        if strange:
            raise SpaceRejected(f"{name} offers {strange[0]}; a number must be finite and within ±2^53, or be a text")
        return
    if isinstance(rule, Ordered):
        if not all(map(_exact, rule.values)) or not all(a < b for a, b in pairwise(rule.values)):
            raise SpaceRejected(f"{name}: {_some(rule.values)} must rise, and be finite and within ±2^53")
        return
    require_range(name, rule.low, rule.high)
    if rule.log and rule.low <= 0:
        raise SpaceRejected(f"{name}: a log scale needs low above 0, not {rule.low}")


def require_range(name: str, low: float, high: float) -> None:
    """Check the ends of a range of numbers.

    Raises:
        SpaceRejected: one is not finite, beyond ±2^53, or on the other's side.
    """
    if not -EXACT <= low <= high <= EXACT:
        raise SpaceRejected(
            f"{name}: low {low} must be not above high {high}, and both finite within ±2^53, "
            "beyond which numbers lose digits in JSON"
        )


def _exact(number: float) -> bool:
    return -EXACT <= number <= EXACT


def _some(values: tuple[Value, ...]) -> str:
    """Return a list of values for a message, which need not hold ten thousand."""
    return f"{values[:8]}" if len(values) <= 8 else f"{values[:8]} and {len(values) - 8} more"


def _check_conditions(node: str, params: Mapping[str, Param]) -> None:
    options = {name: set(map(_option, rule.options)) for name, rule in params.items() if isinstance(rule, Choice)}
    for name, rule in params.items():
        for other, wanted in rule.when.items():
            match params.get(other):
                case None:
                    has = ", ".join(params)
                    raise SpaceRejected(
                        f"{node}.{name} waits for {other!r}, which its type does not have; it has {has}"
                    )
                case Float():
                    raise SpaceRejected(
                        f"{node}.{name} waits for {other!r}, a real number; wait for a choice or a whole number instead"
                    )
                case Choice():
                    strange = [value for value in wanted if _option(value) not in options[other]]
                case numbers:
                    strange = [value for value in wanted if not allows(numbers, value)]
            if strange:
                raise SpaceRejected(
                    f"{node}.{name} waits for {other!r} to be {strange[0]!r}, which it never is; it is {params[other]}"
                )


def _option(value: Value) -> tuple[type, Value]:
    """Return a key that tells options apart: True equals 1 in Python, but not in JSON."""
    return type(value), value


def _same(a: Value, b: Value) -> bool:
    """Return True if two values are equal; 16 equals 16.0, but True does not equal 1."""
    return a == b and isinstance(a, bool) is isinstance(b, bool)


def _to_scale(value: float, log: bool) -> float:
    return math.log(value) if log else value


def _from_scale(value: float, low: float, high: float, log: bool) -> float:
    return min(high, max(low, math.exp(value) if log else value))

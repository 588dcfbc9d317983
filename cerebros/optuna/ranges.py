"""Optuna's distributions as rules of a space, and their values in both forms.

Options and steps are numbered from 0: an option may be of any type, and there
may be millions of steps. A space's numbers end at ±2^53, Optuna's do not: a
wider range becomes shares from 0 to 1, or logarithms where it is logarithmic.
Shares are worked out in fractions, so that no difference overflows and no
whole number loses more digits than Optuna itself takes from it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cerebros.space.rose_tree import Choice, Float, Int, Param, Value
from cerebros.space.rules import EXACT

Numeric = FloatDistribution | IntDistribution


def rule(over: BaseDistribution) -> Param:
    """Return the rule of a distribution."""
    match over:
        case CategoricalDistribution():
            return Choice(tuple(range(len(over.choices))))
        case FloatDistribution() | IntDistribution() if _wide(over):
            return Float(math.log(over.low), math.log(over.high)) if over.log else Float(0.0, 1.0)
        case FloatDistribution() | IntDistribution() if _stepped(over):
            return Int(0, round((over.high - over.low) / (over.step or 1)))
        case IntDistribution():
            return Int(over.low, over.high, over.log)
        case FloatDistribution():
            return Float(over.low, over.high, over.log)
    raise NotImplementedError(f"distribution {over} is none that Optuna 5 documents")


def value(over: BaseDistribution, native: Any) -> Value:
    """Convert a trial's parameter to a value under its newest distribution, clipped to its range."""
    match over:
        case CategoricalDistribution():
            return int(over.to_internal_repr(native))
        case FloatDistribution() | IntDistribution():
            within: int | float = min(over.high, max(over.low, native))
            if _wide(over):
                return _share(over, within)
            return within if over.log or over.step is None else round((within - over.low) / over.step)
    raise NotImplementedError(f"{over} has no rule")


def native(over: BaseDistribution, value: Any) -> Any:
    """Convert a value to a parameter in Optuna's own form."""
    match over:
        case CategoricalDistribution():
            return over.choices[value]
        case FloatDistribution() | IntDistribution() if _wide(over):
            return _of_wide(over, value)
        case FloatDistribution() | IntDistribution() if _stepped(over):
            return min(over.high, over.low + value * over.step)
    return value


def _share(over: Numeric, number: int | float) -> float:
    if over.log:
        return min(math.log(over.high), max(math.log(over.low), math.log(number)))
    return float((Fraction(number) - Fraction(over.low)) / (Fraction(over.high) - Fraction(over.low)))


def _of_wide(over: Numeric, value: float) -> int | float:
    low, high = Fraction(over.low), Fraction(over.high)
    if over.log:
        exact = Fraction(math.exp(min(value, math.log(over.high), _LARGEST_LOG)))
    else:
        exact = low + Fraction(value) * (high - low)
        if over.step is not None:
            exact = low + round((exact - low) / Fraction(over.step)) * Fraction(over.step)
    exact = min(high, max(low, exact))
    return float(exact) if isinstance(over, FloatDistribution) else _storable(over, round(exact))


_LARGEST_LOG = math.log(float.fromhex("0x1.fffffffffffffp+1023"))


def _storable(over: IntDistribution, number: int) -> int:
    """Return the double nearest to a whole number, as Optuna's storages keep doubles, where it is in the range."""
    stored = int(float(number)) if abs(number) <= _LARGEST else number
    return stored if over.low <= stored <= over.high and (stored - over.low) % over.step == 0 else number


_LARGEST = int(float.fromhex("0x1.fffffffffffffp+1023"))


def _stepped(over: Numeric) -> bool:
    return not over.log and over.step is not None


def _wide(over: Numeric) -> bool:
    """Return True for a range whose numbers, or whose places of steps, a space cannot hold."""
    within = -EXACT <= over.low <= over.high <= EXACT
    return not within or (over.step is not None and over.high - over.low > EXACT * over.step)

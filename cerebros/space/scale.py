"""Codes: the values of any parameter as numbers between 0 and 1.

Numbers are spread evenly over the rule's range (over its logarithm where
`log` is set). A whole number has an interval of codes, half a unit on either
side. An option, or a number of a list, has the interval of its place in the
list.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cerebros.space.rose_tree import Choice, Float, Int, Ordered, Param, Value

Codes = NDArray[np.float64]


class Scale:
    """Converts values of one rule to codes in [0, 1] and back."""

    def __init__(self, rule: Param) -> None:
        self.rule = rule
        self.options: tuple[Value, ...] = rule.options if isinstance(rule, Choice) else ()
        self.discrete = not isinstance(rule, Float)
        self._listed: tuple[Value, ...] = rule.values if isinstance(rule, Ordered) else self.options
        self._places = {self._name(value): place for place, value in enumerate(self._listed)}
        if isinstance(rule, Choice | Ordered):
            return
        self._log = rule.log
        self._margin = 0.5 if isinstance(rule, Int) else 0.0
        self._low = self._raw(rule.low - self._margin)
        self._span = self._raw(rule.high + self._margin) - self._low

    @property
    def n_values(self) -> int | None:
        """Number of values that the rule allows, None for a continuum."""
        match self.rule:
            case Choice() | Ordered():
                return len(self._listed)
            case Int(low, high):
                return high - low + 1
            case Float(low, high):
                return 1 if low == high else None

    def code(self, value: Value) -> float:
        """Return the code of a value."""
        if self._listed:
            return (self._places[self._name(value)] + 0.5) / len(self._listed)
        return (self._raw(float(value)) - self._low) / self._span if self._span else 0.5

    def value(self, code: float) -> Value:
        """Return the value of a code; codes outside [0, 1] count as the nearest end."""
        if isinstance(self.rule, Choice | Ordered):
            return self._listed[min(len(self._listed) - 1, max(0, int(code * len(self._listed))))]
        scaled = self._low + code * self._span
        raw = math.exp(scaled) if self._log else scaled
        if isinstance(self.rule, Int):
            return int(min(self.rule.high, max(self.rule.low, math.floor(raw + 0.5))))
        return float(min(self.rule.high, max(self.rule.low, raw)))

    def moved(self, value: Value, step: float, generator: Generator) -> Value:
        """Draw another value near a given one; an option becomes any other one.

        A number moves by a normal step, reflected at the ends of the range:
        steps cut off at the ends would visit these far more often than the
        values beside them. The rule must allow two values or more.

        Args:
            step: standard deviation of the step, in shares of the range.
        """
        if self.options:
            further = 1 + int(generator.integers(len(self.options) - 1))
            return self.options[(self._places[self._name(value)] + further) % len(self.options)]
        push, code = step * float(generator.standard_normal()), self.code(value)
        moved = self.value(_reflected(code + push))
        if not self.discrete or moved != value:
            return moved
        # The step is too short to leave the value's interval: take the next value on that side, or on the other.
        (left,), (right,) = self.edges(np.array([code]))
        up, down = float(right) + 1e-9, float(left) - 1e-9
        return self.value(up if down < 0.0 or (push > 0.0 and up < 1.0) else down)

    def edges(self, codes: Codes) -> tuple[Codes, Codes]:
        """Return the lower and the upper ends of the intervals of codes, (n,) each; not for a continuum."""
        if self._listed:
            places = np.floor(codes * len(self._listed))
            return places / len(self._listed), (places + 1) / len(self._listed)
        raw = self._low + codes * self._span
        numbers: Codes = np.round(np.exp(raw) if self._log else raw)
        return self._codes_of(numbers - 0.5), self._codes_of(numbers + 0.5)

    def _codes_of(self, raw: Codes) -> Codes:
        scaled = np.log(raw) if self._log else raw
        return (scaled - self._low) / self._span

    def _raw(self, value: float) -> float:
        return math.log(value) if self._log else value

    def _name(self, value: Value) -> object:
        """Return a key of a listed value: True and 1 are two options, but 16 and 16.0 are one number."""
        return (type(value), value) if self.options else value


def _reflected(code: float) -> float:
    """Fold a number back into [0, 1] at either end."""
    folded = code % 2.0
    return 2.0 - folded if folded > 1.0 else folded

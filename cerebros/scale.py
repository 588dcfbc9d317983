"""Values of any parameter as numbers between 0 and 1, and back.

Numbers are spread evenly over the rule's range (over its logarithm where
`log` is set). A whole number owns an interval: half a unit on either side.
An option owns the interval of its place in the list.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cerebros.rose_tree import Choice, Float, Int, Param, Value

Codes = NDArray[np.float64]


class Scale:
    """The way from values under one rule to codes in [0, 1] and back."""

    def __init__(self, rule: Param) -> None:
        self.rule = rule
        self.options: tuple[Value, ...] = rule.options if isinstance(rule, Choice) else ()
        self.discrete = not isinstance(rule, Float)
        self._places = {(type(option), option): n for n, option in enumerate(self.options)}
        if isinstance(rule, Choice):
            return
        self._log = rule.log
        self._margin = 0.5 if isinstance(rule, Int) else 0.0
        self._low = self._raw(rule.low - self._margin)
        self._span = self._raw(rule.high + self._margin) - self._low
        self.constant = rule.low == rule.high

    @property
    def n_values(self) -> int | None:
        """How many values the rule allows, None for a continuum."""
        match self.rule:
            case Choice(options):
                return len(options)
            case Int(low, high):
                return high - low + 1
            case Float(low, high):
                return 1 if low == high else None

    def code(self, value: Value) -> float:
        if self.options:
            return (self._places[type(value), value] + 0.5) / len(self.options)
        return (self._raw(float(value)) - self._low) / self._span if self._span else 0.5

    def value(self, code: float) -> Value:
        """The value that owns a code; codes outside [0, 1] belong to the nearest end."""
        if isinstance(self.rule, Choice):
            return self.options[min(len(self.options) - 1, max(0, int(code * len(self.options))))]
        scaled = self._low + code * self._span
        raw = math.exp(scaled) if self._log else scaled
        if isinstance(self.rule, Int):
            return int(min(self.rule.high, max(self.rule.low, math.floor(raw + 0.5))))
        return float(min(self.rule.high, max(self.rule.low, raw)))

    def edges(self, codes: Codes) -> tuple[Codes, Codes]:
        """The ends of the intervals that the values of these codes own; whole numbers and options only."""
        if self.options:
            places = np.floor(codes * len(self.options))
            return places / len(self.options), (places + 1) / len(self.options)
        raw = self._low + codes * self._span
        numbers: Codes = np.round(np.exp(raw) if self._log else raw)
        return self._codes_of(numbers - 0.5), self._codes_of(numbers + 0.5)

    def _codes_of(self, raw: Codes) -> Codes:
        scaled = np.log(raw) if self._log else raw
        return (scaled - self._low) / self._span

    def _raw(self, value: float) -> float:
        return math.log(value) if self._log else value

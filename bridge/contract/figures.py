"""Figures as people read them: three significant digits and a unit that fits, wherever they are shown."""

from __future__ import annotations

import math

from bridge.contract.runs import Run

# Three tell two candidates apart and are more than most measurements hold.
DIGITS = 3

# Up to this many decimals a number is written in full, which a billionth needs.
_DECIMALS = 11

_PREFIXES = {0: "", -1: "m", -2: "µ", -3: "n"}


def significant(value: float) -> str:
    """Return a number with three significant digits; digits before the point are never cut.

    >>> [significant(value) for value in (0, 0.00000041666, 1.5, 123456.7, 2.5e-12)]
    ['0', '0.000000417', '1.50', '123,457', '2.50e-12']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, DIGITS - 1 - _magnitude(value))
    return f"{value:,.{decimals}f}" if decimals <= _DECIMALS else f"{value:.{DIGITS - 1}e}"


def measured(value: float, unit: str) -> str:
    """Return a measurement in its unit, or in a thousandth, millionth or billionth of it.

    >>> [measured(value, "s") for value in (92.0, 0.0315, 2.04e-6, 0)]
    ['92.0 s', '31.5 ms', '2.04 µs', '0 s']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    thousands = max(min(_magnitude(value) // 3, 0), min(_PREFIXES))
    return f"{significant(value / 1000.0**thousands)} {_PREFIXES[thousands]}{unit}"


def dollars(value: float) -> str:
    """Return a sum of money, however small.

    >>> [dollars(value) for value in (12.5, 0.00000041666)]
    ['$12.5', '$0.000000417']
    """
    return f"${significant(value)}"


def trials(run: Run) -> str:
    """Return how a run's trials ended, those kinds that occurred; empty while there are none."""
    ends = {"ok": run.trials_ok, "pruned": run.trials_pruned, "failed": run.trials_failed}
    told = ", ".join(f"{count:,} {end}" for end, count in ends.items() if count)
    return f"{told} so far" if told and run.state in ("queued", "running") else told


def _magnitude(value: float) -> int:
    """Return the power of ten of a number's first digit, once it is rounded: 0.9996 counts as 1."""
    return int(f"{value:.{DIGITS - 1}e}".partition("e")[2])

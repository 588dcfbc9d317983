"""What halving would have found of trials whose whole curves are known, and for how many of their epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cerebros.search.halving import Rank, Standing, next_to_continue, rung_epochs
from cerebros.search.hypervolume import hypervolume
from cerebros.search.pareto import Losses


class Curve(NamedTuple):
    """A trial that was trained to its end: the best error so far after each epoch, and its operations."""

    errors: Sequence[float]
    operations: float


class Kept(NamedTuple):
    """Shares of what training everything to the end finds and takes."""

    hypervolume: float
    epochs: float


def by_error(losses: Losses, count: int) -> list[int]:
    """Halving as it is done for one objective: the smallest errors go on."""
    return np.argsort(losses[:, 0], kind="stable")[:count].tolist()


def halved(curves: Sequence[Curve], epochs: int, best: Rank, reference: Losses) -> Kept:
    """Start the trials one after the other, continue as `best` ranks them, and look at all figures that were seen."""
    rungs = rung_epochs(epochs)
    seen: list[list[tuple[float, float]]] = []
    while True:
        standings = [Standing(n, tuple(losses), _waits(losses, curves[n], rungs)) for n, losses in enumerate(seen)]
        number = next_to_continue(standings, len(rungs), best=best)
        if number is None and len(seen) == len(curves):
            break
        if number is None:
            number = len(seen)
            seen.append([])
        errors, operations = curves[number]
        seen[number].append((errors[min(rungs[len(seen[number])], len(errors)) - 1], operations))
    spent = sum(min(rungs[len(losses) - 1], len(curve.errors)) for losses, curve in zip(seen, curves, strict=True))
    found = np.array([loss for losses in seen for loss in losses])
    whole = np.array([(error, curve.operations) for curve in curves for error in curve.errors])
    return Kept(
        hypervolume(found, reference) / hypervolume(whole, reference),
        spent / sum(len(curve.errors) for curve in curves),
    )


def _waits(losses: Sequence[tuple[float, float]], curve: Curve, rungs: Sequence[int]) -> bool:
    return len(losses) < len(rungs) and rungs[len(losses) - 1] < len(curve.errors)

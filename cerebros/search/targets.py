"""Targets of a search: hard limits on losses, the reference point, and losses known without training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cerebros.errors import InvalidArgument
from cerebros.search.hypervolume import Point, elite
from cerebros.search.pareto import Losses, pareto_set, tamed
from cerebros.space.rose_tree import Tree


class Targets(msgspec.Struct, frozen=True):
    """Hard limits, reference point and known losses; an empty tuple sets no limit or reference.

    Attributes:
        at_most: (n_objectives,) hard limits, None for no limit; a trial beyond one counts as worse than
            every trial within all.
        reference: (n_objectives,) the point from which hypervolume is measured; where it is None it
            follows the trials.
        known: returns the losses that follow from the tree alone, such as a size, and None for those that
            must be measured. It is called some hundred times per proposal.

    Raises:
        InvalidArgument: on construction, when a limit is not a number.
    """

    at_most: tuple[float | None, ...] = ()
    reference: tuple[float | None, ...] = ()
    known: Callable[[Tree], Sequence[float | None]] | None = None

    def __post_init__(self) -> None:
        for value in (*self.at_most, *self.reference):
            if value is not None and not math.isfinite(value):
                raise InvalidArgument(f"a limit of {value} says nothing; use a finite number, or None for no limit")

    def check(self, losses: Sequence[float]) -> None:
        """Check the losses of one trial.

        Raises:
            InvalidArgument: there is none, one is not finite, or their number is not that of the limits.
        """
        if not losses:
            raise InvalidArgument(
                "a trial has no losses; tell one for each objective, or None for a trial without figures"
            )
        if not all(math.isfinite(loss) for loss in losses):
            raise InvalidArgument(f"losses {list(losses)} are not all finite; tell None for a trial without figures")
        for name, limits in (("at_most", self.at_most), ("reference", self.reference)):
            if limits and len(limits) != len(losses):
                raise InvalidArgument(f"{len(losses)} losses, but {name} has {len(limits)} places; give one each")

    def within(self, losses: Losses) -> NDArray[np.bool_]:
        """Mark the trials that keep all hard limits, (n_trials,)."""
        return np.asarray((losses <= self._filled(self.at_most, np.inf, losses.shape[1])).all(axis=1))

    def best(self, losses: Losses, count: int) -> list[int]:
        """Choose the `count` best trials: those within the limits as `elite` does, then those nearest to them.

        Args:
            losses: (n_trials, n_objectives), finite.

        Returns:
            Indices into `losses`, best first.
        """
        if not self.at_most:
            return elite(losses, count)
        excess = np.maximum(0.0, tamed(losses) - self._limits(losses.shape[1]))
        beyond = (excess / np.maximum(tamed(losses).std(axis=0), 1e-12)).sum(axis=1)
        within = np.flatnonzero(self.within(losses))
        chosen = [int(within[n]) for n in elite(losses[within], count)]
        nearest = np.argsort(beyond, kind="stable")[len(within) :]
        return chosen + [int(n) for n in nearest[: count - len(chosen)]]

    def reference_for(self, losses: Losses) -> Point:
        """Return the point from which hypervolume of `tamed` losses is measured, (n_objectives,).

        It is never beyond a hard limit.
        """
        given = tamed(self._filled(self.reference, np.nan, losses.shape[1]))
        reference = np.where(np.isnan(given), reference_point(losses), given)
        return np.asarray(np.minimum(reference, self._limits(losses.shape[1])))

    def known_losses(self, trees: Sequence[Tree], n_objectives: int) -> Losses | None:
        """Return the known losses, `tamed`, (n_trees, n_objectives), NaN where one must be measured.

        Returns None when all losses must be measured.
        """
        if self.known is None:
            return None
        rows = [[math.nan if loss is None else loss for loss in self.known(tree)] for tree in trees]
        return tamed(np.array(rows, dtype=np.float64).reshape(len(trees), n_objectives))

    def _limits(self, n_objectives: int) -> Point:
        limits = self._filled(self.at_most, np.nan, n_objectives)
        return np.where(np.isnan(limits), np.inf, tamed(limits))

    @staticmethod
    def _filled(limits: Sequence[float | None], missing: float, count: int = 0) -> Point:
        return np.array([missing if limit is None else limit for limit in limits] or [missing] * count)


NO_TARGETS = Targets()


def reference_point(losses: Losses) -> Point:
    """Return a reference point for the hypervolume of `tamed` losses, (n_objectives,).

    It lies a tenth of the range beyond the 0.9 quantile of each loss, and
    beyond the whole Pareto set. Nearer to the Pareto set, its extreme trials
    could not improve the hypervolume; at the worst loss, a single diverging
    trial would decide the volume.

    Args:
        losses: (n_trials, n_objectives), finite.
    """
    losses = tamed(losses)
    best = losses[pareto_set(losses)]
    low, high = best.min(axis=0), np.maximum(best.max(axis=0), np.quantile(losses, 0.9, axis=0))
    return np.asarray(high + 0.1 * np.maximum(high - low, 1e-9))

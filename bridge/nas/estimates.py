"""Estimates of a run's costs, from earlier runs on the same dataset.

Notation
    e       epochs a run was allowed: trials · epochs + probes + the refit's epochs; where trials wait at
            rungs, the epochs up to each one's last
    x_i     costs of the measured run i: seconds by the clock, CPU-seconds, joules, dollars
    r_i     x_i / e_i, its rate: costs per allowed epoch, early stopping included

The estimate is r · e of the planned run, with the mean rate, the lowest and
the highest. Rates differ with the trees that a search happens to meet, with
the machine, and with what else it was doing; nothing is modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bridge.contract.nas import Budget
from bridge.contract.runs import RunEstimate
from bridge.nas.rows import MeasuredRun
from cerebros.errors import FailedPrecondition
from cerebros.metrics import Spent
from cerebros.search.halving import epochs_a_trial, rung_epochs

METHOD = "rate per allowed epoch of earlier succeeded runs of this kind on this dataset: mean, lowest, highest"


def estimate(budget: Budget, measured: Sequence[MeasuredRun]) -> RunEstimate:
    """Estimate the costs of a run with this budget; the budget's time limits are not considered.

    Raises:
        FailedPrecondition: nothing was measured yet.
    """
    if not measured:
        raise FailedPrecondition(
            "no run of this kind on this dataset has succeeded yet, so there is nothing to estimate from; "
            "run a small budget first"
        )
    each = epochs_a_trial(rung_epochs(budget.epochs, rungs=budget.rungs))
    planned = budget.trials * each + budget.probes + budget.epochs
    rates = np.array([_figures(run.spent) / run.epochs_allowed for run in measured])  # (n_runs, 4)

    def by(choose: Callable[..., NDArray[np.float64]]) -> Spent:
        return Spent(*(planned * choose(rates, axis=0)).tolist())

    return RunEstimate(method=METHOD, runs=len(measured), expected=by(np.mean), low=by(np.min), high=by(np.max))


def _figures(spent: Spent) -> NDArray[np.float64]:
    return np.array([spent.duration_s, spent.cpu_s, spent.energy_j, spent.cost_usd])

"""`RoseTreeSampler`: the search engine as a sampler of Optuna studies, through Optuna's public interface only.

A define-by-run trial is a set of parameters, as a tree is a set of sites.
Numbers in a parameter's name are its position, the rest of the name is its
key: `layer2_units` and `layer3_units` are siblings, which share a density
until each has trials enough for its own. The objective function decides which
parameters a trial has, so candidates are edits of good trials' parameters; a
parameter that no trial had yet is drawn from its key's density.

    study = optuna.create_study(sampler=RoseTreeSampler(seed=1), directions=["minimize", "minimize"])

The sampler keeps no history: it reads the study's trials, those of other
workers included, from any storage.

This module imports Optuna: install the extra `optuna`.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cerebros.optuna import ranges
from cerebros.search.hypervolume import elite
from cerebros.search.observations import POOL, RECENT, STARTUP_TRIALS, good_count
from cerebros.search.pareto import Losses, tamed
from cerebros.search.parzen import CANDIDATES, REDRAWN_UNIFORMLY, TreeDensity
from cerebros.search.screening import Screen, rank_by_ehvi
from cerebros.search.site_table import SiteTable
from cerebros.search.surrogate import on_one_thread
from cerebros.search.targets import reference_point
from cerebros.space.edits import Edits, Site, Sites
from cerebros.space.rose_tree import NodeType, Space, Value, draw_uniform

# Only this many of the newest trials are read: ranking takes the square of their number in comparisons.
TRIALS_READ = 500

# Returns a trial's constraints; each is kept where it is 0 or less.
Constraints = Callable[[FrozenTrial], Sequence[float]]

# Number of running trials per process whose densities are remembered.
TRIALS_AT_ONCE = 32

_ROOT = "trial"

# Longer ones are ids rather than positions; Python reads none of more than 4,300 digits.
_NUMBER = re.compile(r"(?<!\d)\d{1,18}(?!\d)")


class RoseTreeSampler(BaseSampler):
    """Samples from Parzen densities over rose trees and ranks candidates by EHVI, for one objective or several.

    Proposals differ from the newest `TRIALS_READ` trials of the study where the space allows it.

    Args:
        seed: seeds each draw, together with the trial's number, so that workers may share one; random when None.
        constraints_func: returns a trial's constraints, each kept where it is 0 or less, and is called when the
            trial has ended, as Optuna's samplers do. Constraints that the objective function sets by
            `trial.set_constraint` count without it. A trial that breaks some is worse than all that keep them, and
            the more the worse.
    """

    def __init__(self, seed: int | None = None, constraints_func: Constraints | None = None) -> None:
        self._seed = _fresh_seed() if seed is None else seed
        # Optuna has no public way to store constraints but a sampler of its own, or the objective function.
        self._constraining: BaseSampler | None = None
        if constraints_func is not None:
            with warnings.catch_warnings():  # of deprecation in favour of `trial.set_constraint`
                warnings.simplefilter("ignore")
                self._constraining = TPESampler(constraints_func=constraints_func)
        # By the number of a running trial, the densities for parameters that no trial had yet.
        self._open: dict[int, tuple[_Parameters, TreeDensity]] = {}

    def reseed_rng(self) -> None:
        """Draw otherwise from here on."""
        self._seed = _fresh_seed()

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Store the constraints of an ended trial where `study.best_trials` and other samplers look for them."""
        if self._constraining is not None:
            self._constraining.after_trial(study, trial, state, values)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every parameter of the finished trials, with its newest distribution."""
        found: dict[str, BaseDistribution] = {}
        for past in _finished(study.get_trials(deepcopy=False)):
            found.update(past.distributions)
        return dict(sorted(found.items()))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose values for all known parameters; empty during start-up and when every candidate is a repetition."""
        self._open.pop(trial.number, None)  # another study's
        trials = study.get_trials(deepcopy=False)
        past = _finished(trials)
        if len(past) < STARTUP_TRIALS:
            return {}
        others = [other for other in trials[-TRIALS_READ:] if other.params and other.number != trial.number]
        waiting = [other for other in others if other.state is TrialState.RUNNING]
        with on_one_thread():
            learned = _learn(_Parameters(search_space), past, _losses(study, past), waiting)
            ordered = learned.proposals(np.random.default_rng([self._seed, trial.number]))
            # A wrapper such as PartialFixedSampler keeps parameters from us, which no proposal has.
            kept_back = frozenset().union(*(told.params for told in past)) - search_space.keys()
            proposed = next((params for params in ordered if not _repeats(params, others, kept_back)), None)
        if proposed is None:  # every candidate repeats a trial: random draws find the rest of a small space
            return {}
        self._open[trial.number] = learned.parameters, learned.density
        for oldest in list(self._open)[:-TRIALS_AT_ONCE]:
            self._open.pop(oldest, None)
        return proposed

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a parameter that was not proposed, from its key's density or else uniformly."""
        generator = np.random.default_rng([self._seed, trial.number, *param_name.encode(errors="surrogatepass")])
        if known := self._open.get(trial.number):
            parameters, density = known
            # One sibling more than any trial had: its key has a density.
            if site := parameters.site(param_name, param_distribution):
                return ranges.native(param_distribution, density.draw_value(*site, generator))
        return ranges.native(param_distribution, draw_uniform(ranges.rule(param_distribution), generator))


class _Parameters:
    """Converts between the parameters of a search space and sites."""

    def __init__(self, search_space: Mapping[str, BaseDistribution]) -> None:
        self._distributions = search_space
        self._sites = _sites(search_space)
        self._names = {site: name for name, site in self._sites.items()}
        self._of_key = {key: search_space[name] for name, (key, _) in self._sites.items()}
        params = {key.removeprefix(f"{_ROOT}."): ranges.rule(over) for key, over in self._of_key.items()}
        self.space = Space(_ROOT, {_ROOT: NodeType(params)})

    def site(self, name: str, over: BaseDistribution) -> Site | None:
        """Return the site of a parameter, known or new; None where no parameter of its key is known."""
        site = self._sites.get(name, _key_and_position(name))
        return site if self._of_key.get(site[0]) == over else None

    def sites(self, trial: FrozenTrial) -> Sites:
        """Return a trial's parameters as a table of sites."""
        return {
            self._sites[name]: ranges.value(self._distributions[name], native)
            for name, native in trial.params.items()
            if name in self._sites
        }

    def all_sites(self) -> list[Site]:
        """Return the sites of all known parameters."""
        return list(self._names)

    def natives(self, sites: Sites) -> dict[str, Any]:
        """Return sites as parameters in Optuna's own values, by name."""
        named = {self._names[site]: value for site, value in sites.items()}
        return {name: ranges.native(self._distributions[name], value) for name, value in named.items()}


class _Learned(NamedTuple):
    parameters: _Parameters
    table: SiteTable
    good: list[Sites]
    density: TreeDensity
    screen: Screen

    def proposals(self, generator: Generator) -> Iterator[dict[str, Any]]:
        """Yield the parameters of candidates, best first by EHVI.

        Candidates are edits of good trials, and nudged copies of the best of these.

        Each has values for all known parameters, as a changed option may need some that its parent lacked.
        """
        edits = Edits(self.parameters.space, self.table.scales)
        self.screen.sample(generator)
        drawn = [self._edited(edits, generator) for _ in range(CANDIDATES)]
        ordered, wanted = rank_by_ehvi(drawn, self.screen, self.table, edits, generator), self.parameters.all_sites()
        return (self.parameters.natives(self._completed(sites, wanted, generator)) for sites in ordered)

    def _edited(self, edits: Edits, generator: Generator) -> Sites:
        parent = self._parent(generator)
        edit = generator.random()
        if edit < 0.25:
            left: Sites = {}
        elif edit < 0.75:
            left = edits.redraw(parent, generator)
        elif edit < 0.85:
            left = edits.redraw_siblings(parent, generator)
        else:
            left = edits.graft(parent, self._parent(generator), generator)
        return self._completed(left, parent | left, generator)

    def _completed(self, sites: Sites, wanted: Iterable[Site], generator: Generator) -> Sites:
        return {site: sites[site] if site in sites else self._drawn(site, generator) for site in wanted}

    def _parent(self, generator: Generator) -> Sites:
        return self.good[int(len(self.good) * generator.random() ** 2)]

    def _drawn(self, site: Site, generator: Generator) -> Value:
        if generator.random() < REDRAWN_UNIFORMLY:
            return draw_uniform(self.table.rules[site[0]], generator)
        return self.density.draw_value(*site, generator)


def _learn(
    parameters: _Parameters, past: Sequence[FrozenTrial], losses: Losses, waiting: Sequence[FrozenTrial]
) -> _Learned:
    best = elite(losses, POOL)
    kept = sorted({*best, *range(max(0, len(past) - RECENT), len(past))})
    seen = {n: parameters.sites(past[n]) for n in kept}
    good = [seen[n] for n in best[: good_count(len(past))]]
    table = SiteTable(parameters.space)
    screen = Screen(table, table.rows([*seen.values()]), losses[kept], reference_point(losses[kept]))
    if waiting:
        screen.add_fantasies(table.rows([parameters.sites(trial) for trial in waiting]))
    return _Learned(parameters, table, good, TreeDensity(table, good), screen)


def _finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the newest complete trials, oldest first, at most `TRIALS_READ`."""
    told = (trial for trial in reversed(trials) if trial.state is TrialState.COMPLETE and trial.params)
    return [*islice(told, TRIALS_READ)][::-1]


def _losses(study: Study, trials: Sequence[FrozenTrial]) -> Losses:
    """Return losses by which plain dominance is what the study means by it, (n_trials, n_objectives).

    An infinite value becomes one that lies a range beyond the finite ones; a trial that breaks constraints
    is worse than all others in every objective, by the sum of what it breaks them by.

    Source: Deb 2000, An Efficient Constraint Handling Method for Genetic Algorithms.
    """
    signs = [-1.0 if direction is StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
    losses = _bounded(tamed(np.array([trial.values for trial in trials], dtype=np.float64) * signs))
    broken = np.array([_broken(trial) for trial in trials])
    if not broken.any():
        return losses
    kept = losses[broken == 0] if (broken == 0).any() else losses
    worst, span = kept.max(axis=0), np.maximum(np.ptp(kept, axis=0), 1.0)
    broken = _bounded(tamed(broken)[:, None])
    share = broken / broken.max()
    return np.where(broken > 0, worst + span * (1.0 + share), losses)


def _bounded(losses: Losses) -> Losses:
    """Replace infinite values by finite ones a range beyond the others."""
    finite = np.isfinite(losses)
    if finite.all():
        return losses
    low = np.where(finite, losses, np.inf).min(axis=0)
    high = np.where(finite, losses, -np.inf).max(axis=0)
    none = low > high
    low, high = np.where(none, 0.0, low), np.where(none, 0.0, high)
    span = np.maximum(high - low, 1.0)
    return np.where(finite, losses, np.where(losses > 0, high + span, low - span))


def _broken(trial: FrozenTrial) -> float:
    """Return the sum of what a trial breaks its constraints by."""
    return sum(max(0.0, by) for by in trial.constraints.values())


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])


def _repeats(params: Mapping[str, Any], trials: Sequence[FrozenTrial], kept_back: frozenset[str]) -> bool:
    """Return True if a proposal would repeat one of these trials, as far as it decides.

    An ended trial has all its parameters, so a proposal with the same values and some more repeats it. A
    running trial may still ask for more.
    """

    def repeated(trial: FrozenTrial) -> bool:
        decided = {name: native for name, native in trial.params.items() if name not in kept_back}
        if trial.state is TrialState.RUNNING:
            return decided == params
        return bool(decided) and decided.items() <= params.items()

    return any(map(repeated, trials))


def _sites(search_space: Mapping[str, BaseDistribution]) -> dict[str, Site]:
    """Assign a site to each parameter.

    Parameters whose names differ only in numbers are siblings if their distributions are equal.
    """
    families: defaultdict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name in search_space:
        key, position = _key_and_position(name)
        families[key][name] = position
    sites: dict[str, Site] = {}
    for key, positions in families.items():
        first = search_space[next(iter(positions))]
        siblings = all(search_space[name] == first for name in positions)
        apart = len({*positions.values()}) == len(positions)  # False for `a1` and `a01`
        for name, position in positions.items():
            sites[name] = (key, position) if siblings and apart else (f"{_ROOT}.{name}", ())
    return sites


def _key_and_position(name: str) -> Site:
    return f"{_ROOT}.{_NUMBER.sub('*', name)}", tuple(int(number) for number in _NUMBER.findall(name))

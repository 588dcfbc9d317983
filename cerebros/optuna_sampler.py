"""`RoseTreeSampler`: the search engine as a sampler of Optuna studies, through Optuna's public interface only.

A define-by-run trial is a set of parameters that were asked for, as a tree is
a set of decided sites. Numbers in a parameter's name are its position, the
rest of the name is its key: `layer2_units` and `layer3_units` are siblings
that inform each other, and speak for themselves where there is enough of
them. Which parameters a trial has is for the objective function to say, so
candidates are edits of what good trials had; a parameter that comes as a
surprise is drawn from its key's density.

    study = optuna.create_study(sampler=RoseTreeSampler(seed=1), directions=["minimize", "minimize"])

The sampler keeps no history: it reads the study's trials, whatever storage
they are in, those of other workers too. Optuna's dashboard needs nothing more.
Optuna is imported with this module: install the extra `optuna`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cerebros.edits import Edits, Site, Sites
from cerebros.hypervolume import elite
from cerebros.motpe import NUDGED, NUDGES, NUDGES_EACH, POOL, RECENT, STARTUP_TRIALS, good_count
from cerebros.pareto import Losses
from cerebros.parzen import CANDIDATES, TreeDensity
from cerebros.rose_tree import Choice, Float, Int, NodeType, Ordered, Param, Space
from cerebros.screening import Screen
from cerebros.site_table import SiteTable
from cerebros.targets import reference_point

# Ranking takes the square of this many comparisons; older trials are left out.
TRIALS_READ = 500

# More steps than this are a continuum.
STEPS_AT_MOST = 1000

_ROOT = "trial"


class RoseTreeSampler(BaseSampler):
    """Parzen densities over rose trees, screened by Gaussian processes, for one objective or several.

    Args:
        seed: with a trial's number it seeds the draw; None takes one from the system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._startup = RandomSampler(seed=self._seed % 2**32)
        self._learned: tuple[int, _Learned] | None = None  # and the number of the trial it is for

    def reseed_rng(self) -> None:
        self._startup.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every parameter that finished trials had, with its newest distribution."""
        found: dict[str, BaseDistribution] = {}
        for past in _finished(study):
            found.update(past.distributions)
        return dict(sorted(found.items()))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        past = _finished(study)
        if len(past) < STARTUP_TRIALS:
            return {}
        waiting = [t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if t.params]
        learned = _learn(_Parameters(search_space), past, _losses(study, past), waiting)
        self._learned = (trial.number, learned)
        return learned.chosen(np.random.default_rng([self._seed, trial.number]))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self._learned and self._learned[0] == trial.number:
            _, learned = self._learned
            key, position = _key_and_position(param_name)
            # A sibling more than any trial had: its key knows what to expect.
            if learned.parameters.space.rules().get(key) == _rule(param_distribution):
                generator = np.random.default_rng([self._seed, trial.number, *param_name.encode()])
                return _native(param_distribution, learned.density.draw_value(key, position, generator))
        return self._startup.sample_independent(study, trial, param_name, param_distribution)


class _Parameters:
    """The sites of a search space's parameters; names that differ in numbers only are siblings if their rules agree."""

    def __init__(self, search_space: Mapping[str, BaseDistribution]) -> None:
        self._distributions = search_space
        rules: defaultdict[str, list[Param]] = defaultdict(list)
        for name, over in search_space.items():
            rules[_key_and_position(name)[0]].append(_rule(over))
        self._sites: dict[str, Site] = {}
        params: dict[str, Param] = {}
        for name, over in search_space.items():
            key, position = _key_and_position(name)
            if any(rule != rules[key][0] for rule in rules[key]):
                key, position = f"{_ROOT}.{name}", ()
            self._sites[name] = (key, position)
            params[key.removeprefix(f"{_ROOT}.")] = _rule(over)
        self.space = Space(_ROOT, {_ROOT: NodeType(params)})
        self._names = {site: name for name, site in self._sites.items()}

    def sites(self, trial: FrozenTrial) -> Sites:
        return {
            self._sites[name]: _value(self._distributions[name], native)
            for name, native in trial.params.items()
            if name in self._sites
        }

    def natives(self, sites: Sites) -> dict[str, Any]:
        named = {self._names[site]: value for site, value in sites.items()}
        return {name: _native(self._distributions[name], value) for name, value in named.items()}


class _Learned(NamedTuple):
    parameters: _Parameters
    table: SiteTable
    good: list[Sites]
    density: TreeDensity
    screen: Screen

    def chosen(self, generator: Generator) -> dict[str, Any]:
        """The candidate of most expected gain: edits of good trials, the best of them nudged again and again."""
        edits = Edits(self.parameters.space, self.table.scales)
        self.screen.sample(generator)
        drawn = [self._edited(edits, generator) for _ in range(CANDIDATES)]
        gains = self.screen.expected_gains(self.table.rows(drawn))
        for step in NUDGES:
            promising = [int(n) for n in np.argsort(-gains, kind="stable")[:NUDGED] for _ in range(NUDGES_EACH)]
            nudged = [drawn[n] | edits.nudge(drawn[n], step, generator) for n in promising]
            gains = np.append(gains, self.screen.expected_gains(self.table.rows(nudged)))
            drawn += nudged
        return self.parameters.natives(drawn[int(np.argmax(gains))])

    def _edited(self, edits: Edits, generator: Generator) -> Sites:
        parent = self.good[int(len(self.good) * generator.random() ** 2)]
        edit = generator.random()
        if edit < 0.25:
            left: Sites = {}
        elif edit < 0.8:
            left = edits.redraw(parent, generator)
        else:
            left = edits.redraw_siblings(parent, generator)
        return {site: left[site] if site in left else self.density.draw_value(*site, generator) for site in parent}


def _learn(
    parameters: _Parameters, past: Sequence[FrozenTrial], losses: Losses, waiting: Sequence[FrozenTrial]
) -> _Learned:
    table = SiteTable(parameters.space)
    seen = [parameters.sites(trial) for trial in past]
    best = elite(losses, POOL)
    good = [seen[n] for n in best[: good_count(len(past))]]
    kept = sorted({*best, *range(max(0, len(past) - RECENT), len(past))})
    rows = table.rows([seen[n] for n in kept])
    screen = Screen(table, rows, losses[kept], reference_point(losses[kept]))
    if waiting:
        screen.believe(table.rows([parameters.sites(trial) for trial in waiting]))
    return _Learned(parameters, table, good, TreeDensity(table, good), screen)


def _finished(study: Study) -> list[FrozenTrial]:
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in ended if np.isfinite(trial.values).all() and trial.params][-TRIALS_READ:]


def _losses(study: Study, trials: Sequence[FrozenTrial]) -> Losses:
    signs = [-1.0 if direction is StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
    return np.array([trial.values for trial in trials], dtype=np.float64) * signs


def _key_and_position(name: str) -> Site:
    key = re.sub(r"\d+", "*", name)
    return f"{_ROOT}.{key}", tuple(int(number) for number in re.findall(r"\d+", name))


def _rule(over: BaseDistribution) -> Param:
    match over:
        case CategoricalDistribution():
            return Choice(tuple(range(len(over.choices))))  # places: Optuna's options may be anything
        case IntDistribution():
            return _stepped(over.low, over.high, over.step) or Int(over.low, over.high, over.log)
        case FloatDistribution():
            return _stepped(over.low, over.high, over.step) or Float(over.low, over.high, over.log)
    raise NotImplementedError(f"distribution {over} is none that Optuna 5 documents")


def _stepped(low: float, high: float, step: float | None) -> Ordered | None:
    if step is None or step == 1 or (steps := round((high - low) / step)) > STEPS_AT_MOST:
        return None
    return Ordered(tuple(low + n * step for n in range(steps + 1)))


def _value(over: BaseDistribution, native: Any) -> Any:
    """A trial's parameter under the rule its name has today, to whose ends values beyond move."""
    match _rule(over):
        case Choice():
            return int(over.to_internal_repr(native))
        case Ordered(values):
            return min(values, key=lambda value: abs(value - native))
        case Int(low, high) | Float(low, high):
            return min(high, max(low, native))


def _native(over: BaseDistribution, value: Any) -> Any:
    if isinstance(over, CategoricalDistribution):
        return over.choices[value]
    if isinstance(over, FloatDistribution | IntDistribution) and over.step is not None:
        whole = round((value - over.low) / over.step)
        return min(over.high, over.low + whole * over.step)
    return value

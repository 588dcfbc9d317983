"""The Rose-Tree Parzen estimator: two densities over trees, and candidates by their ratio.

Notation
    l       density fitted to the good trees
    g       density fitted to the rest
    key     path of a decision without indices (see `rose_tree`)
    k       number of kernels under one key

Siblings share a key, so all units of a network inform one density. A tree's
log density is the sum over keys of the *mean* log density of that key's
decisions: a tree is not preferred for merely having more of them.

Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization
(the ratio l/g); the step to trees with ordered children is ours.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cerebros.errors import SpaceRejected
from cerebros.rose_tree import Choice, Float, Int, Param, Space, Tree, Value, draw_uniform, tree_hash

# One uniform kernel stands beside the observed ones, so no value is ever impossible.
PRIOR_KERNELS = 1.0

# Draws from l per proposal. More of them sharpen the choice but follow the model's errors further.
CANDIDATES_PER_PROPOSAL = 48

# A tree above its limits is redrawn; a space where this many draws fail in a row is contradictory.
ADMISSION_ATTEMPTS = 500

Admissible = Callable[[Tree], bool]


class Density(Protocol):
    """A distribution over the values of one key."""

    def log_density(self, value: Value) -> float: ...

    def draw(self, generator: Generator) -> Value: ...


class CategoricalDensity:
    """Observed shares of the options, softened by one uniform kernel."""

    def __init__(self, rule: Choice, values: Sequence[Value]) -> None:
        counts = np.array([values.count(option) for option in rule.options], dtype=np.float64)
        counts += PRIOR_KERNELS / len(rule.options)
        self._options = rule.options
        self._shares = counts / counts.sum()

    def log_density(self, value: Value) -> float:
        return math.log(self._shares[self._options.index(value)])

    def draw(self, generator: Generator) -> Value:
        return self._options[int(generator.choice(len(self._options), p=self._shares))]


class NumericDensity:
    """A mixture of truncated normal kernels and one uniform kernel, on the rule's own scale.

    Whole numbers get exact probability mass: the integral of the mixture
    over the half unit on either side.
    """

    def __init__(self, rule: Float | Int, values: Sequence[Value]) -> None:
        self._rule = rule
        margin = 0.5 if isinstance(rule, Int) else 0.0
        self._low, self._high = self._scaled(rule.low - margin), self._scaled(rule.high + margin)
        self._span = self._high - self._low
        self._centres = np.array([self._scaled(float(value)) for value in values])  # (k,)
        k = len(self._centres)
        spread = float(self._centres.std()) if k else 0.0
        # Scott's rule, kept from collapsing on repeated values.
        self._width = max(1.06 * spread * max(k, 1) ** -0.2, self._span / (k + 2), 1e-12)

    def log_density(self, value: Value) -> float:
        if self._span == 0.0:
            return 0.0
        at = float(value)
        if isinstance(self._rule, Int):
            mass = self._mass(self._scaled(at - 0.5), self._scaled(at + 0.5))
            return math.log(max(mass, 1e-300))
        return math.log(max(self._pdf(self._scaled(at)), 1e-300))

    def draw(self, generator: Generator) -> Value:
        k = len(self._centres)
        if self._span == 0.0 or generator.uniform(0.0, k + PRIOR_KERNELS) >= k:
            return draw_uniform(self._rule, generator)
        centre = self._centres[int(generator.integers(k))]
        while True:  # the centre lies inside, so at least about half of each kernel does at an edge
            scaled = generator.normal(centre, self._width)
            if self._low <= scaled <= self._high:
                return self._unscaled(scaled)

    def _pdf(self, x: float) -> float:
        kernels = np.exp(-0.5 * ((x - self._centres) / self._width) ** 2) / (
            self._width * math.sqrt(2 * math.pi) * self._inside()
        )
        return float(kernels.sum() + PRIOR_KERNELS / self._span) / (len(kernels) + PRIOR_KERNELS)

    def _mass(self, a: float, b: float) -> float:
        kernels = (_normal_cdf((b - self._centres) / self._width) - _normal_cdf((a - self._centres) / self._width)) / (
            self._inside()
        )
        return float(kernels.sum() + PRIOR_KERNELS * (b - a) / self._span) / (len(kernels) + PRIOR_KERNELS)

    def _inside(self) -> NDArray[np.float64]:
        """(k,) share of each untruncated kernel that lies within the limits."""
        return _normal_cdf((self._high - self._centres) / self._width) - _normal_cdf(
            (self._low - self._centres) / self._width
        )

    def _scaled(self, value: float) -> float:
        return math.log(value) if self._rule.log else value

    def _unscaled(self, scaled: float) -> Value:
        value = math.exp(scaled) if self._rule.log else scaled
        if isinstance(self._rule, Int):
            return int(min(self._rule.high, max(self._rule.low, round(value))))
        return float(min(self._rule.high, max(self._rule.low, value)))


def _normal_cdf(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z])


class TreeDensity:
    """A density over the trees of a space, fitted to some of them."""

    def __init__(self, space: Space, trees: Sequence[Tree]) -> None:
        self._space = space
        values: defaultdict[str, list[Value]] = defaultdict(list)
        for tree in trees:
            for decision in space.decisions(tree):
                values[decision.key].append(decision.value)
        self._values = values
        self._densities: dict[str, Density] = {}

    def log_density(self, tree: Tree) -> float:
        by_key: defaultdict[str, list[float]] = defaultdict(list)
        for decision in self._space.decisions(tree):
            by_key[decision.key].append(self._at(decision.key, decision.param).log_density(decision.value))
        return sum(sum(logs) / len(logs) for logs in by_key.values())

    def draw(self, generator: Generator) -> Tree:
        return self._space.grow(lambda key, rule, _position: self._at(key, rule).draw(generator))

    def _at(self, key: str, rule: Param) -> Density:
        if key not in self._densities:
            observed = self._values.get(key, [])
            self._densities[key] = (
                CategoricalDensity(rule, observed) if isinstance(rule, Choice) else NumericDensity(rule, observed)
            )
        return self._densities[key]


class Scored(msgspec.Struct, frozen=True):
    """A candidate with its log densities; `score` is log l - log g, larger is more promising."""

    tree: Tree
    log_l: float
    log_g: float

    @property
    def score(self) -> float:
        return self.log_l - self.log_g


def draw_admissible(draw: Callable[[Generator], Tree], admissible: Admissible, generator: Generator) -> Tree:
    """The first drawn tree within the limits.

    Raises:
        SpaceRejected: none of `ADMISSION_ATTEMPTS` draws is.
    """
    for _ in range(ADMISSION_ATTEMPTS):
        if admissible(tree := draw(generator)):
            return tree
    raise SpaceRejected(
        f"none of {ADMISSION_ATTEMPTS} trees drawn from the space is within the limits; "
        "raise the limit or narrow the space"
    )


def shortlist(
    space: Space,
    good: Sequence[Tree],
    rest: Sequence[Tree],
    count: int,
    generator: Generator,
    admissible: Admissible = lambda _tree: True,
    known: frozenset[str] = frozenset(),
) -> list[Scored]:
    """The `count` most promising of the trees drawn from l, best first and all different.

    Args:
        good, rest: evaluated trees; l and g are fitted to them.
        known: hashes of trees not to be proposed again.
    """
    density_l, density_g = TreeDensity(space, good), TreeDensity(space, rest)
    candidates: dict[str, Scored] = {}
    for _ in range(CANDIDATES_PER_PROPOSAL + 4 * count):
        tree = draw_admissible(density_l.draw, admissible, generator)
        name = tree_hash(tree)
        if name not in known and name not in candidates:
            candidates[name] = Scored(tree, density_l.log_density(tree), density_g.log_density(tree))
    return sorted(candidates.values(), key=lambda scored: -scored.score)[:count]

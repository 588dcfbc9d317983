"""The Rose-Tree Parzen estimator: two densities over trees, and candidates ranked by their ratio.

Notation
    l, g    density of the good trees, density of all trees tried
    x       a value as a code in [0, 1] (see `scale`)
    key     path of a decision without indices; site: a key at one position
    k       number of kernels under one key or site
    P, S    prior weights of the uniform under a key, of the key under a site

Siblings share the density of their key; a site's own density outweighs it
where enough trees have that site:

    p_key(x)  = (Σ kernels of all siblings + P) / (k_key + P)
    p_site(x) = (Σ kernels at this position + S · p_key(x)) / (k_site + S)

A tree's score is the sum of log l - log g over its decisions.

Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization
(the ratio l/g); the step to trees with ordered children is ours.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from cerebros.search.admission import Admissible, draw_admissible, first_admissible, within_limits
from cerebros.search.histogram import History
from cerebros.search.site_table import SiteTable
from cerebros.space.edits import Edits, Sites, sites_of, tree_of
from cerebros.space.rose_tree import Param, Space, Tree, Value, draw_uniform, tree_hash
from cerebros.space.scale import Codes, Scale

# One uniform kernel stands beside the observed ones, so no value is ever impossible.
PRIOR_KERNELS = 1.0

# A position needs about this many good trees before it outweighs its siblings.
SIBLING_KERNELS = 3.0

# Many siblings make many kernels; beyond this number they repeat each other and only cost time.
KERNELS_AT_MOST = 64

# Candidates per ask: enough for each operator to meet most decisions, few enough for milliseconds.
CANDIDATES = 96


class KernelDensity:
    """A mixture of a prior and of kernels around observed values, over the values of one rule.

    Numbers have truncated normal kernels; a whole number's mass is the
    integral over its interval. Options get their observed shares.

    Args:
        codes: (k,) observed values.
        prior: the prior density; uniform when None.
        prior_weight: weight of the prior, in kernels.

    Source: Bergstra et al. 2011.
    """

    def __init__(
        self, scale: Scale, codes: Codes, prior: KernelDensity | None = None, prior_weight: float = PRIOR_KERNELS
    ) -> None:
        self._scale, self._prior, self._prior_weight = scale, prior, prior_weight
        self._codes = codes[:: -(-len(codes) // KERNELS_AT_MOST)] if len(codes) else codes
        k = len(self._codes)
        spread = float(self._codes.std()) if k else 0.0
        # Scott's rule, kept from collapsing on repeated values.
        self._width = max(1.06 * spread * max(k, 1) ** -0.2, 1.0 / (k + 2))
        if not scale.options:
            self._below = ndtr(-self._codes / self._width)
            self._inside = ndtr((1.0 - self._codes) / self._width) - self._below  # (k,)

    def log_densities(self, codes: Codes) -> Codes:
        """Return log densities of real numbers, or log masses of whole numbers and options, (n,)."""
        return np.asarray(np.log(np.maximum(self._densities(codes), 1e-300)))

    def draw(self, generator: Generator) -> float:
        """Draw the code of one value."""
        k = len(self._codes)
        if generator.random() * (k + self._prior_weight) >= k:
            return self._prior.draw(generator) if self._prior else generator.random()
        centre = float(self._codes[int(generator.random() * k)])
        if self._scale.options:
            return centre
        while True:  # the centre lies inside, so at least about half of each kernel does at an edge
            code = centre + self._width * float(generator.standard_normal())
            if 0.0 <= code <= 1.0:
                return float(code)

    def _densities(self, codes: Codes) -> Codes:
        if self._scale.n_values == 1:
            return np.ones(len(codes))
        kernels, uniform = self._kernels(codes)
        prior = self._prior._densities(codes) if self._prior else uniform
        return np.asarray((kernels + self._prior_weight * prior) / (len(self._codes) + self._prior_weight))

    def _kernels(self, codes: Codes) -> tuple[Codes, Codes]:
        """Return the sum of the kernels and the uniform density or mass at each code, (n,) each."""
        if self._scale.options:
            same = np.abs(codes[:, None] - self._codes) < 0.25 / len(self._scale.options)  # (n, k)
            return same.sum(axis=1), np.full(len(codes), 1.0 / len(self._scale.options))
        if self._scale.discrete:
            left, right = self._scale.edges(codes)
            masses = ndtr((right[:, None] - self._codes) / self._width) - ndtr(
                (left[:, None] - self._codes) / self._width
            )
            return (masses / self._inside).sum(axis=1), right - left
        z = (codes[:, None] - self._codes) / self._width
        heights = np.exp(-0.5 * z * z) / (self._width * math.sqrt(2 * math.pi))
        return (heights / self._inside).sum(axis=1), np.ones(len(codes))


class TreeDensity:
    """The density l over the trees of a space, fitted to good trees."""

    def __init__(self, table: SiteTable, trees: Sequence[Sites]) -> None:
        self._table = table
        self._by_key: defaultdict[str, list[float]] = defaultdict(list)
        self._by_column: defaultdict[int, list[float]] = defaultdict(list)
        for sites in trees:
            for column, code in table.codes(sites):
                self._by_column[column].append(code)
                self._by_key[table.keys[column]].append(code)
        self._keys: dict[str, KernelDensity] = {}
        self._columns: dict[int, KernelDensity] = {}

    def at(self, column: int) -> KernelDensity:
        """Return the density of the site of a column."""
        if column not in self._columns:
            key = self._table.keys[column]
            scale = self._table.scales[key]
            if key not in self._keys:
                self._keys[key] = KernelDensity(scale, np.array(self._by_key[key]))
            own = self._by_column[column]
            self._columns[column] = (
                self._keys[key]
                if len(own) == len(self._by_key[key])
                else KernelDensity(scale, np.array(own), self._keys[key], SIBLING_KERNELS)
            )
        return self._columns[column]

    def log_densities(self, rows: Codes) -> Codes:
        """Return log l of each row of `SiteTable.rows`, (n,), summed over its decisions."""
        total = np.zeros(len(rows))
        for column in range(rows.shape[1]):
            present = np.flatnonzero(~np.isnan(rows[:, column]))
            if len(present) and self._table.free[column]:
                total[present] += self.at(column).log_densities(rows[present, column])
        return total

    def draw_value(self, key: str, position: tuple[int, ...], generator: Generator) -> Value:
        """Draw a value of one site."""
        scale = self._table.scales[key]
        return scale.value(self.at(self._table.column((key, position))).draw(generator))


class Scored(msgspec.Struct, frozen=True):
    """A tree with its log densities."""

    tree: Tree
    log_l: float
    log_g: float

    @property
    def score(self) -> float:
        """Logarithm of l/g; larger is more promising."""
        return self.log_l - self.log_g


def candidates(
    edits: Edits, density: TreeDensity, elite: Sequence[Sites], count: int, generator: Generator
) -> list[Sites]:
    """Draw candidates: a quarter from l, the others as edits of good trees.

    Args:
        elite: the good trees, best first; better ones are edited more often.
        count: number of candidates.
    """

    def from_l(key: str, rule: Param, position: tuple[int, ...]) -> Value:
        if generator.random() < REDRAWN_UNIFORMLY:
            return draw_uniform(rule, generator)
        return density.draw_value(key, position, generator)

    drawn = []
    for _ in range(count):
        edit = generator.random()
        # The square favours the head of the list, where the best trees stand.
        parent = elite[int(len(elite) * generator.random() ** 2)] if elite else {}
        if edit < 0.25 or not elite:
            left: Sites = {}
        elif edit < 0.6:
            left = edits.redraw(parent, generator)
        elif edit < 0.75:
            left = edits.change_children(parent, generator)
        elif edit < 0.85:
            left = edits.redraw_siblings(parent, generator)
        else:
            left = edits.graft(parent, elite[int(generator.integers(len(elite)))], generator)
        drawn.append(edits.complete(left, from_l))
    return drawn


# A decision is drawn from the prior this often, so that values which l has not seen stay reachable.
REDRAWN_UNIFORMLY = 0.05


def shortlist(
    space: Space,
    good: Sequence[Tree],
    rest: Sequence[Tree],
    count: int,
    generator: Generator,
    admissible: Admissible = lambda _tree: True,
    known: frozenset[str] = frozenset(),
) -> list[Scored]:
    """Propose the `count` candidates of largest l/g, best first and all different.

    Args:
        good: evaluated trees to which l is fitted, best first.
        rest: evaluated trees to which g is fitted, oldest first.
        admissible: a condition on the whole tree besides the space's own limits.
        known: hashes of trees that are not to be proposed.

    Raises:
        SpaceRejected: no candidate and no drawn tree is within the limits.
    """
    admissible = within_limits(space, admissible)
    densities = _Densities(space, good, rest)
    drawn = candidates(
        Edits(space, densities.table.scales), densities.l, densities.elite, CANDIDATES + 8 * count, generator
    )
    scores = densities.of(drawn)
    order = sorted(range(len(drawn)), key=lambda n: scores[n][1] - scores[n][0])
    trees = first_admissible((tree_of(space, drawn[n]) for n in order), count, admissible, known)
    if not trees:
        # Every candidate is beyond the limits or known; limits that no tree can meet raise here.
        tree = draw_admissible(space, admissible, generator)
        trees = [] if tree_hash(tree) in known else [tree]
    return densities.rated(trees)


def rated(space: Space, good: Sequence[Tree], rest: Sequence[Tree], trees: Sequence[Tree]) -> list[Scored]:
    """Score given trees by l and g, in their order.

    Args:
        good: evaluated trees to which l is fitted.
        rest: evaluated trees to which g is fitted, oldest first.
        trees: the trees to score.

    Raises:
        SpaceRejected: a tree does not belong to the space.
    """
    return _Densities(space, good, rest).rated(trees)


class _Densities:
    """The two densities: l fitted to the good trees, g to the rest."""

    def __init__(self, space: Space, good: Sequence[Tree], rest: Sequence[Tree]) -> None:
        self._space, self.table = space, SiteTable(space)
        self._g = History(self.table)
        for number, tree in enumerate(rest):
            self._g.add(sites_of(space, tree), number)
        self.elite = [sites_of(space, tree) for tree in good]
        self.l = TreeDensity(self.table, self.elite)

    def of(self, trees: Sequence[Sites]) -> list[tuple[float, float]]:
        """Return log l and log g of each tree."""
        rows = self.table.rows(trees)
        return list(zip(self.l.log_densities(rows).tolist(), self._g.log_densities(rows).tolist(), strict=True))

    def rated(self, trees: Sequence[Tree]) -> list[Scored]:
        """Return trees with their log densities."""
        found = zip(trees, self.of([sites_of(self._space, tree) for tree in trees]), strict=True)
        return [Scored(tree, log_l, log_g) for tree, (log_l, log_g) in found]

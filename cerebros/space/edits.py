"""Edits of rose trees: changes to a few decisions of a good tree.

A tree is edited as a table of its *sites*, from (key, position) to value. An
edit removes or moves sites; `complete` then decides the missing ones, so that
an edited tree always belongs to its space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from numpy.random import Generator

from cerebros.space.rose_tree import Decide, Int, Param, Space, Tree, Value
from cerebros.space.rules import exists
from cerebros.space.scale import Scale

Site = tuple[str, tuple[int, ...]]
Sites = dict[Site, Value]


def sites_of(space: Space, tree: Tree) -> Sites:
    """Return every decision of a tree by its site.

    Raises:
        SpaceRejected: the tree does not belong to this space.
    """
    return {(decision.key, decision.position): decision.value for decision in space.decisions(tree)}


def tree_of(space: Space, sites: Sites) -> Tree:
    """Build the tree of a complete table of sites.

    Raises:
        KeyError: a site is missing.
    """
    return space.grow(lambda key, _rule, position: sites[key, position])


class Edits:
    """The edits of trees of one space.

    An edited table may lack sites or have superfluous ones; `complete` adds and drops them.

    Args:
        scales: the scale of every key of the space.
    """

    def __init__(self, space: Space, scales: Mapping[str, Scale]) -> None:
        self._root, self._layouts, self._scales = space.root, space.layouts(), scales
        self._free = {key for key, scale in scales.items() if scale.n_values != 1}
        self._slots = {key: scale.rule for key, scale in scales.items() if "#" in key and isinstance(scale.rule, Int)}
        waited_for = {
            f"{node}.{other}"
            for node, layout in self._layouts.items()
            for _, _, rule in layout.params
            for other in rule.when
        }
        self._nudged = self._free - self._slots.keys() - waited_for

    def complete(self, sites: Sites, decide: Decide) -> Sites:
        """Return a complete table: decide the missing sites and drop the superfluous ones."""
        grown: Sites = {}

        def decided(key: str, rule: Param, position: tuple[int, ...]) -> Value:
            site = (key, position)
            value = sites.get(site)
            if value is None:
                value = decide(key, rule, position)
            grown[site] = value
            return value

        def node(key: str, position: tuple[int, ...]) -> None:
            layout = self._layouts[key]
            values: dict[str, Value] = {}
            for param, name, rule in layout.params:
                if exists(rule, values):
                    values[param] = decided(name, rule, position)
            for name, rule, child in layout.slots:
                for index in range(int(decided(name, rule, position))):
                    node(child, (*position, index))

        node(self._root, ())
        return grown

    def redraw(self, sites: Sites, generator: Generator) -> Sites:
        """Remove one to three decisions, to be drawn again together with the sites they bring into existence."""
        free = [site for site in sites if site[0] in self._free]
        if not free:
            return dict(sites)
        count = min(len(free), int(generator.integers(1, 4)))
        removed = {free[n] for n in generator.choice(len(free), count, replace=False)}
        return {site: value for site, value in sites.items() if site not in removed}

    def redraw_siblings(self, sites: Sites, generator: Generator) -> Sites:
        """Remove the decisions of one key from every node that has it, to be drawn again."""
        free = sorted({key for key, _ in sites if key in self._free})
        if not free:
            return dict(sites)
        chosen = free[int(generator.integers(len(free)))]
        return {site: value for site, value in sites.items() if site[0] != chosen}

    def change_children(self, sites: Sites, generator: Generator) -> Sites:
        """Insert, delete, duplicate or swap one child of one slot, with everything below it."""
        slots = [site for site in sites if site[0] in self._slots and site[0] in self._free]
        if not slots:
            return self.redraw(sites, generator)
        slot = slots[int(generator.integers(len(slots)))]
        rule, count = self._slots[slot[0]], int(sites[slot])
        possible = [
            edit
            for edit, allowed in (
                (_insert, count < rule.high),
                (_duplicate, 0 < count < rule.high),
                (_delete, count > rule.low),
                (_swap, count > 1),
            )
            if allowed
        ]
        return possible[int(generator.integers(len(possible)))](sites, slot, count, generator)

    def nudge(self, sites: Sites, step: float, generator: Generator) -> Sites:
        """Move one to three values by about `step` of their range.

        Numbers of children and parameters that others wait for stay, so that the tree stays complete.

        Returns:
            The sites that changed; empty if no value can move.
        """
        free = [site for site in sites if site[0] in self._nudged]
        moved: Sites = {}
        for _ in range(min(len(free), int(generator.integers(1, 4)))):
            site = free[int(generator.integers(len(free)))]
            moved[site] = self._scales[site[0]].moved(sites[site], step, generator)
        return moved

    def graft(self, sites: Sites, donor: Sites, generator: Generator) -> Sites:
        """Replace the child at a random position by the donor's; at the root, replace one decision."""
        shared = [site for site in sites if site in donor and site[0] in self._free]
        if not shared:
            return dict(sites)
        key, position = shared[int(generator.integers(len(shared)))]
        node = key[: max(key.rfind("."), key.rfind("#"))]
        below = (
            {site for site in (*sites, *donor) if _is_below(site, node, position)} if position else {(key, position)}
        )
        kept = {site: value for site, value in sites.items() if site not in below}
        return kept | {site: value for site, value in donor.items() if site in below}


def _child_key(slot: Site) -> tuple[str, int]:
    """Return the key of a slot's children and the place of their index in a position."""
    node, _, child = slot[0].rpartition("#")
    return f"{node}/{child}", len(slot[1])


def _is_below(site: Site, node: str, position: tuple[int, ...]) -> bool:
    key = site[0]
    return (
        key.startswith(node)
        and (len(key) == len(node) or key[len(node)] in "./#")
        and site[1][: len(position)] == position
    )


def _renumbered(sites: Sites, slot: Site, renumber: Callable[[int], tuple[int, ...]], count: int) -> Sites:
    """Move each child of a slot to the indices that `renumber` returns; a child with none is dropped."""
    node, depth = _child_key(slot)
    moved: Sites = {}
    for (key, position), value in sites.items():
        if _is_below((key, position), node, slot[1]):
            for index in renumber(position[depth]):
                moved[key, (*position[:depth], index, *position[depth + 1 :])] = value
        else:
            moved[key, position] = value
    moved[slot] = count
    return moved


def _insert(sites: Sites, slot: Site, count: int, generator: Generator) -> Sites:
    place = int(generator.integers(count + 1))
    return _renumbered(sites, slot, lambda index: (index + (index >= place),), count + 1)


def _duplicate(sites: Sites, slot: Site, count: int, generator: Generator) -> Sites:
    twin = int(generator.integers(count))
    return _renumbered(
        sites,
        slot,
        lambda index: (index, index + 1) if index == twin else (index + (index > twin),),
        count + 1,
    )


def _delete(sites: Sites, slot: Site, count: int, generator: Generator) -> Sites:
    gone = int(generator.integers(count))
    return _renumbered(sites, slot, lambda index: () if index == gone else (index - (index > gone),), count - 1)


def _swap(sites: Sites, slot: Site, count: int, generator: Generator) -> Sites:
    left = int(generator.integers(count - 1))
    swapped = {left: left + 1, left + 1: left}
    return _renumbered(sites, slot, lambda index: (swapped.get(index, index),), count)

"""Wiring: a Cerebros tree becomes a directed acyclic graph of units with explicit links.

Level 0 is the input. A unit at level `v` reads from units of earlier levels
(predecessor links) and from units to its left in its own level (lateral
links). Links are drawn from a generator seeded by the numbers of units and
the wiring parameters, so that a tree always gives the same graph, and trees
that differ only in training parameters or widths share it. A tree can carry
its links (`with_links`); its graph then does not depend on the generator.

Corrected against the original: a link is made at most once, the parent level is
not damped, the lateral source at distance `d` is the unit `d` to the left,
skip limits bound every link, and the gate is applied (docs/cerebros.md).
"""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.random import Generator

from cerebros.errors import SpaceRejected
from cerebros.space.rose_tree import Tree, Value


class UnitId(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Level (0 is the input) and place from the left."""

    level: int
    place: int


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dense unit with the units it reads; if `gated`, its lateral inputs pass a sigmoid gate."""

    id: UnitId
    neurons: int
    predecessors: tuple[UnitId, ...]
    laterals: tuple[UnitId, ...]
    gated: bool


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network without its weights; units stand in an order in which they can be computed.

    Attributes:
        inputs: width of an encoded row.
        outputs: classes, or 1 for regression.
        output_reads: the units that the output layer reads.
        merge: `concat` joins a unit's inputs side by side, `add` sums them, the narrower ones padded with zeros.
        normalisation: of the joined inputs: over the `batch`, over each row (`layer`), or `none`.
    """

    inputs: int
    outputs: int
    activation: str
    dropout: float
    units: tuple[Unit, ...]
    output_reads: tuple[UnitId, ...]
    merge: str = "concat"
    normalisation: str = "batch"

    @property
    def widths(self) -> dict[UnitId, int]:
        """Width of the input and of every unit."""
        return {INPUT: self.inputs, **{unit.id: unit.neurons for unit in self.units}}

    def lateral_width(self, unit: Unit) -> int:
        """Return the width of a unit's lateral inputs side by side, as the gate reads them."""
        return sum(self.widths[source] for source in unit.laterals)

    def read_width(self, unit: Unit) -> int:
        """Return the width of all that a unit reads, joined."""
        parts = [self.widths[source] for source in unit.predecessors]
        parts += [self.lateral_width(unit)] if unit.laterals else []
        return sum(parts) if self.merge == "concat" else max(parts)


INPUT = UnitId(0, 0)


class Links(msgspec.Struct, frozen=True, array_like=True):
    """Predecessors and laterals of every unit, in the units' order, and the units that the output reads."""

    units: tuple[tuple[tuple[UnitId, ...], tuple[UnitId, ...]], ...]
    output_reads: tuple[UnitId, ...]


# The root's parameter that holds a tree's links as JSON; it is no decision of the search.
LINKS = "links"


def with_links(tree: Tree) -> Tree:
    """Return the tree with its links stored in it.

    Raises:
        SpaceRejected: the tree carries links already, and they are not links of its units.
    """
    return msgspec.structs.replace(tree, p=tree.p | {LINKS: msgspec.json.encode(_links_of(tree)).decode()})


def without_links(tree: Tree) -> Tree:
    """Return the tree without stored links, as the search knows it."""
    return msgspec.structs.replace(tree, p={name: value for name, value in tree.p.items() if name != LINKS})


def wire(tree: Tree, inputs: int, outputs: int) -> Architecture:
    """Build the architecture of a tree.

    Links are those stored in the tree, or else drawn by its wiring parameters.

    Args:
        tree: a tree of `cerebros_space`, with or without stored links.
        inputs: width of an encoded row.
        outputs: classes, or 1 for regression.

    Raises:
        SpaceRejected: the stored links are not links of the tree's units.
    """
    links = _links_of(tree)
    neurons = [int(unit.p["neurons"]) for level in tree.children("level") for unit in level.children("unit")]
    return Architecture(
        inputs=inputs,
        outputs=outputs,
        activation=str(tree.p["activation"]),
        dropout=float(tree.p["dropout"]),
        merge=str(tree.p["merge"]),
        normalisation=str(tree.p["normalisation"]),
        units=tuple(
            Unit(id, size, predecessors, laterals, gated=len(laterals) >= int(tree.p["gate_after_laterals"]))
            for id, size, (predecessors, laterals) in zip(_units(_levels(tree)), neurons, links.units, strict=True)
        ),
        output_reads=links.output_reads,
    )


def _links_of(tree: Tree) -> Links:
    if LINKS not in tree.p:
        return _drawn(tree)
    units = _units(_levels(tree))
    try:
        links = msgspec.json.decode(str(tree.p[LINKS]), type=Links)
    except msgspec.DecodeError as problem:
        raise SpaceRejected(f"the links of a tree are unreadable: {problem}; take them out to draw them anew") from None
    if len(links.units) != len(units):
        raise SpaceRejected(f"a tree of {len(units)} units carries the links of {len(links.units)}")
    known = {INPUT, *units}
    for unit, (predecessors, laterals) in zip(units, links.units, strict=True):
        backward = {source for source in predecessors if source.level >= unit.level}
        sideways = {source for source in laterals if source.level != unit.level or source.place >= unit.place}
        if wrong := backward | sideways | ({*predecessors, *laterals} - known):
            raise SpaceRejected(f"{_named(unit)} cannot read {', '.join(map(_named, sorted(wrong)))}")
        if not predecessors:
            raise SpaceRejected(f"{_named(unit)} reads no earlier level; take the links out to draw them anew")
    if not links.output_reads or not known.issuperset(links.output_reads):
        raise SpaceRejected(f"the output cannot read [{', '.join(map(_named, links.output_reads))}]")
    return links


def _named(unit: UnitId) -> str:
    return f"unit {unit.level}.{unit.place}"


def _levels(tree: Tree) -> list[tuple[UnitId, ...]]:
    return [(INPUT,)] + [
        tuple(UnitId(number, place) for place in range(len(level.children("unit"))))
        for number, level in enumerate(tree.children("level"), start=1)
    ]


def _units(levels: list[tuple[UnitId, ...]]) -> list[UnitId]:
    return [unit for level in levels[1:] for unit in level]


def _drawn(tree: Tree) -> Links:
    levels = _levels(tree)
    generator = np.random.default_rng(_wiring_seed(tree, levels))
    reads = {
        unit: (
            _draw_predecessors(unit.level, levels, tree.p, generator),
            _draw_laterals(unit, tree.p, generator),
        )
        for unit in _units(levels)
    }
    output_reads = _draw_predecessors(len(levels), levels, tree.p, generator)
    reads, output_reads = _attach_unread(levels, reads, output_reads, int(tree.p["max_skip"]), generator)
    return Links(
        tuple((tuple(sorted(predecessors)), laterals) for predecessors, laterals in reads.values()),
        tuple(sorted(output_reads)),
    )


# The root's parameters that decide how links are drawn.
WIRING = (
    "predecessor_affinity",
    "predecessor_decay",
    "max_skip",
    "p_lateral",
    "lateral_decay",
    "lateral_tries",
    "max_consecutive_laterals",
)


def _wiring_seed(tree: Tree, levels: list[tuple[UnitId, ...]]) -> int:
    """Return a seed that depends on the numbers of units and the wiring parameters alone.

    Trees that differ in their learning rate or their widths have the same links.
    """
    drawn_by = [[len(level) for level in levels], [tree.p[name] for name in WIRING]]
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(drawn_by)).digest()[:8])


Reads = dict[UnitId, tuple[set[UnitId], tuple[UnitId, ...]]]


def _draw_predecessors(
    level: int, levels: list[tuple[UnitId, ...]], p: dict[str, Value], generator: Generator
) -> set[UnitId]:
    """Draw the units of earlier levels that a unit at `level` reads; at least one is of the parent level."""
    reads: set[UnitId] = set()
    for earlier in range(max(0, level - int(p["max_skip"])), level):
        source = levels[earlier]
        distance = level - earlier
        wanted = float(p["predecessor_affinity"]) * float(p["predecessor_decay"]) ** (distance - 1) * len(source)
        # The fractional part is the chance of one link more, so that the expected number is `wanted`.
        count = min(len(source), int(wanted) + int(generator.random() < wanted % 1.0))
        count = max(count, 1) if distance == 1 else count
        picks = generator.choice(len(source), size=count, replace=False)
        reads.update(source[int(pick)] for pick in picks)
    return reads


def _draw_laterals(unit: UnitId, p: dict[str, Value], generator: Generator) -> tuple[UnitId, ...]:
    """Draw the units to its left that a unit reads, the farthest tried first."""
    sources: list[UnitId] = []
    run = 0
    for distance in range(unit.place, 0, -1):
        chance = float(p["p_lateral"]) * float(p["lateral_decay"]) ** (distance - 1)
        hit = any(generator.random() < chance for _ in range(int(p["lateral_tries"])))
        run = run + 1 if hit else 0
        if hit and run <= int(p["max_consecutive_laterals"]):
            sources.append(UnitId(unit.level, unit.place - distance))
    return tuple(sources)


def _attach_unread(
    levels: list[tuple[UnitId, ...]],
    reads: Reads,
    output_reads: set[UnitId],
    max_skip: int,
    generator: Generator,
) -> tuple[Reads, set[UnitId]]:
    """Give each unread unit a reader in a later level within `max_skip`; the output counts as the last level."""
    read = set(output_reads).union(
        *(predecessors for predecessors, _ in reads.values()), *(laterals for _, laterals in reads.values())
    )
    for unit in reads:
        if unit in read:
            continue
        reader_level = unit.level + int(generator.integers(1, 1 + min(max_skip, len(levels) - unit.level)))
        if reader_level == len(levels):
            output_reads.add(unit)
        else:
            reader = levels[reader_level][int(generator.integers(len(levels[reader_level])))]
            reads[reader][0].add(unit)
    return reads, output_reads


def count_parameters(architecture: Architecture) -> int:
    """Count the trainable weights of a network without building it."""
    total = 0
    for unit in architecture.units:
        lateral, width = architecture.lateral_width(unit), architecture.read_width(unit)
        total += width * unit.neurons + unit.neurons
        total += 2 * width if architecture.normalisation != "none" else 0
        total += lateral * lateral + lateral if unit.gated else 0
    width = sum(architecture.widths[source] for source in architecture.output_reads)
    return total + width * architecture.outputs + architecture.outputs


def count_flops(architecture: Architecture) -> int:
    """Count the floating-point operations of one prediction: two per multiply-accumulate of the dense products."""
    macs = sum(architecture.widths[source] for source in architecture.output_reads) * architecture.outputs
    for unit in architecture.units:
        macs += architecture.read_width(unit) * unit.neurons
        macs += architecture.lateral_width(unit) ** 2 if unit.gated else 0
    return 2 * macs

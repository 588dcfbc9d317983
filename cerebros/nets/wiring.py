"""From a Cerebros tree to a directed acyclic graph of units, every link explicit.

Level 0 is the input. A unit at level `v` reads from units of earlier levels
(predecessor links) and from units to its left in its own level (lateral
links). Links are drawn from a generator seeded by the tree's hash, so one
tree always gives one graph; the graph itself is stored with a trained model.

Mended against the original: a link is made at most once, the parent level is
not damped, the lateral source at distance `d` is the unit `d` to the left,
skip limits bound every link, and the gate is applied (docs/cerebros.md).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.random import Generator

from cerebros.rose_tree import Tree, Value, tree_hash


class UnitId(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Level (0 is the input) and place from the left."""

    level: int
    place: int


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dense unit: what it reads, and whether its lateral inputs pass a sigmoid gate."""

    id: UnitId
    neurons: int
    predecessors: tuple[UnitId, ...]
    laterals: tuple[UnitId, ...]
    gated: bool


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network that is fully determined but for its weights; units stand in an order they can be computed."""

    inputs: int
    outputs: int
    activation: str
    dropout: float
    units: tuple[Unit, ...]
    output_reads: tuple[UnitId, ...]

    @property
    def widths(self) -> dict[UnitId, int]:
        return {INPUT: self.inputs, **{unit.id: unit.neurons for unit in self.units}}


INPUT = UnitId(0, 0)


def wire(tree: Tree, inputs: int, outputs: int) -> Architecture:
    """Draw all links of a tree's network.

    Args:
        tree: of `cerebros_space`.
        inputs: width of an encoded row.
        outputs: classes, or 1 for regression.
    """
    generator = np.random.default_rng(int(tree_hash(tree), 16))
    levels = [(INPUT,)] + [
        tuple(UnitId(number, place) for place in range(len(level.children("unit"))))
        for number, level in enumerate(tree.children("level"), start=1)
    ]
    links = {
        unit: (
            _draw_predecessors(unit.level, levels, tree.p, generator),
            _draw_laterals(unit, tree.p, generator),
        )
        for level in levels[1:]
        for unit in level
    }
    output_reads = _draw_predecessors(len(levels), levels, tree.p, generator)
    links, output_reads = _attach_unread(levels, links, output_reads, int(tree.p["max_skip"]), generator)
    sizes = [[int(unit.p["neurons"]) for unit in level.children("unit")] for level in tree.children("level")]
    return Architecture(
        inputs=inputs,
        outputs=outputs,
        activation=str(tree.p["activation"]),
        dropout=float(tree.p["dropout"]),
        units=tuple(
            Unit(
                id,
                sizes[id.level - 1][id.place],
                tuple(sorted(predecessors)),
                laterals,
                gated=len(laterals) >= int(tree.p["gate_after_laterals"]),
            )
            for id, (predecessors, laterals) in links.items()
        ),
        output_reads=tuple(sorted(output_reads)),
    )


Links = dict[UnitId, tuple[set[UnitId], tuple[UnitId, ...]]]


def _draw_predecessors(
    level: int, levels: list[tuple[UnitId, ...]], p: dict[str, Value], generator: Generator
) -> set[UnitId]:
    """Units of earlier levels that a unit at `level` reads; at least one of the parent level."""
    reads: set[UnitId] = set()
    for earlier in range(max(0, level - int(p["max_skip"])), level):
        source = levels[earlier]
        distance = level - earlier
        wanted = float(p["predecessor_affinity"]) * float(p["predecessor_decay"]) ** (distance - 1) * len(source)
        # The fractional part is a chance, so the expected number of links is `wanted`.
        count = min(len(source), int(wanted) + int(generator.random() < wanted % 1.0))
        count = max(count, 1) if distance == 1 else count
        picks = generator.choice(len(source), size=count, replace=False)
        reads.update(source[int(pick)] for pick in picks)
    return reads


def _draw_laterals(unit: UnitId, p: dict[str, Value], generator: Generator) -> tuple[UnitId, ...]:
    """Units to the left that `unit` reads, the farthest tried first."""
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
    links: Links,
    output_reads: set[UnitId],
    max_skip: int,
    generator: Generator,
) -> tuple[Links, set[UnitId]]:
    """Give every unit that nobody reads a reader in a later level within reach; the output is the last."""
    read = set(output_reads).union(
        *(predecessors for predecessors, _ in links.values()), *(laterals for _, laterals in links.values())
    )
    for unit in links:
        if unit in read:
            continue
        reader_level = unit.level + int(generator.integers(1, 1 + min(max_skip, len(levels) - unit.level)))
        if reader_level == len(levels):
            output_reads.add(unit)
        else:
            reader = levels[reader_level][int(generator.integers(len(levels[reader_level])))]
            links[reader][0].add(unit)
    return links, output_reads


def count_parameters(architecture: Architecture) -> int:
    """Trainable weights the network will have, without building it."""
    widths = architecture.widths
    total = 0
    for unit in architecture.units:
        lateral = sum(widths[source] for source in unit.laterals)
        width = lateral + sum(widths[source] for source in unit.predecessors)
        total += 2 * width + width * unit.neurons + unit.neurons  # normalisation, weights, biases
        total += lateral * lateral + lateral if unit.gated else 0
    width = sum(widths[source] for source in architecture.output_reads)
    return total + width * architecture.outputs + architecture.outputs


def count_flops(architecture: Architecture) -> int:
    """Floating-point operations of one prediction: two per multiply-accumulate of the dense products."""
    widths = architecture.widths
    macs = sum(widths[source] for source in architecture.output_reads) * architecture.outputs
    for unit in architecture.units:
        lateral = sum(widths[source] for source in unit.laterals)
        macs += (lateral + sum(widths[source] for source in unit.predecessors)) * unit.neurons
        macs += lateral * lateral if unit.gated else 0
    return 2 * macs

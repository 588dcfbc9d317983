"""Pictures of architectures: units in columns by level and every link, as one SVG element."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cerebros.nets.wiring import INPUT, Architecture, UnitId

COLUMN, ROW, MARGIN = 150, 56, 40  # pixels
_LINK = {"predecessor": "#94a3b8", "skip": "#0ea5e9", "lateral": "#f59e0b", "gated": "#dc2626"}


Place = tuple[float, float]  # x and y in pixels


def svg(architecture: Architecture) -> str:
    """Draw a network from left (inputs) to right (outputs).

    Grey links go to the next level, blue ones skip levels, orange ones are
    lateral, red ones lateral and gated. A unit's circle grows with its neurons.
    """
    last = 1 + max((unit.id.level for unit in architecture.units), default=0)
    levels: dict[int, list[UnitId]] = {0: [INPUT]}
    for unit in architecture.units:
        levels.setdefault(unit.id.level, []).append(unit.id)
    tallest = max(len(level) for level in levels.values())
    place = {
        unit: (MARGIN + unit.level * COLUMN, MARGIN + (index + (tallest - len(level)) / 2) * ROW)
        for level in levels.values()
        for index, unit in enumerate(level)
    }
    outputs = (MARGIN + last * COLUMN, MARGIN + (tallest - 1) / 2 * ROW)
    elements = _links(architecture, place, outputs, last) + _nodes(architecture, place, outputs)
    width, height = 2 * MARGIN + last * COLUMN, 2 * MARGIN + tallest * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">\n' + "\n".join(elements) + "\n</svg>\n"
    )


def _links(architecture: Architecture, place: Mapping[UnitId, Place], outputs: Place, last: int) -> list[str]:
    links = [
        _link(place[source], place[unit.id], "predecessor" if unit.id.level - source.level == 1 else "skip")
        for unit in architecture.units
        for source in unit.predecessors
    ]
    links += [
        _arc(place[source], place[unit.id], "gated" if unit.gated else "lateral")
        for unit in architecture.units
        for source in unit.laterals
    ]
    links += [
        _link(place[source], outputs, "predecessor" if last - source.level == 1 else "skip")
        for source in architecture.output_reads
    ]
    return links


def _nodes(architecture: Architecture, place: Mapping[UnitId, Place], outputs: Place) -> list[str]:
    nodes = [_node(*place[INPUT], 16, f"{architecture.inputs} inputs", "#334155")]
    nodes += [
        _node(*place[unit.id], 6 + 2 * math.log2(unit.neurons), f"{unit.neurons}", "#2563eb")
        for unit in architecture.units
    ]
    nodes.append(_node(*outputs, 16, f"{architecture.outputs} outputs", "#334155"))
    return nodes


def _link(start: Place, end: Place, kind: str) -> str:
    (x1, y1), (x2, y2) = start, end
    # A skip bows, or it would hide behind the links of the levels it passes.
    bow = 0.0 if kind == "predecessor" else 0.3 * ROW
    bend = (x2 - x1) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{x1 + bend:.0f} {y1 - bow:.0f} {x2 - bend:.0f} {y2 - bow:.0f} '
        f'{x2:.0f} {y2:.0f}" fill="none" stroke="{_LINK[kind]}" stroke-width="1.5"/>'
    )


def _arc(start: Place, end: Place, kind: str) -> str:
    (x1, y1), (x2, y2) = start, end
    out = x1 + 0.3 * COLUMN
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{out:.0f} {y1:.0f} {out:.0f} {y2:.0f} {x2:.0f} {y2:.0f}" '
        f'fill="none" stroke="{_LINK[kind]}" stroke-width="1.5"/>'
    )


def _node(x: float, y: float, radius: float, label: str, colour: str) -> str:
    return (
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.1f}" fill="{colour}"/>'
        f'<text x="{x:.0f}" y="{y + radius + 12:.0f}" text-anchor="middle" fill="#334155">{label}</text>'
    )

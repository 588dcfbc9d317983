"""Architectures as PyTorch modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cerebros.nets.wiring import INPUT, Architecture, Unit, UnitId

ACTIVATION: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "softsign": nn.Softsign,
}


NORMALISATION: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "none": lambda _width: nn.Identity(),
}


class DenseUnit(nn.Module):
    """One unit of a Cerebros network: it joins what it reads, normalises, multiplies and activates."""

    def __init__(self, unit: Unit, architecture: Architecture) -> None:
        super().__init__()
        self._reads = unit.predecessors
        self._laterals = unit.laterals
        self._merge = architecture.merge
        self._width = width = architecture.read_width(unit)
        lateral = architecture.lateral_width(unit)
        self.gate = nn.Linear(lateral, lateral) if unit.gated else None
        self.norm = NORMALISATION[architecture.normalisation](width)
        self.dense = nn.Linear(width, unit.neurons)
        self.activation = ACTIVATION[architecture.activation]()
        self.dropout = nn.Dropout(architecture.dropout)

    def forward(self, computed: dict[UnitId, Tensor]) -> Tensor:
        """Compute the unit from the outputs of earlier units, (n, width) each; returns (n, neurons)."""
        sources = [computed[source] for source in self._reads]
        if self._laterals:
            lateral = torch.cat([computed[source] for source in self._laterals], dim=1)
            sources.append(lateral if self.gate is None else lateral * torch.sigmoid(self.gate(lateral)))
        activated: Tensor = self.dropout(self.activation(self.dense(self.norm(self._joined(sources)))))
        return activated

    def _joined(self, sources: list[Tensor]) -> Tensor:
        if self._merge == "add":
            return added(sources, self._width)
        return sources[0] if len(sources) == 1 else torch.cat(sources, dim=1)


def added(sources: Sequence[Tensor], width: int) -> Tensor:
    """Add tensors of (n, at most `width`), the narrower ones padded with zeros; returns (n, width)."""
    total = functional.pad(sources[0], (0, width - sources[0].shape[1]))
    for source in sources[1:]:
        total = total + functional.pad(source, (0, width - source.shape[1]))
    return total


class CerebrosNet(nn.Module):
    """The network of an architecture."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        widths = architecture.widths
        self.units = nn.ModuleList(DenseUnit(unit, architecture) for unit in architecture.units)
        self.head = nn.Linear(sum(widths[source] for source in architecture.output_reads), architecture.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute logits or values, (n, outputs), from encoded rows, (n, inputs) float32."""
        computed = {INPUT: inputs}
        for unit, module in zip(self.architecture.units, self.units, strict=True):
            computed[unit.id] = module(computed)
        reads = [computed[source] for source in self.architecture.output_reads]
        answers: Tensor = self.head(reads[0] if len(reads) == 1 else torch.cat(reads, dim=1))
        return answers

"""An architecture as a PyTorch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cerebros.nets.wiring import INPUT, Architecture, Unit, UnitId

ACTIVATION: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "softsign": nn.Softsign,
}


class DenseUnit(nn.Module):
    """Concatenate, normalise, multiply, activate: one unit of a Cerebros network."""

    def __init__(self, unit: Unit, widths: dict[UnitId, int], activation: str, dropout: float) -> None:
        super().__init__()
        self._reads = unit.predecessors
        self._laterals = unit.laterals
        lateral = sum(widths[source] for source in unit.laterals)
        width = lateral + sum(widths[source] for source in unit.predecessors)
        self.gate = nn.Linear(lateral, lateral) if unit.gated else None
        self.norm = nn.BatchNorm1d(width)
        self.dense = nn.Linear(width, unit.neurons)
        self.activation = ACTIVATION[activation]()
        self.dropout = nn.Dropout(dropout)

    def forward(self, computed: dict[UnitId, Tensor]) -> Tensor:
        sources = [computed[source] for source in self._reads]
        if self._laterals:
            lateral = torch.cat([computed[source] for source in self._laterals], dim=1)
            sources.append(lateral if self.gate is None else lateral * torch.sigmoid(self.gate(lateral)))
        joined = sources[0] if len(sources) == 1 else torch.cat(sources, dim=1)
        activated: Tensor = self.dropout(self.activation(self.dense(self.norm(joined))))
        return activated


class CerebrosNet(nn.Module):
    """The network of an architecture: (n, inputs) float32 in, (n, outputs) logits or values out."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        widths = architecture.widths
        self.units = nn.ModuleList(
            DenseUnit(unit, widths, architecture.activation, architecture.dropout) for unit in architecture.units
        )
        self.head = nn.Linear(sum(widths[source] for source in architecture.output_reads), architecture.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        computed = {INPUT: inputs}
        for unit, module in zip(self.architecture.units, self.units, strict=True):
            computed[unit.id] = module(computed)
        reads = [computed[source] for source in self.architecture.output_reads]
        answers: Tensor = self.head(reads[0] if len(reads) == 1 else torch.cat(reads, dim=1))
        return answers

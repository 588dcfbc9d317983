"""The networks of a population, computed wave by wave from one flat tensor of weights.

A unit's wave is one more than the latest wave it reads from. The columns of a
wave stand unit after unit; `B` is the number of rows of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional

from cerebros.nets.module import ACTIVATION, DenseUnit, added
from cerebros.nets.training import Training
from cerebros.nets.wiring import INPUT, Unit, UnitId


class Layout:
    """The flat tensors of weights, gradients and directions, and the place of each member's weights in them."""

    def __init__(self, members: Sequence[Training]) -> None:
        self._device = members[0].inputs.device
        self._owned = [dict(member.net.named_parameters()) for member in members]
        self._optimisers = [member.optimiser for member in members]
        self._order: list[tuple[int, nn.Parameter]] = []
        self._leaves: list[tuple[Tensor, int]] = []
        self._size = 0

    def leaf(self, names: Sequence[tuple[int, str]], shape: tuple[int, ...]) -> Tensor:
        """Reserve one tensor for weights that are used together; `gather` fills it.

        Args:
            names: member and parameter name of each weight, in order.
            shape: shape of all of them as one tensor.
        """
        leaf = torch.empty(shape, device=self._device)
        self._order += [(member, self._owned[member][name]) for member, name in names]
        self._leaves.append((leaf, self._size))
        self._size += leaf.numel()
        return leaf

    def gather(self) -> None:
        """Copy the members' weights into a flat tensor; leaves and their gradients become views of flat tensors."""
        self.weights = torch.cat([weight.detach().flatten() for _, weight in self._order])
        self.gradient, self.direction = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        for leaf, start in self._leaves:
            window = slice(start, start + leaf.numel())
            leaf.data = self.weights[window].view(leaf.shape)
            leaf.requires_grad_()
            leaf.grad = self.gradient[window].view(leaf.shape)

    def gathered(self, moment: str) -> Tensor:
        """Return one of Adam's moments of all weights as a flat tensor."""
        return torch.cat([self._optimisers[m].state[weight][moment].flatten() for m, weight in self._order])

    def spread(self, values: Sequence[float]) -> Tensor:
        """Repeat one number per member for each of its weights."""
        counts = torch.tensor([weight.numel() for _, weight in self._order], device=self._device)
        of_weights = torch.tensor([values[member] for member, _ in self._order], device=self._device)
        return of_weights.repeat_interleave(counts)

    @torch.no_grad()
    def scatter(self, adam: dict[str, Tensor]) -> None:
        """Write weights and Adam's state back to the members."""
        sizes = [weight.numel() for _, weight in self._order]
        flat = zip(
            *(torch.split(adam[m], sizes) for m in ("exp_avg", "exp_avg_sq")),
            torch.split(self.weights, sizes),
            strict=True,
        )
        for (member, weight), (first, second, value) in zip(self._order, flat, strict=True):
            weight.copy_(value.view(weight.shape))
            self._optimisers[member].state[weight] = {
                "step": adam["step"].clone(),
                "exp_avg": first.view(weight.shape).clone(),
                "exp_avg_sq": second.view(weight.shape).clone(),
            }


class SideBySide:
    """Dense layers computed side by side; neighbours of one shape are one batched product."""

    def __init__(self, layers: Sequence[tuple[int, str]], members: Sequence[Training], layout: Layout) -> None:
        shapes = [members[m].net.get_parameter(f"{name}.weight").shape for m, name in layers]
        self._weights, self._widths, start = [], [], 0
        for (outs, ins), group in groupby(shapes):
            count = len(list(group))
            names = [(m, f"{name}.weight") for m, name in layers[start : start + count]]
            self._weights.append(layout.leaf(names, (count, outs, ins)))
            self._widths.append(count)
            start += count
        self._bias = layout.leaf([(m, f"{name}.bias") for m, name in layers], (sum(out for out, _ in shapes),))
        self.outs = [out for out, _ in shapes]

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute all layers from one (B, width) input each; returns (B, sum of the layers' outputs)."""
        products, start = [], 0
        for weight in self._weights:
            count = len(weight)
            if count == 1:
                products.append(inputs[start] @ weight[0].T)
            else:
                stacked = torch.stack(list(inputs[start : start + count]))
                products.append(torch.bmm(stacked, weight.transpose(1, 2)).transpose(0, 1).flatten(1))
            start += count
        return joined(products) + self._bias


class Wave:
    """Units of all members that read from earlier waves only."""

    def __init__(self, members: Sequence[Training], units: Sequence[tuple[int, int]], layout: Layout) -> None:
        modules = [_module(members[m], n) for m, n in units]
        self._units: list[tuple[int, Unit]] = [(m, members[m].architecture.units[n]) for m, n in units]
        self._adds = [members[m].architecture.merge == "add" for m, _ in units]
        self._reads = [module.dense.in_features for module in modules]
        # Units stand in the order batch, layer, none; see `units_by_wave`.
        self._norms = [module.norm for module in modules if isinstance(module.norm, nn.BatchNorm1d)]
        self._layers = [module.dense.in_features for module in modules if isinstance(module.norm, nn.LayerNorm)]
        normed = len(self._norms) + len(self._layers)
        names = [(m, f"units.{n}") for m, n in units]
        gated = [name for name, module in zip(names, modules, strict=True) if module.gate is not None]
        self._gates = SideBySide([(m, f"{name}.gate") for m, name in gated], members, layout) if gated else None
        scaled = (sum(self._reads[:normed]),)
        self._scale = layout.leaf([(m, f"{name}.norm.weight") for m, name in names[:normed]], scaled)
        self._shift = layout.leaf([(m, f"{name}.norm.bias") for m, name in names[:normed]], scaled)
        self._dense = SideBySide([(m, f"{name}.dense") for m, name in names], members, layout)
        device = members[0].inputs.device
        self._mean = torch.cat([torch.empty(0, device=device), *(_buffer(norm.running_mean) for norm in self._norms)])
        self._variance = torch.cat([torch.empty(0, device=device), *(_buffer(n.running_var) for n in self._norms)])
        self._steps = 0
        activations = [members[m].architecture.activation for m, _ in units]
        self._activations = [
            (ACTIVATION[name](), sum(out for _, out in group))
            for name, group in groupby(zip(activations, self._dense.outs, strict=True), key=lambda pair: pair[0])
        ]
        rates = [members[m].architecture.dropout for m, _ in units]
        kept = torch.tensor([1.0 - rate for rate in rates], device=self._mean.device)
        self._kept = kept.repeat_interleave(torch.tensor(self._dense.outs, device=kept.device)) if any(rates) else None

    def compute(self, known: Sequence[dict[UnitId, Tensor]]) -> None:
        """Compute the units and add their outputs to those known of each member."""
        laterals = {
            index: joined([known[m][source] for source in unit.laterals])
            for index, (m, unit) in enumerate(self._units)
            if unit.laterals
        }
        if self._gates is not None:
            gated = [index for index, (_, unit) in enumerate(self._units) if unit.gated]
            opened = torch.split(
                torch.sigmoid(self._gates([laterals[index] for index in gated])), self._gates.outs, dim=1
            )
            laterals |= {index: laterals[index] * gate for index, gate in zip(gated, opened, strict=True)}
        parts: list[Tensor] = []
        for index, (m, unit) in enumerate(self._units):
            sources = [known[m][source] for source in unit.predecessors]
            sources += [laterals[index]] if unit.laterals else []
            parts += [added(sources, self._reads[index])] if self._adds[index] else sources
        normal = self._normalised(joined(parts))
        self._steps += 1
        answers = self._activated(self._dense(torch.split(normal, self._reads, dim=1)))
        if self._kept is not None:
            answers = answers * ((torch.rand_like(answers) < self._kept) / self._kept)
        for (m, unit), answer in zip(self._units, torch.split(answers, self._dense.outs, dim=1), strict=True):
            known[m][unit.id] = answer

    def _normalised(self, reads: Tensor) -> Tensor:
        """Normalise the joined inputs, each unit's part over the batch, over rows, or not at all."""
        over_batch, over_row = len(self._mean), sum(self._layers)
        parts: list[Tensor] = []
        batch, rows, raw = torch.split(reads, [over_batch, over_row, reads.shape[1] - over_batch - over_row], dim=1)
        if over_batch:
            scale, shift = self._scale[:over_batch], self._shift[:over_batch]
            parts.append(functional.batch_norm(batch, self._mean, self._variance, scale, shift, training=True))
        if over_row:
            units = torch.split(rows, self._layers, dim=1)
            straight = joined([functional.layer_norm(unit, (unit.shape[1],)) for unit in units])
            parts.append(straight * self._scale[over_batch:] + self._shift[over_batch:])
        if raw.shape[1]:
            parts.append(raw)
        return joined(parts)

    def _activated(self, values: Tensor) -> Tensor:
        if len(self._activations) == 1:
            activated: Tensor = self._activations[0][0](values)
            return activated
        split = torch.split(values, [width for _, width in self._activations], dim=1)
        return torch.cat([activate(v) for (activate, _), v in zip(self._activations, split, strict=True)], dim=1)

    def hand_back_statistics(self) -> None:
        """Write running means and variances back to the members' batch normalisations."""
        widths = [norm.num_features for norm in self._norms]
        means, variances = torch.split(self._mean, widths), torch.split(self._variance, widths)
        for norm, mean, variance in zip(self._norms, means, variances, strict=True):
            _buffer(norm.running_mean).copy_(mean)
            _buffer(norm.running_var).copy_(variance)
            _buffer(norm.num_batches_tracked).add_(self._steps)
        self._steps = 0


def units_by_wave(members: Sequence[Training]) -> list[list[tuple[int, int]]]:
    """Return the units of each wave as (member, place in its architecture).

    Within a wave, units of equal normalisation, activation and shape stand side by side.
    """
    waves: list[list[tuple[int, int]]] = []
    for m, member in enumerate(members):
        wave_of = {INPUT: -1}
        for n, unit in enumerate(member.architecture.units):
            number = 1 + max(wave_of[source] for source in (*unit.predecessors, *unit.laterals))
            wave_of[unit.id] = number
            if number == len(waves):
                waves.append([])
            waves[number].append((m, n))

    def alike(place: tuple[int, int]) -> tuple[str, str, int, int, int, int]:
        m, n = place
        module = _module(members[m], n)
        shape = (module.dense.in_features, module.dense.out_features)
        return (members[m].architecture.normalisation, members[m].architecture.activation, *shape, n, m)

    return [sorted(wave, key=alike) for wave in waves]


def _module(member: Training, n: int) -> DenseUnit:
    module = member.net.units[n]
    assert isinstance(module, DenseUnit)  # noqa: S101 (tells the type checker what ModuleList forgot)
    return module


def _buffer(tensor: Tensor | None) -> Tensor:
    """Return a running statistic of batch normalisation, which our units always keep.

    Raises:
        TypeError: there is none.
    """
    if tensor is None:
        raise TypeError("batch normalisation keeps running statistics in every unit")
    return tensor


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Join tensors, (B, width) each, side by side."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)

"""Training of several networks as one, which shares the overhead of each step.

At the sizes searched here a step mostly costs the overhead of some dozen
small operations per unit. A population is the disjoint union of its members'
graphs, computed wave by wave: a unit's wave is one more than the latest wave
it reads from. Within a wave all units are joined, normalised, shifted and
dropped out together, and units of one shape are multiplied together. Seed
repeats of one network thus cost little more than one of them, and networks of
different shapes still share most of the calls. Each member keeps its own
order of rows, learning rate and moments, so that it can enter from and return
to a training of its own.

Notation: `B` is the number of rows of a step; a wave's columns stand unit after unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median_low

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cerebros.data.features import Fold
from cerebros.nets.training import (
    Diverged,
    EpochDone,
    Recipe,
    Task,
    Training,
    batches,
    dropout_seed,
    learning_rate,
    of_targets,
)
from cerebros.nets.waves import Layout, SideBySide, Wave, joined, units_by_wave
from cerebros.nets.wiring import INPUT, Architecture, UnitId

# For wider rows, copying each member's inputs costs more than is saved (docs/LOG.md).
WIDEST_INPUTS = 256


def train_together(members: Sequence[Training], epochs: int) -> Iterator[tuple[EpochDone | Diverged | None, ...]]:
    """Train members together for up to `epochs` more epochs.

    Yields each member's result after every epoch, None for a member that has
    ended. Between yields every member is as if it had trained alone, up to
    rounding and the draws of dropout; `training.state` may be taken of it.

    Raises:
        ValueError: members differ in rows, batch size, task or epochs done.
    """
    if len({(shape_of(member), member.epochs_done) for member in members}) > 1:
        raise ValueError("members of a population share rows, batch size, task and the epochs they have done")
    population: Population | None = None
    for _ in range(epochs):
        alive = [member for member in members if not member.ended]
        if not alive:
            return
        if len(alive) == 1:  # trains faster by itself
            epoch: tuple[EpochDone | Diverged, ...] = (alive[0].epoch(),)
        else:
            if population is None or len(population.members) > len(alive):
                population = Population(alive)
            epoch = population.epoch()
        done = dict(zip(map(id, alive), epoch, strict=True))
        yield tuple(done.get(id(member)) for member in members)


def populations(trainings: Sequence[Training]) -> list[list[int]]:
    """Group trainings that are faster when trained together.

    On a CPU, trainings with rows wider than `WIDEST_INPUTS` stay alone.

    Returns:
        Groups of indices into `trainings`.
    """
    alike: dict[object, list[int]] = {}
    for n, member in enumerate(trainings):
        together = member.inputs.is_cuda or member.inputs.shape[1] <= WIDEST_INPUTS  # a GPU has room for the copies
        alike.setdefault((shape_of(member), member.epochs_done) if together else n, []).append(n)
    return list(alike.values())


class Repeats(msgspec.Struct, frozen=True):
    """Figures of one network trained from several seeds, without the seeds that diverged.

    Attributes:
        accuracies: validation accuracy of each seed's best epoch.
        best_epochs: number of each seed's best epoch, from 1.
        diverged: number of seeds that diverged.
    """

    accuracies: tuple[float, ...]
    best_epochs: tuple[int, ...]
    diverged: int

    @property
    def mean(self) -> float | None:
        """Mean accuracy, None when every seed diverged."""
        return float(np.mean(self.accuracies)) if self.accuracies else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the accuracy between seeds (n - 1), None for fewer than two."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else None

    @property
    def epochs(self) -> int | None:
        """Epochs to train the network: the lower median of the best epochs, None when every seed diverged."""
        return median_low(self.best_epochs) if self.best_epochs else None


def repeat_over_seeds(
    architecture: Architecture,
    recipe: Recipe,
    rows: Fold,
    validation: Fold,
    task: Task,
    seeds: Sequence[int],
    device: str = "cpu",
) -> Repeats:
    """Train a network once for each seed, to tell a better network from a luckier seed.

    The repeats train together, or one by one on wide rows.

    Args:
        recipe: its seed is replaced by each of `seeds`.
    """
    members = [
        Training(architecture, msgspec.structs.replace(recipe, seed=seed), rows, validation, task, device)
        for seed in seeds
    ]
    for places in populations(members):
        for _ in train_together([members[n] for n in places], recipe.epochs):
            pass
    sound = [member for member in members if not member.diverged]
    return Repeats(
        tuple(member.best_accuracy for member in sound),
        tuple(member.best_epoch for member in sound),
        len(members) - len(sound),
    )


def shape_of(member: Training) -> tuple[tuple[int, ...], int, str]:
    """Return shape of the inputs, batch size and task, which members of a population must have in common."""
    return tuple(member.inputs.shape), member.recipe.batch_size, member.task


class Population:
    """Members in training, with their weights in one flat tensor, laid out wave by wave."""

    def __init__(self, members: Sequence[Training]) -> None:
        self.members = tuple(members)
        self._device = members[0].inputs.device
        self._layout = Layout(members)
        self._waves = [Wave(members, units, self._layout) for units in units_by_wave(members)]
        self._heads = SideBySide([(m, "head") for m in range(len(members))], members, self._layout)
        self._layout.gather()
        self._adam = self._taken_over_adam()

    def epoch(self) -> tuple[EpochDone | Diverged, ...]:
        """Train every member for one epoch."""
        rates = [learning_rate(member.recipe, member.epochs_done) for member in self.members]
        decays = [1.0 - rate * m.recipe.weight_decay for rate, m in zip(rates, self.members, strict=True)]
        rate, decay = self._layout.spread(rates), self._layout.spread(decays)
        first = self.members[0]
        total, seen = torch.zeros(len(self.members), device=self._device), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(dropout_seed(first.recipe, first.epochs_done + 1))
            for rows in zip(*map(batches, self.members), strict=True):
                losses = self._losses(rows)
                self._layout.gradient.zero_()
                torch.autograd.backward([losses.sum()])
                self._step(rate, decay)
                total += losses.detach() * len(rows[0])
                seen += len(rows[0])
        self._hand_back()
        return tuple(
            member.close_epoch(loss) for member, loss in zip(self.members, (total / max(seen, 1)).tolist(), strict=True)
        )

    def _losses(self, rows: Sequence[Tensor]) -> Tensor:
        """Compute the members' mean losses of a step, (n_members,).

        A member's loss depends on its own weights alone, so that the losses can be summed before `backward`.
        """
        first = self.members[0]
        known: list[dict[UnitId, Tensor]] = [{INPUT: first.inputs[batch]} for batch in rows]
        for wave in self._waves:
            wave.compute(known)
        reads = [
            joined([computed[source] for source in member.architecture.output_reads])
            for computed, member in zip(known, self.members, strict=True)
        ]
        outputs = first.architecture.outputs
        answers = self._heads(reads).reshape(-1, len(reads), outputs).transpose(0, 1)  # (n_members, B, outputs)
        targets = torch.stack([first.targets[batch] for batch in rows])
        of_task = of_targets(answers, first.task)
        if first.task == "classification":
            losses = functional.cross_entropy(of_task.flatten(0, 1), targets.flatten(), reduction="none")
            return losses.reshape(targets.shape).mean(dim=1)
        if first.task == "multilabel":
            losses = functional.binary_cross_entropy_with_logits(of_task, targets, reduction="none")
            return losses.mean(dim=(1, 2))
        squares: Tensor = (of_task - targets).square()
        return squares.mean(dim=1)

    def _step(self, rate: Tensor, decay: Tensor) -> None:
        """Take a step of AdamW.

        A step of size 1 from zero gives Adam's direction, which each member follows at its own learning rate.

        Source: Loshchilov and Hutter 2019.
        """
        layout = self._layout
        layout.direction.zero_()
        self._adam.step()
        layout.weights.mul_(decay).addcmul_(layout.direction, rate)

    def _taken_over_adam(self) -> torch.optim.AdamW:
        layout = self._layout
        adam = torch.optim.AdamW([layout.direction], lr=1.0, weight_decay=0.0, fused=True)
        layout.direction.grad = layout.gradient
        states = [member.optimiser.state for member in self.members]
        if all(states):
            steps = next(iter(states[0].values()))["step"].clone()
            adam.state[layout.direction] = {
                "step": steps,
                **{moment: layout.gathered(moment) for moment in ("exp_avg", "exp_avg_sq")},
            }
        return adam

    def _hand_back(self) -> None:
        """Write weights, running statistics and moments back to each member."""
        self._layout.scatter(self._adam.state[self._layout.direction])
        for wave in self._waves:
            wave.hand_back_statistics()

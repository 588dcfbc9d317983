"""Train one network, an epoch at a time.

`train` is a generator: it yields after every epoch and the caller may stop
there. It neither prints nor saves, and all its randomness comes from `seed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from cerebros.features import Fold
from cerebros.nets.module import CerebrosNet
from cerebros.nets.wiring import Architecture

# Epochs without a better validation loss after which more of them rarely help at these sizes.
PATIENCE = 6


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train: step size (AdamW), rows per step, passes over the data."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    seed: int


class Scores(msgspec.Struct, frozen=True):
    """Loss (cross-entropy in nats, or squared error in standardised units) and accuracy or R²."""

    loss: float
    accuracy: float


class EpochDone(msgspec.Struct, frozen=True):
    """Figures after epoch `number` (from 1); `validation` is None when no such rows were given."""

    number: int
    train_loss: float
    validation: Scores | None


class Trained(msgspec.Struct, frozen=True):
    """The end of a training that did not diverge: the network with its best epoch's weights, in eval mode."""

    net: CerebrosNet
    best_epoch: int
    epochs: int


class Diverged(msgspec.Struct, frozen=True):
    """The loss became NaN or infinite in epoch `epoch`; nothing of the network is worth keeping."""

    epoch: int


Progress = EpochDone | Trained | Diverged
Task = Literal["classification", "regression"]
Weights = Mapping[str, Tensor]


def train(
    architecture: Architecture,
    recipe: Recipe,
    rows: Fold,
    validation: Fold | None,
    task: Task,
    device: str = "cpu",
) -> Iterator[Progress]:
    """Train a fresh network; yields `EpochDone`s and last either `Trained` or `Diverged`.

    With validation rows the epoch of lowest validation loss wins and training
    stops early after `PATIENCE` epochs without a better one; without them
    the last epoch wins.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = CerebrosNet(architecture).to(device)
    shuffle = torch.Generator().manual_seed(recipe.seed)
    dropout_seed = recipe.seed + 1
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    # Steps shrink to nothing over the epochs, so the last weights are not those of a random walk.
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=recipe.epochs)
    criterion = loss_function(task)
    inputs, targets = tensors(rows, device)
    best: tuple[float, int, Weights] | None = None
    number = 0
    for number in range(1, recipe.epochs + 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(dropout_seed + number)
            train_loss = _one_epoch(net, optimiser, criterion, inputs, targets, recipe.batch_size, shuffle)
        schedule.step()
        if not math.isfinite(train_loss):
            yield Diverged(number)
            return
        scores = evaluate(net, validation, task, device) if validation is not None else None
        if scores is not None and not math.isfinite(scores.loss):
            yield Diverged(number)
            return
        yield EpochDone(number, train_loss, scores)
        if scores is None or best is None or scores.loss < best[0]:
            best = (scores.loss if scores else train_loss, number, _copy(net.state_dict()))
        if scores is not None and number - best[1] >= PATIENCE:
            break
    if best is None:
        raise ValueError(f"epochs is {recipe.epochs}; a training needs at least one")
    net.load_state_dict(best[2])
    yield Trained(net.eval(), best_epoch=best[1], epochs=number)


def loss_function(task: Task) -> nn.Module:
    return nn.CrossEntropyLoss() if task == "classification" else nn.MSELoss()


def tensors(fold: Fold, device: str) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(fold.inputs).to(device), torch.from_numpy(fold.targets).to(device)


@torch.inference_mode()
def evaluate(net: CerebrosNet, fold: Fold, task: Task, device: str = "cpu") -> Scores:
    """Loss and accuracy (classification) or R² (regression) on the rows of a fold."""
    net.eval()
    inputs, targets = tensors(fold, device)
    answers = net(inputs)
    if task == "classification":
        loss = loss_function(task)(answers, targets).item()
        return Scores(loss, (answers.argmax(dim=1) == targets).float().mean().item())
    loss = loss_function(task)(answers[:, 0], targets).item()
    variance = targets.var(unbiased=False).item()
    return Scores(loss, 1.0 - loss / variance if variance > 0 else 0.0)


def _one_epoch(
    net: CerebrosNet,
    optimiser: torch.optim.Optimizer,
    criterion: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    batch_size: int,
    shuffle: torch.Generator,
) -> float:
    """The mean training loss of one pass in random order."""
    net.train()
    order = torch.randperm(len(inputs), generator=shuffle)
    total, seen = 0.0, 0
    for batch in torch.split(order, batch_size):
        if len(batch) < 2:
            continue  # batch normalisation has no variance over a single row
        answers = net(inputs[batch])
        loss = criterion(answers if targets.dtype == torch.int64 else answers[:, 0], targets[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(batch)
        seen += len(batch)
    return total / max(seen, 1)


def _copy(weights: Weights) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}

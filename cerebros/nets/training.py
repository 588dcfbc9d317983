"""Training of one network, an epoch at a time.

`train` yields after every epoch. The caller may stop there, and `resume` from
the training's `state` later or in another process. Nothing here prints or
saves, and all randomness comes from `seed`.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from cerebros.data.features import Fold
from cerebros.errors import ArtifactCorrupt, FailedPrecondition
from cerebros.nets.module import CerebrosNet
from cerebros.nets.wiring import Architecture

# Epochs without a better validation loss after which further epochs rarely help at these sizes.
PATIENCE = 6

# A network whose loss is this many times the loss of guessing has diverged, though its loss is finite.
ABSURD = 100.0


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Training settings: learning rate and weight decay of AdamW, rows per step, epochs, seed."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    seed: int


class Scores(msgspec.Struct, frozen=True):
    """Loss and accuracy of a network on a part of the split.

    For classification these are cross-entropy in nats and the share of correct
    labels; for multilabel the cross-entropy of each name's presence and F1
    over all names of all rows; for regression the squared error in
    standardised units and R².
    """

    loss: float
    accuracy: float


class EpochDone(msgspec.Struct, frozen=True):
    """Figures after epoch `number` (from 1); `validation` is None without validation rows."""

    number: int
    train_loss: float
    validation: Scores | None


class Trained(msgspec.Struct, frozen=True):
    """Result of a training that did not diverge: the network with its best epoch's weights, in eval mode.

    Attributes:
        best_epoch: number of the best epoch, from 1.
        epochs: epochs trained.
    """

    net: CerebrosNet
    best_epoch: int
    epochs: int


class Diverged(msgspec.Struct, frozen=True):
    """Result of a training that diverged: by epoch `epoch` the loss was NaN, infinite or above `ABSURD`."""

    epoch: int


Progress = EpochDone | Trained | Diverged
Task = Literal["classification", "multilabel", "regression"]
Weights = Mapping[str, Tensor]


def train(
    architecture: Architecture,
    recipe: Recipe,
    rows: Fold,
    validation: Fold | None,
    task: Task,
    device: str = "cpu",
) -> Iterator[Progress]:
    """Train a new network, yielding `EpochDone` after each epoch and at last `Trained` or `Diverged`.

    Args:
        rows: the training rows.
        validation: rows that decide the best epoch and early stopping; None for neither.
        device: PyTorch's name of the device to train on.

    Raises:
        ValueError: the recipe has fewer than one epoch.
    """
    return iter(Training(architecture, recipe, rows, validation, task, device))


class Training:
    """One network in training; iterating continues from the last finished epoch.

    With validation rows the weights of the epoch of lowest validation loss are
    kept, and training stops after `PATIENCE` epochs without a better one;
    without them those of the last epoch are kept. `state` and `resume`
    carry a training to another process.

    Raises:
        ValueError: the recipe has fewer than one epoch.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        rows: Fold,
        validation: Fold | None,
        task: Task,
        device: str = "cpu",
    ) -> None:
        if recipe.epochs < 1:
            raise ValueError(f"epochs is {recipe.epochs}; a training needs at least one")
        self.recipe, self.architecture = recipe, architecture
        self.net = fresh_net(architecture, recipe.seed).to(device)
        self.shuffle = torch.Generator().manual_seed(recipe.seed)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.epochs_done, self.loss_is_finite = 0, True
        self.best_loss, self.best_accuracy, self.best_epoch = math.inf, math.nan, 0  # no accuracy without validation
        self.best_weights: Weights = copy_of(self.net.state_dict())
        self.inputs, self.targets = tensors(rows, device)
        self.task: Task = task
        self._validation, self._device = validation, device

    def __iter__(self) -> Iterator[Progress]:
        while not self.ended:
            progress = self.epoch()
            yield progress
            if isinstance(progress, Diverged):
                return
        yield self.standing()

    def standing(self) -> Trained | Diverged:
        """Return the result of the epochs trained so far."""
        if self.diverged:
            return Diverged(self.epochs_done)
        return Trained(self.best_net(), self.best_epoch, self.epochs_done)

    def best_net(self) -> CerebrosNet:
        """Return a copy of the network with its best epoch's weights, in eval mode."""
        net = copy.deepcopy(self.net)
        net.load_state_dict(self.best_weights)
        return net.eval()

    @property
    def diverged(self) -> bool:
        """True if a loss was NaN or infinite, or the best loss is above `ABSURD` times that of guessing."""
        absurd = ABSURD * naive_loss(self.task, self.architecture.outputs)
        return not self.loss_is_finite or absurd < self.best_loss < math.inf  # infinite before the first epoch

    @property
    def ended(self) -> bool:
        """True if the recipe's epochs are done, patience is spent, or a loss was NaN or infinite."""
        idle = self.epochs_done - self.best_epoch
        patient = self._validation is None or idle < PATIENCE
        return not self.loss_is_finite or self.epochs_done >= self.recipe.epochs or not patient

    def epoch(self) -> EpochDone | Diverged:
        """Train one more epoch."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.epochs_done)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(dropout_seed(self.recipe, self.epochs_done + 1))
            return self.close_epoch(self._step_through_rows())

    def _step_through_rows(self) -> float:
        """Step once over all training rows in random order; returns the mean training loss."""
        self.net.train()
        criterion = loss_function(self.task)
        total, seen = 0.0, 0
        for batch in batches(self):
            loss = criterion(of_targets(self.net(self.inputs[batch]), self.task), self.targets[batch])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            total += loss.item() * len(batch)
            seen += len(batch)
        return total / max(seen, 1)

    def close_epoch(self, train_loss: float) -> EpochDone | Diverged:
        """Evaluate the validation rows after an epoch, and keep the weights if they are the best so far.

        Args:
            train_loss: mean training loss of the epoch.
        """
        self.epochs_done += 1
        scores = None if self._validation is None else evaluate(self.net, self._validation, self.task, self._device)
        if not math.isfinite(train_loss) or (scores is not None and not math.isfinite(scores.loss)):
            self.loss_is_finite = False
            return Diverged(self.epochs_done)
        if scores is None or scores.loss < self.best_loss:
            self.best_loss, self.best_accuracy = (scores.loss, scores.accuracy) if scores else (train_loss, math.nan)
            self.best_epoch, self.best_weights = self.epochs_done, copy_of(self.net.state_dict())
        return EpochDone(self.epochs_done, train_loss, scores)


def batches(training: Training) -> list[Tensor]:
    """Draw the row numbers of each step of an epoch."""
    order = torch.randperm(len(training.inputs), generator=training.shuffle)
    # batch normalisation has no variance over a single row
    return [batch for batch in torch.split(order, training.recipe.batch_size) if len(batch) > 1]


def state(training: Training) -> bytes:
    """Encode a training between two epochs as safetensors.

    The bytes hold weights, best weights, moments, generator and counts.
    """
    moments = {
        f"{moment}.{name}": training.optimiser.state[weight][moment]
        for name, weight in training.net.named_parameters()
        for moment in training.optimiser.state[weight]
    }
    return save_tensors(
        {
            "identity": _identity(training.architecture, training.recipe),
            "counts": torch.tensor([training.epochs_done, training.best_epoch]),
            "best": torch.tensor([training.best_loss, training.best_accuracy], dtype=torch.float64),
            "shuffle": training.shuffle.get_state(),
            **{f"net.{name}": weight for name, weight in training.net.state_dict().items()},
            **{f"best.{name}": weight for name, weight in training.best_weights.items()},
            **moments,
        }
    )


def resume(
    architecture: Architecture,
    recipe: Recipe,
    rows: Fold,
    validation: Fold | None,
    task: Task,
    state: bytes,
    device: str = "cpu",
) -> Training:
    """Restore a training from its `state`; on the same rows it continues bit for bit as if never interrupted.

    Raises:
        ArtifactCorrupt: the bytes are not a training state.
        FailedPrecondition: they are the state of another architecture or recipe.
    """
    try:
        stored = load_tensors(state)
    except SafetensorError as problem:
        raise ArtifactCorrupt(f"a training state of {len(state)} bytes is unreadable: {problem}") from None
    if not torch.equal(stored.get("identity", torch.empty(0)), _identity(architecture, recipe)):
        raise FailedPrecondition("the training state is of another architecture or recipe; start this training anew")
    training = Training(architecture, recipe, rows, validation, task, device)
    training.epochs_done, training.best_epoch = (int(count) for count in stored["counts"])
    training.best_loss, training.best_accuracy = stored["best"].tolist()
    training.shuffle.set_state(stored["shuffle"])
    training.net.load_state_dict(_part(stored, "net"))
    training.best_weights = {name: weight.to(device) for name, weight in _part(stored, "best").items()}
    moments = {moment: _part(stored, moment) for moment in ("step", "exp_avg", "exp_avg_sq")}
    training.optimiser.load_state_dict(
        {
            "state": {
                number: {moment: of[name] for moment, of in moments.items()}
                for number, (name, _) in enumerate(training.net.named_parameters())
                if name in moments["step"]
            },
            "param_groups": training.optimiser.state_dict()["param_groups"],
        }
    )
    return training


def fresh_net(architecture: Architecture, seed: int) -> CerebrosNet:
    """Build a network with initial weights drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CerebrosNet(architecture)


def learning_rate(recipe: Recipe, epochs_done: int) -> float:
    """Return the learning rate of the next epoch: half a cosine from the recipe's rate to zero.

    Source: Loshchilov and Hutter 2017, SGDR (without restarts).
    """
    return recipe.learning_rate * (1.0 + math.cos(math.pi * epochs_done / recipe.epochs)) / 2.0


def dropout_seed(recipe: Recipe, epoch: int) -> int:
    """Return the seed of an epoch's dropout, so that a resumed training draws the same as an uninterrupted one."""
    return recipe.seed + 1 + epoch


LOSSES: dict[Task, type[nn.Module]] = {
    "classification": nn.CrossEntropyLoss,
    "multilabel": nn.BCEWithLogitsLoss,
    "regression": nn.MSELoss,
}


def loss_function(task: Task) -> nn.Module:
    """Return the loss of a task, averaged over rows."""
    return LOSSES[task]()


def naive_loss(task: Task, classes: int) -> float:
    """Return the loss of guessing: all classes alike (nats), or the mean (squared error in standardised units)."""
    return math.log(max(classes, 2)) if task == "classification" else 1.0


def of_targets(answers: Tensor, task: Task) -> Tensor:
    """Return a network's outputs in the shape of its targets: a regression's single column as a vector."""
    return answers[..., 0] if task == "regression" else answers


def tensors(fold: Fold, device: str) -> tuple[Tensor, Tensor]:
    """Return inputs and targets as tensors on a device."""
    return torch.from_numpy(fold.inputs).to(device), torch.from_numpy(fold.targets).to(device)


@torch.inference_mode()
def evaluate(net: CerebrosNet, fold: Fold, task: Task, device: str = "cpu") -> Scores:
    """Compute the scores of a network on the rows of a fold."""
    net.eval()
    inputs, targets = tensors(fold, device)
    answers = net(inputs)
    if task == "classification":
        loss = loss_function(task)(answers, targets).item()
        return Scores(loss, (answers.argmax(dim=1) == targets).float().mean().item())
    loss = loss_function(task)(of_targets(answers, task), targets).item()
    if task == "multilabel":
        said, right = answers > 0, targets > 0
        marked = (said.sum() + right.sum()).item()
        return Scores(loss, 2.0 * (said & right).sum().item() / marked if marked else 1.0)
    variance = targets.var(unbiased=False).item()
    return Scores(loss, 1.0 - loss / variance if variance > 0 else 0.0)


def copy_of(weights: Weights) -> Weights:
    """Return a copy that further training does not change."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def _identity(architecture: Architecture, recipe: Recipe) -> Tensor:
    """Return the SHA-256 of architecture and recipe, (32,) bytes."""
    digest = hashlib.sha256(msgspec.json.encode([architecture, recipe])).digest()
    return torch.frombuffer(bytearray(digest), dtype=torch.uint8)


def _part(stored: Weights, name: str) -> Weights:
    return {key.removeprefix(f"{name}."): tensor for key, tensor in stored.items() if key.startswith(f"{name}.")}

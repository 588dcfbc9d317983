"""Train one network, an epoch at a time.

`train` yields after every epoch and the caller may stop there, for good or to
`resume` from the training's `state` in another process. Nothing here prints
or saves, and all randomness comes from `seed`.
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

# Epochs without a better validation loss after which more of them rarely help at these sizes.
PATIENCE = 6

# A network this many times worse than an answer without any network has run off, though its loss is still a number.
ABSURD = 100.0


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train: step size (AdamW), rows per step, passes over the data."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    seed: int


class Scores(msgspec.Struct, frozen=True):
    """Loss and how good the answers are, by task.

    classification: cross-entropy in nats, share of correct labels; multilabel:
    cross-entropy of each name's presence, F1 over all names of all rows;
    regression: squared error in standardised units, R².
    """

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
    """By epoch `epoch` the loss was NaN, infinite or absurd; nothing of the network is worth keeping."""

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
    """Train a fresh network; yields `EpochDone`s and last either `Trained` or `Diverged`."""
    return iter(Training(architecture, recipe, rows, validation, task, device))


class Training:
    """One network in training; iterating trains on from where it stands.

    With validation rows the epoch of lowest validation loss wins and training
    stops early after `PATIENCE` epochs without a better one; without them
    the last epoch wins. `state` and `resume` carry it to another process.
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
        self.epochs_done, self.diverged = 0, False
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
        """What the training has come to so far."""
        if self.ran_off:
            return Diverged(self.epochs_done)
        return Trained(self.best_net(), self.best_epoch, self.epochs_done)

    def best_net(self) -> CerebrosNet:
        """A copy of the network with its best epoch's weights, in eval mode."""
        net = copy.deepcopy(self.net)
        net.load_state_dict(self.best_weights)
        return net.eval()

    @property
    def ran_off(self) -> bool:
        """Whether even the best epoch was absurd."""
        return self.best_loss > ABSURD * naive_loss(self.task, self.architecture.outputs)

    @property
    def ended(self) -> bool:
        """Whether the recipe's epochs are done, patience is spent, or the loss is no number."""
        idle = self.epochs_done - self.best_epoch
        patient = self._validation is None or idle < PATIENCE
        return self.diverged or self.epochs_done >= self.recipe.epochs or not patient

    def epoch(self) -> EpochDone | Diverged:
        """Train one more epoch."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.epochs_done)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(dropout_seed(self.recipe, self.epochs_done + 1))
            return self.close_epoch(self._one_pass())

    def _one_pass(self) -> float:
        """The mean training loss of one pass in random order."""
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
        """Count an epoch that ended with this loss, look at the validation rows, keep the weights if they are best."""
        self.epochs_done += 1
        scores = None if self._validation is None else evaluate(self.net, self._validation, self.task, self._device)
        if not math.isfinite(train_loss) or (scores is not None and not math.isfinite(scores.loss)):
            self.diverged = True
            return Diverged(self.epochs_done)
        if scores is None or scores.loss < self.best_loss:
            self.best_loss, self.best_accuracy = (scores.loss, scores.accuracy) if scores else (train_loss, math.nan)
            self.best_epoch, self.best_weights = self.epochs_done, copy_of(self.net.state_dict())
        return EpochDone(self.epochs_done, train_loss, scores)


def batches(training: Training) -> list[Tensor]:
    """Row numbers of one pass's steps, in the order the training's generator draws."""
    order = torch.randperm(len(training.inputs), generator=training.shuffle)
    # batch normalisation has no variance over a single row
    return [batch for batch in torch.split(order, training.recipe.batch_size) if len(batch) > 1]


def state(training: Training) -> bytes:
    """A training between two epochs as safetensors: weights, best weights, moments, generator and counts."""
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
    """The training a `state` was taken of; on the same rows it goes on bit for bit as if never left.

    Raises:
        ArtifactCorrupt: the bytes are no training state.
        FailedPrecondition: they are another architecture's or recipe's.
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
    """A network with the first weights this seed gives it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CerebrosNet(architecture)


def learning_rate(recipe: Recipe, epochs_done: int) -> float:
    """Half a cosine from the recipe's rate to nothing, so the last weights are not those of a random walk."""
    return recipe.learning_rate * (1.0 + math.cos(math.pi * epochs_done / recipe.epochs)) / 2.0


def dropout_seed(recipe: Recipe, epoch: int) -> int:
    """Each epoch draws its dropout anew, so a resumed one draws what it would have drawn."""
    return recipe.seed + 1 + epoch


LOSSES: dict[Task, type[nn.Module]] = {
    "classification": nn.CrossEntropyLoss,
    "multilabel": nn.BCEWithLogitsLoss,
    "regression": nn.MSELoss,
}


def loss_function(task: Task) -> nn.Module:
    return LOSSES[task]()


def naive_loss(task: Task, classes: int) -> float:
    """The loss of guessing: all classes alike (nats), or the mean (squared error in standardised units)."""
    return math.log(max(classes, 2)) if task == "classification" else 1.0


def of_targets(answers: Tensor, task: Task) -> Tensor:
    """The network's answers in the shape its targets have: a regression's single column as a vector."""
    return answers[..., 0] if task == "regression" else answers


def tensors(fold: Fold, device: str) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(fold.inputs).to(device), torch.from_numpy(fold.targets).to(device)


@torch.inference_mode()
def evaluate(net: CerebrosNet, fold: Fold, task: Task, device: str = "cpu") -> Scores:
    """Loss and accuracy, F1 or R² on the rows of a fold."""
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
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def _identity(architecture: Architecture, recipe: Recipe) -> Tensor:
    """SHA-256 of what a training is of, as 32 bytes."""
    digest = hashlib.sha256(msgspec.json.encode([architecture, recipe])).digest()
    return torch.frombuffer(bytearray(digest), dtype=torch.uint8)


def _part(stored: Weights, name: str) -> Weights:
    return {key.removeprefix(f"{name}."): tensor for key, tensor in stored.items() if key.startswith(f"{name}.")}

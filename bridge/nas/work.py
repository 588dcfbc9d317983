"""The jobs of an architecture search, and their answers."""

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

    Where `until` is less than `epochs`, training pauses after `until` epochs:
    the state comes as a checkpoint, and the outcome of the answer is pruned.

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
    """Train several trees' networks together, each from its start and as its `TrainJob` says."""

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
    """Result of a training.

    Attributes:
        metrics: present exactly when the outcome is ok or pruned.
        curve: the validation loss per epoch.
        spent: its costs; None when its process ended before it reported them.
    """

    outcome: Outcome
    metrics: TrainingMetrics | None = None
    curve: tuple[float, ...] = ()
    reason: str | None = None
    spent: Spent | None = None


class Member(msgspec.Struct, frozen=True):
    """Result of one training of a group, with its state if it waits at a rung."""

    trained: Trained
    checkpoint: Checkpoint | None


class TrainedGroup(msgspec.Struct, frozen=True):
    """Results of the trainings of a group, in the order of the job."""

    members: tuple[Member, ...]


class Scored(msgspec.Struct, frozen=True):
    """Held-out figures, the score of a constant answer to compare with, and the model's two documents."""

    metrics: TrainingMetrics
    baseline: float
    weights: bytes
    description: bytes


class Repeated(msgspec.Struct, frozen=True):
    """Statistics over the seeds that did not diverge; None where these are too few.

    Attributes:
        mean: mean accuracy.
        spread: standard deviation of the accuracy.
        epochs: median of the best epochs.
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

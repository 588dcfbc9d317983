"""What a job process is asked and what it answers; msgpack on its standard streams."""

from __future__ import annotations

import math
import signal
import struct

import msgspec

from bridge.contract.words import Outcome
from cerebros.data.check import DatasetReport
from cerebros.data.manifest import Manifest
from cerebros.metrics import PriceTable, Spent, TrainingMetrics
from cerebros.space.rose_tree import Tree

# Each message is preceded by its length, 4 bytes, big endian.
LENGTH = struct.Struct(">I")

# Asks a job process for a checkpoint at the end of its epoch.
CHECKPOINT_SIGNAL = signal.SIGUSR1


class Data(msgspec.Struct, frozen=True):
    """A dataset by its manifest and the directory its relative paths start from."""

    manifest: Manifest
    base: str


class CheckJob(msgspec.Struct, frozen=True, tag="check"):
    data: Data


class Checkpoint(msgspec.Struct, frozen=True, tag="checkpoint"):
    """A training after `epoch` epochs: its validation losses, what it took so far, and the state it can go on from."""

    epoch: int
    curve: tuple[float, ...]
    spent: Spent
    state: bytes


class TrainJob(msgspec.Struct, frozen=True, tag="train"):
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


class GroupJob(msgspec.Struct, frozen=True, tag="group"):
    """Train several trees' networks side by side, each as its `TrainJob` says, from their starts."""

    members: tuple[TrainJob, ...]


class ScoreJob(msgspec.Struct, frozen=True, tag="score"):
    """Refit on training and validation rows for exactly `epochs`, then score on the held-out test rows."""

    data: Data
    tree: Tree
    epochs: int
    seed: int
    prices: PriceTable
    checkpoint_s: float = math.inf
    resume: Checkpoint | None = None


class RepeatJob(msgspec.Struct, frozen=True, tag="repeat"):
    """Train a tree's network once for each seed on the training rows and score each on the validation rows."""

    data: Data
    tree: Tree
    epochs: int
    seeds: tuple[int, ...]
    prices: PriceTable


class EmbedJob(msgspec.Struct, frozen=True, tag="embed"):
    text: str


class ExportJob(msgspec.Struct, frozen=True, tag="export"):
    description: bytes
    weights: bytes


Job = CheckJob | TrainJob | GroupJob | ScoreJob | RepeatJob | EmbedJob | ExportJob


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The process has taken the job; from now on it hears `CHECKPOINT_SIGNAL`, which would have killed it before."""


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    report: DatasetReport


class Trained(msgspec.Struct, frozen=True, tag="trained"):
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


class TrainedGroup(msgspec.Struct, frozen=True, tag="trained_group"):
    """How each training of a group ended, in the job's order."""

    members: tuple[Member, ...]


class Scored(msgspec.Struct, frozen=True, tag="scored"):
    """Held-out figures, the naive answer's accuracy (or R², 0) to compare with, and the model's two documents."""

    metrics: TrainingMetrics
    baseline: float
    weights: bytes
    description: bytes


class Repeated(msgspec.Struct, frozen=True, tag="repeated"):
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


class Embedded(msgspec.Struct, frozen=True, tag="embedded"):
    vector: tuple[float, ...]


class Exported(msgspec.Struct, frozen=True, tag="exported"):
    onnx: bytes


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A typed error, raised again on the asking side."""

    error: str
    message: str


Answer = Checked | Trained | TrainedGroup | Scored | Repeated | Embedded | Exported | Refused

# What a job is followed by: any number of checkpoints, then one answer. Its process says before them that it has begun.
Message = Checkpoint | Answer

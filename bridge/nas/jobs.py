"""Work of a job process on an architecture search: train, score, repeat, export."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import torch

from bridge.datasets.jobs import table_of
from bridge.datasets.work import Data
from bridge.jobs.memory import account, limit_bytes, ran_out
from bridge.jobs.meter import Meter, Reading, processor
from bridge.jobs.quiet import core_of_its_own, gpu_of_its_own, interruptions
from bridge.jobs.work import Checkpoint
from bridge.nas.work import (
    Exported,
    ExportJob,
    GroupJob,
    Member,
    Repeated,
    RepeatJob,
    Scored,
    ScoreJob,
    Trained,
    TrainedGroup,
    TrainJob,
)
from cerebros.data import check as dataset_check
from cerebros.data.dataset import Column, rows_of
from cerebros.data.features import Fold, Folds, make_folds
from cerebros.errors import ArtifactCorrupt, FailedPrecondition
from cerebros.metrics import NOTHING, AccuracyKind, Spent, TrainingMetrics
from cerebros.nets import training
from cerebros.nets.latency import Latency, measure_latency
from cerebros.nets.model_file import Description, Model, load_model, onnx_bytes, weights_bytes
from cerebros.nets.module import CerebrosNet
from cerebros.nets.population import populations, repeat_over_seeds, train_together
from cerebros.nets.wiring import Architecture, count_flops, count_parameters, wire

ACCURACY_KIND: dict[training.Task, AccuracyKind] = {
    "classification": "accuracy",
    "multilabel": "f1",
    "regression": "r2",
}

if TYPE_CHECKING:
    from bridge.jobs.child import CheckpointDue


def train(job: TrainJob, due: CheckpointDue) -> Iterator[Checkpoint | Trained]:
    """Train one trial with early stopping on the validation rows, then measure it."""
    folds = _dataset(msgspec.msgpack.encode(job.data)).folds
    fit = _Fit(job, folds, folds.train, folds.validation, due)
    try:
        yield from fit.checkpoints()
    except (MemoryError, RuntimeError) as problem:
        if not ran_out(problem):
            raise
        yield Trained("oom", reason=account(str(problem), limit_bytes()), spent=fit.spent)
        return
    if not isinstance(fit.end, training.Trained):
        yield Trained("diverged", curve=fit.curve, reason=f"the loss diverged by epoch {fit.epoch}", spent=fit.spent)
        return
    metrics = _metrics(job, fit.end, fit.reading(), folds.validation)
    yield Trained("pruned" if fit.waits else "ok", metrics, fit.curve, spent=metrics.spent)


def train_group(job: GroupJob) -> TrainedGroup:
    """Train several trials; those with narrow rows and the same batch size together, as one population."""
    folds = _dataset(msgspec.msgpack.encode(job.members[0].data)).folds
    fits = [
        training.Training(*_task(member, folds, folds.train, folds.validation), _device()) for member in job.members
    ]
    answers: dict[int, Member] = {}
    for places in populations(fits):
        members = [(job.members[n], fits[n]) for n in places]
        answers.update(zip(places, _population(members, folds.validation), strict=True))
    return TrainedGroup(tuple(answers[n] for n in range(len(fits))))


def _population(members: list[tuple[TrainJob, training.Training]], validation: Fold) -> list[Member]:
    """Train the members together and share the costs among them by the operations of each."""
    meter = Meter(members[0][0].prices, on_gpu=_device() == "cuda")
    curves: list[tuple[float, ...]] = [() for _ in members]
    for epoch in train_together([fit for _, fit in members], members[0][0].until or members[0][0].epochs):
        for n, progress in enumerate(epoch):
            if isinstance(progress, training.EpochDone) and progress.validation:
                curves[n] += (progress.validation.loss,)
    reading = meter.read()
    parts = np.array([count_flops(fit.architecture) * fit.epochs_done for _, fit in members], dtype=np.float64)
    shares = (parts / parts.sum()).tolist()
    return [
        _member(
            job,
            fit,
            curve,
            msgspec.structs.replace(reading, spent=reading.spent.share(share)),
            validation,
            len(members),
        )
        for (job, fit), curve, share in zip(members, curves, shares, strict=True)
    ]


def _member(
    job: TrainJob, fit: training.Training, curve: tuple[float, ...], reading: Reading, validation: Fold, population: int
) -> Member:
    end = fit.standing()
    if fit.diverged or isinstance(end, training.Diverged):
        reason = f"the loss diverged by epoch {fit.epochs_done}"
        return Member(Trained("diverged", curve=curve, reason=reason, spent=reading.spent), None)
    metrics = msgspec.structs.replace(_metrics(job, end, reading, validation), population=population)
    waiting = None if fit.ended else Checkpoint(fit.epochs_done, curve, reading.spent, training.state(fit))
    return Member(Trained("pruned" if waiting else "ok", metrics, curve, spent=reading.spent), waiting)


def score(job: ScoreJob, due: CheckpointDue) -> Iterator[Checkpoint | Scored]:
    """Refit on all but the test rows and score on the test rows, which nothing else reads.

    Raises:
        FailedPrecondition: the refit diverged, or has no finite score.
        ArtifactCorrupt: its files do not make the model that was scored.
    """
    dataset = _dataset(msgspec.msgpack.encode(job.data))
    folds = dataset.folds
    known = Fold(
        np.concatenate([folds.train.inputs, folds.validation.inputs]),
        np.concatenate([folds.train.targets, folds.validation.targets]),
    )
    fit = _Fit(job, folds, known, None, due)
    yield from fit.checkpoints()
    if not isinstance(fit.end, training.Trained):
        raise FailedPrecondition("the refit of the chosen candidate diverged; start the run again with another seed")
    metrics = _metrics(job, fit.end, fit.reading(), folds.test)
    net = fit.end.net
    weights = weights_bytes(net)
    description = msgspec.json.encode(
        Description(1, net.architecture, folds.encoding, hashlib.sha256(weights).hexdigest())
    )
    require_same_answers(Model(net.cpu(), folds.encoding), description, weights, folds.test, dataset.held_out)
    yield Scored(metrics, _baseline(known, folds.test, job.data.manifest.task), weights, description)


def require_same_answers(
    scored: Model, description: bytes, weights: bytes, test: Fold, held_out: dict[str, Column]
) -> None:
    """Load a model from the two documents as its users will, and ask it the held-out rows as its score did.

    Args:
        test, held_out: the same rows, encoded and as they were read.

    Raises:
        ArtifactCorrupt: it does not load, or answers otherwise than the model that was scored.
    """
    said, meant = load_model(description, weights).predict(held_out), scored.answer(test.inputs)
    if not np.array_equal(said, meant):
        raise ArtifactCorrupt(
            f"the model loaded from its files answers {np.sum(said != meant)} of {len(meant)} held-out rows otherwise "
            "than the one that was scored; it is not kept, report this with the dataset's check"
        )


def repeat(job: RepeatJob) -> Repeated:
    """Train one network from several seeds: the mean and spread of its accuracy on the validation rows."""
    folds = _dataset(msgspec.msgpack.encode(job.data)).folds
    architecture = wire(job.tree, folds.encoding.width, folds.encoding.outputs)
    meter = Meter(job.prices, on_gpu=_device() == "cuda")
    repeats = repeat_over_seeds(
        architecture, _recipe(job), folds.train, folds.validation, job.data.manifest.task, job.seeds, _device()
    )
    return Repeated(repeats.mean, repeats.spread, repeats.epochs, meter.read().spent)


class _Fit:
    """One training of a job from its start, or from a checkpoint, with the meter running."""

    def __init__(
        self, job: TrainJob | ScoreJob, folds: Folds, rows: Fold, validation: Fold | None, due: CheckpointDue
    ) -> None:
        self._job, self._due = job, due
        self._meter = Meter(job.prices, on_gpu=_device() == "cuda")
        self._before = job.resume.spent if job.resume else NOTHING
        self.curve: tuple[float, ...] = ()
        self.epoch = 0
        self.end: training.Progress | None = None
        self.waits = False
        self._until = (job.until if isinstance(job, TrainJob) else None) or job.epochs
        self._task = _task(job, folds, rows, validation)

    def _training(self) -> training.Training:
        resume = self._job.resume
        if resume is not None:
            with suppress(FailedPrecondition):  # of an earlier version of this code, whose recipes had other fields
                fit = training.resume(*self._task, resume.state, _device())
                self.curve, self.epoch = resume.curve, resume.resource
                return fit
        return training.Training(*self._task, _device())

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Train to the end or to the rung; yield a checkpoint whenever one is due, and at the rung."""
        self._due.start()
        fit = self._training()
        epochs = iter(fit)
        while not self._at_rung(fit) and (progress := next(epochs, None)) is not None:
            self.end = progress
            if isinstance(progress, training.EpochDone):
                self.epoch = progress.number
                self.curve += (progress.validation.loss,) if progress.validation else ()
                if self._due(self._job.checkpoint_s) or self._at_rung(fit):
                    yield Checkpoint(self.epoch, self.curve, self.spent, training.state(fit))
        if self._at_rung(fit):
            self.waits = not fit.diverged
            self.end = fit.standing()

    def _at_rung(self, fit: training.Training) -> bool:
        return fit.epochs_done >= self._until and not fit.ended

    @property
    def spent(self) -> Spent:
        return self._before + self._meter.read().spent

    def reading(self) -> Reading:
        """Return the meter's reading, the costs before the checkpoint included."""
        now = self._meter.read()
        return msgspec.structs.replace(now, spent=self._before + now.spent)


def export(job: ExportJob) -> Exported:
    return Exported(onnx_bytes(load_model(job.description, job.weights)))


class _Dataset(NamedTuple):
    """Encoded parts of a dataset, and its test rows as they were read."""

    folds: Folds
    held_out: dict[str, Column]


@lru_cache(maxsize=2)
def _dataset(encoded: bytes) -> _Dataset:
    """Read, check and split a dataset, once per process; its trials share the arrays."""
    data = msgspec.msgpack.decode(encoded, type=Data)
    table = table_of(data)
    dataset_check.check(data.manifest, table)
    test = rows_of(data.manifest, table).test
    return _Dataset(make_folds(data.manifest, table), {name: column[test] for name, column in table.columns.items()})


@cache
def _device_with_name() -> str:
    """Return the device with its name, such as `cpu: AMD EPYC` or `cuda: NVIDIA H200`."""
    return f"cuda: {torch.cuda.get_device_name()}" if _device() == "cuda" else f"cpu: {processor()}"


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _task(
    job: TrainJob | ScoreJob, folds: Folds, rows: Fold, validation: Fold | None
) -> tuple[Architecture, training.Recipe, Fold, Fold | None, training.Task]:
    """Return the arguments of a training: network, recipe, rows, validation rows and task."""
    architecture = wire(job.tree, folds.encoding.width, folds.encoding.outputs)
    return architecture, _recipe(job), rows, validation, job.data.manifest.task


def _recipe(job: TrainJob | ScoreJob | RepeatJob) -> training.Recipe:
    p = job.tree.p
    return training.Recipe(
        learning_rate=float(p["learning_rate"]),
        weight_decay=float(p["weight_decay"]),
        batch_size=int(p["batch_size"]),
        epochs=job.epochs,
        seed=job.seeds[0] if isinstance(job, RepeatJob) else job.seed,
    )


def _metrics(job: TrainJob | ScoreJob, end: training.Trained, reading: Reading, fold: Fold) -> TrainingMetrics:
    task = job.data.manifest.task
    scores = training.evaluate(end.net, fold, task, _device())
    if not math.isfinite(scores.loss):
        raise FailedPrecondition(f"the loss on the held-out rows is {scores.loss}; look for extreme values in the data")
    spent = reading.spent
    latency = timed(end.net)
    return TrainingMetrics(
        accuracy=scores.accuracy,
        accuracy_kind=ACCURACY_KIND[task],
        loss=scores.loss,
        latency_p50_s=latency.p50_s,
        latency_p95_s=latency.p95_s,
        latency_p99_s=latency.p99_s,
        latency_spread_s=latency.spread_s,
        duration_s=spent.duration_s,
        cpu_s=spent.cpu_s,
        energy_j=spent.energy_j,
        energy_method=reading.energy_method,
        cost_usd=spent.cost_usd,
        peak_mem_bytes=reading.peak_mem_bytes,
        parameters=count_parameters(end.net.architecture),
        flops=count_flops(end.net.architecture),
        epochs=end.epochs,
        device=_device_with_name(),
    )


def timed(net: CerebrosNet) -> Latency:
    """Time predictions of a network, with no timing of another process of this user beside it."""
    with core_of_its_own() as core, gpu_of_its_own() if _device() == "cuda" else nullcontext():
        return measure_latency(net, _device(), time.perf_counter, interruptions, core)


def _baseline(known: Fold, test: Fold, task: training.Task) -> float:
    """Return the score of a constant answer: the most frequent class, or the labels of most rows; R² 0 of the mean."""
    if task == "regression":
        return 0.0
    if task == "multilabel":
        said = np.broadcast_to(known.targets.mean(axis=0) > 0.5, test.targets.shape)
        marked = said.sum() + test.targets.sum()
        return float(2.0 * (said * test.targets).sum() / marked) if marked else 0.0
    values, counts = np.unique(known.targets, return_counts=True)
    return float((test.targets == values[counts.argmax()]).mean())

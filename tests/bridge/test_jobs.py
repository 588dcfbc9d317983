"""Job processes and what they read."""

import asyncio
import hashlib
import json
from contextlib import suppress
from dataclasses import replace

import msgspec
import numpy as np
import psutil
import pytest

from bridge.capability.work import EMBED, EmbedJob
from bridge.datasets.sources import read_table
from bridge.datasets.work import CHECK_DATA, CheckJob, Data
from bridge.jobs.executor import JobLost, JobTimedOut
from bridge.jobs.pool import JobPool
from bridge.jobs.work import Checkpoint
from bridge.nas.work import TRAIN, TrainJob
from cerebros.data.manifest import Manifest, Source, parse_manifest
from cerebros.errors import ManifestRejected, OutOfMemory
from cerebros.metrics import NOTHING, PriceTable
from cerebros.nets.space import cerebros_space
from tests.conftest import EXAMPLES

PRICES = PriceTable(usd_per_cpu_hour=0.04, watts_per_cpu=10.0)
DIGITS = Data(parse_manifest((EXAMPLES / "digits.toml").read_text(), "digits.toml"), ".")
TREE = cerebros_space().draw(np.random.default_rng(0))


def job(epochs: int = 2, **params) -> TrainJob:
    tree = msgspec.structs.replace(TREE, p=TREE.p | params)
    return TrainJob(DIGITS, tree, epochs, seed=1, prices=PRICES)


@pytest.fixture
async def pool():
    opened = JobPool(1, memory_bytes=4 * 2**30, timeout_s=600.0)
    yield opened
    await opened.close()


async def test_a_trial_is_measured_and_priced(pool):
    ended = await pool.run(TRAIN, job())
    metrics = ended.metrics
    assert ended.outcome == "ok"
    assert len(ended.curve) == metrics.epochs == 2
    assert metrics.cpu_s > 0
    assert metrics.energy_j == pytest.approx(metrics.cpu_s * 10.0)
    assert metrics.energy_method == "model"
    assert metrics.cost_usd == pytest.approx(metrics.cpu_s / 3600 * 0.04)
    assert metrics.peak_mem_bytes > 2**26
    kind, _, name = metrics.device.partition(": ")
    assert kind in ("cpu", "cuda")
    assert name.strip()


async def test_a_training_that_runs_off_ends_as_diverged_without_metrics(pool):
    tree = next(
        t
        for t in (cerebros_space().draw(np.random.default_rng(seed)) for seed in range(100))
        if len(t.c) == 3 and t.p["activation"] == "relu"
    )
    absurd = TrainJob(DIGITS, msgspec.structs.replace(tree, p=tree.p | {"learning_rate": 1e30}), 5, 1, PRICES)
    ended = await pool.run(TRAIN, absurd)
    assert (ended.outcome, ended.metrics) == ("diverged", None)


async def test_a_job_that_takes_too_long_is_killed_and_the_pool_goes_on():
    others = set(psutil.Process().children())
    pool, hurried = JobPool(1, memory_bytes=4 * 2**30, timeout_s=300.0), replace(TRAIN, timeout_s=3.0)
    try:
        assert (await pool.run(TRAIN, job())).outcome == "ok"
        (child,) = set(psutil.Process().children()) - others
        large = Checkpoint(1, (), NOTHING, bytes(2**24))  # more than a pipe takes from us before it is read
        child.suspend()
        with pytest.raises(JobTimedOut, match="3 s and was killed; raise CEREBROS_TRIAL_TIMEOUT_S"):
            await pool.run(hurried, msgspec.structs.replace(job(), resume=large))
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        assert (await pool.run(TRAIN, job())).outcome == "ok"
    finally:
        await pool.close()


async def test_a_trial_that_wants_too_much_memory_ends_as_oom_and_the_pool_goes_on():
    pool = JobPool(1, memory_bytes=2**30 // 2, timeout_s=600.0)
    wide = cerebros_space(levels=3, units=4, neurons=2**20)
    tree = next(
        t
        for t in (wide.draw(np.random.default_rng(seed)) for seed in range(100))
        if sum(unit.p["neurons"] > 2**16 for level in t.c for unit in level.c) >= 3
    )
    try:
        ended = await pool.run(TRAIN, TrainJob(DIGITS, tree, 1, 1, PRICES))
        assert (ended.outcome, ended.metrics) == ("oom", None)
        assert ended.reason.startswith("memory ran out: a job may have 512 MiB; raise CEREBROS_TRIAL_MEMORY_BYTES")
        assert (await pool.run(TRAIN, job())).outcome == "ok"
    finally:
        await pool.close()


async def test_any_job_that_runs_out_of_memory_says_how_much_it_may_have_and_what_sets_it(tmp_path):
    """Issue 11, kind 19: loading a library, reading rows, training a group."""
    (tmp_path / "wide.csv").write_text("a,y\n" + f"{'9' * 40},1\n" * 2_000_000)
    content = (tmp_path / "wide.csv").read_bytes()
    data = Data(manifest("wide.csv", content), str(tmp_path))
    small = JobPool(1, memory_bytes=2**28, timeout_s=600.0)
    tiny = JobPool(1, memory_bytes=2**24, timeout_s=600.0)
    try:
        for pool, size, kind, asked in ((small, "256", CHECK_DATA, CheckJob(data)), (tiny, "16", TRAIN, job())):
            account = rf"memory ran out: a job may have {size} MiB; raise CEREBROS_TRIAL_MEMORY_BYTES"
            with pytest.raises(OutOfMemory, match=account):
                await pool.run(kind, asked)
    finally:
        await small.close()
        await tiny.close()


async def test_cancelling_the_caller_kills_the_job(pool):
    others = set(psutil.Process().children())  # idle ones of the session's bridge
    task = asyncio.create_task(pool.run(TRAIN, job(epochs=100_000)))
    while not (children := set(psutil.Process().children()) - others):
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)


async def test_a_training_may_be_asked_for_its_state_from_its_first_moment_on(pool):
    training = asyncio.create_task(pool.run(TRAIN, job()))
    while not training.done():
        await asyncio.sleep(0.01)
        await pool.checkpoint_all(within_s=0.01)
    assert training.result().outcome == "ok"


async def test_a_training_that_is_lost_goes_on_from_its_newest_checkpoint(pool):
    kept, others = [], set(psutil.Process().children())

    async def keep(checkpoint):
        kept.append(checkpoint.resource)
        if len(kept) == 3:
            (child,) = set(psutil.Process().children()) - others
            child.kill()

    ended = await pool.run(TRAIN, msgspec.structs.replace(job(epochs=40), checkpoint_s=0.0), keep=keep)
    assert ended.outcome == "ok"
    assert kept == sorted(set(kept))


async def test_a_training_that_is_killed_again_is_lost_and_says_what_often_kills(pool):
    others = set(psutil.Process().children())

    async def kill(_):
        for child in set(psutil.Process().children()) - others:
            with suppress(psutil.NoSuchProcess):  # what it sent before it died is kept after it died
                child.kill()

    with pytest.raises(JobLost, match=r"SIGKILL.* lower CEREBROS_TRIAL_PROCESSES.* 4 GiB"):
        await pool.run(TRAIN, msgspec.structs.replace(job(epochs=40), checkpoint_s=0.0), keep=kill)


async def test_a_state_of_another_recipe_is_begun_anew(pool):
    kept = []

    async def keep(checkpoint):
        kept.append(checkpoint)

    first = await pool.run(TRAIN, msgspec.structs.replace(job(epochs=4), checkpoint_s=0.0), keep=keep)
    again = await pool.run(TRAIN, msgspec.structs.replace(job(epochs=3), resume=kept[-1]))
    assert (len(first.curve), len(again.curve)) == (4, 3)
    assert again.spent.cpu_s > kept[-1].spent.cpu_s


async def test_like_texts_have_like_embeddings(pool):
    texts = ("recognise handwritten digits", "read numbers written by hand", "cook a dinner for two")
    digits, numbers, dinner = [np.array((await pool.run(EMBED, EmbedJob(text))).vector) for text in texts]
    assert digits.shape == (384,)
    assert digits @ numbers > digits @ dinner


def manifest(uri: str, content: bytes, **fields) -> Manifest:
    sources = (Source(uri, hashlib.sha256(content).hexdigest()),)
    return msgspec.structs.replace(DIGITS.manifest, sources=sources, label="y", **fields)


ROWS = [{"a": n / 2, "kind": "blue" if n % 3 else None, "y": str(n % 2)} for n in range(12)]


def written(directory, suffix: str) -> tuple[str, bytes]:
    path = directory / f"rows{suffix}"
    if suffix == ".csv":
        path.write_text("a,kind,y\n" + "".join(f"{r['a']},{r['kind'] or 'NA'},{r['y']}\n" for r in ROWS))
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path.name, path.read_bytes()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_table(tmp_path, suffix):
    uri, content = written(tmp_path, suffix)
    table = read_table(manifest(uri, content, categorical=("kind",)), tmp_path)
    assert list(table.columns) == ["a", "kind", "y"]
    np.testing.assert_array_equal(table.columns["a"], [row["a"] for row in ROWS])
    assert list(table.columns["kind"]) == [row["kind"] or "" for row in ROWS]
    assert list(table.columns["y"]) == [row["y"] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content", "account"),
    [
        ("rows.jsonl", b'{"a": 1, "y": 0}\n{"a": 1}\n', r"rows\.jsonl, row 2: has keys"),
        ("rows.jsonl", b'{"a": 1, "y": 0}\n{"a": [1], "y": 0}\n', r"rows\.jsonl, row 2"),
        ("rows.parquet", b"not parquet", r"rows\.parquet: not a Parquet file"),
        ("rows.csv", b"a,a\n1,2\n", "names a column twice"),
        ("rows.csv", b"a,y\n", "has no rows"),
        ("rows.xls", b"a", r"format '\.xls' is not read"),
    ],
)
def test_an_unreadable_file_is_refused_with_its_place(tmp_path, name, content, account):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestRejected, match=account):
        read_table(manifest(name, content), tmp_path)


def test_a_dataset_scikit_learn_does_not_ship_is_refused():
    with pytest.raises(ManifestRejected, match="ships digits"):
        read_table(manifest("sklearn:cats", b""), EXAMPLES)

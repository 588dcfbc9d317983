"""The same run on this machine's processes and on a Ray cluster."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from bridge.jobs.executor import JobLost, JobTimedOut
from bridge.nas.work import TRAIN
from cerebros.errors import FailedPrecondition
from tests.bridge.test_cycle import finished
from tests.bridge.test_jobs import job
from tests.calling import call, with_parts
from tests.conftest import SMALL
from tests.test_service import free_port

# Ray reads these when it is imported.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}

from ray.exceptions import ObjectLostError

from bridge.jobs import ray_executor
from bridge.jobs.ray_executor import RayExecutor

MEMORY_BYTES = 4 * 2**30


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of one node on the loopback, with token authentication and a core for each slot."""
    address = f"127.0.0.1:{free_port()}"
    # Ray's sockets have the directory in their paths, which pytest's own would make too long.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as place:
        command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=4"]
        command += ["--node-ip-address=127.0.0.1", f"--port={address.rpartition(':')[2]}", f"--temp-dir={place}"]
        command += ["--include-dashboard=false", "--object-store-memory=100000000", "--disable-usage-stats"]
        head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield address
        finally:
            import ray

            ray.shutdown()
            head.terminate()
            head.wait(30)


@pytest.fixture(scope="module")
async def on_ray(cluster, tmp_path_factory):
    """An executor whose process works in a directory with a `bridge.py` of somebody else (issue 11, kind 11)."""
    littered = tmp_path_factory.mktemp("littered")
    (littered / "bridge.py").write_text("raise SystemExit('taken from the working directory')")
    before = Path.cwd()
    os.chdir(littered)
    executor = RayExecutor(cluster, 2, MEMORY_BYTES, timeout_s=600.0)
    try:
        assert (await executor.run(TRAIN, job())).outcome == "ok"  # Ray is connected to with the first job
    finally:
        os.chdir(before)
    yield executor
    await executor.close()


def told(events):
    """What events say that does not depend on the clock or on who worked."""
    differing = {"run_id", "pac_id", "worker_id", "verdict_id", "correlation_id", "artifact_digest"}
    return [
        (event.name, sorted(event.measurements), {k: v for k, v in event.metadata.items() if k not in differing})
        for event in events
    ]


async def test_the_same_run_gives_the_same_events_on_ray_and_here(bridge, start, on_ray, sql):
    forget = "UPDATE runs SET dataset_digest = 'of another dataset'"  # what earlier runs found would be a warm start
    sql.execute(forget)
    # One trial at a time, so that two that race do not make the order of events a matter of luck.
    budget = {**SMALL, "window": 1}
    objectives = ("accuracy",)  # measured seconds differ from run to run, and so would what is proposed from them
    here, events_here = await finished(bridge, start(kind="nas", budget=budget, objectives=objectives))
    sql.execute(forget)
    there, events_there = await finished(
        with_parts(bridge, jobs=on_ray), start(kind="nas", budget=budget, objectives=objectives)
    )
    assert (here.state, there.state) == ("succeeded", "succeeded")
    assert told(events_here) == told(events_there)
    first, second = [(await call(bridge, "list_trials", {"run_id": run.run_id})).trials for run in (here, there)]
    assert [t.curve for t in first] == [t.curve for t in second]


async def test_a_training_on_ray_gives_its_state_when_it_is_asked(on_ray):
    kept = []

    async def keep(checkpoint):
        kept.append(checkpoint)

    slow = job(epochs=100_000, learning_rate=1e-6)  # the loss falls and falls, so patience never ends it
    working = asyncio.create_task(on_ray.run(TRAIN, slow, keep=keep))
    async with asyncio.timeout(90):
        while not kept:
            assert not working.done()
            await asyncio.sleep(0.2)  # until the training is on its way
            await on_ray.checkpoint_all(5.0)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    again = await on_ray.run(TRAIN, msgspec.structs.replace(slow, epochs=kept[-1].resource))
    assert again.outcome == "ok"


@pytest.mark.parametrize("victim", ["ray::JobHost", "bridge.jobs.child"])
async def test_slots_that_died_while_they_were_free_are_replaced_and_no_job_is_lost(on_ray, victim):
    await asyncio.gather(on_ray.run(TRAIN, job()), on_ray.run(TRAIN, job()))  # more slots than a job has chances
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if victim in " ".join(process.cmdline()):
                process.kill()
    assert (await on_ray.run(TRAIN, job())).outcome == "ok"


async def test_a_trial_on_ray_that_takes_too_long_is_a_time_out_and_the_slot_goes_on(cluster, on_ray):
    short = RayExecutor(cluster, 1, MEMORY_BYTES, timeout_s=0.5)
    with pytest.raises(JobTimedOut, match="killed"):
        await short.run(TRAIN, job(epochs=100_000, learning_rate=1e-6))
    await short.close()
    assert (await on_ray.run(TRAIN, job())).outcome == "ok"


async def test_an_answer_lost_with_its_node_is_a_lost_job_and_no_defect():
    async def answer():
        raise ObjectLostError("of a node that died before we had it", None, "")

    with pytest.raises(JobLost):
        await ray_executor._received(answer())


def test_ray_without_an_address_says_what_to_set():
    with pytest.raises(FailedPrecondition, match="CEREBROS_RAY_ADDRESS"):
        RayExecutor("", 1, MEMORY_BYTES, 1.0)

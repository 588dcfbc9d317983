"""Issue 11, kinds 6, 11 and 20: the worker that a service keeps, what health says of it, and its working directory."""

import asyncio
import hashlib
import os
import signal
from contextlib import asynccontextmanager

import msgspec
import pytest

from bridge.contract.operator import Health
from bridge.datasets.work import CHECK_DATA, CheckJob, Data
from bridge.jobs.pool import JobPool
from bridge.operator.procedures import HEALTH
from bridge.process.parentage import child_environment
from bridge.runs import worker_process
from bridge.runs.worker_process import OwnWorker
from bridge.service import worker_on
from cerebros.data.manifest import Source, parse_manifest
from tests.calling import call
from tests.conftest import EXAMPLES

MANIFEST = (EXAMPLES / "digits.toml").read_text(encoding="utf-8")


@pytest.fixture
def server(bridge):
    """The parts of a server process of its own, beside the session's."""
    return msgspec.structs.replace(bridge.deps, rooms_parts={})


@asynccontextmanager
async def keeping(deps, program):
    kept = asyncio.create_task(deps.one(OwnWorker).keep(deps.settings, program))
    try:
        yield kept
    finally:
        kept.cancel()
        await asyncio.gather(kept, return_exceptions=True)


async def health_when(deps, condition, within_s=60.0):
    async with asyncio.timeout(within_s):
        while not condition(report := await HEALTH.run(deps, None, Health())):
            await asyncio.sleep(0.02)
    return report


async def test_a_server_that_shall_keep_no_worker_serves_without(server):
    report = await HEALTH.run(server, None, Health())
    assert (report.status, report.worker) == ("serving", "none")


async def test_a_server_serves_with_its_worker_and_not_without(server):
    async with keeping(server, "bridge"):
        await health_when(server, lambda report: report.worker == "starting")
        alive = await health_when(server, lambda report: report.worker == "alive")
        assert (alive.status, alive.workers >= 1) == ("serving", True)
        pid = int(server.one(OwnWorker).worker_id.rpartition("-")[2])
        os.kill(pid, signal.SIGKILL)
        ended = await health_when(server, lambda report: report.worker != "alive")
        assert (ended.status, ended.worker) == ("not_serving", "ended; the one before ended with status -9")
        starting = await health_when(server, lambda report: not report.worker.startswith("ended"))
        assert (starting.status, starting.worker) == ("not_serving", "starting; the one before ended with status -9")
        again = await health_when(server, lambda report: report.status == "serving")
        assert again.worker == "alive; the one before ended with status -9"


async def test_the_first_worker_has_some_seconds_for_its_start_and_no_more(server, monkeypatch):
    async with keeping(server, "bridge"):
        report = await health_when(server, lambda report: report.worker == "starting")
        assert report.status == "serving"
        os.kill(int(server.one(OwnWorker).worker_id.rpartition("-")[2]), signal.SIGSTOP)
        monkeypatch.setattr(worker_process, "START_AT_MOST_S", 0.5)
        late = await health_when(server, lambda report: report.status == "not_serving")
        assert late.worker == "starting"
        os.kill(int(server.one(OwnWorker).worker_id.rpartition("-")[2]), signal.SIGCONT)


async def test_a_worker_that_ends_at_once_is_told_of_and_started_more_and_more_seldom(server, monkeypatch):
    async with keeping(server, "no_such_program") as kept:
        report = await health_when(server, lambda report: report.worker.startswith("ended"))
        assert (report.status, report.worker) == ("not_serving", "ended; the one before ended with status 1")
        await health_when(server, lambda report: report.worker.startswith("starting"))
        assert not kept.done()


async def test_no_defect_ends_the_keeping_of_the_worker(server):
    async with keeping(server, "no\0program") as kept:  # ValueError, which nobody expects there
        await asyncio.sleep(1.5)  # twice
        assert not kept.done()
        report = await HEALTH.run(server, None, Health())
        assert report.status == "not_serving"
        assert "a defect, see the log" in report.worker


async def test_the_worker_of_one_run_is_not_counted_among_those_of_the_queue(bridge, start, sql):
    """`cycle` waits while a worker of the service has its run, and takes no other."""
    run_id, other = (start(kind="nas")["run_id"] for _ in range(2))
    await call(bridge, "start_run", start(kind="nas", run_id=other))
    before = (await call(bridge, "health", {})).workers
    idle = asyncio.create_task(worker_on(bridge, only=run_id).work())
    await asyncio.sleep(1.0)
    assert (await call(bridge, "health", {})).workers == before
    assert sql.execute("SELECT worker_id FROM workers WHERE worker_id LIKE %s", (f"%-{os.getpid()}",)).fetchall() == []
    assert (await call(bridge, "get_run", {"run_id": other})).state == "queued"
    idle.cancel()
    await asyncio.gather(idle, return_exceptions=True)
    await call(bridge, "cancel_run", {"run_id": other})


@pytest.fixture
def littered(tmp_path, monkeypatch):
    """A working directory with modules named like ours and like the library's, in a locale without UTF-8."""
    folder = tmp_path / "数 und mehr"
    folder.mkdir()
    for name in ("bridge", "random", "telemetry", "msgspec", "sitecustomize"):
        (folder / f"{name}.py").write_text("raise SystemExit('taken from the working directory')", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f":{os.environ.get('PYTHONPATH', '')}:")
    monkeypatch.setenv("LC_ALL", "C")
    return folder


async def test_a_worker_takes_no_module_from_its_working_directory(server, littered):
    async with keeping(server, "bridge"):
        report = await health_when(server, lambda report: report.worker != "starting")
        assert report.worker == "alive"


async def test_a_job_takes_no_module_from_its_working_directory_and_reads_names_of_any_script(littered):
    rows = "größe,标签\n" + "".join(f"{n / 7},{'да' if n % 2 else 'нет'}\n" for n in range(60))
    (littered / "数.csv").write_text(rows, encoding="utf-8")
    source = Source("数.csv", hashlib.sha256(rows.encode()).hexdigest())
    manifest = msgspec.structs.replace(parse_manifest(MANIFEST, "digits.toml"), sources=(source,), label="标签")
    pool = JobPool(1, memory_bytes=4 * 2**30, timeout_s=600.0)
    try:
        report = await pool.run(CHECK_DATA, CheckJob(Data(manifest, str(littered))))
    finally:
        await pool.close()
    assert report.rows == 60


def test_an_empty_entry_of_pythonpath_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":/a::/b:")
    assert child_environment()["PYTHONPATH"] == "/a:/b"
    monkeypatch.setenv("PYTHONPATH", "")
    assert child_environment()["PYTHONPATH"] == ""

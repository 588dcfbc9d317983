"""What a review broke once stays mended: each test is a misfortune and what must come of it."""

import asyncio
import random
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from bridge.datasets.work import CHECK_DATA, CheckJob, Data
from bridge.nas.work import TRAIN, TrainJob
from bridge.runs.engine import WORKERS_LOST_AT_MOST
from bridge.service import worker_on
from cerebros.data.manifest import parse_manifest
from cerebros.errors import Internal, PermissionDenied, Unavailable
from cerebros.metrics import PriceTable
from cerebros.nets.space import cerebros_space
from tests.bridge.test_command_line import csv_manifest
from tests.bridge.test_cycle import finished
from tests.calling import KINDS, call, watch, with_parts, with_settings
from tests.conftest import EXAMPLES, SMALL

DIGITS = (EXAMPLES / "digits.toml").read_text()


@pytest.mark.parametrize("clause", ['purposes = ["evaluate"]', 'purposes = ["train"]\nretain_until = 2001-01-01'])
@pytest.mark.parametrize("kind", ["cycle", "nas"])
async def test_data_that_may_not_be_trained_on_is_refused_before_anything_is_trained(
    bridge, start, tmp_path, clause, kind
):
    manifest = tmp_path / "private.toml"
    manifest.write_text(DIGITS.replace('purposes = ["train", "evaluate"]', clause))
    with pytest.raises(PermissionDenied):
        await call(bridge, "start_run", start(manifest=str(manifest), kind=kind))


async def test_lost_database_connections_do_not_fail_a_run(bridge, start, sql):
    dice = random.Random(7)
    request = start(kind="nas", budget={**SMALL, "trials": 12})
    await call(bridge, "start_run", request)
    working = asyncio.create_task(worker_on(bridge, only=request["run_id"]).work())
    others = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    kills, seen = 0, []
    while not seen or seen[-1].name != "cerebros.run.stop":
        await asyncio.sleep(0.2)
        if kills < 12 and (pids := sql.execute(others).fetchall()):
            sql.execute("SELECT pg_terminate_backend(%s)", dice.choice(pids))
            kills += 1
        with suppress(Unavailable):  # what a client does: reconnect behind the last number it saw
            seen += await bridge.deps.runs.events_after(request["run_id"], len(seen))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    run = await call(bridge, "get_run", {"run_id": request["run_id"]})
    assert kills >= 5
    assert (run.state, run.trials_ok) == ("succeeded", 12)
    assert [event.seq for event in seen] == list(range(1, run.last_seq + 1))


async def test_a_queued_run_times_out_without_a_worker(bridge, start):
    request = start(deadline_s=0.2)
    await call(bridge, "start_run", request)
    async with asyncio.timeout(5):
        events = [event async for event in watch(bridge, {"run_id": request["run_id"]})]
    assert events[-1].metadata["state"] == "timed_out"


async def test_a_run_given_back_and_cancelled_keeps_its_count_of_trials(bridge, start, sql):
    request = start()
    await call(bridge, "start_run", request)
    claim = await bridge.deps.engine.claim("a", "cpu", 60.0, KINDS, request["run_id"])
    sql.execute(
        "INSERT INTO trials (run_id, number, outcome, tree, tree_hash) VALUES (%s, 0, 'error', '{}', 'x')",
        (claim.run_id,),
    )
    await bridge.deps.engine.release(claim)
    await call(bridge, "cancel_run", {"run_id": claim.run_id})
    events = [event async for event in watch(bridge, {"run_id": claim.run_id})]
    assert events[-1].measurements["trials_total"] == 1


async def test_a_payload_nobody_can_read_ends_its_run_and_not_its_worker(bridge, start, sql):
    request = start()
    await call(bridge, "start_run", request)
    sql.execute("""UPDATE runs SET payload = '{"from": "the future"}' WHERE run_id = %s""", (request["run_id"],))
    await worker_on(bridge, only=request["run_id"]).work(until_idle=True)
    run = await call(bridge, "get_run", {"run_id": request["run_id"]})
    assert (run.state, run.error.code) == ("failed", "INTERNAL")
    assert "cannot be read" in run.error.message


async def test_a_run_that_keeps_losing_its_workers_is_given_up(bridge, start):
    request = start()
    await call(bridge, "start_run", request)
    claims = []
    for n in range(WORKERS_LOST_AT_MOST + 1):
        claims.append(await bridge.deps.engine.claim(f"w{n}", "cpu", -1.0, KINDS, request["run_id"]))
        await bridge.deps.engine.sweep()
    assert [claim is None for claim in claims] == [False] * WORKERS_LOST_AT_MOST + [True]
    run = await call(bridge, "get_run", {"run_id": request["run_id"]})
    assert run.state == "failed"
    assert f"{WORKERS_LOST_AT_MOST} workers were lost" in run.error.message


async def test_a_retry_with_another_correlation_id_is_the_same_run(bridge, start):
    request = start(correlation_id="first")
    first = await call(bridge, "start_run", request)
    spelt = str(Path(request["spec"]["manifest"]).parent / ".." / "examples" / "digits.toml")
    other = {"correlation_id": "second", "spec": request["spec"] | {"manifest": spelt}}
    again = await call(bridge, "start_run", request | other)
    assert again == first
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_defect_ends_its_run_and_keeps_its_words_to_itself(bridge, start):
    run, _ = await finished(with_parts(bridge, artifacts=None), start())
    assert (run.state, run.error.code) == ("failed", "INTERNAL")
    assert run.error.message == f"run {run.run_id!r}: AttributeError; this is a defect, please report it"


async def test_a_defect_ends_a_stream_and_keeps_its_words_to_itself(bridge):
    with pytest.raises(Internal) as told:
        await anext(watch(with_parts(bridge, runs=None), {"run_id": "any"}))
    assert told.value.message == "watch_run: AttributeError; this is a defect, please report it"


async def test_a_run_costs_all_that_was_trained_for_it(bridge, start, sql):
    run, events = await finished(bridge, start(kind="nas"))
    (trials,) = sql.execute("SELECT sum(cost_usd) FROM trials WHERE run_id = %s", (run.run_id,)).fetchone()
    stop = events[-1].measurements
    assert stop["cost_usd"] > trials + run.metrics.cost_usd * 0.99
    assert stop["energy_j"] > run.metrics.energy_j


async def test_a_denied_cycle_keeps_the_score_it_reached(bridge, start, tmp_path):
    policy = tmp_path / "strict.toml"
    policy.write_text((EXAMPLES.parent / "priv/policy/default.toml").read_text().replace("0.05", "0.99"))
    strict = with_settings(bridge, policy=str(policy))
    run, events = await finished(strict, start())
    assert run.state == "failed"
    assert run.metrics.accuracy > 0.5
    assert "cerebros.stage.exception" in [event.name for event in events]


async def test_an_idle_job_process_that_died_is_not_handed_out(bridge):
    job = CheckJob(Data(parse_manifest(DIGITS, "digits.toml"), "."))
    assert (await bridge.deps.jobs.run(CHECK_DATA, job)).rows == 1797
    for child in psutil.Process().children():
        if "bridge.jobs.child" in child.cmdline():
            child.kill()
    await asyncio.sleep(0.2)
    assert (await bridge.deps.jobs.run(CHECK_DATA, job)).rows == 1797


async def test_a_cell_float32_cannot_hold_does_not_spoil_a_training(bridge, tmp_path):
    rows = "a,b,y\n" + "".join(f"{n % 7},{'1e99' if n == 30 else n % 5},{n % 2}\n" for n in range(60))
    path = csv_manifest(tmp_path, rows)
    data = Data(parse_manifest(path.read_text(), path.name), str(tmp_path))
    tree = cerebros_space().draw(np.random.default_rng(3))
    ended = await bridge.deps.jobs.run(TRAIN, TrainJob(data, tree, 3, 1, PriceTable(0.04, 10.0)))
    assert ended.outcome == "ok"


@pytest.mark.parametrize("spelling", ["NaN", "nan", "NA", ""])
def test_a_label_that_is_not_a_value_is_refused_however_it_is_spelt(bridge_command, tmp_path, spelling):
    rows = "a,y\n" + "".join(f"{n},{n % 2}\n" for n in range(20)) + f"1,{spelling}\n"
    done = bridge_command("dataset", "check", str(csv_manifest(tmp_path, rows)))
    assert done.returncode == 1
    assert "row 21, column 'y'" in done.stderr


@pytest.mark.parametrize(
    ("content", "account"),
    [
        ("a,y\nçafé,1\n".encode("latin-1"), "not CSV in UTF-8"),
        (b"y\n" + b"1\n0\n" * 20, "no column beside the label"),
    ],
)
def test_a_file_that_is_no_dataset_is_refused(bridge_command, tmp_path, content, account):
    import hashlib

    path = csv_manifest(tmp_path, "a,y\n1,1\n")
    lines = path.read_text().splitlines()
    digest = hashlib.sha256(content).hexdigest()
    path.write_text("\n".join(f'sha256 = "{digest}"' if line.startswith("sha256") else line for line in lines))
    (tmp_path / "rows.csv").write_bytes(content)
    done = bridge_command("dataset", "check", str(path))
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "INVALID_ARGUMENT")
    assert account in done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "foo"},
        {"CEREBROS_LOG_LEVEL": "loud"},
        {"CEREBROS_HTTP_ADDRESS": "127.0.0.1:8x"},
    ],
)
def test_a_setting_of_the_wrong_shape_is_a_typed_error(bridge_command, variables):
    done = bridge_command("gate", "check", **variables)
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "INVALID_ARGUMENT")


def test_a_taken_http_address_is_a_typed_error(bridge_command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = bridge_command("up", "--no-worker", CEREBROS_HTTP_ADDRESS=address, CEREBROS_GRPC_ADDRESS="127.0.0.1:0")
    assert done.returncode == 1
    assert "FAILED_PRECONDITION: HTTP address" in done.stderr


def test_a_service_outlives_the_command_that_started_its_database(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path; from bridge.store.embedded import embedded_postgres\n"
        f"with embedded_postgres(Path({str(tmp_path)!r})) as url:\n"
        "    print(url, flush=True); time.sleep(float(sys.argv[1]))"
    )
    short = subprocess.Popen([sys.executable, "-c", hold, "1.5"], stdout=subprocess.PIPE, text=True)
    first = short.stdout.readline().strip()
    long = subprocess.Popen([sys.executable, "-c", hold, "4"], stdout=subprocess.PIPE, text=True)
    assert long.stdout.readline().strip() == first
    assert short.wait() == 0
    import psycopg

    psycopg.connect(first, connect_timeout=2).close()
    assert long.wait() == 0

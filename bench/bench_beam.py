"""The port against a raw asyncio echo, its codec against erlport's and erlang-py's, and promises under load.

A real BEAM (`beam/measure.exs`) owns every program and does the timing. All
ratios are from this run; bigger is better.

| ratio                       | formed as                                                     | wanted |
|-----------------------------|---------------------------------------------------------------|--------|
| front_vs_raw                | ping round trips/s over raw echoes/s of 100 bytes             | 0.7    |
| call_vs_raw                 | calls/s that need no database, 100 bytes, over the same       | –      |
| fresh_events                | events/s encoded in Python and decoded here, over 20,000      | 1      |
| stored_events               | the same of a stored run through the real program             | 1      |
| metrics_map_vs_erlport      | see below                                                     | 1.8    |
| float_list_vs_erlport       | see below                                                     | 100    |
| metrics_map_vs_erlang_py    | erlang-py's round trip less the raw one, over ours less it    | –      |
| float_list_vs_erlang_py     | its time to read and write 1 MiB of floats, over ours         | –      |
| ping_p99                    | 10 ms over the 99th percentile while training uses every core | 1      |
| cancel_p99                  | 50 ms over the 99th percentile, at the same time              | 1      |
| gone_after_kill             | 1 s over the time from kill -9 of the BEAM to the last process | 1     |

erlport cannot take part: the package of its name on PyPI is Python 2, and its
source may not be copied. So its cost comes in by reference, in units that
this run measures anew. For the metrics map: erlport made 4.7k round trips/s
where a raw echo made 60k, on one machine before this project began, so
the ratio is our share of the raw rate over its share, 4.7 / 60. For the list:
erlport copies what is left of the term for each element, and took
ERLPORT_IN_ERLANG_PY times as long as erlang-py for 1 MiB of floats
(docs/LOG.md), so the ratio is the one against erlang-py times that.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import erlang
import psutil
import psycopg
from psycopg.types.json import Jsonb

from bridge.process.settings import read_settings
from bridge.service import SETTINGS, migrated_database, open_bridge
from bridge.transports.port import etf
from telemetry.logs import configure_logging
from tests.calling import call, start_request

BEAM = Path(__file__).parent / "beam"
CLIENT = BEAM.parent.parent / "priv" / "elixir"
MANIFEST = Path(__file__).parent.parent / "examples" / "digits.toml"
TURNS = 25
EVENT_TURNS = 3

# Seconds after which a process that is still there will stay.
GONE_AT_MOST_S = 60.0

# 9 bytes each.
FLOATS = 116_508

# Whole batches of beam/events.py, and the same number in beam/measure.exs.
EVENTS = 30_016

ERLPORT_SHARE_OF_RAW = 4.7 / 60
ERLPORT_IN_ERLANG_PY = 11.0


def measure(environment: Mapping[str, str], *arguments: object) -> Iterator[tuple[str, float]]:
    """What the BEAM measures, as it tells it."""
    command = ["elixir", str(BEAM / "measure.exs"), *map(str, arguments)]
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True) as beam:
        assert beam.stdout
        for line in beam.stdout:
            name, figure = line.split()
            yield name, float(figure)
    if beam.returncode:
        raise SystemExit(f"measure.exs ended with {beam.returncode}")


def best(environment: Mapping[str, str], *arguments: object) -> dict[str, float]:
    """The best figure of each name: what disturbs a turn only ever makes it slower."""
    figures: defaultdict[str, float] = defaultdict(float)
    for name, figure in measure(environment, *arguments):
        figures[name] = max(figures[name], figure)
    for name, figure in figures.items():
        print(f"{name:<16} {figure:12.1f}/s")
    return figures


def round_trip_ratios(environment: Mapping[str, str]) -> dict[str, float]:
    rate = best(environment, "rounds", sys.executable, TURNS)

    def codec_s(who: str, what: str) -> float:
        return 1 / rate[f"{who}_{what}"] - 1 / rate[f"raw_{what}"]

    return {
        "front_vs_raw": rate["program_ping"] / rate["raw_100"],
        "call_vs_raw": rate["program_call"] / rate["raw_100"],
        "metrics_map_vs_erlport": rate["ours_metrics"] / rate["raw_metrics"] / ERLPORT_SHARE_OF_RAW,
        "metrics_map_vs_erlang_py": codec_s("peer", "metrics") / codec_s("ours", "metrics"),
    }


def float_list_ratios() -> dict[str, float]:
    """Reading and writing 1 MiB of floats, by the codecs alone: a pipe would cost as much as ours."""
    term = etf.encode([n / 7 for n in range(FLOATS)])
    ours_s, peer_s = float("inf"), float("inf")
    for _ in range(5):
        began = time.perf_counter()
        etf.encode(etf.decode(term))
        between = time.perf_counter()
        erlang.term_to_binary(erlang.binary_to_term(term))
        ours_s, peer_s = min(ours_s, between - began), min(peer_s, time.perf_counter() - between)
    print(f"1 MiB of floats: {ours_s * 1e3:.1f} ms, erlang-py {peer_s * 1e3:.1f} ms")
    return {
        "float_list_vs_erlport": ERLPORT_IN_ERLANG_PY * peer_s / ours_s,
        "float_list_vs_erlang_py": peer_s / ours_s,
    }


def event_ratios(environment: Mapping[str, str], run_id: str) -> dict[str, float]:
    rate = best(environment, "events", sys.executable, run_id, EVENT_TURNS)
    return {"fresh_events": rate["events_fresh"] / 20_000, "stored_events": rate["events_stored"] / 20_000}


def client_ratios(environment: Mapping[str, str], run_id: str) -> dict[str, float]:
    """The Elixir client over gRPC against itself over the port, unary calls and streamed events."""
    home = environment["CEREBROS_HOME"]
    command = ["mix", "run", str(BEAM / "client.exs"), home, run_id]
    libraries = {"ERL_LIBS": str(Path(sys.executable).parent.parent / "beam"), "MIX_ENV": "test"}
    program = {"CEREBROS_BRIDGE_BIN": str(Path(sys.executable).parent / "cerebros-bridge")}
    addresses = {"CEREBROS_GRPC_ADDRESS": "127.0.0.1:0", "CEREBROS_HTTP_ADDRESS": "127.0.0.1:0"}
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "up", "--no-worker"],
        env=dict(environment) | addresses,
        stderr=subprocess.DEVNULL,
    ) as service:
        try:
            while not (Path(home) / "bridge.sock").exists():
                time.sleep(0.05)
            told = subprocess.run(
                command,
                cwd=CLIENT,
                env=dict(environment) | libraries | program,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
        finally:
            service.terminate()
    rate = {name: float(figure) for name, figure in (line.split() for line in told.splitlines() if "_" in line)}
    for name, figure in rate.items():
        print(f"client, {name:<12} {figure:12.1f}/s")
    return {f"grpc_{what}_vs_port": rate[f"grpc_{what}"] / rate[f"port_{what}"] for what in ("calls", "events")}


def promises_under_load(environment: Mapping[str, str]) -> dict[str, float]:
    """How far ping, cancel and the end of a killed BEAM's processes stay below their limits."""
    command = ["elixir", str(BEAM / "measure.exs"), "busy", sys.executable, str(MANIFEST)]
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True) as beam:
        assert beam.stdout
        figures = {}
        for line in beam.stdout:
            name, figure = line.split()
            figures[name] = float(figure)
            if name == "training":
                break
        gone_s = seconds_until_gone(beam, environment["CEREBROS_HOME"])
    print(f"ping p99 {figures['ping_p99_ms']:.2f} ms, cancel p99 {figures['cancel_p99_ms']:.2f} ms while training")
    print(f"no process is left {gone_s:.2f} s after kill -9 of the BEAM")
    return {
        "ping_p99": 10 / figures["ping_p99_ms"],
        "cancel_p99": 50 / figures["cancel_p99_ms"],
        "gone_after_kill": 1 / gone_s,
    }


def seconds_until_gone(beam: subprocess.Popen[str], home: str) -> float:
    """Kill the BEAM, and time until nothing that it started is there."""
    family = processes_of(home)
    trials = [process for process in family if "bridge.jobs.child" in process.cmdline()]
    assert trials, "no trial was running"
    beam.send_signal(signal.SIGKILL)
    began = time.perf_counter()
    while left := [process for process in family if _runs(process)]:
        assert time.perf_counter() - began < GONE_AT_MOST_S, f"still there: {left}"
        time.sleep(0.01)
    return time.perf_counter() - began


def _runs(process: psutil.Process) -> bool:
    """Whether it does; a zombie only waits for a parent of somebody else's to look at it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_of(home: str) -> list[psutil.Process]:
    """Every process whose environment names this home: the BEAM, the program, workers, trials and the database."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CEREBROS_HOME") == home:
                found.append(process)
        except psutil.Error:
            continue
    return found


async def stored_run(url: str, home: str) -> str:
    """A run that has ended with EVENTS events."""
    settings = read_settings(SETTINGS, {"CEREBROS_HOME": home, "DATABASE_URL": url})
    async with open_bridge(settings, url) as bridge:
        request = start_request(run_id="stored", pac_id="bench", kind="cycle", manifest=str(MANIFEST))
        await call(bridge, "start_run", request)
    with psycopg.connect(url, options="-c search_path=cerebros,public") as connection, connection.cursor() as cursor:
        measurements = Jsonb({"duration_s": 1.25, "accuracy": 0.97, "loss": 0.11, "latency_s": 0.0004})
        metadata = Jsonb({"number": 7, "outcome": "ok", "tree_hash": "0123456789abcdef", "reason": None})
        with cursor.copy("COPY events (run_id, seq, name, measurements, metadata) FROM STDIN") as rows:
            for seq in range(2, EVENTS + 1):
                rows.write_row(("stored", seq, "cerebros.trial.stop", measurements, metadata))
        cursor.execute("UPDATE runs SET state = 'cancelled', last_seq = %s WHERE run_id = 'stored'", (EVENTS,))
    return "stored"


def main() -> None:
    configure_logging("critical")
    quiet = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {
        "CEREBROS_LOG_LEVEL": "critical",
        "CEREBROS_TRIAL_PROCESSES": str(os.cpu_count()),
    }
    ratios = float_list_ratios()
    with (
        tempfile.TemporaryDirectory() as home,
        migrated_database(read_settings(SETTINGS, {"CEREBROS_HOME": home})) as url,
    ):
        environment = quiet | {"CEREBROS_HOME": home, "DATABASE_URL": url}
        ratios |= round_trip_ratios(environment)
        run_id = asyncio.run(stored_run(url, home))
        ratios |= event_ratios(environment, run_id)
        ratios |= client_ratios(environment, run_id)
    with tempfile.TemporaryDirectory() as home:
        ratios |= promises_under_load(quiet | {"CEREBROS_HOME": home})
    print(json.dumps({"bench": "beam", "ratios": {name: round(ratio, 2) for name, ratio in ratios.items()}}))


if __name__ == "__main__":
    main()

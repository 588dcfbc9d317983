"""The port program as its owner meets it: a real process on real pipes, over a real database."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bridge.transports.port.etf import Atom, decode, encode
from tests.conftest import EXAMPLES

MODULE = ["-m", "bridge"]

# The program with a thread that writes to standard output in every way a library may, once a file tells it to.
NOISY = [
    "-c",
    """
import ctypes, os, subprocess, sys, threading, time
def noise(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    for _ in range(20):
        print("noise of print", flush=True)
        os.write(1, b"noise of a descriptor\\n")
        libc = ctypes.CDLL(None); libc.puts(b"noise of C"); libc.fflush(None)
        subprocess.run(["sh", "-c", "echo noise of a child; cat"], check=True)
    os.rename(path, path + ".done")
threading.Thread(target=noise, args=(sys.argv.pop(1),), daemon=True).start()
from bridge.cli.commands import main
main()
""",
]


# As a BEAM does with :nouse_stdio: the wire on 3 and 4.
ON_3_AND_4 = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh"]


class Owner:
    """What a BEAM does with its port: frames out, frames in, in order."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        self.process = process
        self._outward, self._inward = process.stdin.fileno(), process.stdout.fileno()
        self._unread = b""

    def write(self, raw: bytes) -> None:
        os.write(self._outward, raw)

    def send(self, name: str, *fields: Any) -> None:
        self.write(framed(name, *fields))

    def flood(self) -> None:
        """Ask until the pipe breaks."""
        with suppress(BrokenPipeError):
            while True:
                self.send("ping", 1)

    def waits(self, timeout_s: float) -> bool:
        return bool(self._unread or select.select([self._inward], [], [], timeout_s)[0])

    def read(self, timeout_s: float = 30.0) -> tuple[Any, ...]:
        size = int.from_bytes(self._take(4, timeout_s))
        term: tuple[Any, ...] = decode(self._take(size, timeout_s))
        return term

    def _take(self, size: int, timeout_s: float) -> bytes:
        while len(self._unread) < size:
            assert select.select([self._inward], [], [], timeout_s)[0], "the program is silent"
            piece = os.read(self._inward, 2**20)
            assert piece, f"the program has left with {self.process.wait(10)}"
            self._unread += piece
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def answer(self, name: str, call_id: int, *fields: Any) -> tuple[Any, ...]:
        """The one answer to a message, when nothing else is on the way."""
        self.send(name, call_id, *fields)
        return self.read()

    def leave(self) -> int:
        """Close the port as a dying BEAM does; the program's exit status."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        return self.process.wait(15)


def framed(name: str, *fields: Any) -> bytes:
    raw = encode((Atom(name), *fields))
    return len(raw).to_bytes(4) + raw


@contextmanager
def owned(
    environment: dict[str, str], *arguments: str, program: list[str] = MODULE, hello: dict[str, Any] | None = None
) -> Iterator[Owner]:
    """The program as a BEAM starts it, with its greeting done; killed at the end if it is still there."""
    wrapper = [] if "--stdio" in arguments else ON_3_AND_4
    process = subprocess.Popen(
        [*wrapper, sys.executable, *program, "port", *arguments],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        owner = Owner(process)
        assert owner.answer("hello", 1, hello or {})[:2] == ("hello", 1)
        yield owner
        owner.leave()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def environment(database_url: str, settings: Any) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "CEREBROS_HOME": str(settings.home), "CEREBROS_LOG_LEVEL": "critical"}


@pytest.fixture
def queued(start: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A run that nobody works on."""
    return start(manifest=str(EXAMPLES / "digits.toml"))


@pytest.mark.parametrize("arguments", [["--no-worker"], ["--no-worker", "--stdio"]])
def test_it_answers_and_ends_with_its_owner(environment, arguments):
    with owned(environment, *arguments) as owner:
        assert owner.answer("ping", 7)[:2] == ("pong", 7)
        tag, call_id, health = owner.answer("call", 1, "health", {}, {})
        assert (tag, call_id, health["status"]) == ("ok", 1, "serving")
        assert owner.answer("call", 2, "fly", {}, {})[:3] == ("error", 2, "not_found")
        assert owner.leave() == 0


def test_frames_split_at_every_byte_are_the_same_frames(environment):
    question = framed("call", 5, "get_run", {"run_id": "nobody"}, {}) + framed("ping", 6)
    with owned(environment, "--no-worker") as owner:
        for cut in range(1, len(question)):
            owner.write(question[:cut])
            owner.write(question[cut:])
            assert {owner.read()[:2], owner.read()[:2]} == {("error", 5), ("pong", 6)}


def test_an_owner_that_does_not_read_is_not_read_and_misses_nothing(environment):
    questions = 20_000
    with owned(environment, "--no-worker") as owner:
        asking = threading.Thread(target=lambda: [owner.send("ping", number) for number in range(questions)])
        asking.start()
        asking.join(1.0)
        assert asking.is_alive()  # the pipes are full both ways
        assert [owner.read()[1] for _ in range(questions)] == list(range(questions))
        asking.join()


def test_a_program_whose_owner_does_not_read_still_ends(environment):
    with owned(environment, "--no-worker") as owner:
        asking = threading.Thread(target=owner.flood, daemon=True)
        asking.start()
        asking.join(1.0)
        owner.process.send_signal(signal.SIGTERM)
        assert owner.process.wait(15) == 0
        asking.join()


def test_a_program_whose_owner_dies_without_having_read_ends(environment):
    with owned(environment, "--no-worker") as owner:
        asking = threading.Thread(target=owner.flood, daemon=True)
        asking.start()
        asking.join(1.0)
        assert asking.is_alive()  # the pipes are full both ways
        assert owner.process.stdout
        owner.process.stdout.close()
        assert owner.process.wait(15) == 0
        asking.join()


@pytest.mark.parametrize("arguments", [["--no-worker"], ["--no-worker", "--stdio"]])
def test_noise_on_standard_output_changes_nothing_on_the_wire(environment, arguments, tmp_path, capfd):
    start = tmp_path / "start"
    with owned(environment, *arguments, program=[*NOISY, str(start)]) as owner:
        start.touch()
        number = 0
        while not start.with_suffix(".done").exists():
            number += 1
            assert owner.answer("ping", number)[:2] == ("pong", number)
            assert owner.answer("call", number, "health", {}, {})[:2] == ("ok", number)
    heard = capfd.readouterr().err
    for source in ("print", "a descriptor", "C", "a child"):
        assert heard.count(f"noise of {source}") == 20


def test_a_drained_program_finishes_what_it_can_and_parts(environment, queued):
    with owned(environment, "--no-worker") as owner:
        owner.answer("call", 1, "start_run", queued, {})
        owner.answer("call", 2, "watch_run", {"run_id": queued["run_id"]}, {})
        owner.send("drain", 200)
        owner.send("call", 3, "health", {}, {})
        parting = [owner.read() for _ in range(4)]
        assert [term[:3] for term in parting] == [
            ("draining",),
            ("error", 3, "unavailable"),
            ("error", 2, "cancelled"),
            ("bye", "drained"),
        ]
        assert owner.process.wait(10) == 0


def test_sigterm_answers_what_is_in_flight_and_parts(environment, queued):
    with owned(environment, "--no-worker") as owner:
        owner.answer("call", 1, "start_run", queued, {})
        owner.answer("call", 2, "watch_run", {"run_id": queued["run_id"]}, {})
        owner.process.send_signal(signal.SIGTERM)
        assert [owner.read()[:3], owner.read()] == [("error", 2, "cancelled"), ("bye", "shutdown")]
        assert owner.process.wait(10) == 0


def test_a_beam_that_falls_silent_is_gone(environment):
    with owned(environment, "--no-worker", hello={"heartbeat_ms": 400}) as owner:
        for number in range(10):
            time.sleep(0.1)
            assert owner.answer("ping", number)[:2] == ("pong", number)
        began = time.monotonic()
        assert owner.read() == ("bye", "shutdown")
        assert 0.3 < time.monotonic() - began < 2.0
        assert owner.process.wait(10) == 0


def test_a_deadline_ends_a_call_and_a_stream(environment, queued):
    with owned(environment, "--no-worker") as owner:
        owner.answer("call", 1, "start_run", queued, {})
        owner.send("call", 2, "watch_run", {"run_id": queued["run_id"], "after_seq": 1}, {"timeout_ms": 100})
        owner.send("call", 3, "check_dataset", {"manifest": queued["spec"]["manifest"]}, {"timeout_ms": 100})
        answers = {owner.read(5)[:3], owner.read(5)[:3]}
        assert answers == {("error", 2, "deadline_exceeded"), ("error", 3, "deadline_exceeded")}


def test_a_cancel_is_acknowledged_at_once(environment, queued):
    with owned(environment, "--no-worker") as owner:
        owner.answer("call", 1, "start_run", queued, {})
        waits_ms = []
        for call_id in range(2, 22):
            owner.answer("call", call_id, "watch_run", {"run_id": queued["run_id"]}, {})
            began = time.perf_counter()
            assert owner.answer("cancel", call_id)[:3] == ("error", call_id, "cancelled")
            waits_ms.append((time.perf_counter() - began) * 1000)
        assert sorted(waits_ms)[10] < 50


def test_a_sleeping_owner_gets_its_credit_and_later_all_that_matters(environment, queued, sql):
    total, credit = 10_000, 64
    with owned(environment, "--no-worker") as owner:
        owner.answer("call", 1, "start_run", queued, {})
        lifecycle = store_events(sql, queued["run_id"], total)
        owner.send("call", 2, "watch_run", {"run_id": queued["run_id"]}, {})
        first = [owner.read() for _ in range(credit)]
        assert not owner.waits(0.5)
        owner.send("credit", 2, total)
        later = []
        while (term := owner.read())[0] == "item":
            later.append(term)
        assert term[:2] == ("ok", 2)
    events = [item for _, _, item in first + later]
    assert [event["seq"] for event in events if event["name"] != "cerebros.training.progress"] == lifecycle
    dropped = sum(event["measurements"].get("dropped", 0) for event in events)
    assert dropped > 0
    assert len(events) + dropped == total


def store_events(sql: psycopg.Connection[Any], run_id: str, total: int) -> list[int]:
    """End a run with `total` events, mostly progress; the numbers of the others."""
    lifecycle = [1, *range(100, total, 100), total]
    with sql.transaction(), sql.cursor() as cursor:
        with cursor.copy("COPY events (run_id, seq, name, measurements, metadata) FROM STDIN") as rows:
            for seq in range(2, total + 1):
                name = "cerebros.trial.stop" if seq in set(lifecycle) else "cerebros.training.progress"
                rows.write_row((run_id, seq, name, Jsonb({"loss": 1 / seq}), Jsonb({"number": seq})))
        cursor.execute("UPDATE runs SET state = 'cancelled', last_seq = %s WHERE run_id = %s", (total, run_id))
    return lifecycle

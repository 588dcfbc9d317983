"""The log of a port's program and its children as messages to the BEAM (issue 11, kind 21)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.port.messages import LEVELS, LogLine
from bridge.transports.port.relay import LINES_AT_MOST, PAUSE_S, lines_of
from tests.transports.test_erlang_port import Owner, environment, owned, queued

__all__ = ["environment", "queued"]

# The program with a thread that writes to stderr what a test asks for, once a file has it.
SPEAKING = [
    "-c",
    """
import os, sys, threading, time
def speak(path):
    while not os.path.exists(path):
        time.sleep(0.01)
    os.write(2, open(path, "rb").read())
threading.Thread(target=speak, args=(sys.argv.pop(1),), daemon=True).start()
from bridge.cli.commands import main
main()
""",
]


def logged(owner: Owner, until: str, timeout_s: float = 60.0) -> list[tuple[Any, ...]]:
    """The log's messages up to the first whose text has `until`; other messages are passed over."""
    lines, end = [], time.monotonic() + timeout_s
    while time.monotonic() < end:
        message = owner.read(timeout_s)
        if message[0] == "log":
            lines.append(message[1:])
            if until in message[2]:
                return lines
    raise AssertionError(f"no {until} in {lines}")


def spoken(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.rename(path)


def test_prints_tracebacks_and_lines_of_the_log_reach_the_beam_and_not_stderr(environment, tmp_path, capfd):
    speech = tmp_path / "speech"
    lines = [
        {"event": "cerebros.below", "level": "info"},
        {"event": "cerebros.lost", "level": "error", "timestamp": "2026-01-02", "trial": 3, "where": ["not a scalar"]},
    ]
    said = "".join(f"{json.dumps(line)}\n" for line in lines) + "Traceback\n  File 1\nValueError: x\n"
    with owned(environment, "--no-worker", "--logs", "warning", program=[*SPEAKING, str(speech)]) as owner:
        spoken(speech, said.encode())
        heard = logged(owner, "ValueError")

    assert heard == [("error", "cerebros.lost", {"trial": 3}), ("warning", "Traceback\n  File 1\nValueError: x", {})]
    assert capfd.readouterr().err == ""


def test_the_log_of_the_worker_comes_too(environment, queued):
    with owned(environment | {"CEREBROS_LOG_LEVEL": "info"}, "--logs", "info") as owner:
        owner.send("call", 1, "start_run", queued | {"priority": 9}, {})
        facts = {}
        while facts.get("run_id") != queued["run_id"]:  # the database may have runs of other tests
            *_, (level, _event, facts) = logged(owner, "cerebros.run.start")
        assert level == "info"
        owner.send("call", 2, "cancel_run", {"run_id": queued["run_id"]}, {})
        logged(owner, "cerebros.run.stop")


def test_a_flood_is_cut_short_and_the_number_of_lines_left_out_is_told(environment, tmp_path):
    speech, lines = tmp_path / "speech", 20 * LINES_AT_MOST
    flood = "".join(f'{{"event": "cerebros.flood", "level": "error", "n": {n}}}\n' for n in range(lines))
    with owned(environment, "--no-worker", "--logs", "warning", program=[*SPEAKING, str(speech)]) as owner:
        spoken(speech, flood.encode())
        told, left_out = [], 0
        while len(told) + left_out < lines:
            level, text, facts = logged(owner, "cerebros.")[-1]
            if text == "cerebros.log.left_out":
                assert level == "warning"
                left_out += facts["lines"]
            else:
                told.append(facts["n"])
        assert left_out > 0
        assert told == sorted(set(told))
        assert owner.answer("ping", 7)[:2] == ("pong", 7)


def test_a_beam_that_does_not_read_keeps_nobody_from_writing_to_stderr(environment, tmp_path):
    speech = tmp_path / "speech"
    flood = f'{{"event": "cerebros.flood", "level": "error", "text": "{"x" * 3000}"}}\n'.encode()
    program = [SPEAKING[0], SPEAKING[1].replace('"rb").read())', '"rb").read()); os.rename(path, path + ".done")')]
    with owned(environment, "--no-worker", "--logs", "warning", program=[*program, str(speech)]) as owner:
        for number in range(3000):  # answers that fill the pipe to the BEAM
            owner.send("ping", number)
        spoken(speech, flood * 1000)
        done, end = tmp_path / "speech.done", time.monotonic() + 60
        while not done.exists():
            assert time.monotonic() < end, "the writer waits"
            time.sleep(0.05)


def test_without_the_option_the_log_goes_to_stderr_as_it_is(environment, tmp_path, capfd):
    speech = tmp_path / "speech"
    with owned(environment, "--no-worker", program=[*SPEAKING, str(speech)]) as owner:
        spoken(speech, b"words\n")
        time.sleep(2 * PAUSE_S)
        assert owner.answer("ping", 7)[:2] == ("pong", 7)
    assert capfd.readouterr().err == "words\n"


def test_what_is_said_after_the_session_is_on_stderr(environment, tmp_path, capfd):
    with owned(environment | {"CEREBROS_LOG_LEVEL": "info"}, "--logs", "warning") as owner:
        pass
    assert owner.process.returncode == 0
    assert "cerebros." not in capfd.readouterr().err


@given(st.lists(st.sampled_from(["plain", "", '{"event": "e", "level": "error"}', '{"event": 1}', "{", "[" * 300])))
def test_every_word_is_in_one_line_of_the_log(content):
    lines = list(lines_of("\n".join(content)))

    assert all(isinstance(line, LogLine) and line.level in LEVELS for line in lines)
    assert sum(line.text == "e" for line in lines) == content.count('{"event": "e", "level": "error"}')
    words = [word for line in lines if line.text != "e" for word in line.text.split("\n") if word]
    assert words == [word for word in content if word and "level" not in word]

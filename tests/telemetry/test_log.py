"""Issue 11, kinds 5 and 6: nobody waits for the log, hears of its trouble, or can flood it."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from telemetry.sink import NO_ROOM, WAITING_AT_MOST, Sink

LINES = 40_000

BUSY = f"""
import os, sys, time
from telemetry.logs import configure_logging, left_out, log_event
configure_logging("info")
for seq in range({LINES}):
    log_event("cerebros.trial.stop", seq, {{"duration_s": 0.5}}, {{"run_id": "r" * 60}})
    if seq == 0:
        print("also by hand", file=sys.stderr)
with os.fdopen(int(sys.argv[1]), "w") as told:
    told.write(f"done {{left_out().no_room}}")
"""


@contextlib.contextmanager
def trouble(name):
    """A descriptor that takes no log."""
    if name == "full disk":
        descriptors = [os.open("/dev/full", os.O_WRONLY)]
    else:
        reading, writing = os.pipe()
        descriptors = [writing, reading]
        if name == "no reader":
            os.close(descriptors.pop())
    try:
        yield descriptors[0]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def logging_process(code, stderr, **more):
    """The account that a process gives on a descriptor of its own, and its status."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as told:
        command = [sys.executable, "-c", code, str(writing)]
        process = subprocess.Popen(command, stderr=stderr, pass_fds=(writing,), **more)
        os.close(writing)
        return told.read(), process.wait(timeout=60)


@pytest.mark.parametrize("name", ["full disk", "no reader", "a reader that does not read"])
def test_who_logs_hears_nothing_of_a_log_that_takes_no_line(name):
    with trouble(name) as stderr:
        told, status = logging_process(BUSY, stderr)
    word, lost = told.split()
    assert (word, status) == ("done", 0)
    assert int(lost) > 0


def test_a_process_that_was_started_without_stderr_logs_into_nothing(tmp_path):
    (tmp_path / "rows").write_text("")
    code = f"import os; taken = os.open({str(tmp_path / 'rows')!r}, os.O_WRONLY); assert taken == 2\n{BUSY}"
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    done = subprocess.run([*command, sys.executable, "-c", code, "1"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("done ")
    assert (tmp_path / "rows").read_text() == ""


def lines_told(left_out):
    return f"left out: {json.dumps(dict(left_out))}\n"


def test_what_a_slow_reader_missed_is_told_when_it_reads_again():
    reading, writing = os.pipe()
    sink, line = Sink(writing, lines_told), f"{'x' * 199}\n"
    sent = 3 * WAITING_AT_MOST // len(line)
    began = time.monotonic()
    for _ in range(sent):
        sink.write(line)
    assert time.monotonic() - began < 5
    lost = sink.left_out[NO_ROOM]
    assert 0 < lost < sent
    came, told = 0, 0
    with os.fdopen(reading, "rb") as pipe:
        while came + told < sent:  # the pipe itself has some room, so what was lost may be told in parts
            one = pipe.readline().decode()
            came += one == line
            told += sum(map(int, re.findall(r"\d+", one)))
    assert (came, told) == (sent - lost, lost)
    os.close(writing)


def test_lines_of_processes_that_share_a_pipe_stay_whole():
    code = """
import os, sys
from telemetry.logs import configure_logging, log_event
configure_logging("info")
for _ in range(3):
    if os.fork() == 0:
        break
for seq in range(300):
    log_event("cerebros.trial.stop", seq, {}, {"run_id": str(os.getpid()) * 40})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    seqs = Counter(json.loads(line)["seq"] for line in done.stderr.splitlines())
    assert seqs == dict.fromkeys(range(300), 4)  # the processes of a fork each have a thread of their own


def test_a_pipe_that_others_share_stays_in_blocking_mode():
    reading, writing = os.pipe()
    os.set_blocking(writing, True)
    sink = Sink(writing, lines_told)
    sink.write("a\n")
    sink.drain(5.0)
    assert os.get_blocking(writing)
    assert os.read(reading, 10) == b"a\n"
    os.set_blocking(writing, False)  # and one that somebody else has put out of it is waited for
    many = 2**18 // 8
    threading.Thread(target=lambda: [sink.write("1234567\n") for _ in range(many)]).start()
    got = b""
    while len(got) < 8 * many:
        got += os.read(reading, 4096)
    assert got == b"1234567\n" * many
    os.close(writing)
    os.close(reading)


FLOOD = """
import logging, time, warnings
from telemetry.logs import configure_logging, log_failure
configure_logging("info")
end = time.monotonic() + 2.5
while time.monotonic() < end:
    for name in ("uvicorn.error", "websockets.server", "asyncio", "psycopg.pool", "grpc"):
        try:
            raise ConnectionError("half open")
        except ConnectionError:
            logging.getLogger(name).exception("opening handshake failed")
    log_failure("cerebros.defect", at="somewhere", traceback="t" * 100_000)
    time.sleep(0.001)
"""


def test_a_flood_of_one_kind_is_a_few_lines_a_second_and_a_count():
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = Counter(line.get("logger", line["event"]) for line in lines)
    counts = [line["lines"] for line in lines if line["event"] == "cerebros.log.left_out"]
    flooding = ("uvicorn.error", "websockets.server", "asyncio", "psycopg.pool", "grpc", "cerebros.defect")
    assert all(1 <= kinds[kind] <= 20 for kind in flooding)
    assert 1 <= len(counts) <= 4
    assert set(counts[-1]) == set(flooding)
    assert sum(count["cerebros.defect"] for count in counts if "cerebros.defect" in count) > 100
    assert max(map(len, done.stderr.splitlines())) < 10_000


def test_every_stored_event_has_its_line():
    code = BUSY.replace(str(LINES), "500")
    done = subprocess.run([sys.executable, "-c", code, "1"], capture_output=True, text=True, timeout=60, check=True)
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [event["seq"] for event in events] == list(range(500))
    assert "also by hand" in done.stderr.splitlines()


TOLD = """
import os
from telemetry.logs import configure_logging, log_event, log_failure
configure_logging(os.environ["LEVEL"], os.environ["FORM"], os.environ["LOG"])
log_event("cerebros.run.start", 2, {"queue_s": 0.5}, {"run_id": "tour", "kind": "cycle", "pac_id": "a", "attempt": 1})
log_event("cerebros.trial.stop", 3, {"accuracy": 0.9}, {"run_id": "tour", "number": 1})
log_event("cerebros.run.stop", 4, {"duration_s": 31.23456, "accuracy": None}, {"run_id": "tour", "state": "failed"})
log_failure("cerebros.worker.waits", reason="\\x1b[2J no\\nroom 数")
"""


def on_a_terminal(code, **variables):
    """The screen of a process whose stderr is a terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"LEVEL": "info", "FORM": "auto", "LOG": "", "NO_COLOR": "1"} | variables
    process = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # a terminal that is hung up
        while part := os.read(ours, 4096):
            seen += part
    assert process.wait(timeout=60) == 0
    return seen.decode().removesuffix("\r\n").split("\r\n") if seen else []


def test_a_person_at_a_terminal_reads_words_of_starts_ends_and_trouble():
    """Issue 11, kind 20: `up &` and a progress bar share a terminal."""
    start, stop, trouble_told = on_a_terminal(TOLD)
    assert start.endswith("[info] cerebros.run.start run_id=tour kind=cycle pac_id=a attempt=1")
    assert stop.endswith("[info] cerebros.run.stop run_id=tour state=failed duration_s=31.23")
    assert "[error] cerebros.worker.waits" in trouble_told
    assert all(line.startswith("\r\x1b[K") for line in (start, stop, trouble_told))  # a bar's line is not written on
    assert trouble_told.count("\x1b") == 1
    assert "数" in trouble_told
    assert len(on_a_terminal(TOLD, LEVEL="debug")) == 4
    assert all(line.startswith("{") for line in on_a_terminal(TOLD, FORM="json"))


def test_a_log_in_a_file_is_json_and_leaves_the_terminal_alone(tmp_path):
    file = tmp_path / "数" / "log"
    file.parent.mkdir()
    file.write_text("before\n")
    assert on_a_terminal(TOLD, LOG=str(file)) == []
    before, *lines = file.read_text(encoding="utf-8").splitlines()
    assert before == "before"
    assert [json.loads(line)["event"].rsplit(".", 1)[1] for line in lines] == ["start", "stop", "stop", "waits"]


@pytest.mark.parametrize("place", ["missing/log", ".", "a\0b"])
def test_a_log_file_that_cannot_be_opened_is_refused(tmp_path, place):
    code = """
import sys
from cerebros.errors import InvalidArgument
from telemetry.logs import configure_logging
try:
    configure_logging("info", "auto", eval(sys.argv[1]))
except InvalidArgument as refused:
    print(refused.message)
"""
    command = [sys.executable, "-c", code, repr(f"{tmp_path}/{place}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("CEREBROS_LOG_FILE ")

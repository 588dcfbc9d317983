"""Stderr of this process and of its children, line by line for the BEAM that owns the port.

A BEAM cannot read the stderr of a port's program, which therefore lands in its
shell. Descriptor 2 becomes a pipe here, whose one reader is a thread: the worker
and its jobs inherit it, and whatever a library prints comes too. Nobody waits
for the BEAM: what it does not take in time is left out, counted, and told.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from bridge.transports.port.messages import LEVELS, LogLine
from telemetry.logs import LAST_LINES_S, Level, write_last_lines
from telemetry.sink import Sink

# Lines that may wait for the BEAM, and the pause between two times that it is given what waits: 100 lines a second.
LINES_AT_MOST = 50
PAUSE_S = 0.5

# A longer line is cut in pieces.
LINE_BYTES_AT_MOST = 64 * 1024

# The facts of a line that are told beside its text, and those that are not facts.
FACTS_AT_MOST = 32
_NO_FACTS = ("event", "level", "timestamp")

_READ_BYTES = 64 * 1024

# Returns False where the BEAM does not take the line.
Tell = Callable[[LogLine], bool]


@contextmanager
def relayed_stderr(least: Level) -> Iterator[Relay]:
    """Take over descriptor 2 until the end of the context; lines below `least` are left out."""
    relay = Relay(least)
    try:
        yield relay
    finally:
        relay.close()


class Relay:
    """Lines on their way to the BEAM; before a session and after it they go to stderr as it was."""

    def __init__(self, least: Level) -> None:
        self._least = LEVELS.index(least)
        self._kept = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)
        self._stderr = Sink(self._kept, lambda lines: f"{sum(lines.values())} lines of the log were left out\n")
        self._pipe, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._tell: Tell | None = None
        self._waiting: list[LogLine] = []
        self._left_out = 0
        self._due = False
        self._next_at = 0.0
        self._thread = threading.Thread(target=self._read, name="stderr", daemon=True)
        self._thread.start()

    def tell_to(self, tell: Tell | None) -> None:
        """Hand the lines from now on to `tell`, or to stderr with None; after those that wait. For the loop only."""
        with self._lock:
            before, self._tell = self._tell, tell
            waiting, self._waiting = self._waiting, []
        for line in waiting:
            if before is None or not before(line):
                self._print(line)

    def close(self) -> None:
        """Give descriptor 2 back, and write what the pipe still holds."""
        write_last_lines()
        self.tell_to(None)
        for number in (1, 2):  # a port's prints go where its stderr goes
            os.dup2(self._kept, number)
        self._thread.join(LAST_LINES_S)  # a child that lives on may hold the pipe
        self._stderr.drain(LAST_LINES_S)

    def _read(self) -> None:
        unread = b""
        while chunk := os.read(self._pipe, _READ_BYTES):
            whole, ended, unread = (unread + chunk).rpartition(b"\n")
            if len(unread) > LINE_BYTES_AT_MOST:
                whole, ended, unread = whole + ended + unread, b"\n", b""
            if ended:
                self._take(whole)
        if unread:
            self._take(unread)

    def _take(self, content: bytes) -> None:
        for line in lines_of(content.decode(errors="replace")):
            if LEVELS.index(line.level) < self._least:
                continue
            with self._lock:
                if telling := self._tell is not None:
                    self._queue(line)
            if not telling:
                self._print(line)

    def _queue(self, line: LogLine) -> None:
        if len(self._waiting) < LINES_AT_MOST:
            self._waiting.append(line)
        else:
            self._left_out += 1
        if not self._due:
            self._due = True
            self._loop.call_soon_threadsafe(self._hand_over_soon)

    def _hand_over_soon(self) -> None:
        self._loop.call_at(max(self._next_at, self._loop.time()), self._hand_over)

    def _hand_over(self) -> None:
        """Give the BEAM all lines that wait and, where any found no room, their number."""
        self._next_at = self._loop.time() + PAUSE_S
        with self._lock:
            self._due = False
            if (tell := self._tell) is None:
                return
            lines, self._waiting = self._waiting, []
            left_out, self._left_out = self._left_out, 0
        left_out += sum(not tell(line) for line in lines)
        if left_out and not tell(LogLine("warning", "cerebros.log.left_out", {"lines": left_out})):
            with self._lock:
                self._left_out += left_out

    def _print(self, line: LogLine) -> None:
        facts = "".join(f" {name}={fact}" for name, fact in line.meta.items())
        self._stderr.write(f"{line.level}: {line.text}{facts}\n")


def lines_of(content: str) -> Iterator[LogLine]:
    """Read what came over stderr at once: lines of the log, and other words, as one line while they follow each other.

    >>> list(lines_of('{"event": "lost", "level": "error", "seq": 3}\\nTraceback\\n  File'))
    [LogLine(level='error', text='lost', meta={'seq': 3}), LogLine(level='warning', text='Traceback\\n  File', meta={})]
    """
    words: list[str] = []
    for text in content.splitlines():
        if (line := _logged(text)) is None:
            words.append(text)
            continue
        yield from _spoken(words)
        words.clear()
        yield line
    yield from _spoken(words)


def _spoken(words: list[str]) -> Iterator[LogLine]:
    if text := "\n".join(words).strip():
        yield LogLine("warning", text, {})


def _logged(text: str) -> LogLine | None:
    if not text.startswith("{"):
        return None
    try:
        told = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    match told:
        case {"event": str(event), "level": str(level)} if level in LEVELS:
            return LogLine(level, event, _facts(told))
    return None


def _facts(told: dict[str, Any]) -> dict[str, Any]:
    scalars = {
        name: fact for name, fact in told.items() if name not in _NO_FACTS and isinstance(fact, str | int | float)
    }
    return dict(list(scalars.items())[:FACTS_AT_MOST])

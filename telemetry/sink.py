"""Text stream to a file descriptor that never blocks its writer and never raises.

Whoever reads a log may be slow, gone or out of room, and none of that may
reach those who write. Lines wait in memory for a thread that writes them; those
that find no room, or cannot be written, are dropped and counted, and the count
is told as soon as something can be written again.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

# Bytes that may wait; some seconds of a busy log, so that a short pause of its reader loses nothing.
WAITING_AT_MOST = 2**20

# A write of this size to a pipe is never mixed with another process's, which keeps its lines whole.
WHOLE = select.PIPE_BUF

# What was left out is told at most this often.
TELL_PAUSE_S = 1.0

# The kind of lines that found no room, or could not be written.
NO_ROOM = "no room"


class Sink(io.TextIOBase):
    """Whole lines, written by a thread to a descriptor that other processes may share.

    The descriptor's flags stay as they are: they belong to everybody who shares it.
    """

    _changed: threading.Condition
    _waiting: deque[bytes]
    _waiting_bytes: int
    _open_line: str
    _untold: Counter[str]
    _thread: threading.Thread | None
    _torn: bool

    def __init__(self, descriptor: int, account: Callable[[Mapping[str, int]], str]) -> None:
        """Open a sink; its thread starts with the first line.

        Args:
            account: returns the line that tells how many lines of each kind were left out.
        """
        self._descriptor, self._account = descriptor, account
        self.left_out: Counter[str] = Counter()
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)

    def write(self, text: str) -> int:
        """Take text; its lines are written when they are complete, or at a flush."""
        with self._changed:
            self._open_line += text
            if "\n" in text:
                lines, _, self._open_line = self._open_line.rpartition("\n")
                self._take(f"{lines}\n")
        return len(text)

    def flush(self) -> None:
        """Hand over an incomplete line, such as a progress bar; returns at once."""
        with self._changed:
            if self._open_line:
                text, self._open_line = self._open_line, ""
                self._take(text)

    def leave_out(self, kind: str) -> None:
        """Count a line that is not written because there were too many of its kind."""
        with self._changed:
            news = not self._untold
            self._count(kind, 1)
            if news:
                self._wake()

    def drain(self, within_s: float) -> None:
        """Wait until what was taken is written or dropped, no longer than `within_s`."""
        self.flush()
        end = time.monotonic() + within_s
        with self._changed:
            while self._waiting_bytes and (left_s := end - time.monotonic()) > 0:
                self._changed.wait(left_s)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def _start_anew(self) -> None:
        # The child of a fork has neither the thread nor, perhaps, a free lock; the waiting lines are its parent's.
        # The lock is re-entrant for the sake of signal handlers and finalizers that log.
        self._changed = threading.Condition(threading.RLock())
        self._waiting = deque()
        self._waiting_bytes = 0
        self._open_line = ""
        self._untold = Counter()
        self._thread = None
        self._torn = False

    def _take(self, text: str) -> None:
        content = text.encode("utf-8", "backslashreplace")
        if self._waiting_bytes + len(content) > WAITING_AT_MOST:
            self._count(NO_ROOM, content.count(b"\n"))
        else:
            self._waiting.append(content)
            self._waiting_bytes += len(content)
        self._wake()

    def _count(self, kind: str, lines: int) -> None:
        self._untold[kind] += lines
        self.left_out[kind] += lines

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._write_on, name="log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread left on this machine, or the interpreter ends; the next line tries again
                return
            self._thread = thread
        self._changed.notify_all()

    def _write_on(self) -> None:
        told = -TELL_PAUSE_S
        while True:
            with self._changed:
                while not (content := self._next()) and not self._untold:
                    self._changed.wait()
                if self._untold and (left_s := told + TELL_PAUSE_S - time.monotonic()) > 0 and not content:
                    self._changed.wait(left_s)
                    continue
            if self._untold and time.monotonic() >= told + TELL_PAUSE_S:
                told = time.monotonic()
                self._tell()
            if content:
                if not self._written(content):
                    with self._changed:
                        self._count(NO_ROOM, content.count(b"\n"))
                with self._changed:
                    self._waiting_bytes -= len(content)
                    self._changed.notify_all()

    def _next(self) -> bytes:
        """Take the next lines: as many as may be written in one piece, at least one."""
        content = b""
        while self._waiting and (not content or len(content) + len(self._waiting[0]) <= WHOLE):
            content += self._waiting.popleft()
        return content

    def _tell(self) -> None:
        with self._changed:
            untold, self._untold = self._untold, Counter()
        if not self._written(self._account(untold).encode("utf-8", "backslashreplace")):
            with self._changed:
                self._untold.update(untold)

    def _written(self, content: bytes) -> bool:
        if self._torn:
            content = b"\n" + content
        while content:
            try:
                sent = os.write(self._descriptor, content)
            except BlockingIOError:  # somebody who shares it has put it into that mode
                until_writable = select.poll()
                until_writable.register(self._descriptor, select.POLLOUT)
                until_writable.poll()
            except OSError:  # no reader, no room, or closed
                return False
            else:
                content = content[sent:]
                self._torn = bool(content)
        return True

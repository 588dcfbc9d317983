"""The port protocol on file descriptors: what `cerebros-bridge port` serves to the BEAM that started it.

Only descriptors and tasks live here; `port_frames` knows the protocol and
`procedures` the work. Each call is one task, and how the task ends is its
answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, cast

import msgspec

from bridge.messages import RunEvent
from bridge.procedures import VERSION, Bridge, call, watch
from bridge.transports.port_frames import Cancel, Command, Connection, Credit, Drain, Invoke, Watch
from cerebros.errors import Cancelled, CerebrosError, DeadlineExceeded, FailedPrecondition, Internal
from telemetry.logs import log_failure

# Our copies of the descriptors live from here up, where no library expects a fixed number.
HIGH_DESCRIPTOR = 64

# One read of a pipe gives at most this much on Linux.
READ_BYTES = 65_536

# How long the last frames may take to leave when the BEAM has stopped reading.
PARTING_S = 2.0

Answer = msgspec.Struct | Mapping[str, Any]
Work = Callable[[], Coroutine[Any, Any, Answer]]


async def serve_port(bridge: Bridge, *, stdio: bool = False) -> None:
    """Serve one BEAM until it closes the port, has drained it, or this task is cancelled.

    Speaks on descriptors 3 and 4 (`:nouse_stdio`), or on 0 and 1 with
    `stdio`; either way 0 and 1 are then cut off from the BEAM, so what
    libraries and children print reaches stderr and never the wire.

    Raises:
        FailedPrecondition: the descriptors are not pipes or sockets.
    """
    inward, outward = _claim_descriptors(stdio)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BYTES)
    reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(inward, "rb", 0))
    outlet = Outlet()
    writing, _ = await loop.connect_write_pipe(lambda: outlet, os.fdopen(outward, "wb", 0))
    try:
        await _Session(bridge, writing, outlet).serve(reader)
    finally:
        reading.close()
        writing.close()
        try:
            async with asyncio.timeout(PARTING_S):
                await outlet.closed.wait()
        except TimeoutError:
            writing.abort()


def _claim_descriptors(stdio: bool) -> tuple[int, int]:
    """Move the wire out of reach of prints, C libraries and children; give its new numbers."""
    wire = (0, 1) if stdio else (3, 4)
    for number in wire:
        if not _is_pipe(number):
            raise FailedPrecondition(
                f"descriptor {number} is no pipe; start this from Elixir's Port.open with :nouse_stdio, "
                "or give --stdio and pipes"
            )
    inward, outward = (fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR) for number in wire)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    if not stdio:
        for number in wire:
            os.close(number)
    return inward, outward


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class Outlet(asyncio.BaseProtocol):
    """Whether the pipe towards the BEAM takes bytes (`open`), and whether it is gone (`closed`)."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.closed = asyncio.Event()

    def pause_writing(self) -> None:
        self.open.clear()

    def resume_writing(self) -> None:
        self.open.set()

    def connection_lost(self, _problem: Exception | None) -> None:
        self.closed.set()
        self.open.set()


class _Session:
    def __init__(self, bridge: Bridge, pipe: asyncio.WriteTransport, outlet: Outlet) -> None:
        self._bridge = bridge
        self._pipe = pipe
        self._outlet = outlet
        self._connection = Connection({"name": "cerebros-bridge", "version": VERSION})
        self._tasks: dict[int, asyncio.Task[Answer]] = {}
        self._credited: dict[int, asyncio.Event] = {}
        self._flush_due = False
        self._drains: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader) -> None:
        self._reading = asyncio.create_task(self._read(reader))
        try:
            await asyncio.wait({self._reading})
            if not self._reading.cancelled():  # a drain ends the session so
                self._reading.result()
        except asyncio.CancelledError:
            self._connection.close("shutdown")
            raise
        finally:
            await self._end_tasks(self._reading, *self._drains, *self._tasks.values())
            self._flush()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while self._connection.phase != "closed":
            chunk = await reader.read(READ_BYTES)
            if not chunk:
                return
            for command in self._connection.receive(chunk):
                self._carry_out(command)
            self._flush_soon()
            # A BEAM that does not read its answers is not read either.
            await self._outlet.open.wait()

    def _carry_out(self, command: Command) -> None:
        match command:
            case Invoke(id=call_id, procedure=name, params=params, timeout_s=timeout_s):
                self._start(call_id, lambda: call(self._bridge, name, params), timeout_s)
            case Watch(id=call_id, params=params, timeout_s=timeout_s):
                self._credited[call_id] = asyncio.Event()
                self._start(call_id, lambda: self._stream(call_id, params), timeout_s)
            case Cancel(id=call_id):
                self._tasks[call_id].cancel()
            case Credit(id=call_id):
                self._credited[call_id].set()
            case Drain(ms=ms):
                self._drains.append(asyncio.create_task(self._drain(ms / 1000)))

    def _start(self, call_id: int, work: Work, timeout_s: float | None) -> None:
        task = asyncio.create_task(_within(work, timeout_s))
        self._tasks[call_id] = task
        task.add_done_callback(lambda done: self._answer(call_id, done))

    def _answer(self, call_id: int, task: asyncio.Task[Answer]) -> None:
        """Turn how a task ended into its call's one terminal message."""
        del self._tasks[call_id]
        self._credited.pop(call_id, None)
        if task.cancelled():
            self._connection.error(call_id, Cancelled("the call was cancelled; a run it started goes on"))
        elif (problem := task.exception()) is None:
            self._connection.ok(call_id, task.result())
        elif isinstance(problem, CerebrosError):
            self._connection.error(call_id, problem)
        else:
            log_failure("cerebros.port.defect", exception=repr(problem))
            defect = Internal(f"a defect of the bridge ({type(problem).__name__}); its log on stderr has more")
            self._connection.error(call_id, defect)
        self._flush_soon()

    async def _stream(self, call_id: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """Read one event per credit: without credit the next one stays in the database."""
        credited = self._credited[call_id]
        stored = cast("AsyncGenerator[RunEvent]", watch(self._bridge, params))
        async with aclosing(stored) as events:
            while True:
                while not self._connection.credit(call_id):
                    credited.clear()
                    await credited.wait()
                event = await anext(events, None)
                if event is None:
                    return {}
                self._connection.event(call_id, event)
                self._flush_soon()

    async def _drain(self, grace_s: float) -> None:
        """Let the calls in flight finish, answer the others, and part."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        await self._end_tasks(*self._tasks.values())
        self._connection.close("drained")
        self._reading.cancel()

    async def _end_tasks(self, *tasks: asyncio.Task[Any]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The callbacks that answer the calls run in the next turn of the loop.
        await asyncio.sleep(0)

    def _flush_soon(self) -> None:
        """Write once per turn of the loop, however many answers it brought."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if waiting := self._connection.outgoing():
            self._pipe.write(waiting)


async def _within(work: Work, timeout_s: float | None) -> Answer:
    try:
        async with asyncio.timeout(timeout_s) as deadline:
            return await work()
    except TimeoutError:
        if not deadline.expired():
            raise
        raise DeadlineExceeded(
            f"no answer within {timeout_s:g} s; give more time, or ask get_run what became of the run"
        ) from None

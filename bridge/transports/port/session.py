"""The port protocol on file descriptors: what `cerebros-bridge port` serves to the BEAM that started it.

Only descriptors and tasks are handled here; `frames` implements the protocol,
and the bridge does the work. Each call is one task, whose result or error
becomes the answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import time
from collections.abc import Coroutine, Mapping
from contextlib import aclosing
from importlib.metadata import version
from typing import Any, cast

import msgspec

from bridge.api.bridge import Bridge
from bridge.api.deadlines import within
from bridge.contract.procedure import Caller, valid_traceparent
from bridge.process.owner import owner
from bridge.process.tasks import end_tasks
from bridge.transports.port.frames import Connection
from bridge.transports.port.messages import Call, Cancel, Command, Credit, Drain, Follow, Heartbeat, Invoke, LogLine
from bridge.transports.port.relay import Relay
from cerebros.errors import Cancelled, CerebrosError, FailedPrecondition, Internal
from telemetry.logs import log_failure

VERSION = version("cerebros-bridge")

# Our copies of the descriptors live from here up, where no library expects a fixed number.
HIGH_DESCRIPTOR = 64

# How long the last frames may take to leave when the BEAM has stopped reading.
PARTING_S = 2.0

# The silence that ends a session is counted in so many parts, each of which must pass without a byte: time in
# which this process itself stood still then counts as one part, and what has arrived meanwhile is read first.
SILENT_PARTS = 4

Answer = msgspec.Struct | Mapping[str, Any]
Work = Coroutine[Any, Any, Answer]


async def serve_port(bridge: Bridge, *, stdio: bool = False, relay: Relay | None = None) -> None:
    """Serve one BEAM until it closes the port, falls silent, has drained it, or this task is cancelled.

    Speaks on descriptors 3 and 4 (`:nouse_stdio`), or on 0 and 1 with
    `stdio`; either way 0 and 1 are then cut off from the BEAM, so output
    of libraries and children goes to stderr and never to the BEAM, but
    through the `relay` of stderr where there is one.

    Raises:
        FailedPrecondition: the descriptors are not pipes or sockets.
    """
    inward, outward = _claim_descriptors(stdio)
    loop = asyncio.get_running_loop()
    outlet = Outlet()
    writing, _ = await loop.connect_write_pipe(lambda: outlet, os.fdopen(outward, "wb", 0))
    session = Session(bridge, writing, outlet, relay)
    reading, _ = await loop.connect_read_pipe(lambda: session, os.fdopen(inward, "rb", 0))
    try:
        await session.serve()
    finally:
        reading.close()
        writing.close()
        try:
            async with asyncio.timeout(PARTING_S):
                await outlet.closed.wait()
        except TimeoutError:
            writing.abort()


def _claim_descriptors(stdio: bool) -> tuple[int, int]:
    """Move the descriptors out of reach of prints, C libraries and children; return their new numbers."""
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
    """State of the pipe to the BEAM.

    Attributes:
        open: set while it takes bytes.
        closed: set once it is gone.
        over: set when its session shall end.
    """

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.closed = asyncio.Event()
        self.over = asyncio.Event()
        self.inlet: asyncio.ReadTransport | None = None

    def pause_writing(self) -> None:
        self.open.clear()
        if self.inlet is not None and not self.inlet.is_closing():
            self.inlet.pause_reading()  # a BEAM that does not read its answers is not read either

    def resume_writing(self) -> None:
        self.open.set()
        if self.inlet is not None and not self.inlet.is_closing():
            self.inlet.resume_reading()

    def connection_lost(self, _problem: Exception | None) -> None:
        self.closed.set()
        self.open.set()
        # A pipe that nobody reads any more is a BEAM's end too; the other one is not read while this one is full.
        self.over.set()


class Session(asyncio.Protocol):
    """Session with one BEAM: each request starts a task when it is read, and is answered when the task ends."""

    def __init__(
        self, bridge: Bridge, pipe: asyncio.WriteTransport, outlet: Outlet, relay: Relay | None = None
    ) -> None:
        self._bridge = bridge
        self._relay = relay
        self._pipe = pipe
        self._outlet = outlet
        streams = frozenset(name for name, procedure in bridge.procedures.items() if procedure.streams)
        self._connection = Connection({"name": "cerebros-bridge", "version": VERSION}, streams)
        self._over = outlet.over
        self._heard = False
        self._tasks: dict[int, asyncio.Task[Answer]] = {}
        self._credited: dict[int, asyncio.Event] = {}
        self._flush_due = False
        self._duties: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Return when the session is over and every call in flight has been ended."""
        try:
            await self._over.wait()
        finally:
            if self._relay is not None:
                self._relay.tell_to(None)
            self._outlet.inlet = None
            if not self._inlet.is_closing():
                self._inlet.pause_reading()
            await self._end_tasks(*self._duties, *self._tasks.values())
            self._connection.close("shutdown")
            self._flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inlet = self._outlet.inlet = cast("asyncio.ReadTransport", transport)

    def data_received(self, chunk: bytes) -> None:
        self._heard = True
        greeted = self._connection.phase != "greeting"
        for command in self._connection.receive(chunk):
            self._carry_out(command)
        if self._relay is not None and not greeted and self._connection.phase == "serving":
            self._relay.tell_to(self._log)
        self._flush()
        if self._connection.phase == "closed":
            self._over.set()

    def connection_lost(self, _problem: Exception | None) -> None:
        self._over.set()

    def _carry_out(self, command: Command) -> None:
        match command:
            case Invoke(call=call):
                self._start(call.id, self._bridge.call(caller_of(call), call.procedure, call.params))
            case Follow(call=call):
                self._credited[call.id] = asyncio.Event()
                self._start(call.id, self._stream(call))
            case Cancel(id=call_id):
                self._see_to(end_tasks(self._tasks[call_id]))
            case Credit(id=call_id):
                self._credited[call_id].set()
            case Drain(ms=ms):
                self._see_to(self._drain(ms / 1000))
            case Heartbeat(silence_s=silence_s):
                self._see_to(self._until_silent(silence_s))

    def _see_to(self, duty: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(duty)
        self._duties.add(task)
        task.add_done_callback(self._duties.discard)

    def _start(self, call_id: int, work: Work) -> None:
        task = asyncio.create_task(work)
        self._tasks[call_id] = task
        task.add_done_callback(lambda done: self._answer(call_id, done))

    def _answer(self, call_id: int, task: asyncio.Task[Answer]) -> None:
        """Send a task's result or error as its call's one terminal message."""
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
            defect = Internal(f"a defect of the bridge ({type(problem).__name__}); its log has more")
            self._connection.error(call_id, defect)
        self._flush_soon()

    def _log(self, line: LogLine) -> bool:
        """Send a line of the log unless the BEAM is gone or behind with reading; return True if it was sent."""
        if taken := self._outlet.open.is_set() and not self._inlet.is_closing():
            self._connection.log(line)
            self._flush_soon()
        return taken

    async def _stream(self, call: Call) -> dict[str, Any]:
        """Offer a stream's items as fast as they are taken; without credit the next item is not read."""
        caller, credited = caller_of(call), self._credited[call.id]
        async with aclosing(self._bridge.stream(caller, call.procedure, call.params)) as items:
            async for item in items:
                self._connection.item(call.id, item)
                self._flush_soon()
                if not (self._connection.hungry(call.id) and self._outlet.open.is_set()):
                    async with within(caller):
                        await self._appetite(call.id, credited)
        return {}

    async def _appetite(self, call_id: int, credited: asyncio.Event) -> None:
        """Return when a stream has credit and the pipe takes bytes."""
        while not self._connection.hungry(call_id):
            credited.clear()
            await credited.wait()
        await self._outlet.open.wait()

    async def _drain(self, grace_s: float) -> None:
        """Let the calls in flight finish, answer the others, and end the session."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        await self._end_tasks(*self._tasks.values())
        self._connection.close("drained")
        self._over.set()

    async def _until_silent(self, silence_s: float) -> None:
        """End the session of a BEAM that was silent for longer than it announced: it is frozen, or gone."""
        silent_parts = 0
        while silent_parts < SILENT_PARTS:
            self._heard = False
            await asyncio.sleep(silence_s / SILENT_PARTS)
            silent_parts = 0 if self._heard else silent_parts + 1
        log_failure("cerebros.port.silent", announced_s=silence_s)
        self._over.set()

    async def _end_tasks(self, *tasks: asyncio.Task[Any]) -> None:
        await end_tasks(*tasks)
        # The callbacks that answer the calls run in the next turn of the loop.
        await asyncio.sleep(0)

    def _flush_soon(self) -> None:
        """Write once per iteration of the event loop, however many answers are ready."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if (waiting := self._connection.outgoing()) and not self._pipe.is_closing():
            self._pipe.write(waiting)


def caller_of(call: Call) -> Caller:
    """Name the caller: the owner of the pipe runs as the same user as this process."""
    timeout_ms = call.opts.timeout_ms
    return Caller(
        principal=owner(),
        owner=True,
        transport="port",
        traceparent=valid_traceparent(call.opts.traceparent),
        deadline=None if timeout_ms is None else time.monotonic() + timeout_ms / 1000,
        correlation_id=call.opts.correlation_id,
    )

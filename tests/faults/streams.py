"""Faults on the way to a caller: clients that vanish, freeze or dawdle, and a port without its owner."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from random import Random

from bridge.runs.procedures import WATCHER_LAG_AT_MOST
from bridge.transports.grpc.server import start_grpc
from cerebros.errors import ResourceExhausted
from telemetry.events import StageStart
from tests.calling import KINDS, call, watch
from tests.faults.arena import Arena, promise, until
from tests.faults.unguarded import changed
from tests.faults.workers import ENDLESS

FREED_S = 5.0


@asynccontextmanager
async def client(port: int, run_id: str, after_seq: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.watcher", str(port), run_id, str(after_seq), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _lost_client(how: signal.Signals, arena: Arena, _dice: Random, *guards: str) -> str:
    with changed(*guards):
        server = await start_grpc(arena.bridge, address="127.0.0.1:0", socket_path=None)
        try:
            # Long enough to be at work still when the stream must be free: its end would free it too.
            run_id = await arena.start(budget={"trials": 100})
            async with arena.worker():
                async with client(server.port, run_id, 0) as lost:
                    seen = [int(await _line(lost)) for _ in range(6)]
                    lost.send_signal(how)
                    waiting = arena.bridge.deps.notices._waiting
                    freed_s = await until(lambda: run_id not in waiting, "its stream is not freed", FREED_S)
                    promise(arena.run(run_id)["state"] == "running", "the run has ended, and with it the stream")
                async with client(server.port, run_id, seen[-1]) as again:
                    while line := await _line(again):
                        seen.append(int(line))
            run = arena.run(run_id)
            promise(run["state"] == "succeeded", f"the run is {run['state']}")
            promise(seen == list(range(1, run["last_seq"] + 1)), f"the two streams gave {seen}")
        finally:
            await server.stop(0.1)
    return f"freed after {freed_s:.1f} s; both streams together 1–{seen[-1]}; run {run['state']}"


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return await process.stdout.readline()


killed_client = partial(_lost_client, signal.SIGKILL)
frozen_client = partial(_lost_client, signal.SIGSTOP)


async def slow_watcher(arena: Arena, _dice: Random, *guards: str) -> str:
    """A watcher that has caught up, and then takes nothing while more events come than it may lag."""
    run_id = await arena.start()
    engine = arena.bridge.deps.engine
    claim = await engine.claim("test", "cpu", 600.0, KINDS, run_id)
    promise(claim is not None, "no claim")
    event = StageStart(run_id=run_id, stage="check")
    with changed(*guards):
        events = watch(arena.bridge, {"run_id": run_id})
        promise((await anext(events)).seq == 1, "not the first event")
        second = asyncio.create_task(anext(events))
        await asyncio.sleep(0.1)
        await engine.append(claim, event)
        promise((await second).seq == 2, "not the second event")
        for _ in range(0, WATCHER_LAG_AT_MOST, 8):
            await asyncio.gather(*(engine.append(claim, event) for _ in range(8)))
        await engine.append(claim, event)
        try:
            third = await anext(events)
        except ResourceExhausted as refusal:
            promise("after_seq 2" in refusal.message, f"it is told {refusal.message}")
        else:
            promise(False, f"it is given event {third.seq}, however far it lags")
    last = arena.run(run_id)["last_seq"]
    await call(arena.bridge, "cancel_run", {"run_id": run_id})
    await engine.release(claim)
    rest = [event.seq async for event in watch(arena.bridge, {"run_id": run_id, "after_seq": 2})]
    promise(rest == list(range(3, rest[-1] + 1)) and rest[-1] > last, "the second stream has a gap")
    return f"RESOURCE_EXHAUSTED {WATCHER_LAG_AT_MOST + 1} events behind, with after_seq 2; from there 3–{rest[-1]}"


async def lost_port_owner(arena: Arena, _dice: Random, *guards: str) -> str:
    """The BEAM that owns a port is killed while the port's worker trains."""
    run_id = await arena.start(budget=ENDLESS)
    open_port = (
        f'open_port({{spawn_executable, "{sys.executable}"}}, [{{args, ["-m", "bridge", "port"]}}, nouse_stdio, '
        "{packet, 4}, binary]), receive after infinity -> ok end."
    )
    beam = "/usr/bin/env", "erl", "-noshell", "-noinput", "-eval", open_port
    async with arena.process(*beam, changes=("long", *guards)) as owner:
        await arena.until_kept(run_id, 1)
        owner.kill()
        await owner.wait()
        await arena.none_alive(within_s=15.0)
    run = arena.run(run_id)
    promise(run["state"] == "queued", f"the run is {run['state']}")
    return f"no process left, run queued with epoch {arena.kept(run_id, 1)[-1]} kept"

"""Faults of workers and services: killed, frozen, asked to end."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from random import Random

import psutil

from bridge.runs.worker import worker_id
from tests.faults.arena import LEASE_S, SWEEP_S, Arena, Attack, arranged, promise, until

# What a claim may take beside lease and sweep on a machine with more to do: a poll, a connection, a start.
SLACK_S = 3.0

LONG = {"epochs": 40}
ENDLESS = {"epochs": 10_000}


def children(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


async def killed_worker(arena: Arena, dice: Random, *guards: str) -> str:
    """kill -9 of a worker in the middle of a training, with another one waiting."""
    async with arena.worker("long", *guards) as one, arena.worker("long", *guards) as other:
        await arranged(lambda: len(arena.rows("SELECT worker_id FROM workers")) == 2, "no second worker")
        run_id = await arena.start(budget=LONG)
        await arena.until_kept(run_id, 1, times=dice.randint(2, 5))
        has_it = arena.run(run_id)["worker_id"] == worker_id(one.pid)
        first, second = (one, other) if has_it else (other, one)
        trainings = children(first)
        first.kill()
        reached = arena.kept(run_id, 1)[-1]
        await until(lambda: not living(trainings), "its training lives on", 5.0)
        claimed_s = await arena.until_claimed(run_id, 2)
        promise(claimed_s < LEASE_S + SWEEP_S + SLACK_S, f"claimed again only after {claimed_s:.1f} s")
        await arena.until_kept(run_id, 2, times=1)
        resumed = arena.kept(run_id, 2)[0]
        promise(resumed > reached, f"began anew: kept epoch {resumed}, but {reached} had been kept before")
        await until(lambda: len(arena.trials(run_id)) == 1, "the trial did not end")
        promise(arena.trials(run_id)[0]["outcome"] == "ok", f"trial: {arena.trials(run_id)[0]['reason']}")
        promise(second.returncode is None, "the second worker ended")
        return f"claimed after {claimed_s:.1f} s, from epoch {reached} on; {arena.effects(run_id)}"


async def orphaned_training(arena: Arena, _dice: Random, *guards: str) -> str:
    """kill -9 of a worker whose training has nothing to say for hours, and so would not miss it."""
    run_id = await arena.start(budget=ENDLESS)
    async with arena.worker("long", *guards, checkpoint_s=1e6) as worker:
        await arranged(lambda: "shortlist" in _stages(arena, run_id), "no search")
        trainings = children(worker)
        # A process that still waits for its job would end with the worker's end of the pipe, guarded or not.
        before = cpu_s(trainings)
        await arranged(lambda: cpu_s(trainings) > before + 1.0, "no training at work")
        worker.kill()
        died_s = await until(lambda: not living(trainings), "its training lives on", 5.0)
    return f"its process dead after {died_s:.1f} s"


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(process.cpu_times().user for process in processes)


async def killed_service(arena: Arena, _dice: Random, *guards: str) -> str:
    """kill -9 of the whole server process; its worker must not outlive it, and gives the run back."""
    run_id = await arena.start(budget=ENDLESS)
    settings = {"grpc_address": "127.0.0.1:0", "http_address": "127.0.0.1:0"}
    async with arena.process("up", changes=("long", *guards), **settings) as service:
        await arena.until_kept(run_id, 1)
        service.kill()
        await service.wait()
        await arena.none_alive(within_s=15.0)
    await until(lambda: arena.run(run_id)["state"] == "queued", "the run is not in its queue")
    async with arena.worker("long", *guards):
        await arena.until_kept(run_id, 2, times=1)
    first, second = arena.kept(run_id, 1)[-1], arena.kept(run_id, 2)[0]
    promise(second > first, f"began anew at {second}, {first} was kept")
    return f"no process left; another worker went on from epoch {first}; {arena.effects(run_id)}"


async def frozen_worker(arena: Arena, _dice: Random, *guards: str) -> str:
    """A worker is stopped for longer than its lease, and wakes with a result in its hands."""
    run_id = await arena.start(budget={"trials": 400, "window": 2})
    async with arena.worker(*guards) as first:
        await arranged(lambda: len(arena.trials(run_id)) >= 2, "no trials")
        first.send_signal(signal.SIGSTOP)
        async with arena.worker(*guards):
            await arena.until_claimed(run_id, 2)
            before = len(arena.trials(run_id))
            await until(lambda: len(arena.trials(run_id)) >= before + 3, "the second worker does not go on")
            first.send_signal(signal.SIGCONT)
            await until(lambda: first.returncode is not None, "the stale worker works on", 20.0)
            promise(first.returncode != 0, "the stale worker ended as if all were well")
            refused = arena.run(run_id)["refused_writes"]
            promise(refused > 0, "no write was refused")
            before = len(arena.trials(run_id))
            await until(lambda: len(arena.trials(run_id)) > before, "the second worker was disturbed")
    return f"status {first.returncode}, refused writes {refused}; {arena.effects(run_id)}"


def terminated_worker(times: int) -> Attack:
    """SIGTERM between two checkpoints of a training, `times` workers in a row."""

    async def attack(arena: Arena, dice: Random, *guards: str) -> str:
        run_id = await arena.start(budget=ENDLESS)
        drained_s, last = [], 0
        for claim in range(1, times + 1):
            async with arena.worker("long", *guards, checkpoint_s=3.0) as worker:
                await arena.until_kept(run_id, claim, times=1)
                reached = arena.kept(run_id, claim)[-1]
                await asyncio.sleep(dice.uniform(0.2, 1.5))
                trainings = children(worker)
                worker.send_signal(signal.SIGTERM)
                drained_s.append(await until(partial(has_ended, worker), "SIGTERM has no effect", 20.0))
                promise(worker.returncode == 0, f"status {worker.returncode} at SIGTERM {claim}")
            promise(not living(trainings), f"orphans at SIGTERM {claim}")
            state = arena.run(run_id)["state"]
            promise(state == "queued", f"the run is {state} after SIGTERM {claim}")
            kept = arena.kept(run_id, claim)
            promise(kept[-1] > reached, f"epoch {reached} was kept before SIGTERM {claim}, and none after it")
            promise(kept[0] > last, f"claim {claim} began anew: it kept {kept}, {last} was kept before")
            last = kept[-1]
        promise(arena.run(run_id)["lost_workers"] == 0, "a worker was counted as lost")
        await arena.none_alive()
        drains = f"{times} drains, {max(drained_s):.1f} s at most"
        return f"{drains}, {last} epochs of one training; {arena.effects(run_id)}"

    return attack


def has_ended(process: asyncio.subprocess.Process) -> bool:
    return process.returncode is not None


def _stages(arena: Arena, run_id: str) -> list[str]:
    return [row["name"] for row in arena.rows("SELECT name FROM stages WHERE run_id = %s", run_id)]

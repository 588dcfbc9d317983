"""The loop: many runs by four workers, of which one after the other is killed or frozen, and the database with them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from random import Random
from time import monotonic
from typing import NamedTuple

from tests.faults.arena import Arena, Attack, Broken, promise, until
from tests.faults.database import kill_postmaster

WORKERS = 4
TRIALS_PER_RUN = 15

# A run that has lost five workers is ended, and each database that is killed may cost it one more.
BLOWS_PER_RUN = 3

# So many per ten runs: more than the 40 and 20 in 40 runs that shall come off, as a run may end before its blow.
KILLS_OF_TEN, FREEZES_OF_TEN = 16, 8

# A frozen worker sleeps until its successor has written so many trials, those it has in its own hands among them.
TRIALS_BEYOND = 2
POSTMASTERS_KILLED = 2
LOOP_S = 3600.0


class Blow(NamedTuple):
    """What happens to whoever works on a run once it has so many trials."""

    trials: int
    how: signal.Signals


class Frozen(NamedTuple):
    """A worker that was stopped, and the run and trials at that time."""

    process: asyncio.subprocess.Process
    run_id: str
    attempt: int
    trials: int


class Loop:
    """The runs of one seed, the blows dealt to them, and the workers alive."""

    def __init__(self, arena: Arena, dice: Random, runs: int, guards: tuple[str, ...]) -> None:
        self.arena, self.guards = arena, guards
        self.runs = [f"loop-{number}" for number in range(runs)]
        hows = [signal.SIGKILL] * -(-KILLS_OF_TEN * runs // 10) + [signal.SIGSTOP] * -(-FREEZES_OF_TEN * runs // 10)
        places = [run_id for run_id in self.runs for _ in range(BLOWS_PER_RUN)]
        dice.shuffle(places)
        self.blows: dict[str, list[Blow]] = {run_id: [] for run_id in self.runs}
        for how, place in zip(hows, places, strict=False):
            self.blows[place].append(Blow(dice.randint(1, TRIALS_PER_RUN - 6), how))
        for blows in self.blows.values():
            blows.sort()
        self.workers: dict[str, asyncio.subprocess.Process] = {}
        self.frozen: list[Frozen] = []
        self.woken: list[asyncio.subprocess.Process] = []
        self.statuses: list[int] = []
        self.dealt = {signal.SIGKILL: 0, signal.SIGSTOP: 0}
        # Without the fence a lost connection would hide what the stale worker does with it.
        self.postmasters = POSTMASTERS_KILLED if guards else 0

    async def run(self) -> None:
        """Until every run has ended."""
        for run_id in self.runs:
            await self.arena.start(run_id=run_id, budget={"trials": TRIALS_PER_RUN, "epochs": 1, "window": 2})
        async with AsyncExitStack() as stack:
            end = monotonic() + LOOP_S
            while not await self._turn(stack):
                promise(monotonic() < end, f"runs are left after {LOOP_S:.0f} s")
                await asyncio.sleep(0.1)
            for frozen in list(self.frozen):
                self._wake(frozen)
            with suppress(Broken):  # who lost the database in its sleep as well has given up its run and works on
                await until(lambda: all(process.returncode is not None for process in self.woken), "", 20.0)
            self.statuses = [process.returncode for process in self.woken if process.returncode is not None]

    async def _turn(self, stack: AsyncExitStack) -> bool:
        """Look once, do what is due; whether all runs have ended."""
        for name in [name for name, process in self.workers.items() if process.returncode is not None]:
            del self.workers[name]
        while len(self.workers) < WORKERS:
            process = await stack.enter_async_context(self.arena.worker(*self.guards))
            self.workers[str(process.pid)] = process
        query = """
            SELECT run_id, state, attempt, worker_id, finished_at IS NOT NULL AS ended,
                   (SELECT count(*) FROM trials t WHERE t.run_id = r.run_id) AS trials FROM runs r"""
        rows = {row["run_id"]: row for row in self.arena.rows(query)}
        for run_id, row in rows.items():
            blows = self.blows[run_id]
            if row["state"] == "running" and blows and row["trials"] >= blows[0].trials:
                self._strike(row["worker_id"].rpartition("-")[2], blows, run_id, row["attempt"], row["trials"])
        for frozen in list(self.frozen):
            row = rows[frozen.run_id]
            if row["ended"] or (row["attempt"] > frozen.attempt and row["trials"] >= frozen.trials + TRIALS_BEYOND):
                self._wake(frozen)
        done = sum(row["trials"] for row in rows.values())
        thirds = (self.postmasters + 1) * len(rows) * TRIALS_PER_RUN // (POSTMASTERS_KILLED + 1)
        if self.postmasters < POSTMASTERS_KILLED and done >= thirds:
            self.postmasters += 1
            kill_postmaster(self.arena)
        return all(row["ended"] for row in rows.values())

    def _strike(self, worker: str, blows: list[Blow], run_id: str, attempt: int, trials: int) -> None:
        process = self.workers.pop(worker, None)
        if process is None or process.returncode is not None:
            return  # it was struck already, and the run is not claimed again yet
        blow = blows.pop(0)
        process.send_signal(blow.how)
        self.dealt[blow.how] += 1
        if blow.how == signal.SIGSTOP:
            self.frozen.append(Frozen(process, run_id, attempt, trials))

    def _wake(self, frozen: Frozen) -> None:
        self.frozen.remove(frozen)
        self.woken.append(frozen.process)
        with suppress(ProcessLookupError):
            frozen.process.send_signal(signal.SIGCONT)


def fault_loop(trials: int) -> Attack:
    """The attack with about so many trials."""

    async def attack(arena: Arena, dice: Random, *guards: str) -> str:
        runs = max(1, trials // TRIALS_PER_RUN)
        began = monotonic()
        loop = Loop(arena, dice, runs, guards)
        await loop.run()
        took_s = monotonic() - began
        states = arena.rows("SELECT state, count(*) FROM runs GROUP BY state")
        promise([row["state"] for row in states] == ["succeeded"], f"runs ended {states}")
        twice = arena.rows(
            "SELECT count(*) FROM (SELECT FROM events WHERE name = 'cerebros.trial.stop'"
            " GROUP BY run_id, metadata ->> 'number' HAVING count(*) > 1) d"
        )[0]["count"]
        promise(twice == 0, f"{twice} trials had their effect twice")
        for run_id in loop.runs:
            arena.effects(run_id)
        (sums,) = arena.rows("SELECT sum(refused_writes) AS refused, sum(lost_workers) AS lost FROM runs")
        stored = len(arena.rows("SELECT number FROM trials"))
        promise(stored == runs * TRIALS_PER_RUN, f"{stored} of {runs * TRIALS_PER_RUN} trials")
        kills, freezes = loop.dealt[signal.SIGKILL], loop.dealt[signal.SIGSTOP]
        promise(kills >= runs and freezes >= runs // 2, f"only {kills} kills and {freezes} freezes came off")
        promise(sums["refused"] > 0, "no write was refused")
        promise(0 not in loop.statuses, f"stale workers ended with {set(loop.statuses)}")
        return (
            f"{stored} trials in {runs} runs once each, {kills} kill -9, {freezes} SIGSTOP, {loop.postmasters} "
            f"postmasters killed, {sums['refused']} writes refused, {sums['lost']} workers lost, "
            f"{len(loop.statuses)} stale ones ended, {took_s:.0f} s"
        )

    return attack

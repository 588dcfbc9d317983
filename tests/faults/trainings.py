"""Faults of trainings: damaged checkpoints, losses that run off, too much memory, no end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import psutil

from bridge.runs.checkpoints import Checkpoints, file_name
from tests.faults.arena import Arena, promise, until
from tests.faults.unguarded import changed
from tests.faults.workers import LONG, children

TIMEOUT_S = 25.0
MEMORY_BYTES = 2**29


def corrupt(file: Path, dice: Random) -> None:
    """One byte of the weights, which no format notices."""
    content = bytearray(file.read_bytes())
    content[dice.randrange(len(content) // 2, len(content))] ^= 0xFF
    file.write_bytes(content)


def truncate(file: Path, dice: Random) -> None:
    file.write_bytes(file.read_bytes()[: dice.randrange(file.stat().st_size)])


def remove(file: Path, _dice: Random) -> None:
    file.unlink()


async def _interrupted(arena: Arena, trials: int) -> tuple[str, list[Path]]:
    """A run whose worker was killed in its first training, and that training's checkpoints, newest first."""
    run_id = await arena.start(budget=LONG | {"trials": trials})
    async with arena.worker("long") as worker:
        await arena.until_kept(run_id, 1, times=3)
        worker.kill()
        await worker.wait()
    await arena.none_alive()
    rows = arena.rows("SELECT resource, digest FROM checkpoints WHERE run_id = %s ORDER BY resource DESC", run_id)
    return run_id, [arena.home / "checkpoints" / file_name(run_id, 0, **row) for row in rows]


async def _damaged(damage: Callable[[Path, Random], None], arena: Arena, dice: Random, *guards: str) -> str:
    run_id, (newest, previous, *_) = await _interrupted(arena, trials=1)  # a third, where the kill came before its end
    damage(newest, dice)
    with changed(*guards):
        try:
            found = await Checkpoints(arena.home / "checkpoints", arena.bridge.deps.trials).newest(run_id, 0)
        except (msgspec.DecodeError, OSError) as problem:
            promise(False, f"{type(problem).__name__}: {problem}")
    promise(
        found is not None and f"~{found.resource}~" in previous.name,
        f"epoch {found and found.resource} of {newest.name} was taken",
    )
    async with arena.worker("long"):
        await until(lambda: len(arena.trials(run_id)) == 1, "the trial did not end")
    (trial,) = arena.trials(run_id)
    promise(trial["outcome"] == "ok", f"the trial ended {trial['outcome']}: {trial['reason']}")
    return f"epoch {found.resource} instead; trial ok; {arena.effects(run_id)}"


corrupt_checkpoint = partial(_damaged, corrupt)
truncated_checkpoint = partial(_damaged, truncate)
missing_checkpoint = partial(_damaged, remove)


async def no_whole_checkpoint(arena: Arena, dice: Random, *guards: str) -> str:
    run_id, files = await _interrupted(arena, trials=2)
    for file in files:
        corrupt(file, dice)
    async with arena.worker("long", *guards):
        run = await arena.until_ended(run_id)
    outcomes = [(trial["outcome"], str(trial["reason"]).split(":")[0]) for trial in arena.trials(run_id)]
    promise(
        (run["state"], outcomes) == ("succeeded", [("error", "artifact_corrupt"), ("ok", "None")]),
        f"the run is {run['state']}, its trials are {outcomes}, {run['error'] and run['error']['message']}",
    )
    return f"trial 0 error, artifact_corrupt; trial 1 ok; {arena.effects(run_id)}"


async def diverging_trials(arena: Arena, _dice: Random, *guards: str) -> str:
    run_id = await arena.start(budget={"trials": 4})
    async with arena.worker("steep", *guards):
        run = await arena.until_ended(run_id)
    outcomes = [trial["outcome"] for trial in arena.trials(run_id)]
    promise(outcomes == ["diverged", "diverged", "ok", "ok"], f"outcomes {outcomes}, run {run['state']}")
    promise(all(trial["metrics"] is None for trial in arena.trials(run_id)[:2]), "a diverged trial has metrics")
    (search,) = arena.rows("SELECT result FROM stages WHERE run_id = %s AND name = 'search'", run_id)
    best = search["result"]["pareto_set"]
    promise(bool(best) and not {0, 1} & set(best), f"the Pareto set is {best}")
    return f"{', '.join(outcomes)}; metrics NULL, Pareto set {best}; {arena.effects(run_id)}"


async def hungry_trial(arena: Arena, _dice: Random, *guards: str) -> str:
    run_id = await arena.start(budget={"trials": 3})
    async with arena.worker("wide", *guards, trial_memory_bytes=MEMORY_BYTES) as worker:

        def ended_or_grown() -> bool:
            taken = max((child.memory_info().rss for child in children(worker)), default=0)
            promise(taken < 2 * MEMORY_BYTES, f"its process takes {taken >> 20} MB of {MEMORY_BYTES >> 20}")
            return len(arena.trials(run_id)) >= 1

        await until(ended_or_grown, "the trial does not end")
        run = await arena.until_ended(run_id)
        promise(worker.returncode is None, "the worker ended with it")
    outcomes = [trial["outcome"] for trial in arena.trials(run_id)]
    promise(outcomes == ["oom", "ok", "ok"], f"outcomes {outcomes}, run {run['state']}")
    return f"{', '.join(outcomes)}; worker alive; {arena.effects(run_id)}"


async def endless_trial(arena: Arena, _dice: Random, *guards: str) -> str:
    """The trial's process is stopped: it neither works nor ends."""
    run_id = await arena.start(budget={"trials": 2, "epochs": 25})
    async with arena.worker("long", *guards, trial_timeout_s=TIMEOUT_S) as worker:
        await arena.until_kept(run_id, 1, times=1)
        (process,) = children(worker)
        process.send_signal(signal.SIGSTOP)
        await until(lambda: len(arena.trials(run_id)) >= 1, "the trial does not end", TIMEOUT_S + 10.0)
        promise(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "its process is still there")
        run = await arena.until_ended(run_id)
        promise(worker.returncode is None, "the worker ended with it")
    outcomes = [trial["outcome"] for trial in arena.trials(run_id)]
    promise(outcomes == ["timeout", "ok"], f"outcomes {outcomes}, run {run['state']}")
    return f"{', '.join(outcomes)}; worker alive; {arena.effects(run_id)}"

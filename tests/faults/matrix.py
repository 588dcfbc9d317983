"""The fault matrix: each line a fault, what must happen, and the guards without which it must not."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from tests.faults import database, homes, logs, streams, trainings, workers
from tests.faults.arena import Arena, Attack, Broken, NotArranged
from tests.faults.loop import fault_loop


class Fault(NamedTuple):
    name: str
    expected: str
    attack: Attack
    guards: tuple[str, ...]
    quick: bool = False


FAULTS = (
    Fault(
        "worker killed in a training",
        "claimed within lease + sweep, resumed from its checkpoint, one effect",
        workers.killed_worker,
        ("resume",),
        quick=True,
    ),
    Fault("worker killed, its training", "dies with it", workers.orphaned_training, ("parent_death",)),
    Fault("service killed", "no process left, run given back, resumed", workers.killed_service, ("parent_death",)),
    Fault(
        "worker frozen past its lease",
        "its write is refused and counted, it ends",
        workers.frozen_worker,
        ("fence",),
        quick=True,
    ),
    Fault(
        "SIGTERM ten times",
        "drained each time, resumed elsewhere, status 0, no orphan",
        workers.terminated_worker(10),
        ("drain", "sigterm"),
    ),
    Fault(
        "PostgreSQL killed",
        "typed answer in 10 s, run succeeds, no restart",
        database.killed_postgres,
        ("translation",),
    ),
    Fault(
        "backends terminated",
        "typed answer in 10 s, run succeeds, no restart",
        database.terminated_backends,
        ("translation",),
    ),
    Fault(
        "backend frozen",
        "UNAVAILABLE in 10 s, the next call OK",
        database.frozen_backend,
        ("hang_up",),
        quick=True,
    ),
    Fault(
        "table locked",
        "UNAVAILABLE in 10 s, no more backends than the pool has, OK without the lock",
        database.locked_table,
        ("statement_timeout",),
    ),
    Fault(
        "event loop stalled",
        "every answer comes, no connection is lost",
        database.stalled_loop,
        ("looks",),
        quick=True,
    ),
    Fault("keeper killed", "served again at the same address, same worker", homes.killed_keeper, ("keeper_watch",)),
    Fault(
        "second server in a home",
        "refused by the owner's id, nothing taken; dead owner replaced, its drafts swept",
        homes.second_server,
        ("owner", "swept"),
        quick=True,
    ),
    Fault(
        "disk full",
        "RESOURCE_EXHAUSTED in 10 s, accepted again with room, rows intact",
        database.full_disk,
        ("translation",),
    ),
    Fault("clocks ±1 h", "leases and deadline unmoved", database.wrong_clocks, ("service_clock",)),
    Fault(
        "client killed in a stream",
        "freed in 5 s, run goes on, second stream without gap or repeat",
        streams.killed_client,
        ("forgetting",),
    ),
    Fault(
        "client frozen in a stream",
        "freed in 5 s, run goes on, second stream without gap or repeat",
        streams.frozen_client,
        ("keepalive",),
        quick=True,
    ),
    Fault(
        "slow watcher",
        "RESOURCE_EXHAUSTED with the number to resume from",
        streams.slow_watcher,
        ("lag",),
        quick=True,
    ),
    Fault("port owner killed", "no process left, run queued", streams.lost_port_owner, ("owner_gone",)),
    Fault("checkpoint corrupt", "the one before it is used", trainings.corrupt_checkpoint, ("digest",), quick=True),
    Fault("checkpoint truncated", "the one before it is used", trainings.truncated_checkpoint, ("digest",)),
    Fault("checkpoint missing", "the one before it is used", trainings.missing_checkpoint, ("digest",)),
    Fault("no checkpoint whole", "trial error, artifact_corrupt", trainings.no_whole_checkpoint, ("digest",)),
    Fault(
        "learning rate 1e9, loss NaN",
        "diverged, metrics NULL, not in the Pareto set",
        trainings.diverging_trials,
        ("divergence",),
    ),
    Fault("trial out of memory", "oom, only the trial dies", trainings.hungry_trial, ("memory",)),
    Fault(
        "log's reader killed",
        "starts answered, runs succeed, not ready without its worker, which is started again",
        logs.lost_log(logs.kill_reader),
        ("sink",),
        quick=True,
    ),
    Fault(
        "log's reader hangs",
        "starts answered, runs succeed, not ready without its worker, which is started again",
        logs.lost_log(logs.hang_reader),
        ("sink",),
    ),
    Fault("trial without end", "timeout, only the trial dies", trainings.endless_trial, ("timeout",)),
)


# Enough for the unfenced loop to show what it does.
CONTROL_TRIALS = 60


def loop_of(trials: int) -> Fault:
    """The loop as a line of the matrix; without the fence a shorter one is enough."""

    async def attack(arena: Arena, dice: Random, *guards: str) -> str:
        return await fault_loop(min(trials, CONTROL_TRIALS) if guards else trials)(arena, dice, *guards)

    return Fault(
        f"loop of {trials} trials, four workers",
        "no effect twice, no trial lost, stale writes refused",
        attack,
        ("fence",),
    )


async def attempt(fault: Fault, arena: Arena, seed: int, *guards: str) -> tuple[bool, str]:
    """Let a fault happen; whether the promise was kept, and what was seen."""
    try:
        return True, await fault.attack(arena, Random(seed), *guards)
    except Broken as seen:
        return False, str(seen)
    except NotArranged as missing:  # a control that never came to its fault has not failed
        return bool(guards), f"not arranged: {missing}"
    finally:
        arena.clear()

"""What a fault changes in the product: one guard switched off for its control, or the ground made slippery.

The product has no switches for this. A change replaces a name in a module,
in this process within `changed`, or in a process tree of its own: the
variable below names the changes, `startup/sitecustomize.py` makes them.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

VARIABLE = "FAULTS_CHANGES"
ROOT = Path(__file__).parent.parent.parent

Swap = Callable[[Any, str, Any], None]

# Beside `long`: an epoch takes at least this long, so that a signal arrives in the middle of a training.
EPOCH_S = 0.1

CLOCKS = {"clock_ahead": 3600.0, "clock_back": -3600.0}


def environment(*names: str) -> dict[str, str]:
    """What a process needs in its environment for it and its children to be changed so."""
    return {VARIABLE: ",".join(names), "PYTHONPATH": f"{ROOT / 'tests/faults/startup'}:{ROOT}"}


@contextmanager
def changed(*names: str) -> Iterator[None]:
    """This process with these changes, until the context ends."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for name in names:
            change(name, lambda owner, name, value: undo.append((owner, name, _replace(owner, name, value))))
        yield
    finally:
        for owner, name, before in reversed(undo):
            setattr(owner, name, before)


def change(name: str, swap: Swap | None = None) -> None:
    """Make one change in this process, as far as it has a part in it."""
    CHANGES[name](swap or _replace)


def _replace(owner: Any, name: str, value: Any) -> Any:
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before


def _is_job_process() -> bool:
    return "bridge.jobs.child" in sys.orig_argv


# Guards


def unfenced(statements: dict[str, str]) -> dict[str, str]:
    """The same statements with whatever attempt the run has now; a second result replaces the first."""
    newest = "(SELECT attempt FROM runs WHERE run_id = %(run_id)s)"
    without = {name: text.replace("%(attempt)s", newest) for name, text in statements.items()}
    if "append_trial" in without:
        without["append_trial"] = without["append_trial"].replace(
            "FROM fenced\n)", "FROM fenced\n ON CONFLICT (run_id, number) DO UPDATE SET outcome = excluded.outcome\n)"
        )
    if "insert_stage" in without:
        without["insert_stage"] += " ON CONFLICT DO NOTHING"
    return without


def _fence(swap: Swap) -> None:
    _change_statements(swap, unfenced)


def _service_clock(swap: Swap) -> None:
    """Leases and deadlines by the wall clock, as they were before there was a service clock."""
    wall = r"(SELECT extract(epoch FROM clock_timestamp())::double precision AS seconds) \1"

    def by_the_wall(statements: dict[str, str]) -> dict[str, str]:
        return {name: re.sub(r"\bservice_clock ([cs])\b", wall, text) for name, text in statements.items()}

    _change_statements(swap, by_the_wall)


def _change_statements(swap: Swap, rewrite: Callable[[dict[str, str]], dict[str, str]]) -> None:
    from bridge.store import statements

    read = statements.read_statements
    swap(statements, "read_statements", lambda file: rewrite(dict(read(file))))


def _parent_death(swap: Swap) -> None:
    import bridge.process.parentage

    swap(bridge.process.parentage, "die_with_parent", lambda _signal: None)


def _resume(swap: Swap) -> None:
    from bridge.runs.checkpoints import Checkpoints

    async def nothing(*_: object) -> None:
        return None

    swap(Checkpoints, "newest", nothing)


def _digest(swap: Swap) -> None:
    import msgspec

    from bridge.runs.checkpoints import Checkpoint, Checkpoints, file_name

    async def unchecked(self: Any, run_id: str, trial: int) -> Checkpoint | None:
        for row in await self._trials.checkpoint_rows(run_id, trial):
            file = self._directory / file_name(run_id, trial, row.resource, row.digest)
            return msgspec.msgpack.decode(file.read_bytes(), type=Checkpoint)
        return None

    swap(Checkpoints, "newest", unchecked)


def _drain(swap: Swap) -> None:
    from bridge.jobs.pool import JobPool

    async def at_once(*_: object) -> None:
        return None

    swap(JobPool, "checkpoint_all", at_once)


def _sigterm(swap: Swap) -> None:
    import bridge.service

    swap(bridge.service, "until_signalled", lambda task: task)


def _translation(swap: Swap) -> None:
    from bridge.store.database import Database

    swap(Database, "_connection", lambda self: self._pool.connection())


def _hang_up(swap: Swap) -> None:
    from bridge.store import database

    swap(database, "_hanging_up", nullcontext)


def _looks(swap: Swap) -> None:
    """Silence as one span of time, whatever the event loop did meanwhile."""
    from bridge.store import database

    swap(database, "LOOKS", 1)


def _statement_timeout(swap: Swap) -> None:
    from bridge.store import database

    bounds = ("statement_timeout", "client_connection_check_interval")
    swap(database, "SESSION", {name: value for name, value in database.SESSION.items() if name not in bounds})


def _keeper_watch(swap: Swap) -> None:
    from bridge.store import embedded

    swap(embedded, "_keeper_watched", nullcontext)


def _owner(swap: Swap) -> None:
    import bridge.process.home

    swap(bridge.process.home, "served_home", lambda *_: nullcontext(True))


def _swept(swap: Swap) -> None:
    import bridge.store.artifacts

    swap(bridge.store.artifacts, "sweep_drafts", lambda _: None)


def _forgetting(swap: Swap) -> None:
    from bridge.runs.notices import Notices

    swap(Notices, "unsubscribe", lambda *_: None)


def _keepalive(swap: Swap) -> None:
    from bridge.transports.grpc import server as grpc_server

    options = tuple(option for option in grpc_server.OPTIONS if "keepalive_time" not in option[0])
    swap(grpc_server, "OPTIONS", options)


def _lag(swap: Swap) -> None:
    from bridge.runs import procedures

    swap(procedures, "WATCHER_LAG_AT_MOST", math.inf)


def _owner_gone(swap: Swap) -> None:
    from bridge.transports.port.session import Outlet, Session

    for side in (Session, Outlet):
        swap(side, "connection_lost", lambda *_: None)


def _divergence(swap: Swap) -> None:
    if _is_job_process():
        from cerebros.nets import training

        swap(training, "ABSURD", math.inf)
        swap(training, "math", SimpleNamespace(**vars(math) | {"isfinite": lambda _: True}))


def _memory(swap: Swap) -> None:
    import resource

    swap(resource, "setrlimit", lambda *_: None)


def _timeout(swap: Swap) -> None:
    from bridge.jobs.pool import JobProcess

    async def patient(_: Any, work: Any) -> Any:
        return await work

    swap(JobProcess, "_in_time", patient)


def _sink(swap: Swap) -> None:
    from telemetry.sink import Sink

    def at_once(self: Sink, text: str) -> int:
        return os.write(self.fileno(), text.encode())

    swap(Sink, "write", at_once)


# The ground


def _long(swap: Swap) -> None:
    """Trainings that use all their epochs, and take their time for each."""
    if _is_job_process():
        from cerebros.nets import training

        epoch = training.Training.epoch

        def slow_epoch(self: training.Training) -> object:
            time.sleep(EPOCH_S)
            return epoch(self)

        swap(training, "PATIENCE", 10**9)
        swap(training.Training, "epoch", slow_epoch)


def _steep(swap: Swap) -> None:
    """Trials 0 and 1 learn at rates no network survives: 1e9, and one whose loss is NaN."""
    _change_trial(swap, {0: {"learning_rate": 1e9}, 1: {"learning_rate": 1e30}})


def _wide(swap: Swap) -> None:
    """Trial 0 has two layers of 8,000 neurons: 256 MB of weights, and as much again for gradient and each moment."""
    _change_trial(swap, {0: {"batch_size": 512}}, widths=(8000, 8000))


def _change_trial(swap: Swap, parameters: dict[int, dict[str, float]], widths: tuple[int, ...] = ()) -> None:
    import msgspec

    from bridge.nas import trials
    from cerebros.space.rose_tree import Tree

    make = trials.train_job

    def changed_job(run: Any, tree: Tree, seed: int, epochs: int, deps: Any) -> Any:
        number = seed - run.payload.spec.seed
        if epochs > 1 and number in parameters:  # probes have one epoch
            tree = msgspec.structs.replace(tree, p=tree.p | parameters[number])
            if widths:
                levels = tuple(Tree("level", {}, (Tree("unit", {"neurons": width}, ()),)) for width in widths)
                tree = msgspec.structs.replace(tree, c=levels)
        return make(run, tree, seed, epochs, deps)

    swap(trials, "train_job", changed_job)


def _skewed(by_s: float) -> Callable[[Swap], None]:
    """Wall clocks that are wrong: this process's, and PostgreSQL's as our statements see it (see `database.SKEWED`)."""

    def skew(swap: Swap) -> None:
        from bridge.store import database

        pool = database.AsyncConnectionPool

        def skewed_pool(*arguments: Any, kwargs: dict[str, Any], **more: Any) -> Any:
            path = f"-c skewed.by_s={by_s} -c search_path=skewed,pg_catalog,cerebros,public"
            return pool(*arguments, kwargs=kwargs | {"options": f"{kwargs['options']} {path}"}, **more)

        wall = time.time
        swap(database, "AsyncConnectionPool", skewed_pool)
        swap(time, "time", lambda: wall() + by_s)

    return skew


CHANGES: dict[str, Callable[[Swap], None]] = {
    "fence": _fence,
    "service_clock": _service_clock,
    "parent_death": _parent_death,
    "resume": _resume,
    "digest": _digest,
    "drain": _drain,
    "sigterm": _sigterm,
    "translation": _translation,
    "hang_up": _hang_up,
    "looks": _looks,
    "statement_timeout": _statement_timeout,
    "keeper_watch": _keeper_watch,
    "owner": _owner,
    "swept": _swept,
    "forgetting": _forgetting,
    "keepalive": _keepalive,
    "lag": _lag,
    "owner_gone": _owner_gone,
    "divergence": _divergence,
    "memory": _memory,
    "timeout": _timeout,
    "sink": _sink,
    "long": _long,
    "steep": _steep,
    "wide": _wide,
    **{name: _skewed(by_s) for name, by_s in CLOCKS.items()},
}


if __name__ == "__main__":
    guard, *command = sys.argv[1:]
    os.execve(sys.executable, [sys.executable, "-P", "-m", "bridge", *command], os.environ | environment(guard))

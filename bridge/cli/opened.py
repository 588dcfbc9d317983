"""A bridge opened for one command, and the one who asks it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

import click
import msgspec

from bridge.api.bridge import Bridge
from bridge.contract.procedure import AnyProcedure, Caller, Procedure, Reply, Request, valid_traceparent
from bridge.process.owner import owner
from bridge.process.settings import Settings, read_settings, unknown_variables
from bridge.runs.kinds import Deps, Kind
from bridge.service import KINDS, PROCEDURES, SETTINGS, migrated_database, open_bridge
from cerebros.errors import FailedPrecondition
from telemetry.logs import LogSettings, configure_logging

Result = TypeVar("Result")

as_json = click.option("--json", "json", is_flag=True, help="Print one JSON object on stdout.")


@dataclass(frozen=True)
class Tables:
    """The rooms' kinds, procedures and settings, from which a command line is built.

    Attributes:
        program: module that has this command line: `python -m program worker` is a worker of these kinds.
    """

    kinds: Sequence[Kind[Any, Any]] = KINDS
    procedures: Sequence[AnyProcedure] = PROCEDURES
    settings: Sequence[type[msgspec.Struct]] = SETTINGS
    program: str = "bridge"


def tables_in_force() -> Tables:
    """Return what the command line that runs was built from."""
    return click.get_current_context().ensure_object(Tables)


def settings_in_force() -> Settings:
    """Return the settings of this command; a variable that looks like one and is none is warned of."""
    rooms = tables_in_force().settings
    for name, likest in unknown_variables(rooms).items():
        click.echo(f"warning: {name} is no setting{f'; is it {likest}?' if likest else ''}", err=True)
    return read_settings(rooms)


def caller(timeout_s: float | None = None) -> Caller:
    """Return the user who runs the command, within the trace that the environment names.

    Args:
        timeout_s: seconds from now that the user waits for answers; without end when None.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    return Caller(
        principal=owner(),
        owner=True,
        transport="cli",
        traceparent=valid_traceparent(os.environ.get("TRACEPARENT")),
        deadline=deadline,
    )


def on_bridge(
    use: Callable[[Bridge], Awaitable[Result]],
    *,
    log_level: str | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Result:
    """Run a coroutine function on an open bridge."""
    tables, settings = tables_in_force(), settings_in_force()
    log = settings[LogSettings]
    configure_logging(log_level or log.log_level, log.log_format, log.log_file)

    async def opened(url: str) -> Result:
        async with open_bridge(settings, url, kinds=tables.kinds, procedures=tables.procedures) as bridge:
            return await use(bridge)

    with migrated_database(settings) as url, asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(opened(url))


def asked(procedure: Procedure[Deps, Request, Reply], request: Request) -> Reply:
    """Ask one question on a bridge opened for it."""
    return on_bridge(lambda bridge: bridge.ask(procedure, caller(), request), log_level="error")


def require_installed(extra: str, *modules: str) -> None:
    """Refuse, before anything is begun, what an extra that is not installed would be needed for.

    Raises:
        FailedPrecondition: a module is missing.
    """
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise FailedPrecondition(f"this needs {', '.join(absent)}; pip install 'cerebros-bridge[{extra}]'")

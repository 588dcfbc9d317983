"""The command line. Answers go to stdout, everything else to stderr.

Exit status: 0 done, 1 refused or failed with a typed error, 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from bridge.cli import show
from bridge.cli.artifacts import export, report
from bridge.cli.capability import gate, vcv
from bridge.cli.data import dataset
from bridge.cli.doctor import doctor
from bridge.cli.opened import Tables
from bridge.cli.runs import call_procedure, command_of
from bridge.cli.serving import migrate, port, up, worker
from bridge.contract.procedure import AnyProcedure
from bridge.runs.kinds import Kind
from bridge.service import KINDS, PROCEDURES, SETTINGS
from cerebros.errors import CerebrosError, Internal

COMMANDS = (up, port, worker, migrate, call_procedure, dataset, gate, vcv, export, report, doctor)


class Refusals(click.Group):
    """Typed errors end a command with status 1 and one line, or one JSON object with --json."""

    def invoke(self, ctx: click.Context) -> Any:
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except CerebrosError as error:
            show.refusal(error, json=as_json)
            ctx.exit(1)


def command_line(
    kinds: Sequence[Kind[Any, Any]] = KINDS,
    procedures: Sequence[AnyProcedure] = PROCEDURES,
    settings: Sequence[type[msgspec.Struct]] = SETTINGS,
    program: str = "bridge",
) -> click.Group:
    """Return the command line of these kinds, procedures and settings, with a command for each kind.

    Args:
        program: module that has this command line, for the worker processes that it starts.

    Raises:
        Internal: a kind is named like another command.
    """
    main = Refusals(
        "cerebros-bridge",
        context_settings={"help_option_names": ["-h", "--help"], "obj": Tables(kinds, procedures, settings, program)},
        help="Neural architecture search and capability vectors for PACs, as a service.",
    )
    for command in (*COMMANDS, *map(command_of, kinds)):
        if command.name in main.commands:
            raise Internal(f"there is a command {command.name!r} already; name the kind otherwise")
        main.add_command(command)
    return main


main = command_line()

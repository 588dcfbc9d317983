"""The command line. Answers go to stdout, everything else to stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from bridge.cli.artifacts import export, report
from bridge.cli.capability import gate, vcv
from bridge.cli.data import dataset
from bridge.cli.doctor import doctor
from bridge.cli.frame import Framed
from bridge.cli.opened import Tables
from bridge.cli.runs import call_procedure, cancel, command_of, runs, show_run, watch
from bridge.cli.serving import migrate, port, up, worker
from bridge.contract.procedure import AnyProcedure
from bridge.operator.procedures import VERSION
from bridge.runs.kinds import Kind
from bridge.runs.procedures import procedures as run_procedures
from bridge.service import KINDS, PROCEDURES, SETTINGS
from cerebros.errors import Internal

COMMANDS = (
    *(up, port, worker, migrate, runs, show_run, watch, cancel, call_procedure),
    *(dataset, gate, vcv, export, report, doctor),
)

# Procedures that a command of their own asks; `call` asks the others.
ASKED_BY = {
    "start_run": "cycle",
    "list_runs": "runs",
    "get_run": "show",
    "watch_run": "watch",
    "cancel_run": "cancel",
    "get_capability": "vcv",
    "check_gate": "gate check",
    "check_dataset": "dataset check",
}


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
    main = Framed(
        "cerebros-bridge",
        context_settings={"help_option_names": ["-h", "--help"], "obj": Tables(kinds, procedures, settings, program)},
        help="Neural architecture search and capability vectors for PACs, as a service.",
    )
    main.asked_by = {
        one.name: ASKED_BY.get(one.name, f"call {one.name}") for one in (*run_procedures(kinds), *procedures)
    }
    click.version_option(VERSION, message="%(prog)s %(version)s")(main)
    for command in (*COMMANDS, *map(command_of, kinds)):
        if command.name in main.commands:
            raise Internal(f"there is a command {command.name!r} already; name the kind otherwise")
        main.add_command(command)
    return main


main = command_line()

"""Commands about what PACs can do, and whether they may be released."""

from __future__ import annotations

import click

from bridge.capability.procedures import GET_CAPABILITY
from bridge.cli import show
from bridge.cli.opened import as_json, asked
from bridge.operator.procedures import CHECK_GATE


@click.command()
@click.argument("pac")
@as_json
def vcv(pac: str, json: bool) -> None:
    """Show a PAC's current capability vector."""
    show.vcv(asked(GET_CAPABILITY, pac_id=pac), json=json)


@click.group()
def gate() -> None:
    """Ask the Balance Readiness Gate."""


@gate.command(name="check")
@click.option("--pac", help="Only this PAC's runs and verdicts.")
@as_json
def check_gate(pac: str | None, json: bool) -> None:
    """Show the gate's findings; exit status 1 when one is critical."""
    report = asked(CHECK_GATE, pac_id=pac)
    show.gate(report, json=json)
    if report.overall_status == "critical":
        raise SystemExit(1)

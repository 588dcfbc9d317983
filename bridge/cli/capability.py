"""Commands about what PACs can do, and whether they may be released."""

from __future__ import annotations

import click

from bridge.capability.procedures import GET_CAPABILITY
from bridge.cli import show
from bridge.cli.questions import question
from bridge.contract.operator import GateReport
from bridge.contract.telling import summary
from bridge.operator.procedures import CHECK_GATE

vcv = question("vcv", GET_CAPABILITY, show.vcv)

gate = click.Group("gate", help=summary(CHECK_GATE.request))


def _judged(report: GateReport, *, json: bool) -> None:
    show.gate(report, json=json)
    if report.overall_status == "critical":
        raise SystemExit(1)


gate.add_command(question("check", CHECK_GATE, _judged, status="Exit status 1 when a finding is critical."))

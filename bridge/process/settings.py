"""All settings, read in one place: `CEREBROS_*` variables over `cerebros.toml` over defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs
from msgspec import Meta

import bridge
from cerebros.errors import InvalidArgument
from cerebros.metrics import PriceTable

Queue = Literal["cpu", "gpu"]
Positive = Annotated[float, Meta(gt=0)]
Address = Annotated[str, Meta(pattern=r"^.+:[0-9]{1,5}$", description="host:port")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may choose.

    Attributes:
        home: directory of the database, artifacts, sockets and keys.
        database_url: an own PostgreSQL with pgvector; empty for the embedded one.
        grpc_tls_cert, grpc_tls_key: PEM files; with both, `grpc_address` speaks TLS.
        grpc_tls_client_ca: PEM file; with it, only clients that it signed are served.
        trial_processes: trainings at the same time on this machine.
        trial_timeout_s: after this a trial is killed and recorded as `timeout`.
        trial_memory_bytes: above this a trial ends as `oom`.
        lease_s: a worker that has not renewed its claim for so long has lost it.
        queue: the queue this machine's worker takes runs from.
        queued_at_most: runs that may wait in a queue; more are refused.
        executor: where trials run: in processes of this machine, or on the
            Ray cluster at `ray_address`.
        checkpoint_s: a training that lasts longer keeps its state this often.
        drain_s: what SIGTERM leaves trainings to keep their state, and calls to end.
        events_kept_days: events of runs that ended earlier are forgotten, but the last one.
        usd_per_cpu_hour, watts_per_cpu: the price table. The defaults are a
            common cloud price of a shared core and the share of one core in
            the rated power of a server processor; set your own.
        policy: path of a policy file; empty for the one that ships.
        gate_max_verdict_age_s: older verdicts make the gate critical.
    """

    home: str
    database_url: Annotated[str, Meta(pattern=r"^(postgres(ql)?://.*)?$")] = ""
    grpc_address: Address = "127.0.0.1:50051"
    grpc_tls_cert: str = ""
    grpc_tls_key: str = ""
    grpc_tls_client_ca: str = ""
    http_address: Address = "127.0.0.1:8088"
    trial_processes: Annotated[int, Meta(ge=1, le=1024)] = os.cpu_count() or 1
    trial_timeout_s: Positive = 600.0
    trial_memory_bytes: Annotated[int, Meta(ge=2**28)] = 8 * 2**30
    lease_s: Positive = 15.0
    queue: Queue = "cpu"
    queued_at_most: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    executor: Literal["local", "ray"] = "local"
    ray_address: str = ""
    checkpoint_s: Positive = 10.0
    drain_s: Positive = 8.0
    events_kept_days: Positive = 30.0
    usd_per_cpu_hour: Annotated[float, Meta(ge=0)] = 0.04
    watts_per_cpu: Annotated[float, Meta(ge=0)] = 10.0
    policy: str = ""
    gate_max_verdict_age_s: Positive = 7 * 86400.0
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"

    @property
    def prices(self) -> PriceTable:
        return PriceTable(self.usd_per_cpu_hour, self.watts_per_cpu)

    @property
    def home_path(self) -> Path:
        return Path(self.home)


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force.

    Raises:
        InvalidArgument: a value breaks its rule, or cerebros.toml has an unknown key.
    """
    home = Path(environ.get("CEREBROS_HOME") or platformdirs.user_data_dir("cerebros")).absolute()
    raw = _read_file(home / "cerebros.toml")
    for field in msgspec.structs.fields(Settings):
        if (value := environ.get(f"CEREBROS_{field.name.upper()}")) is not None:
            raw[field.name] = value
    if "DATABASE_URL" in environ:
        raw["database_url"] = environ["DATABASE_URL"]
    raw["home"] = str(home)
    try:
        return msgspec.convert(raw, Settings, strict=False)
    except msgspec.ValidationError as problem:
        raise InvalidArgument(f"settings: {problem}; look at CEREBROS_* variables and {home}/cerebros.toml") from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:  # TOML and UTF-8 errors are ValueErrors
        raise InvalidArgument(f"settings: {file} cannot be read: {problem}; mend or remove it") from None


def shipped(folder: str) -> Path:
    """`priv/<folder>`: inside the installed package, or beside it in a checkout."""
    package = Path(bridge.__file__).parent
    installed = package / "_priv" / folder
    return installed if installed.is_dir() else package.parent / "priv" / folder

"""Settings of operation: who operates the service, and the gate."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bridge.process.settings import Positive


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    operators: Annotated[
        Literal["owner", "certified", "anybody"],
        Meta(
            description="Callers that may drain the service, limit queues, set training locks and delete studies: "
            "`owner`, the user it runs as, by the command line, the port or `bridge.sock`; `certified`, clients with "
            "a certificate of `CEREBROS_GRPC_TLS_CLIENT_CA` too; or `anybody`."
        ),
    ] = "owner"


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    gate_max_verdict_age_s: Annotated[
        Positive, Meta(description="Age in seconds from which the newest verdict makes the gate critical.")
    ] = 7 * 86400.0

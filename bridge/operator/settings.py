"""Settings of the gate."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bridge.process.settings import Positive


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    gate_max_verdict_age_s: Annotated[
        Positive, Meta(description="Age in seconds from which the newest verdict makes the gate critical.")
    ] = 7 * 86400.0

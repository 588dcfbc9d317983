"""Settings of policy."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True):
    policy: Annotated[
        str,
        Meta(
            description="Path of your own policy file.",
            extra={"default": "`priv/policy/default.toml`"},
        ),
    ] = ""

"""Settings of the database."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    # Its form is checked where it is used: a message about it may have nothing of it.
    database_url: Annotated[
        str,
        Meta(
            description="Address of your own PostgreSQL with pgvector.",
            extra={"variable": "DATABASE_URL", "default": "the embedded one", "rule": "a `postgresql://` address"},
        ),
    ] = ""

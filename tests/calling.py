"""Ask a bridge in this process, as its transports do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller

TESTER = Caller(principal="tester", transport="test")


async def call(bridge: Bridge, name: str, raw: Mapping[str, Any], caller: Caller = TESTER) -> Any:
    """A procedure's answer."""
    return await bridge.call(caller, name, raw)


async def watch(bridge: Bridge, raw: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    """A run's events; what is wrong with the request is raised by the first of them."""
    async for event in bridge.stream(TESTER, "watch_run", raw):
        yield event


def with_parts(bridge: Bridge, **parts: Any) -> Bridge:
    """The same bridge with some of its parts replaced."""
    return msgspec.structs.replace(bridge, deps=msgspec.structs.replace(bridge.deps, **parts))


def with_settings(bridge: Bridge, **settings: Any) -> Bridge:
    """The same bridge with some settings changed."""
    return with_parts(bridge, settings=bridge.deps.settings.changed(**settings))

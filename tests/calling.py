"""Ask a bridge in this process, as its transports do."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from bridge import service
from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from bridge.contract.runs import StartRun

# Every kind of run there is, as a worker claims them.
KINDS = tuple(kind.name for kind in service.KINDS)

TESTER = Caller(principal="tester", owner=True, transport="test")


async def call(bridge: Bridge, name: str, raw: Mapping[str, Any], caller: Caller = TESTER) -> Any:
    """A procedure's answer."""
    return await bridge.call(caller, name, raw)


async def watch(bridge: Bridge, raw: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    """A run's events; what is wrong with the request is raised by the first of them."""
    async for event in bridge.stream(TESTER, "watch_run", raw):
        yield event


async def until(condition: Callable[[], Awaitable[bool] | bool], within_s: float = 60.0) -> None:
    """Wait for a condition that is asked again and again."""
    async with asyncio.timeout(within_s):
        while True:
            met = condition()
            if await met if inspect.isawaitable(met) else met:
                return
            await asyncio.sleep(0.05)


def with_parts(bridge: Bridge, **parts: Any) -> Bridge:
    """The same bridge with some of its parts replaced."""
    return msgspec.structs.replace(bridge, deps=msgspec.structs.replace(bridge.deps, **parts))


def with_settings(bridge: Bridge, **settings: Any) -> Bridge:
    """The same bridge with some settings changed."""
    return with_parts(bridge, settings=bridge.deps.settings.changed(**settings))


# What a request to start a run says of any kind; the rest is the kind's spec.
COMMON = {field.name for field in msgspec.structs.fields(StartRun)} - {"spec"}


def start_request(**fields: Any) -> dict[str, Any]:
    """A request to start a run, its spec's fields given beside the others."""
    common = {name: value for name, value in fields.items() if name in COMMON}
    spec = {name: value for name, value in fields.items() if name not in COMMON | {"spec"}}
    return common | {"spec": spec | fields.get("spec", {})}

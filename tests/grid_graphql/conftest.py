"""Thundergrid on a real HTTP server, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from bridge.api.bridge import Bridge
from bridge.transports.http.app import make_app


@pytest.fixture(scope="module")
async def address(bridge: Bridge) -> AsyncIterator[str]:
    # Its log goes where the test's does, so that a test can say what is logged.
    config = uvicorn.Config(make_app(bridge), port=0, log_config=None, lifespan="off", ws_ping_interval=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"{host}:{port}"
    server.should_exit = True
    await serving


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        yield client

"""Hosts and origins at the real HTTP server (issue 11, kinds 3 and 22): its own names, and pages that may ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.api.bridge import Bridge
from bridge.process.settings import read_settings
from bridge.service import SETTINGS
from bridge.transports.http.server import http_server
from cerebros.errors import InvalidArgument
from tests.calling import with_settings

QUERY = json.dumps({"query": "{ health { status } }"})
CONSOLE = "https://console.example.com"


@asynccontextmanager
async def serving(bridge: Bridge, **settings: object) -> AsyncIterator[int]:
    async with http_server(with_settings(bridge, http_address="127.0.0.1:0", **settings)) as server:
        yield server.port


@pytest.fixture(scope="module")
async def port(bridge: Bridge) -> AsyncIterator[int]:
    async with serving(
        bridge, http_hosts=("bridge.example.com", "10.0.0.0/8", "xn--bcher-kva.example"), http_origins=(CONSOLE,)
    ) as bound:
        yield bound


async def answer(port: int, *lines: str, target: str = "GET /healthz", body: str = "", version: str = "1.1") -> str:
    """The answer to a request of these header lines, as text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if body:
        lines = (*lines, "content-type: application/json", f"content-length: {len(body)}")
    head = "\r\n".join((f"{target} HTTP/{version}", *lines, "connection: close", "", ""))
    writer.write((head + body).encode("latin-1"))
    text = (await reader.read()).decode()
    writer.close()
    return text


def status(text: str) -> int:
    return int(text.split()[1])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:{port}",
        "localhost:9000",  # a forwarded port
        "localhost:",
        "127.0.0.1:{port}",
        "127.8.9.10",
        "[::1]",
        "[::1]:{port}",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "bridge.example.com",
        "Bridge.Example.COM.:443",
        "10.1.2.3:8088",  # a Kubernetes probe asks by the pod's address
        "xn--bcher-kva.example",
    ],
)
async def test_a_host_that_is_this_server_is_answered(port, host):
    assert status(await answer(port, f"Host: {host.format(port=port)}")) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:{port}",
        "localhost.evil.test",
        "localhost..",
        "127.0.0.1.evil.test",
        "127.1",
        "0.0.0.0",
        "192.168.0.1",
        "11.0.0.1",
        "[::2]",
        "[::ffff:192.168.0.1]",
        "sub.bridge.example.com",
        "bridge.example.com.evil.test",
        "xn--evil-kva.example",
    ],
)
async def test_any_other_host_is_misdirected(port, host):
    text = await answer(port, f"Host: {host.format(port=port)}")
    assert status(text) == 421
    assert "CEREBROS_HTTP_HOSTS" in text


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Host:",),
        ("Host: localhost", "Host: evil.test"),
        ("Host: evil.test", "host: localhost"),
        ("Host: localhost", "Host: localhost"),
        ("Host: user@localhost",),
        ("Host: localhost@evil.test",),
        ("Host: localhost, evil.test",),
        ("Host: localhost evil.test",),
        ("Host: localhost:99999",),
        ("Host: localhost:80:80",),
        ("Host: ::1",),
        ("Host: [::1",),
        ("Host: [fe80::1%25eth0]",),
        ("Host: http://localhost",),
        ("Host: localhost/",),
        ("Host: loc%61lhost",),
        ("Host: b\u00fccher.example",),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_malformed_host_is_refused(port, lines, version):
    assert status(await answer(port, *lines, version=version)) == 400


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        ("GET http://localhost/healthz", "evil.test", 200),
        ("GET http://localhost:{port}/healthz?a=1", "localhost", 200),
        ("GET http://[::1]/healthz", "localhost", 200),
        ("GET http://evil.test/healthz", "localhost", 421),
        ("GET HTTP://evil.test:{port}/healthz", "localhost:{port}", 421),
        ("GET http://localhost@evil.test/healthz", "localhost", 400),
        ("GET ftp://localhost/healthz", "localhost", 400),
        ("CONNECT localhost:443", "localhost", 400),
        ("OPTIONS *", "localhost", 400),
    ],
)
async def test_the_host_of_an_absolute_target_is_the_one_that_counts(port, target, host, expected):
    text = await answer(port, f"Host: {host.format(port=port)}", target=target.format(port=port))
    assert status(text) == expected


@pytest.mark.parametrize("path", ["/", "/metrics", "/readyz", "/graphql", "/nowhere"])
async def test_no_address_is_told_to_another_host(port, path):
    text = await answer(port, "Host: evil.test", target=f"POST {path}", body=QUERY)
    assert status(text) == 421
    assert "connection: close" in text


def own(port: int) -> str:
    return f"http://localhost:{port}"


@pytest.mark.parametrize("origin", [CONSOLE, "HTTPS://Console.Example.com:443", "own"])
async def test_a_page_that_may_ask_is_answered(port, origin):
    origin = own(port) if origin == "own" else origin
    text = await answer(port, f"Host: localhost:{port}", f"Origin: {origin}", target="POST /graphql", body=QUERY)
    assert status(text) == 200
    assert '"serving"' in text


@pytest.mark.parametrize(
    "origins",
    [
        ("https://evil.test",),
        ("null",),
        ("",),
        ("http://localhost:3000",),
        ("http://127.0.0.1:{port}",),
        ("https://console.example.com.evil.test",),
        ("http://console.example.com",),
        ("https://console.example.com:8443",),
        ("file://",),
        ("own", "https://evil.test"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS", "DELETE"])
async def test_a_page_of_another_origin_is_refused(port, origins, method):
    lines = [f"Origin: {own(port) if origin == 'own' else origin.format(port=port)}" for origin in origins]
    text = await answer(port, f"Host: localhost:{port}", *lines, target=f"{method} /graphql", body=QUERY)
    assert status(text) == 403
    assert "access-control-allow-origin" not in text


async def test_a_page_behind_a_proxy_that_ends_tls_is_of_the_same_origin(port):
    lines = ("Host: bridge.example.com", "Origin: https://bridge.example.com")
    assert status(await answer(port, *lines, target="POST /graphql", body=QUERY)) == 200


@pytest.mark.parametrize("address", ["ws://evil.test:{port}/graphql", "ws://192.168.0.1/graphql"])
async def test_a_rebound_name_opens_no_socket(port, address):
    address = address.format(port=port)
    origin = address.replace("ws", "http").removesuffix("/graphql")  # the page's own, as a rebound browser has it
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, host="127.0.0.1", port=port, origin=origin, proxy=None):
            pass
    assert refused.value.response.status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://localhost:3000"])
async def test_a_page_of_another_origin_opens_no_socket(port, origin):
    with pytest.raises(InvalidStatus) as refused:
        async with connect("ws://localhost/graphql", host="127.0.0.1", port=port, origin=origin, proxy=None):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", [CONSOLE, "own", None])
async def test_a_page_that_may_ask_opens_a_socket(port, origin):
    origin = own(port) if origin == "own" else origin
    options = {"subprotocols": ["graphql-transport-ws"], "proxy": None, "origin": origin}
    async with connect(f"ws://localhost:{port}/graphql", host="127.0.0.1", port=port, **options) as socket:
        await socket.send('{"type": "connection_init"}')
        assert json.loads(await socket.recv())["type"] == "connection_ack"


def preflight(port: int, origin: str, method: str = "POST", headers: str = "content-type") -> tuple[str, ...]:
    asked = (f"Access-Control-Request-Method: {method}", f"Access-Control-Request-Headers: {headers}")
    return (f"Host: localhost:{port}", f"Origin: {origin}", *asked)


async def test_a_preflight_of_a_listed_origin_is_allowed(port):
    text = await answer(port, *preflight(port, CONSOLE, headers="content-type,x-timeout-s"), target="OPTIONS /graphql")
    assert status(text) == 200
    assert f"access-control-allow-origin: {CONSOLE}\r\n" in text
    assert "access-control-allow-credentials" not in text


@pytest.mark.parametrize(("method", "headers"), [("DELETE", "content-type"), ("POST", "x-other")])
async def test_a_preflight_for_more_than_we_take_is_refused(port, method, headers):
    text = await answer(port, *preflight(port, CONSOLE, method, headers), target="OPTIONS /graphql")
    assert status(text) == 400


async def test_an_answer_names_the_listed_origin_and_varies_by_it(port):
    text = await answer(port, "Host: localhost", f"Origin: {CONSOLE}")
    assert f"access-control-allow-origin: {CONSOLE}\r\n" in text
    assert "vary: Origin" in text


async def test_without_the_setting_no_other_origin_may_ask(bridge):
    async with serving(bridge) as bound:
        refused = await answer(bound, *preflight(bound, CONSOLE), target="OPTIONS /graphql")
        answered = await answer(bound, "Host: localhost")
    assert (status(refused), status(answered)) == (403, 200)
    assert "access-control" not in refused + answered


async def test_the_host_of_the_address_is_one_of_its_names(bridge):
    async with http_server(with_settings(bridge, http_address="[::1]:0")) as server:
        reader, writer = await asyncio.open_connection("::1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: [::1]:%d\r\nConnection: close\r\n\r\n" % server.port)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CEREBROS_HTTP_ADDRESS", "127.0.0.1:70000"),
        ("CEREBROS_GRPC_ADDRESS", "127.0.0.1:65536"),
        ("CEREBROS_HTTP_ADDRESS", "::1:8088"),
        ("CEREBROS_GRPC_ADDRESS", "50051"),
        ("CEREBROS_HTTP_ADDRESS", "127.0.0.1:8088\n"),
        ("CEREBROS_HTTP_HOSTS", "10.0.0.0/99"),
        ("CEREBROS_HTTP_HOSTS", "bridge.example.com:8088"),
        ("CEREBROS_HTTP_HOSTS", "localhost,*"),
        ("CEREBROS_HTTP_ORIGINS", "*"),
        ("CEREBROS_HTTP_ORIGINS", "https://console.example.com/"),
    ],
)
def test_a_setting_that_names_no_host_is_refused_with_its_rule(tmp_path, variable, value):
    with pytest.raises(InvalidArgument, match=variable.removeprefix("CEREBROS_").lower() + ": .*write `"):
        read_settings(SETTINGS, {"CEREBROS_HOME": str(tmp_path), variable: value})

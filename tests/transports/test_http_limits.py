"""Bounds of what comes in over HTTP (issue 11, kind 5), at the real server with its own limits, some made short."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.api.bridge import Bridge
from bridge.transports.http.limits import LIMITS
from bridge.transports.http.server import http_server
from tests.calling import call, with_settings

BODY = LIMITS.body_bytes
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
PATHS = ["/graphql", "/", "/healthz", "/readyz", "/metrics", "/nowhere"]


@asynccontextmanager
async def serving(bridge: Bridge, **limits: object) -> AsyncIterator[int]:
    chosen = msgspec.structs.replace(LIMITS, **limits)
    async with http_server(with_settings(bridge, http_address="127.0.0.1:0"), chosen) as server:
        yield server.port


@pytest.fixture(scope="module")
async def port(bridge: Bridge) -> AsyncIterator[int]:
    async with serving(bridge) as bound:
        yield bound


class Peer:
    """One connection, spoken to in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> bool:
        """False if the server has hung up."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            return False
        return True

    async def rest(self) -> str:
        """All that comes until the server closes."""
        received = b""
        while True:
            try:
                chunk = await self.reader.read(65536)
            except ConnectionError:
                break
            if not chunk:
                break
            received += chunk
        return received.decode()

    async def until(self, mark: bytes) -> str:
        return (await self.reader.readuntil(mark)).decode()


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


async def exchange(port: int, *parts: bytes) -> str:
    async with peer(port) as caller:
        for part in parts:
            if not await caller.send(part):
                break
        return await caller.rest()


def statuses(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith("HTTP/1.1 ")]


async def healthy(port: int) -> bool:
    return statuses(await exchange(port, HEAD + b"Connection: close\r\n\r\n")) == [200]


def post(path: str, *lines: str) -> bytes:
    head = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines, "", "")
    return "\r\n".join(head).encode()


def chunks(size: int, extension: bytes = b"") -> Iterator[bytes]:
    block = b"x" * 65536
    for _ in range(size // len(block) + 1):
        yield b"%x%s\r\n%s\r\n" % (len(block), extension, block)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_is_announced_too_large_is_refused_unread(port, path):
    text = await exchange(port, post(path, f"Content-Length: {BODY + 1}"))
    assert statuses(text) == [413]
    assert "connection: close" in text


@pytest.mark.parametrize("path", PATHS)
async def test_a_chunked_body_ends_where_it_grows_too_large(port, path):
    async with peer(port) as caller:
        await caller.send(post(path, "Transfer-Encoding: chunked"))
        sent = 0
        for part in chunks(64 * BODY):
            if not await caller.send(part):
                break
            sent += len(part)
        text = await caller.rest()
    assert sent < 16 * BODY  # the rest stays with its sender; some MiB fill the buffers on the way
    assert statuses(text)[:1] in ([413], [405], [404], [])  # who answers without the body, answers before it is large


async def test_a_chunked_graphql_body_that_grows_too_large_is_told_so(port):
    text = await exchange(port, post("/graphql", "Transfer-Encoding: chunked"), *chunks(BODY))
    assert statuses(text) == [413]
    assert str(BODY) in text


async def test_a_body_of_the_largest_size_is_read(port):
    query = b'{"query": "{ health { status } }"}'
    body = query + b" " * (BODY - len(query))
    text = await exchange(port, post("/graphql", f"Content-Length: {BODY}", "Connection: close"), body)
    assert statuses(text) == [200]


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "99999999999999999999999", "5, 5", "5\r\nContent-Length: 6"])
async def test_a_length_that_is_none_is_refused(port, length):
    text = await exchange(port, post("/graphql", f"Content-Length: {length}"), b"12345")
    assert statuses(text) in ([400], [413])


async def test_a_body_longer_than_its_length_is_not_read_as_part_of_it(port):
    text = await exchange(port, post("/graphql", "Content-Length: 2"), b"{}" + b"x" * 5000)
    assert statuses(text)[1:] in ([400], [])  # the rest is garbage, at most


async def test_extensions_of_chunks_count(port):
    tiny = b"".join(b"1;%s\r\nx\r\n" % (b"e" * 60) for _ in range(1000))
    text = await exchange(port, post("/graphql", "Transfer-Encoding: chunked"), *[tiny] * 35)
    assert statuses(text) == [413]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"X-%d: 1" % number for number in range(LIMITS.fields + 1)], 431),
        ([b"X: " + b"v" * (LIMITS.field_bytes + 1)], 431),
        ([b"X" * (LIMITS.field_bytes + 1) + b": 1"], 431),
        ([b"X-%d: %s" % (number, b"v" * 6000) for number in range(4)], 431),
    ],
)
async def test_a_head_that_is_too_large_is_refused(port, lines, status):
    assert statuses(await exchange(port, HEAD + b"\r\n".join(lines) + b"\r\n\r\n")) == [status]


async def test_a_target_that_is_too_long_is_refused(port):
    target = b"/healthz?" + b"q" * LIMITS.field_bytes
    assert statuses(await exchange(port, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)) == [414]


@pytest.mark.parametrize("block", [b"v" * 65536, b"X: v\r\n" * 10_000, b"\r\n" * 10_000])
async def test_a_head_without_end_is_refused_and_not_kept(port, block):
    async with peer(port) as caller:
        await caller.send(HEAD + b"Y: 1" if block[:1] == b"v" else b"" if block[:1] == b"\r" else HEAD)
        for _ in range(200):
            if not await caller.send(block):
                break
        else:
            caller.writer.write_eof()
        if block[:1] != b"\r":  # blank lines before a request are skipped; the time for its head ends them
            assert statuses(await caller.rest()) in ([431], [])
    assert await healthy(port)


async def test_trailers_count_and_change_no_header(port):
    end = b"2\r\n{}\r\n0\r\n" + b"".join(b"T-%d: 1\r\n" % number for number in range(LIMITS.fields)) + b"\r\n"
    assert statuses(await exchange(port, post("/graphql", "Transfer-Encoding: chunked"), end))[0] in (400, 431)


async def test_a_head_that_stays_half_is_given_up(bridge):
    async with serving(bridge, head_s=0.3) as port:
        assert statuses(await exchange(port, HEAD + b"X-A")) == [408]


async def test_a_head_that_comes_drop_by_drop_is_given_up(bridge):
    async with serving(bridge, head_s=0.3) as port, peer(port) as caller:
        await caller.send(HEAD)
        while await caller.send(b"X: y\r\n"):
            await asyncio.sleep(0.05)
        assert statuses(await caller.rest()) in ([408], [])


async def test_a_connection_without_a_request_is_closed(bridge):
    async with serving(bridge, head_s=0.3, idle_s=0.3) as port:
        assert await exchange(port) == ""
        assert await exchange(port, b"\r\n\r\n") == ""


@pytest.mark.parametrize("path", ["/graphql", "/healthz"])
async def test_a_body_that_stays_half_is_given_up(bridge, path):
    async with serving(bridge, body_s=0.3, idle_s=0.3) as port:
        text = await exchange(port, post(path, "Content-Length: 100"), b"{")
        assert statuses(text) in ([408], [405])


async def test_an_idle_connection_is_closed_though_a_byte_comes(bridge):
    async with serving(bridge, head_s=0.3, idle_s=0.3) as port, peer(port) as caller:
        await caller.send(HEAD + b"\r\n")
        await caller.until(b"ok\n")
        await caller.send(b"G")
        assert statuses(await caller.rest()) == [408]


async def test_a_connection_serves_many_requests(port):
    async with peer(port) as caller:
        for _ in range(3):
            await caller.send(HEAD + b"\r\n")
            assert "200 OK" in await caller.until(b"ok\n")
        await caller.send((HEAD + b"\r\n") * 50 + HEAD + b"Connection: close\r\n\r\n")  # pipelined
        assert statuses(await caller.rest()) == [200] * 51


async def test_an_answer_that_nobody_reads_is_given_up(bridge):
    introspection = json.dumps({"query": "{ __schema { types { name description fields { name description } } } }"})
    request = post("/graphql", f"Content-Length: {len(introspection)}") + introspection.encode()
    async with serving(bridge, unread_s=0.5, idle_s=60.0) as port, peer(port) as caller:
        caller.writer.transport.pause_reading()
        while await caller.send(request * 10):  # answers fill the buffers, and then the server stops reading
            await asyncio.sleep(0.01)
        assert await healthy(port)


async def test_half_open_connections_give_their_places_to_requests(bridge):
    async with serving(bridge, connections=20, head_s=60.0) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        for _, writer in held:
            writer.write(HEAD)
        for _ in range(5):
            assert await healthy(port)
        given_up = await asyncio.wait_for(held[0][0].read(), 30)
        assert statuses(given_up.decode()) == [503]
        for _, writer in held:
            writer.transport.abort()


def socket_at(port: int, **options: object) -> connect:
    options = {"subprotocols": ["graphql-transport-ws"], "proxy": None, "max_size": None, **options}
    return connect(f"ws://127.0.0.1:{port}/graphql", **options)


async def test_websockets_leave_places_for_requests(bridge):
    async with serving(bridge, connections=8, sockets=4) as port:
        held = [await socket_at(port) for _ in range(4)]
        with pytest.raises(InvalidStatus) as refused:
            await socket_at(port)
        assert refused.value.response.status_code == 503
        assert await healthy(port)
        await held.pop().close()
        held.append(await socket_at(port))  # the place is free again
        for socket in held:
            await socket.close()


async def test_a_message_that_is_too_large_ends_its_socket(port):
    async with socket_at(port) as socket:
        with pytest.raises(ConnectionClosed) as ended:
            await socket.send("x" * (BODY + 1))
            await socket.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1009


async def test_messages_come_no_faster_than_their_pace(bridge):
    loop = asyncio.get_running_loop()
    async with serving(bridge, messages_a_second=20.0, burst_s=0.5) as port, socket_at(port) as socket:
        await socket.send('{"type": "connection_init"}')
        begun = loop.time()
        for _ in range(40):
            await socket.send('{"type": "ping"}')
        for _ in range(41):
            await socket.recv()
    assert loop.time() - begun > 1.0  # 41 messages: 10 at once, 31 at 20 a second


async def test_a_socket_has_a_bounded_number_of_subscriptions(bridge, port, start):
    await call(bridge, "start_run", request := start())
    query = f'subscription {{ runEvents(runId: "{request["run_id"]}") {{ seq }} }}'
    async with socket_at(port) as socket:
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        for number in range(120):
            await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": {"query": query}}))
        answers = [json.loads(await socket.recv()) for _ in range(120)]
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})
    refused = [answer["id"] for answer in answers if answer["type"] == "error"]
    assert sorted(refused) == sorted(map(str, range(100, 120)))


async def test_a_handshake_with_too_large_a_head_is_refused(port):
    with pytest.raises(InvalidStatus) as refused:
        await socket_at(port, additional_headers={"x-a": "v" * (LIMITS.field_bytes + 1)})
    assert refused.value.response.status_code == 431
    async with socket_at(port, additional_headers={"x-a": "v" * (LIMITS.field_bytes - 10)}):
        pass


async def test_pings_of_a_peer_that_does_not_read_fill_no_memory(port):
    key = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    ping = b"\x89\xfd\0\0\0\0" + b"p" * 125
    async with peer(port) as caller:
        await caller.send(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n" + key + b"\r\n"
        )
        assert "101" in await caller.until(b"\r\n\r\n")
        caller.writer.transport.pause_reading()
        sent, reading = 0, True
        while reading and sent < 64 * 2**20:
            try:
                reading = await asyncio.wait_for(caller.send(ping * 500), 2)
            except TimeoutError:
                reading = False
            sent += len(ping) * 500
    assert sent < 64 * 2**20
    assert await healthy(port)


def test_a_server_takes_the_descriptors_it_may_have_and_keeps_most_of_them_from_connections():
    script = (
        "import resource as r; most = min(r.getrlimit(r.RLIMIT_NOFILE)[1], 65536);"
        "r.setrlimit(r.RLIMIT_NOFILE, (200, r.getrlimit(r.RLIMIT_NOFILE)[1]));"
        "from bridge.process.descriptors import raise_descriptor_limit, share_of_descriptors;"
        "assert share_of_descriptors(1024) == 50; raise_descriptor_limit();"
        "assert r.getrlimit(r.RLIMIT_NOFILE)[0] == most; print(share_of_descriptors(1024))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert 50 <= int(done.stdout) <= 1024

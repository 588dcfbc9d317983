"""Attacks on HTTP itself: names, sizes, slowness, and pages of other origins."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from contextlib import suppress

from tests.attacks.target import Reply, Target
from tests.faults.arena import promise

MIB = 2**20

# An endless sender must be cut off after this: the limit, and what the buffers of both ends hold.
TAKEN_AT_MOST = 24 * MIB

# Connections that say nothing are gone within this.
SILENCE_S = 45.0

FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1.evil.example:{port}",
    "[::2]",
    "",
)

MUTATION = '{"query": "mutation { cancelRun(runId: \\"x\\") { runId } }"}'


async def foreign_hosts(target: Target) -> str:
    """A page whose name was bound to 127.0.0.1 asks as if it were ours."""
    for name in FOREIGN_HOSTS:
        host = name.format(port=target.http_port)
        for path in ("/graphql", "/", "/metrics", "/readyz"):
            reply = await target.exchange(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            promise(reply.status in (400, 421), f"Host {host!r} {path}: {reply.text[:60]!r}")
    absolute = "GET http://evil.example/metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    doubled = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{target.http_port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    for request in (absolute, doubled):
        reply = await target.exchange(request.encode())
        promise(reply.status in (400, 421), f"{request[:50]!r}: {reply.text[:60]!r}")
    own = await target.exchange(
        f"GET / HTTP/1.1\r\nHost: localhost:{target.http_port}\r\nConnection: close\r\n\r\n".encode()
    )
    promise(own.status == 200, f"its own name: {own.text[:60]!r}")
    return "421 or 400 for each, its own names are served"


async def foreign_sockets(target: Target) -> str:
    """The same over a WebSocket, whose Origin is the foreign name as well."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    for host, origin in (
        (f"evil.example:{target.http_port}", f"http://evil.example:{target.http_port}"),
        (f"127.0.0.1:{target.http_port}", "http://evil.example"),
        (f"127.0.0.1:{target.http_port}", "null"),
    ):
        reply = await target.exchange(
            (
                f"GET /graphql HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
            ).encode(),
            wait_s=3.0,
        )
        promise(400 <= reply.status < 500, f"Host {host}, Origin {origin}: {reply.text[:60]!r}")
    return "refused before the handshake"


async def foreign_origins(target: Target) -> str:
    """A page of another origin changes something, by a form or by a request that needs no preflight."""
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "http://evil.example", "content-type": "text/plain"},
        {"origin": "null"},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"sec-fetch-site": "cross-site", "origin": "http://evil.example"},
    ):
        answer = await target.post(MUTATION.encode(), headers)
        promise(answer.startswith("4"), f"{headers}: {answer[:80]!r}")
        promise("data" not in answer[:20], f"{headers}: {answer[:80]!r}")
    return "4xx for each"


async def large_body(target: Target) -> str:
    """600 MB, announced."""
    head = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{target.http_port}\r\nContent-Type: application/json\r\n"
    reply = await target.exchange(f"{head}Content-Length: {600 * MIB}\r\n\r\n".encode(), more=b"x" * MIB, times=600)
    _cut_off(reply, 413)
    return f"{reply.status} after {reply.taken / MIB:.0f} MiB"


async def endless_chunks(target: Target) -> str:
    """A body in chunks that never ends."""
    head = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{target.http_port}\r\nContent-Type: application/json\r\n"
    chunk = f"{MIB:x}\r\n".encode() + b"x" * MIB + b"\r\n"
    reply = await target.exchange(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), more=chunk, times=600)
    _cut_off(reply, 413)
    return f"{reply.status} after {reply.taken / MIB:.0f} MiB"


async def large_headers(target: Target) -> str:
    """200 MB of one header, 200 MB of many, and a target of 10 MB."""
    host = f"Host: 127.0.0.1:{target.http_port}\r\n"
    seen = []
    for head, more in (
        (f"GET /healthz HTTP/1.1\r\n{host}X-Long: ", b"x" * MIB),
        (f"GET /healthz HTTP/1.1\r\n{host}", b"X-Many: y\r\n" * 90_000),
        ("GET /", b"x" * MIB),
    ):
        reply = await target.exchange(head.encode(), more=more, times=200)
        _cut_off(reply, 400, 414, 431)
        seen.append(f"{reply.status or 'closed'} after {reply.taken / MIB:.1f} MiB")
    return "; ".join(seen)


async def half_open(target: Target) -> str:
    """235 connections that begin a request and never end it, some byte by byte; then as many that say nothing."""
    began = time.monotonic()
    replies = await asyncio.gather(*(_silent(target, slow) for slow in [False] * 200 + [True] * 35))
    took_s = time.monotonic() - began
    promise(all(replies), f"{replies.count(False)} of {len(replies)} connections are open after {SILENCE_S:.0f} s")
    return f"all closed after {took_s:.0f} s"


async def _silent(target: Target, slow: bool) -> bool:
    """Open a connection and begin a request; return whether the server ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.http_port)
    try:
        with suppress(ConnectionError):
            async with asyncio.timeout(SILENCE_S):
                writer.write(f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{target.http_port}\r\nX-A: ".encode())
                while slow and not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.5)
                await reader.read(65536)
        return True
    except TimeoutError:
        return False
    finally:
        writer.close()


async def slow_body(target: Target) -> str:
    """Bodies that are announced and then dribble."""

    async def dribble() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.http_port)
        try:
            with suppress(ConnectionError):
                async with asyncio.timeout(SILENCE_S):
                    head = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{target.http_port}\r\n"
                    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode())
                    while not reader.at_eof():
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(0.5)
            return True
        except TimeoutError:
            return False
        finally:
            writer.close()

    ended = await asyncio.gather(*(dribble() for _ in range(50)))
    promise(all(ended), f"{ended.count(False)} of 50 are open after {SILENCE_S:.0f} s")
    return "all closed"


async def many_connections(target: Target) -> str:
    """3,000 connections at once, each asking and then staying."""
    opened: list[asyncio.StreamWriter] = []

    async def stay() -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(15.0):
                _, writer = await asyncio.open_connection("127.0.0.1", target.http_port)
            opened.append(writer)
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{target.http_port}\r\n\r\n".encode())

    for _ in range(15):
        await asyncio.gather(*(stay() for _ in range(200)))
    descriptors = target.server.num_fds()
    for writer in opened:
        writer.close()
    await asyncio.sleep(0.5)
    answer = await target.graphql("{ health { status } }")
    promise(answer.startswith("200"), f"afterwards: {answer[:80]!r}")
    return f"{len(opened)} connected, {descriptors} descriptors, served afterwards"


async def crooked_requests(target: Target) -> str:
    """Bytes that are no request: each is refused or closed, none is a 500."""
    host = f"Host: 127.0.0.1:{target.http_port}\r\n".encode()
    for request in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /%ff%fe HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        b"GET /..%2f..%2fetc/passwd HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"DELETE /metrics HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"x-timeout-s: nan\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"x-correlation-id: \xff\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"traceparent: \xff\xfe\r\nConnection: close\r\n\r\n",
    ):
        reply = await target.exchange(request, wait_s=8.0)
        promise(reply.status < 500, f"{request[:50]!r}: {reply.text[:80]!r}")
        promise("Traceback" not in reply.text, f"{request[:50]!r}: a traceback")
    return "refused or closed, none a 500"


def _cut_off(reply: Reply, *statuses: int) -> None:
    promise(reply.closed, f"still open after {reply.taken / MIB:.0f} MiB")
    promise(reply.status in (*statuses, 0), f"answered {reply.text[:60]!r}")
    promise(reply.taken <= TAKEN_AT_MOST, f"took {reply.taken / MIB:.0f} MiB")

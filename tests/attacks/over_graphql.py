"""Attacks on Thundergrid: documents that cost more than they weigh, bodies of the wrong shape, and sockets."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.attacks.target import ANSWER_S, Target
from tests.faults.arena import promise

# A document that is refused is refused at once; this is far beyond, for a busy machine.
AT_ONCE_S = 5.0

RUNS = "runs { runId state }"


async def _refused(target: Target, name: str, query: str, **variables: Any) -> float:
    began = time.monotonic()
    answer = await target.graphql(query, **variables)
    took_s = time.monotonic() - began
    promise(took_s < AT_ONCE_S, f"{name}: {took_s:.1f} s")
    promise('"errors"' in answer or answer.startswith("4"), f"{name}: {answer[:80]!r}")
    promise(not answer.startswith("5"), f"{name}: {answer[:80]!r}")
    return took_s


def doubling(count: int, between: str = "", alias: bool = False) -> str:
    """Fragments that each spread the next one twice."""
    spreads = (
        (lambda n: f"a: health {{ ...H }} ...F{n} b: health {{ ...H }} ...F{n}")
        if alias
        else (lambda n: f"...F{n} {between} ...F{n}")
    )
    chain = " ".join(f"fragment F{n} on Query {{ {spreads(n + 1)} }}" for n in range(count))
    tail = " fragment H on HealthReport { status }" if alias else ""
    return f"{{ ...F0 }} {chain} fragment F{count} on Query {{ {RUNS} }}{tail}"


def nested_doubling(count: int) -> str:
    """Fragments on a nested type, so that depth grows with the spreads as well."""
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ... on Query {{ ...F{n + 1} }} }}" for n in range(count))
    return f"{{ ... on Query {{ ...F0 }} }} {chain} fragment F{count} on Query {{ {RUNS} }}"


async def doubling_fragments(target: Target) -> str:
    """60 fragments that each spread the next twice, fewer and more of them, nested, aliased, and by three."""
    documents = [(f"doubling {n}", doubling(n)) for n in (10, 30, 60, 100, 200)]
    documents += [
        ("with a field between", doubling(40, "__typename")),
        ("with an inline fragment", nested_doubling(40)),
        ("with aliases", doubling(30, alias=True)),
        (
            "by three",
            " ".join(
                [
                    "{ ...F0 }",
                    *(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} ...F{n + 1} }}" for n in range(40)),
                    f"fragment F40 on Query {{ {RUNS} }}",
                ]
            ),
        ),
    ]
    began = time.monotonic()
    for name, document in documents:
        answer = await target.graphql(document)
        took_s = time.monotonic() - began
        promise(answer != "no answer" and not answer.startswith("5"), f"{name}: {answer[:80]!r}")
        promise(took_s < len(documents) * AT_ONCE_S, f"{name}: {took_s:.1f} s")
    return f"{len(documents)} documents in {time.monotonic() - began:.1f} s"


async def circles(target: Target) -> str:
    """Fragments that spread themselves, directly and around a ring of 100."""
    ring = " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 100} }}" for n in range(100))
    await _refused(target, "itself", "{ ...F } fragment F on Query { ...F }")
    await _refused(target, "a ring", f"{{ ...F0 }} {ring}")
    await _refused(
        target, "unused ring", "{ health { status } } fragment A on Query { ...B } fragment B on Query { ...A }"
    )
    return "refused"


async def overlapping_fields(target: Target) -> str:
    """Many fields of one name, which the rule of mergeable fields compares pair by pair."""
    fields = " ".join("runs { runId }" for _ in range(3000))
    await _refused(target, "3,000 fields", f"{{ {fields} }}")
    fragments = " ".join(f"fragment F{n} on Query {{ runs {{ runId state }} }}" for n in range(150))
    answer = await target.graphql("{ " + " ".join(f"...F{n}" for n in range(150)) + " } " + fragments)
    promise(answer != "no answer", "150 fragments of the same fields: no answer")
    return "answered"


async def wide_and_deep(target: Target) -> str:
    """Nesting, aliases, directives, lists in arguments, and introspection in a circle."""
    await _refused(target, "depth", "{ " + 'run(runId: "x") { ' * 200 + "runId" + " }" * 200 + " }")
    await _refused(target, "brackets", "[" * 100_000)
    await _refused(target, "braces", "{" * 100_000)
    await _refused(target, "list value", "{ runs(pacId: " + "[" * 5_000 + "]" * 5_000 + ") { runId } }")
    await _refused(target, "aliases", "{ " + " ".join(f"a{n}: runs {{ runId }}" for n in range(500)) + " }")
    await _refused(target, "directives", "{ health " + "@skip(if: false) " * 5_000 + "{ status } }")
    await _refused(target, "types", "{ __schema { types " + "{ fields { type " * 20 + "{ name }" + " } }" * 20 + " } }")
    await _refused(target, "comment", "#" * 900_000)
    return "refused"


async def queries_by_get(target: Target) -> str:
    """A query in a link, which any page can make a browser follow."""
    host = f"Host: 127.0.0.1:{target.http_port}\r\nConnection: close\r\n\r\n"
    for query in ("{health{status}}", "mutation{drain{status}}", "{__typename}"):
        reply = await target.exchange(f"GET /graphql?query={query} HTTP/1.1\r\n{host}".encode())
        promise(reply.status in (400, 404, 405, 415), f"{query}: {reply.text[:60]!r}")
    return "405"


BODIES: tuple[bytes, ...] = (
    b"null",
    b"5",
    b"[]",
    b'"query"',
    b"",
    b"{",
    b"\xff\xfe{}",
    '{"query": "{ health { status } }", "variables": {"é": 1}}'.encode("latin-1"),
    b'{"query": null}',
    b'{"query": 5}',
    b'{"query": ["{ health { status } }"]}',
    b'{"query": "{ health { status } }", "variables": 5}',
    b'{"query": "{ health { status } }", "variables": []}',
    b'{"query": "{ health { status } }", "operationName": 7}',
    b'{"query": "{ health { status } }", "operationName": "\\ud800"}',
    b'{"query": "{ run(runId: \\"\\ud800\\") { runId } }"}',
    b'{"query": "query($r: String!) { run(runId: $r) { runId } }", "variables": {"r": "\\ud800"}}',
    b'{"query": "query($r: String!) { run(runId: $r) { runId } }", "variables": {"r": "\\u0000"}}',
    b'{"query": "{ health { status } }", "extensions": 5}',
    b"[" * 200_000,
    b'{"query": "{ health { status } }", "variables": ' + b'{"a":' * 100_000,
    b'{"query": "{ runs(limit: 99999999999999999999) { runId } }"}',
    b'{"query": "query($n: Int) { runs(limit: $n) { runId } }", "variables": {"n": ' + b"9" * 5000 + b"}}",
    b'{"query": "query($n: Int) { runs(limit: $n) { runId } }", "variables": {"n": 1e400}}',
    b'{"query": "query($n: Int) { runs(limit: $n) { runId } }", "variables": {"n": NaN}}',
)


async def crooked_bodies(target: Target) -> str:
    """Bodies that are no GraphQL request."""
    for body in BODIES:
        answer = await target.post(body)
        promise(answer[:1] in "24", f"{body[:50]!r}: {answer[:100]!r}")
        promise("Traceback" not in answer and "INTERNAL" not in answer, f"{body[:50]!r}: {answer[:100]!r}")
    for headers in (
        {"content-type": ""},
        {"content-type": "application/json; charset=utf-16"},
        {"content-encoding": "gzip"},
    ):
        answer = await target.post(b'{"query": "{ health { status } }"}', headers)
        promise(answer[:1] in "24", f"{headers}: {answer[:100]!r}")
    return f"{len(BODIES) + 3} bodies, each answered in kind"


async def huge_variables(target: Target) -> str:
    """40 MB of variables."""
    answer = await target.graphql("query($r: String!) { run(runId: $r) { runId } }", r="x" * 40_000_000)
    promise(answer.startswith(("413", "closed")), answer[:80])
    many = await target.post(
        json.dumps({"query": "{ health { status } }", "variables": {str(n): n for n in range(60_000)}}).encode()
    )
    promise(not many.startswith("5") and many != "no answer", many[:80])
    return "413"


async def neighbours_of_a_wide_query(target: Target) -> str:
    """20 unrelated calls beside wide queries: none is refused."""
    wide = "{ " + " ".join(f"a{n}: runs(limit: 1000) {{ runId }}" for n in range(16)) + " }"
    wide_calls = [asyncio.create_task(target.graphql(wide)) for _ in range(4)]
    answers = await asyncio.gather(*(target.graphql("{ gate { overallStatus } }") for _ in range(20)))
    await asyncio.gather(*wide_calls)
    refused = [answer[:100] for answer in answers if '"errors"' in answer or not answer.startswith("200")]
    promise(not refused, f"{len(refused)} of 20 refused: {refused[:1]}")
    return "all 20 answered"


MESSAGES: tuple[str | bytes, ...] = (
    "[]",
    "5",
    "null",
    "{",
    '"x"',
    b"\x00\x01",
    b"\xff\xfe",
    '{"type": 5}',
    '{"type": "no_such"}',
    '{"type": "connection_init", "payload": 5}',
    '{"type": "connection_init", "payload": "\\ud800"}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": 5, "payload": []}',
    '{"type": "subscribe", "id": "a", "payload": {"query": 5}}',
    '{"type": "subscribe", "id": "a", "payload": {"query": "{ run(runId: \\"\\ud800\\") { runId } }"}}',
    "[" * 100_000,
    '{"type": "ping", "payload": ' + '{"a":' * 50_000,
    "x" * 3_000_000,
)


async def crooked_messages(target: Target) -> str:
    """WebSocket messages that are none, before and after the beginning."""
    for begun in (False, True):
        for message in MESSAGES:
            await _tell(target, message, begun=begun)
    return f"{2 * len(MESSAGES)} messages, each closed or answered in kind"


async def _tell(target: Target, message: str | bytes, *, begun: bool) -> None:
    uri = f"ws://127.0.0.1:{target.http_port}/graphql"
    async with connect(uri, subprotocols=["graphql-transport-ws"], max_size=None) as socket:  # type: ignore[list-item]
        try:
            async with asyncio.timeout(ANSWER_S):
                if begun:
                    await socket.send('{"type": "connection_init"}')
                    await socket.recv()
                await socket.send(message)
                await socket.send('{"type": "ping"}')
                target.hear(str(await socket.recv()))
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            promise(code != 1011, f"{message[:40]!r}: closed by a defect")
        except TimeoutError:
            promise(False, f"{message[:40]!r}: neither closed nor answered")


async def many_subscriptions(target: Target) -> str:
    """5,000 subscriptions over one socket, and 100 sockets that say nothing after the handshake."""
    uri = f"ws://127.0.0.1:{target.http_port}/graphql"
    sockets = [await connect(uri, subprotocols=["graphql-transport-ws"]) for _ in range(100)]  # type: ignore[list-item]
    refused = 0
    try:
        async with connect(uri, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
            await socket.send('{"type": "connection_init"}')
            await socket.recv()
            query = 'subscription { runEvents(runId: "nobody") { seq } }'
            try:
                for number in range(5_000):
                    payload = {"id": str(number), "type": "subscribe", "payload": {"query": query}}
                    await socket.send(json.dumps(payload))
                async with asyncio.timeout(ANSWER_S):
                    while refused < 5_000:
                        refused += json.loads(await socket.recv())["type"] in ("error", "complete")
            except (ConnectionClosed, TimeoutError):
                pass
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))
    answer = await target.graphql("{ health { status } }")
    promise(answer.startswith("200"), f"afterwards: {answer[:80]!r}")
    return f"{refused} answered, the service answers afterwards"

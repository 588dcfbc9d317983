"""Malformed requests are answered with a typed error, never with a traceback (issue 11, kind 19)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.websockets import WebSocket, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.transports.http.graphql import GraphqlEndpoint, Socket
from tests.calling import call

ASKED = b'{"query": "{ health { status } }"}'
JSON = {"content-type": "application/json"}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Nothing that a caller sends is our defect: no warning, no error and no traceback is logged."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


def typed(answer: httpx.Response, status: int, code: str = "INVALID_ARGUMENT") -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == code
    return answer.json()["error"]["message"]


BODIES = {
    "nothing": b"",
    "null": b"null",
    "a number": b"5",
    "a text": b'"query"',
    "a list": b"[]",
    "a batch": b"[" + ASKED + b"]",
    "an empty object": b"{}",
    "no query": b'{"query": null}',
    "a query of another type": b'{"query": 5}',
    "a query in a list": b'{"query": ["{ health { status } }"]}',
    "variables of another type": b'{"query": "{ health { status } }", "variables": [1]}',
    "variables as text": b'{"query": "{ health { status } }", "variables": "{}"}',
    "an operation of another type": b'{"query": "{ health { status } }", "operationName": 5}',
    "extensions of another type": b'{"query": "{ health { status } }", "extensions": 5}',
    "Latin-1": '{"query": "{ run(runId: \\"é\\") { state } }"}'.encode("latin-1"),
    "invalid UTF-8": b'{"query": "\xc3\x28"}',
    "a byte order mark": b"\xef\xbb\xbf" + ASKED,
    "UTF-16": ASKED.decode().encode("utf-16"),
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"query":' * 100_000,
    "deep variables": b'{"query": "q", "variables": {"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    "variables just too deep": b'{"query": "q", "variables": {"a": ' + b"[" * 150 + b"]" * 150 + b"}}",
    "deep members that nobody reads": b'{"query": "q", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a lone surrogate in the query": b'{"query": "\\ud800"}',
    "a lone surrogate in the variables": b'{"query": "{ health { status } }", "variables": {"a": "\\ud800"}}',
    "a lone surrogate in a name": b'{"query": "{ health { status } }", "variables": {"\\udfff": 1}}',
    "a lone surrogate in the operation": b'{"query": "{ health { status } }", "operationName": "\\udc00x"}',
    "half an object": b'{"query": "{ health',
    "NaN": b'{"query": "{ health { status } }", "variables": {"a": NaN}}',
    "two values": ASKED + ASKED,
    "a form": b"query={health{status}}",
    "a NUL": ASKED + b"\x00",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_malformed_body_is_refused(http, body):
    assert typed(await http.post("/graphql", content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ";", "é", "/", '"'],
)
async def test_another_content_type_is_refused(http, content_type):
    headers = {} if content_type is None else {"content-type": content_type.encode("latin-1")}

    assert "application/json" in typed(await http.post("/graphql", content=ASKED, headers=headers), 400)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON ;charset=latin-1"])
async def test_json_is_read_as_utf_8_whatever_its_parameters(http, content_type):
    answer = await http.post("/graphql", content=ASKED, headers={"content-type": content_type})

    assert answer.json() == {"data": {"health": {"status": "serving"}}}


def study(value: str, seed: str = "1") -> str:
    return f"mutation {{ createStudy(input: {{space: {{a: {value}}}, seed: {seed}, objectives: []}}) {{ studyId }} }}"


DOCUMENTS = {
    "nothing": "",
    "blanks": "  \n",
    "no operation": "fragment A on Query { health { status } }",
    "a schema": "type Query { a: Int }",
    "a subscription": 'subscription { runEvents(runId: "a") { seq } }',
    "a surrogate in a literal": '{ run(runId: "\\ud800") { state } }',
    "a NUL": "{ health { status } } \0",
    "a NUL in a literal": '{ run(runId: "\\u0000") { state } }',
    "a number of 5,000 digits": "{ runs(limit: " + "9" * 5000 + ") { runId } }",
    "a number beyond all floats": "{ runs(limit: 1e999) { runId } }",
    "5,000 digits in JSON": study("9" * 5000),
    "infinity in JSON": study("1e999"),
    "deep JSON": study("[" * 90 + "]" * 90),
    "5,000 digits as BigInt": study("1", seed=f'"{"9" * 5000}"'),
    "more than 64 bits as BigInt": study("1", seed=str(2**63)),
    "deep lists": "{ runs(limit: " + "[" * 300 + "]" * 300 + ") { runId } }",
    "an unknown directive": "{ health @nobody { status } }",
    "a long name": "{ " + "a" * 90_000 + " }",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_a_document_that_cannot_be_answered_has_an_error_with_a_code(http, document):
    answer = await http.post("/graphql", json={"query": document})

    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"INVALID_ARGUMENT"}


VARIABLES = {
    "a number of 5,000 digits": "9" * 5000,
    "as text": f'"{"9" * 5000}"',
    "beyond 64 bits": str(2**70),
    "negative": "-5",
    "true": "true",
    "a fraction": "1.5",
    "a list": "[[[]]]",
    "null": "null",
    "an object": '{"a": 1}',
}


@pytest.mark.parametrize("value", VARIABLES.values(), ids=VARIABLES)
@pytest.mark.parametrize(
    "document",
    [
        "query($v: Int!) { runs(limit: $v) { runId } }",
        "mutation($v: BigInt!) { createStudy(input: {space: {a: 1}, seed: $v, objectives: []}) { studyId } }",
        "mutation($v: JSON!) { createStudy(input: {space: {a: $v}, objectives: []}) { studyId } }",
        "mutation($v: CreateStudyInput!) { createStudy(input: $v) { studyId } }",
    ],
    ids=["Int", "BigInt", "JSON", "input"],
)
async def test_a_variable_of_another_type_has_an_error_with_a_code(http, document, value):
    body = f'{{"query": "{document}", "variables": {{"v": {value}}}}}'

    answer = await http.post("/graphql", content=body.encode(), headers=JSON)

    if answer.status_code == 400:
        typed(answer, 400)
    else:
        assert {error["extensions"]["code"] for error in answer.json()["errors"]} == {"INVALID_ARGUMENT"}


async def test_an_unknown_operation_has_an_error_with_a_code(http):
    answer = await http.post("/graphql", json={"query": "query A { health { status } }", "operationName": "B"})

    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert "'B'" in error["message"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize(
    "path", ["/nowhere", "/%ff%00", "/graphql/", "/..%2f", "/\u200b", "/a%0d%0ab", "/" + "a" * 5000]
)
async def test_an_unknown_path_is_a_typed_error(http, method, path):
    typed(await http.request(method, path, follow_redirects=True), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "TRACE"])
async def test_another_method_is_refused_and_the_right_ones_are_named(http, method, path):
    answer = await http.request(method, path)

    typed(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
async def test_head_answers_without_a_body(http, path):
    answer = await http.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("host", ["[::1", "a b", "é", "x" * 5000, "http://a/"])
async def test_a_host_that_cannot_be_read_is_answered(http, host):
    answer = await http.get("/nowhere", headers={"host": host.encode("latin-1")})

    assert 400 <= answer.status_code < 500


async def test_a_caller_who_leaves_in_the_middle_of_a_body_is_no_defect(address):
    host, port = address.rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)


async def test_a_subscriber_who_has_gone_while_its_answer_waited_is_no_defect(bridge):
    async def gone(_message: Any) -> None:
        raise OSError("the peer has gone")  # as a server's `send` says it

    socket = WebSocket({"type": "websocket", "headers": []}, receive=None, send=gone)
    socket.client_state = socket.application_state = WebSocketState.CONNECTED
    adapter = Socket(GraphqlEndpoint(bridge), socket, socket)

    await adapter.send_json({"type": "next"})
    await adapter.close(4400, "a message that is none")


async def test_of_several_operations_the_caller_is_told_to_name_one(http):
    answer = await http.post("/graphql", json={"query": "query A { health { status } } query B { health { status } }"})

    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "INVALID_ARGUMENT"
    assert "operationName" in error["message"]


def connect_to(address: str) -> connect:
    return connect(f"ws://{address}/graphql", subprotocols=["graphql-transport-ws"], proxy=None)


async def opened(socket: ClientConnection) -> None:
    await socket.send('{"type": "connection_init"}')
    assert json.loads(await socket.recv()) == {"type": "connection_ack"}


async def closed_with(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        while True:
            await asyncio.wait_for(socket.recv(), 30)
    return socket.close_code


def subscribe(query: str = 'subscription { runEvents(runId: "nobody") { seq } }', number: str = "1") -> str:
    return json.dumps({"id": number, "type": "subscribe", "payload": {"query": query}})


MESSAGES = {
    "a list": "[]",
    "a number": "5",
    "null": "null",
    "a text": '"ping"',
    "an empty object": "{}",
    "nothing": "",
    "no JSON": "{",
    "an unknown type": '{"type": "start"}',
    "a long unknown type": json.dumps({"type": "ä" * 500}),
    "a type of another type": '{"type": ["ping"]}',
    "deep": "[" * 100_000,
    "a surrogate": '{"type": "subscribe", "id": "\\ud800", "payload": {"query": "a"}}',
    "no payload": '{"type": "subscribe", "id": "1"}',
    "no query": '{"type": "subscribe", "id": "1", "payload": {}}',
    "a query of another type": '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
    "variables of another type": '{"type": "subscribe", "id": "1", "payload": {"query": "a", "variables": []}}',
    "no id": '{"type": "subscribe", "payload": {"query": "a"}}',
    "an id of another type": '{"type": "subscribe", "id": {}, "payload": {"query": "a"}}',
    "an id to complete of another type": '{"type": "complete", "id": []}',
    "a ping with a list": '{"type": "ping", "payload": [1]}',
    "bytes": b"\x00\xff",
    "JSON in bytes": b'{"type": "ping"}',
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("acknowledged", [True, False], ids=["after init", "before init"])
async def test_a_message_that_is_none_closes_the_socket_with_4400(address, message, acknowledged):
    async with connect_to(address) as socket:
        if acknowledged:
            await opened(socket)
        await socket.send(message)

        assert await closed_with(socket) == 4400


@pytest.mark.parametrize("payload", ["5", "[]", '"a"', "true"])
async def test_an_init_with_an_odd_payload_closes_the_socket_with_4400(address, payload):
    async with connect_to(address) as socket:
        await socket.send(f'{{"type": "connection_init", "payload": {payload}}}')

        assert await closed_with(socket) == 4400


async def test_text_that_is_no_utf_8_closes_the_socket_with_1007(address):
    async with connect_to(address) as socket:
        await socket.send(b"\xff\xfe", text=True)

        assert await closed_with(socket) == 1007


async def test_a_question_before_the_init_closes_the_socket_with_4401(address):
    async with connect_to(address) as socket:
        await socket.send(subscribe())

        assert await closed_with(socket) == 4401


async def test_a_second_init_closes_the_socket_with_4429(address):
    async with connect_to(address) as socket:
        await opened(socket)
        await socket.send('{"type": "connection_init"}')

        assert await closed_with(socket) == 4429


@pytest.mark.parametrize("number", ["1", "ü" * 300])
async def test_an_id_that_is_in_use_closes_the_socket_with_4409(address, bridge, start, number):
    request = start()
    await call(bridge, "start_run", request)
    query = f'subscription {{ runEvents(runId: "{request["run_id"]}") {{ seq }} }}'
    async with connect_to(address) as socket:
        await opened(socket)
        await socket.send(subscribe(query, number))
        await socket.recv()
        await socket.send(subscribe(query, number))

        assert await closed_with(socket) == 4409
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


@pytest.mark.parametrize("query", ["", "{", "{ " + "a" * 5000 + "(", "query A { health { status } } }", "{ nobody }"])
async def test_a_document_that_is_none_ends_its_question_and_not_the_socket(address, query):
    async with connect_to(address) as socket:
        await opened(socket)
        await socket.send(subscribe(query, "first"))
        refused = json.loads(await socket.recv())
        await socket.send(subscribe("{ health { status } }", "second"))
        answered = json.loads(await socket.recv())

    assert (refused["id"], refused["type"]) == ("first", "error")
    assert refused["payload"][0]["extensions"]["code"] == "INVALID_ARGUMENT"
    assert answered["payload"]["data"] == {"health": {"status": "serving"}}


async def test_a_socket_of_another_protocol_is_closed_with_4406(address):
    async with connect(f"ws://{address}/graphql", subprotocols=["graphql-ws"], proxy=None) as socket:
        assert await closed_with(socket) == 4406

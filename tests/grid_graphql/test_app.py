"""Thundergrid on a real HTTP server: what each address answers, and a subscription over a real WebSocket."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bridge.api.bridge import Bridge
from bridge.contract.operator import Health, HealthReport
from bridge.contract.procedure import Caller, Procedure
from bridge.contract.runs import Run
from bridge.operator.procedures import HEALTH
from bridge.runs.kinds import Deps
from bridge.transports.http.app import make_app
from bridge.transports.http.page import newest_page
from tests.bridge.test_policy import METRICS
from tests.calling import call, watch


def connect_to(address: str, **options: object) -> connect:
    return connect(f"ws://{address}/graphql", subprotocols=["graphql-transport-ws"], proxy=None, **options)


async def told(socket: ClientConnection, kind: str) -> dict[str, object]:
    message = json.loads(await socket.recv(decode=None))
    assert message["type"] == kind, message
    return message


async def test_a_living_process_answers_healthz(http):
    assert (await http.get("/healthz")).status_code == 200


async def test_a_bridge_with_its_database_is_ready(http):
    answer = await http.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "serving"


async def test_metrics_are_prometheus_text(http):
    answer = await http.get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE " in answer.text


async def test_an_unknown_path_is_a_json_error(http):
    answer = await http.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"


async def test_a_query_over_http_answers(http):
    answer = await http.post("/graphql", json={"query": "{ health { status } }"})

    assert answer.json() == {"data": {"health": {"status": "serving"}}}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("document", ["{ health { status } }", 'mutation { cancelRun(runId: "x") { state } }'])
async def test_graphql_answers_post_only(http, method, document):
    answer = await http.request(method, "/graphql", params={"query": document}, headers={"accept": "text/html"})

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_the_page_shows_runs_and_loads_nothing(bridge, http, start):
    request = start()
    await call(bridge, "start_run", request)
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})

    answer = await http.get("/")

    assert request["run_id"] in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_page_escapes_what_others_wrote():
    script = "<script>alert(1)</script>"
    health = HealthReport(status="serving", version="1", database=script, workers=0, queued=0, running=0, worker="none")
    run = Run(
        run_id="run-1",
        kind="nas",
        pac_id="pac-1",
        state="queued",
        dataset=script,
        stages_done=(),
        last_seq=0,
        attempt=0,
        queue="cpu",
        priority=0,
        trials_total=0,
        trials_ok=0,
        trials_failed=0,
        trials_pruned=0,
        created_at=datetime.now(UTC),
    )

    page = newest_page(health, [run], [])

    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 2


async def test_the_page_tells_how_trials_ended(http, ended_with, sql):
    """Issue 11, kind 16."""
    run_id = await ended_with(3)
    sql.execute(
        "UPDATE trials SET outcome = 'pruned', metrics = %s WHERE run_id = %s AND number > 0",
        (msgspec.json.encode(METRICS).decode(), run_id),
    )

    page = (await http.get("/")).text

    assert "<td>2 pruned, 1 failed</td>" in page[page.index(run_id) :].partition("</tr>")[0]
    assert "of 0" not in page


async def test_a_subscription_tells_a_runs_events_and_completes(bridge, address, start):
    request = start()
    await call(bridge, "start_run", request)
    query = f'subscription {{ runEvents(runId: "{request["run_id"]}") {{ seq name measurements }} }}'

    async with connect_to(address) as socket:
        await socket.send('{"type": "connection_init"}')
        await told(socket, "connection_ack")
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        first = await told(socket, "next")
        await call(bridge, "cancel_run", {"run_id": request["run_id"]})
        second = await told(socket, "next")
        await told(socket, "complete")

    events = [message["payload"]["data"]["runEvents"] for message in (first, second)]
    assert [event["name"] for event in events] == ["cerebros.run.queued", "cerebros.run.stop"]
    assert events[1]["measurements"]["accuracy"] is None


async def test_a_subscription_to_an_unknown_run_answers_its_code(address):
    query = 'subscription { runEvents(runId: "nobody") { seq } }'

    async with connect_to(address) as socket:
        await socket.send('{"type": "connection_init"}')
        await told(socket, "connection_ack")
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        answer = json.loads(await socket.recv())

    errors = answer["payload"] if answer["type"] == "error" else answer["payload"]["errors"]
    assert errors[0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_page_of_another_origin_cannot_open_a_socket(address):
    with pytest.raises(Exception, match="403"):
        async with connect_to(address, origin="http://elsewhere.test"):
            pass


async def test_messages_travel_as_text_frames(address):
    async with connect_to(address) as socket:
        await socket.send('{"type": "connection_init"}')
        assert isinstance(await socket.recv(), str)


@pytest.mark.parametrize("path", ["/", "/readyz", "/metrics"])
@pytest.mark.parametrize("header", [("x-timeout-s", "soon"), ("x-timeout-s", "-1"), ("x-correlation-id", "a b")])
async def test_a_malformed_header_is_refused(http, path, header):
    answer = await http.get(path, headers=dict([header]))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_ARGUMENT"
    assert header[0] in answer.json()["error"]["message"]


async def test_a_malformed_header_is_refused_by_graphql_too(http, address):
    answer = await http.post("/graphql", json={"query": "{ health { status } }"}, headers={"x-timeout-s": "soon"})

    assert answer.status_code == 400
    with pytest.raises(Exception, match="400"):
        async with connect_to(address, additional_headers={"x-timeout-s": "soon"}):
            pass


@pytest.mark.parametrize("path", ["/", "/readyz", "/metrics"])
async def test_a_caller_whose_time_is_over_gets_no_answer(http, path):
    answer = await http.get(path, headers={"x-timeout-s": "1e-9"})

    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "DEADLINE_EXCEEDED"


async def test_a_query_ends_with_its_callers_deadline(http):
    answer = await http.post("/graphql", json={"query": "{ health { status } }"}, headers={"x-timeout-s": "1e-9"})

    assert answer.json()["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"


async def test_a_subscription_ends_with_the_deadline_of_its_socket(bridge, address, start):
    request = start()
    await call(bridge, "start_run", request)
    query = f'subscription {{ runEvents(runId: "{request["run_id"]}") {{ seq }} }}'

    async with connect_to(address, additional_headers={"x-timeout-s": "0.5"}) as socket:
        await socket.send('{"type": "connection_init"}')
        await told(socket, "connection_ack")
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        await told(socket, "next")
        answer = await told(socket, "next")

    assert answer["payload"]["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})


async def test_a_run_started_here_carries_the_correlation_id_of_its_request(bridge, http, start):
    request = start()
    query = "mutation($run: StartRunInput!) { startRun(input: $run) { runId } }"
    run = {
        "runId": request["run_id"],
        "pacId": request["pac_id"],
        "spec": {"nas": {"manifest": request["spec"]["manifest"]}},
    }

    await http.post(
        "/graphql", json={"query": query, "variables": {"run": run}}, headers={"x-correlation-id": "order-7"}
    )
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})

    events = [event async for event in watch(bridge, {"run_id": request["run_id"]})]
    assert events[0].metadata["correlation_id"] == "order-7"


async def test_a_procedure_hears_who_asks(bridge):
    heard: list[Caller] = []

    async def listen(deps: Deps, caller: Caller, request: Health) -> HealthReport:
        heard.append(caller)
        return await HEALTH.run(deps, caller, request)

    listening = Bridge.of(bridge.deps, [Procedure("listen", Health, HealthReport, "service:read", listen)])
    transport = httpx.ASGITransport(app=make_app(listening))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": trace, "x-correlation-id": "order-7", "x-timeout-s": "60"}
    async with httpx.AsyncClient(base_url="http://bridge", transport=transport) as client:
        await client.post("/graphql", json={"query": "{ listen { status } }"}, headers=headers)
        await client.post("/graphql", json={"query": "{ listen { status } }"})

    told, silent = heard
    assert told.deadline is not None
    assert 0 < told.deadline - time.monotonic() < 60
    assert msgspec.structs.replace(told, deadline=None) == Caller(
        principal="", transport="http", traceparent=trace, correlation_id="order-7"
    )
    assert silent == Caller(principal="", transport="http")

"""Thundergrid over HTTP: GraphQL, the Prometheus scrape, health for orchestrators, and one page for people."""

from __future__ import annotations

from typing import cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from bridge.api.bridge import Bridge
from bridge.api.deadlines import within
from bridge.capability.procedures import LIST_CAPABILITIES
from bridge.contract.capability import ListCapabilities
from bridge.contract.operator import Health
from bridge.contract.runs import ListRuns
from bridge.operator.procedures import HEALTH, scrape
from bridge.process.defects import defects_answered
from bridge.runs.procedures import LIST_RUNS
from bridge.transports.http.callers import caller_of
from bridge.transports.http.page import newest_page
from cerebros.errors import CerebrosError, Code
from grid_graphql.asking import Context
from grid_graphql.schema import make_schema
from telemetry.prometheus import CONTENT_TYPE

# 499 is what proxies log for a caller that left; HTTP itself has no word for it.
STATUS: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.FAILED_PRECONDITION: 412,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.DEADLINE_EXCEEDED: 504,
    Code.CANCELLED: 499,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}

# Rows of each table on the page for people; the rest is for GraphQL.
PAGE_ROWS = 25

_PAGE_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


def make_app(bridge: Bridge) -> Starlette:
    """Return the ASGI application over one bridge; it opens and closes nothing of its own."""

    async def people(request: Request) -> Response:
        caller = caller_of(request)
        page = newest_page(
            await bridge.ask(HEALTH, caller, Health()),
            (await bridge.ask(LIST_RUNS, caller, ListRuns(limit=PAGE_ROWS))).runs,
            (await bridge.ask(LIST_CAPABILITIES, caller, ListCapabilities(limit=PAGE_ROWS))).entries,
        )
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    async def metrics(request: Request) -> Response:
        with defects_answered("metrics"):
            async with within(caller_of(request)):
                text = await scrape(bridge.deps)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        report = await bridge.ask(HEALTH, caller_of(request), Health())
        return JSONResponse(msgspec.to_builtins(report), status_code=200 if report.status == "serving" else 503)

    graphql = GraphqlEndpoint(bridge)
    return Starlette(
        routes=[
            Route("/", people),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={CerebrosError: _refused, HTTPException: _not_served},
    )


class GraphqlEndpoint(GraphQL[Context, None]):
    """GraphQL over HTTP and over WebSockets: the schema of a bridge's procedures, its resolvers given this bridge."""

    def __init__(self, bridge: Bridge) -> None:
        # The older graphql-ws protocol is left out: nobody new speaks it, and it is one more door.
        super().__init__(make_schema(bridge.procedures), subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._bridge = bridge

    async def create_websocket_response(self, request: WebSocket, subprotocol: str | None) -> WebSocket:
        caller_of(request)  # refused before the handshake, which is the last moment for an HTTP status
        return await super().create_websocket_response(request, subprotocol)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return Context(self._bridge, caller_of(request))

    def encode_json(self, data: object) -> str:
        # The standard library would write NaN, which is not JSON; msgspec writes null. As text, because
        # bytes would leave a WebSocket as a binary frame, which graphql-transport-ws does not know.
        return msgspec.json.encode(data).decode()


async def _refused(_request: Request, error: Exception) -> Response:
    problem = cast(CerebrosError, error)
    return _error(STATUS[problem.code], problem.code, problem.message)


async def _not_served(request: Request, error: Exception) -> Response:
    problem = cast(HTTPException, error)
    code = Code.NOT_FOUND if problem.status_code == 404 else Code.INVALID_ARGUMENT
    message = f"{request.method} {request.url.path}: {problem.detail}; see / for what is served"
    return _error(problem.status_code, code, message)


def _error(status: int, code: Code, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)

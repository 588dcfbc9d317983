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

from bridge.api import procedures
from bridge.api.procedures import Bridge
from bridge.contract.capability import VcvList
from bridge.contract.operator import HealthReport
from bridge.contract.runs import RunList
from bridge.transports.http.page import front_page
from cerebros.errors import CerebrosError, Code
from grid_graphql.asking import Context
from grid_graphql.schema import SCHEMA

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

# Rows of each table on the front page; the rest is for GraphQL.
PAGE_ROWS = 25

_PAGE_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


def make_app(bridge: Bridge) -> Starlette:
    """The ASGI application over one bridge; it opens and closes nothing of its own."""

    async def front(_request: Request) -> Response:
        limit = {"limit": PAGE_ROWS}
        page = front_page(
            cast(HealthReport, await procedures.call(bridge, "health", {})),
            cast(RunList, await procedures.call(bridge, "list_runs", limit)).runs,
            cast(VcvList, await procedures.call(bridge, "list_capabilities", limit)).entries,
        )
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    async def metrics(_request: Request) -> Response:
        text = await procedures.scrape(bridge)
        return Response(text, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        report = cast(HealthReport, await procedures.call(bridge, "health", {}))
        return JSONResponse(msgspec.to_builtins(report), status_code=200 if report.status == "serving" else 503)

    graphql = GraphqlEndpoint(bridge)
    return Starlette(
        routes=[
            Route("/", front),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={CerebrosError: _refused, HTTPException: _not_served},
    )


class GraphqlEndpoint(GraphQL[Context, None]):
    """GraphQL over HTTP and over WebSockets, the schema's resolvers given this bridge."""

    def __init__(self, bridge: Bridge) -> None:
        # The older graphql-ws protocol is left out: nobody new speaks it, and it is one more door.
        super().__init__(SCHEMA, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._context = Context(bridge)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return self._context

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

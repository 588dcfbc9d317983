"""Thundergrid over HTTP: GraphQL, the Prometheus scrape, health for orchestrators, and one page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

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
from bridge.transports.http.console import console_routes
from bridge.transports.http.graphql import GraphqlEndpoint
from bridge.transports.http.page import HEADERS, newest_page
from cerebros.errors import CerebrosError, Code
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


def make_app(bridge: Bridge) -> Starlette:
    """Return the ASGI application over one bridge; it opens and closes nothing of its own."""

    async def people(request: Request) -> Response:
        caller = caller_of(request)
        page = newest_page(
            await bridge.ask(HEALTH, caller, Health()),
            (await bridge.ask(LIST_RUNS, caller, ListRuns(limit=PAGE_ROWS))).runs,
            (await bridge.ask(LIST_CAPABILITIES, caller, ListCapabilities(limit=PAGE_ROWS))).entries,
        )
        return HTMLResponse(page, headers=HEADERS)

    async def metrics(request: Request) -> Response:
        with defects_answered("metrics"):
            async with within(caller_of(request)):
                text = await scrape(bridge.deps)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def readyz(request: Request) -> Response:
        report = await bridge.ask(HEALTH, caller_of(request), Health())
        return JSONResponse(msgspec.to_builtins(report), status_code=200 if report.status == "serving" else 503)

    graphql = GraphqlEndpoint(bridge)
    app = Starlette(
        routes=[
            Route("/healthz", PlainTextResponse("ok\n"), methods=["GET"]),  # first, and no more than an answer
            Route("/", people),
            Route("/graphql", graphql, methods=["POST"]),
            WebSocketRoute("/graphql", graphql),
            Route("/metrics", metrics),
            *console_routes(),
            Route("/readyz", readyz),
        ],
        exception_handlers={CerebrosError: _refused, HTTPException: _not_served, Exception: _failed},
    )
    app.router.redirect_slashes = False  # it would redirect to whatever the Host header says
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    problem = cast(CerebrosError, error)
    return error_response(STATUS[problem.code], problem.code, problem.message)


async def _not_served(request: Request, error: Exception) -> Response:
    problem = cast(HTTPException, error)
    code = Code.NOT_FOUND if problem.status_code == 404 else Code.INVALID_ARGUMENT
    # Not `request.url`, which is made of the Host header, and of which not every one can be read.
    message = f"{request.method} {request.scope['path']}: {problem.detail}; see / for what is served"
    return error_response(problem.status_code, code, message, problem.headers)


async def _failed(_request: Request, _error_of_ours: Exception) -> Response:
    return error_response(500, Code.INTERNAL, "a defect of the bridge; its log says more")


def error_response(status: int, code: Code, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as HTTP says it: a status, and a JSON body with the code and the message."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)

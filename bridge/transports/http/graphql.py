"""GraphQL over HTTP and over WebSockets: bodies and messages become types here, and what is malformed is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from bridge.api.bridge import Bridge
from bridge.transports.http.callers import caller_of
from bridge.transports.settings import HttpSettings
from cerebros.errors import Cancelled, InvalidArgument
from grid_graphql.asking import Context
from grid_graphql.schema import make_schema

# Levels of JSON in a question; a rose tree of 16 levels, the deepest, has about 50.
MAX_LEVELS = 100

# Seconds that a new WebSocket may wait with its `connection_init`.
INIT_S = 10.0

# graphql-transport-ws closes a socket with this code for a message that it does not know.
BAD_MESSAGE = 4400

# Bytes that a WebSocket's close frame has for its reason.
REASON_BYTES = 123

Read = TypeVar("Read")


class Question(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A GraphQL request; clients may send further members, which are ignored."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class ConnectionInit(msgspec.Struct, frozen=True, tag_field="type", tag="connection_init", omit_defaults=True):
    """Opens a WebSocket's conversation."""

    payload: dict[str, Any] | None = None


class Ping(msgspec.Struct, frozen=True, tag_field="type", tag="ping", omit_defaults=True):
    """Asks for a pong."""

    payload: dict[str, Any] | None = None


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong", omit_defaults=True):
    """Answers a ping."""

    payload: dict[str, Any] | None = None


class Subscribe(msgspec.Struct, frozen=True, tag_field="type", tag="subscribe"):
    """Asks a question under an id of the caller's."""

    id: str
    payload: Question


class Complete(msgspec.Struct, frozen=True, tag_field="type", tag="complete"):
    """Ends a question."""

    id: str


Message = ConnectionInit | Ping | Pong | Subscribe | Complete


EXAMPLES = {
    Question: '{"query": "{ health { status } }"}',
    Message: '{"type": "subscribe", "id": "1", "payload": {"query": "{ health { status } }"}}',
}


def read(raw: bytes | str, kind: type[Read] | Any) -> Read:
    """Return the JSON of a caller as the type that it claims to be.

    Raises:
        InvalidArgument: it is no JSON in UTF-8, is nested too deeply, or is of another type.
    """
    try:
        told: Read = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise InvalidArgument(f"{problem}; an example: {EXAMPLES[kind]}") from None
    except RecursionError:
        raise _too_deep() from None
    _require_shallow(told)
    return told


def _require_shallow(told: Any) -> None:
    level = [told]
    for _ in range(MAX_LEVELS):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list):
        return value
    return msgspec.structs.astuple(value) if isinstance(value, msgspec.Struct) else ()


def _too_deep() -> InvalidArgument:
    return InvalidArgument(f"the JSON has more than {MAX_LEVELS} levels; send values that are nested less deeply")


class Socket(ASGIWebSocketAdapter):
    """A WebSocket whose messages are read as types; one that has been closed takes no more."""

    ws: WebSocket

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        try:
            while self._open:
                message: Message = read(await self.ws.receive_text(), Message)
                yield msgspec.to_builtins(message)
        except KeyError:
            await self.close(BAD_MESSAGE, "messages are text frames")
        except InvalidArgument as problem:
            await self.close(BAD_MESSAGE, problem.message)
        except WebSocketDisconnect:
            pass

    async def send_json(self, message: Mapping[str, object]) -> None:
        # An operation may have an item for a caller who has left, or who leaves while the item waits for its turn.
        with suppress(WebSocketDisconnected):
            if self._open:
                await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect):
            if self._open:
                await super().close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))

    @property
    def _open(self) -> bool:
        return WebSocketState.DISCONNECTED not in (self.ws.application_state, self.ws.client_state)


class GraphqlEndpoint(GraphQL[Context, None]):
    """The schema of a bridge's procedures, its resolvers given this bridge."""

    websocket_adapter_class = Socket

    def __init__(self, bridge: Bridge) -> None:
        # The older graphql-ws protocol is left out: nobody new speaks it, and it is one more door.
        super().__init__(
            make_schema(bridge.procedures),
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=INIT_S),
            allowed_origins=bridge.deps.settings[HttpSettings].http_origins,
        )
        self._bridge = bridge

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if media_type != "application/json":  # a page of any site may send the other ones without being asked
            raise InvalidArgument(f"content-type is {media_type!r}; send a question as application/json")
        try:
            question: Question = read(await request.get_body(), Question)
        except ClientDisconnect:
            raise Cancelled("the caller left before its question had arrived") from None
        return GraphQLRequestData(**msgspec.structs.asdict(question), protocol="http")

    async def create_websocket_response(self, request: WebSocket, subprotocol: str | None) -> WebSocket:
        caller_of(request)  # refused before the handshake, which is the last moment for an HTTP status
        return await super().create_websocket_response(request, subprotocol)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        return Context(self._bridge, caller_of(request))

    def encode_json(self, data: object) -> str:
        # The standard library would write NaN, which is not JSON; msgspec writes null. As text, because
        # bytes would leave a WebSocket as a binary frame, which graphql-transport-ws does not know.
        return msgspec.json.encode(data).decode()

"""The gRPC front: procedures as rpcs, with health checks and reflection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import grpc
import msgspec
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # absent from its stubs
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from bridge import procedures
from bridge.procedures import Bridge
from bridge.transports.grpc_codec import RPCS, SERVICE, STATUS, decode_request, encode_reply
from cerebros.errors import CerebrosError, FailedPrecondition

Context = grpc.aio.ServicerContext[bytes, bytes]

OPTIONS: tuple[tuple[str, int], ...] = (
    # A client that froze is noticed within 5 s: a ping after 2 s of silence, 2.5 s for its answer. Every
    # stream it holds goes on reading the database until then. Recent gRPC waits for the answer by
    # `ping_timeout_ms` (a minute unless set), older gRPC by `keepalive_timeout_ms`.
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_500),
    ("grpc.http2.ping_timeout_ms", 2_500),
    # Without this, pings stop after two while a stream is quiet.
    ("grpc.http2.max_pings_without_data", 0),
    # A supervisor on the BEAM pings an idle connection; the default answers its third ping with GOAWAY.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    # Calls that wait for the event loop. With the defaults (1,000 and 3,000), ten thousand at once are
    # answered CANCELLED; memory bounds this, a waiting call costs a few kB.
    ("grpc.server.max_pending_requests", 50_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    # Two bridges on one port would each get half of the calls; the second must fail instead.
    ("grpc.so_reuseport", 0),
)

# Bytes of an error's message. It travels in a header, where gRPC allows 8 kB in all
# and percent-encoding triples what is not ASCII.
MESSAGE_BYTES = 2048


class GrpcFront(msgspec.Struct, frozen=True):
    """A started server; `port` is the one bound, which differs from the one asked for when that was 0."""

    server: grpc.aio.Server
    health: Any  # grpc_health's aio servicer, which has no types
    port: int

    async def stop(self, grace_s: float) -> None:
        """Tell health checkers first, then let calls in flight finish for `grace_s` seconds."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace_s)


async def start_grpc(bridge: Bridge, *, address: str, socket_path: Path | None) -> GrpcFront:
    """Serve the procedures on `address`, and on a Unix socket where a path is given.

    Raises:
        FailedPrecondition: an address cannot be bound.
    """
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((_rpc_handlers(bridge),))
    health = health_aio.HealthServicer()
    add_HealthServicer_to_server(health, server)
    enable_server_reflection((SERVICE, HEALTH, REFLECTION), server)

    port = _bind(server, address)
    if socket_path is not None:
        _bind_socket(server, socket_path)
    await health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    return GrpcFront(server, health, port)


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError as problem:
        raise FailedPrecondition(
            f"gRPC cannot listen on {address!r}: {problem}; stop what holds it or set CEREBROS_GRPC_ADDRESS"
        ) from None


def _bind_socket(server: grpc.aio.Server, path: Path) -> None:
    _bind(server, f"unix:{path}")
    # The file's mode is the socket's only lock: its owner may call, nobody else.
    path.chmod(0o600)


def _rpc_handlers(bridge: Bridge) -> grpc.GenericRpcHandler[bytes, bytes]:
    # No deserializers: gRPC would answer garbage with UNKNOWN and the name of a Python exception.
    handlers = {
        rpc.method: grpc.unary_stream_rpc_method_handler(_stream(bridge, name))
        if rpc.streams
        else grpc.unary_unary_rpc_method_handler(_unary(bridge, name))
        for name, rpc in RPCS.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _unary(bridge: Bridge, name: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def answer(payload: bytes, context: Context) -> bytes:
        try:
            return encode_reply(name, await procedures.call(bridge, name, decode_request(name, payload)))
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


def _stream(bridge: Bridge, name: str) -> Callable[[bytes, Context], AsyncIterator[bytes]]:
    async def answer(payload: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            async for event in procedures.watch(bridge, decode_request(name, payload)):
                yield encode_reply(name, event)
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


async def _refuse(context: Context, error: CerebrosError) -> NoReturn:
    await context.abort(
        STATUS[error.code],
        error.message.encode()[:MESSAGE_BYTES].decode(errors="ignore"),
        (
            ("cerebros-error-class", error.error_class.value),
            ("cerebros-retryable", "true" if error.retryable else "false"),
        ),
    )

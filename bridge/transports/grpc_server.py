"""The gRPC front: procedures as rpcs, streams with credit, TLS, health checks and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import grpc
import msgspec
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # absent from its stubs
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from bridge.api import procedures
from bridge.api.procedures import STREAM, Bridge
from bridge.contract.runs import RunEvent
from bridge.process.defects import defects_answered
from bridge.transports.grpc_codec import (
    ATTACH,
    RPCS,
    SERVICE,
    Attach,
    decode_attach,
    decode_request,
    encode_reply,
    refusal,
)
from bridge.transports.settings import GrpcSettings
from cerebros.errors import CerebrosError, FailedPrecondition, InvalidArgument, ResourceExhausted

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

# Streams open at once. Each reads the database whenever its run has news; beyond this a caller loops.
MAX_STREAMS = 1024


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

    Where `grpc_tls_cert` is set the address speaks TLS, with `grpc_tls_client_ca` mutual TLS. The
    socket is the owner's by its file mode and speaks plainly.

    Raises:
        FailedPrecondition: an address cannot be bound, or a certificate cannot be read.
    """
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((_rpc_handlers(bridge),))
    health = health_aio.HealthServicer()
    add_HealthServicer_to_server(health, server)
    enable_server_reflection((SERVICE, HEALTH, REFLECTION), server)

    port = _bind(server, address, _credentials(bridge.deps.settings[GrpcSettings]))
    if socket_path is not None:
        _bind_socket(server, socket_path)
    await health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    return GrpcFront(server, health, port)


def _credentials(settings: GrpcSettings) -> grpc.ServerCredentials | None:
    cert, key, client_ca = settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca
    if bool(cert) != bool(key) or (client_ca and not cert):
        raise FailedPrecondition(
            "TLS needs certificate and key; set both CEREBROS_GRPC_TLS_CERT and CEREBROS_GRPC_TLS_KEY"
        )
    if not cert:
        return None
    pair = (_pem(key, "KEY"), _pem(cert, "CERT"))
    return grpc.ssl_server_credentials(
        [pair],
        root_certificates=_pem(client_ca, "CLIENT_CA") if client_ca else None,
        require_client_auth=bool(client_ca),
    )


def _pem(file: str, setting: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as problem:
        raise FailedPrecondition(f"{file} cannot be read: {problem}; set CEREBROS_GRPC_TLS_{setting}") from None


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
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
    streams = _Streams()
    handlers = {
        rpc.method: grpc.unary_stream_rpc_method_handler(_watch(bridge, streams))
        if rpc.streams
        else grpc.unary_unary_rpc_method_handler(_unary(bridge, name))
        for name, rpc in RPCS.items()
    }
    handlers[ATTACH] = grpc.stream_stream_rpc_method_handler(_attach(bridge, streams))
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


class _Streams:
    """How many streams are open."""

    def __init__(self) -> None:
        self._open = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        if self._open == MAX_STREAMS:
            raise ResourceExhausted(f"{MAX_STREAMS} streams are open; end one and attach again")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def _unary(bridge: Bridge, name: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def answer(payload: bytes, context: Context) -> bytes:
        try:
            with defects_answered(name):
                return encode_reply(name, await procedures.call(bridge, name, decode_request(name, payload)))
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


def _watch(bridge: Bridge, streams: _Streams) -> Callable[[bytes, Context], AsyncIterator[bytes]]:
    async def answer(payload: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            with streams.admit(), defects_answered(STREAM):
                async for event in procedures.watch(bridge, decode_request(STREAM, payload)):
                    yield encode_reply(STREAM, event)
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


def _attach(bridge: Bridge, streams: _Streams) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]:
    async def answer(payloads: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        try:
            with streams.admit(), defects_answered(ATTACH):
                opening = await anext(payloads, None)
                if opening is None:
                    raise InvalidArgument("the stream ended before it began; its first message names the run")
                async with aclosing(_credited(bridge, decode_attach(opening), payloads)) as events:
                    async for event in events:
                        yield encode_reply(STREAM, event)
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


async def _credited(bridge: Bridge, opening: Attach, payloads: AsyncIterator[bytes]) -> AsyncGenerator[RunEvent]:
    """A run's events, one per credit: without credit the next one stays in the database."""
    credit = opening.credit
    granted = asyncio.Event()

    async def take_grants() -> None:
        nonlocal credit
        async for payload in payloads:
            credit += decode_attach(payload).credit
            granted.set()

    request: Mapping[str, Any] = {"run_id": opening.run_id, "after_seq": opening.after_seq}
    taking = asyncio.create_task(take_grants())
    taking.add_done_callback(lambda _: granted.set())
    try:
        async with aclosing(cast("AsyncGenerator[RunEvent]", procedures.watch(bridge, request))) as events:
            while True:
                while not credit:
                    if taking.done():
                        # Its error, or a caller that has stopped granting without leaving.
                        taking.result()
                        raise InvalidArgument("no credit is left and no more can come; grant before closing your side")
                    granted.clear()
                    await granted.wait()
                event = await anext(events, None)
                if event is None:
                    return
                credit -= 1
                yield event
    finally:
        taking.cancel()


async def _refuse(context: Context, error: CerebrosError) -> NoReturn:
    status, message, metadata = refusal(error)
    await context.abort(status, message, metadata)

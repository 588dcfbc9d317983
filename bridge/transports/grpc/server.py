"""The gRPC server: procedures as rpcs, streams with credit, TLS, health checks and reflection."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote
from weakref import WeakValueDictionary

import grpc
import msgspec
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # absent from its stubs
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from bridge.api.bridge import Bridge, decode
from bridge.contract.procedure import Caller, valid_traceparent
from bridge.process.defects import defects_answered
from bridge.process.descriptors import share_of_descriptors
from bridge.process.files import files_answered
from bridge.process.home import NEXT_MOVE, check_socket_path
from bridge.process.owner import owner
from bridge.process.tasks import end_tasks
from bridge.transports.grpc.codec import (
    Rpc,
    decode_grant,
    decode_request,
    encode_reply,
    refusal,
    rpcs_of,
    shipped_services,
)
from bridge.transports.settings import GrpcSettings
from cerebros.errors import CerebrosError, FailedPrecondition, InvalidArgument, ResourceExhausted

Context = grpc.aio.ServicerContext[bytes, bytes]

MESSAGE_BYTES_AT_MOST = 4 * 2**20

# Calls of one connection that are worked on at a time; the others wait, before they wait in front of other callers.
AT_WORK = 64

# Connections open at once; a BEAM node needs one.
CONNECTIONS_AT_MOST = 1_024

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
    # A connection that does not begin to speak HTTP/2; the default is two minutes, and connections are bounded.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    # Calls open at once over one connection: more than the streams of a process (`OpenStreams`), so that one stream too
    # many is told RESOURCE_EXHAUSTED and not reset by gRPC. Calls that have ended count until gRPC has
    # cleared them away: without room for as many of these, calls of a client that keeps the limit are refused.
    ("grpc.max_concurrent_streams", 2_048),
    ("grpc.http2.max_deallocating_streams", 2_048),
    # Bytes of a call's metadata, beyond which gRPC may and must refuse it; ours is a trace and an id.
    ("grpc.max_metadata_size", 8_192),
    ("grpc.absolute_max_metadata_size", 16_384),
    # Bytes of a request or a reply; every client has this limit for replies unless it raises it.
    ("grpc.max_receive_message_length", MESSAGE_BYTES_AT_MOST),
    ("grpc.max_send_message_length", MESSAGE_BYTES_AT_MOST),
    # Two bridges on one port would each get half of the calls; the second must fail instead.
    ("grpc.so_reuseport", 0),
)


class GrpcServer(msgspec.Struct, frozen=True):
    """A started server; `port` is the port that was bound, also when port 0 was asked for."""

    server: grpc.aio.Server
    health: Any  # grpc_health's aio servicer, which has no types
    port: int

    async def stop(self, grace_s: float) -> None:
        """Report not serving to health checks, then let calls in flight finish for `grace_s` seconds."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace_s)


async def start_grpc(bridge: Bridge, *, address: str, socket_path: Path | None, rpcs: Sequence[Rpc] = ()) -> GrpcServer:
    """Serve the procedures on `address`, and on a Unix socket where a path is given.

    With `grpc_tls_cert` the address uses TLS, and with `grpc_tls_client_ca` mutual TLS. The
    Unix socket is not encrypted; its file mode keeps out all users but the owner.

    Args:
        rpcs: the rpcs to serve; empty for those of `proto/`.

    Raises:
        FailedPrecondition: an address cannot be bound, or a certificate cannot be read.
    """
    rpcs = rpcs or rpcs_of(shipped_services())
    services = sorted({rpc.service for rpc in rpcs})
    connections = ("grpc.max_allowed_incoming_connections", share_of_descriptors(CONNECTIONS_AT_MOST))
    server = grpc.aio.server(options=(*OPTIONS, connections))
    server.add_generic_rpc_handlers(_rpc_handlers(bridge, rpcs))
    health = health_aio.HealthServicer()
    add_HealthServicer_to_server(health, server)
    enable_server_reflection((*services, HEALTH, REFLECTION), server)

    port = _bind(server, address, _credentials(bridge.deps.settings[GrpcSettings]))
    if socket_path is not None:
        _bind_socket(server, socket_path)
    for service in services:
        await health.set(service, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    return GrpcServer(server, health, port)


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
    """Bind a Unix socket at a path, in the place of one that a dead process left.

    Raises:
        FailedPrecondition: it cannot be bound there.
    """
    check_socket_path(path)
    with files_answered(f"socket {path} cannot be made", NEXT_MOVE):
        if path.is_socket():
            path.unlink()
        _bind(server, f"unix:{quote(os.fsencode(path))}")  # gRPC reads a URI
        # The file's mode is the socket's only lock: its owner may call, nobody else.
        path.chmod(0o600)


def _rpc_handlers(bridge: Bridge, rpcs: Sequence[Rpc]) -> tuple[grpc.GenericRpcHandler[bytes, bytes], ...]:
    at_work: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # by connection

    # No deserializers: gRPC would answer garbage with UNKNOWN and the name of a Python exception.

    def handler(rpc: Rpc) -> grpc.RpcMethodHandler[bytes, bytes]:
        if rpc.credited:
            return grpc.stream_stream_rpc_method_handler(_attach(bridge, rpc))
        if rpc.streams:
            return grpc.unary_stream_rpc_method_handler(_watch(bridge, rpc))
        return grpc.unary_unary_rpc_method_handler(_unary(bridge, rpc, at_work))

    by_service = groupby(sorted(rpcs, key=lambda rpc: rpc.service), key=lambda rpc: rpc.service)
    return tuple(
        grpc.method_handlers_generic_handler(service, {rpc.method: handler(rpc) for rpc in group})
        for service, group in by_service
    )


def caller_of(context: Context) -> Caller:
    """Name the caller by its client certificate, or as the owner on the Unix socket; any other has no name.

    The socket's mode lets nobody connect but the owner (and root), so its peer needs no further proof.
    """
    facts = {str(key): value for key, value in context.invocation_metadata() or ()}
    certified = next(iter(context.auth_context().get("x509_common_name", ())), b"").decode(errors="replace")
    on_socket = context.peer().startswith("unix:")
    remaining_s = context.time_remaining()
    return decode(
        {
            "principal": certified or (owner() if on_socket else ""),
            "owner": on_socket,
            "transport": "grpc",
            "traceparent": valid_traceparent(_text(facts.get("traceparent"))),
            "deadline": None if remaining_s is None else time.monotonic() + remaining_s,
            "correlation_id": _text(facts.get("x-correlation-id")),
        },
        Caller,
    )


def _text(value: str | bytes | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _unary(
    bridge: Bridge, rpc: Rpc, at_work: WeakValueDictionary[str, asyncio.Semaphore]
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def answer(payload: bytes, context: Context) -> bytes:
        try:
            with defects_answered(rpc.procedure):
                raw = decode_request(rpc, payload)
                async with at_work.setdefault(context.peer(), asyncio.Semaphore(AT_WORK)):
                    reply = await bridge.call(caller_of(context), rpc.procedure, raw)
                return _encoded(bridge, rpc, reply)
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


def _encoded(bridge: Bridge, rpc: Rpc, reply: msgspec.Struct) -> bytes:
    """Encode a reply.

    Raises:
        ResourceExhausted: no client would take it; gRPC's own refusal would not say what became of the call.
    """
    encoded = encode_reply(rpc, reply)
    if len(encoded) > MESSAGE_BYTES_AT_MOST:
        done = "" if bridge.procedures[rpc.procedure].reads else "the call took effect all the same; "
        raise ResourceExhausted(
            f"the answer takes {len(encoded)} bytes, over {MESSAGE_BYTES_AT_MOST}; {done}ask for less at once"
        )
    return encoded


def _watch(bridge: Bridge, rpc: Rpc) -> Callable[[bytes, Context], AsyncIterator[bytes]]:
    async def answer(payload: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            with defects_answered(rpc.procedure):
                raw = decode_request(rpc, payload)
                async with aclosing(bridge.stream(caller_of(context), rpc.procedure, raw)) as items:
                    async for item in items:
                        yield _encoded(bridge, rpc, item)
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


def _attach(bridge: Bridge, rpc: Rpc) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]:
    async def answer(payloads: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        try:
            with defects_answered(rpc.procedure):
                opening = await anext(payloads, None)
                if opening is None:
                    raise InvalidArgument("the stream ended before it began; its first message has the request")
                request, credit = decode_grant(rpc, opening)
                items = bridge.stream(caller_of(context), rpc.procedure, request)
                async with aclosing(_credited(items, credit, payloads, rpc)) as granted:
                    async for item in granted:
                        yield _encoded(bridge, rpc, item)
        except CerebrosError as error:
            await _refuse(context, error)

    return answer


async def _credited(
    items: AsyncGenerator[msgspec.Struct, None], credit: int, payloads: AsyncIterator[bytes], rpc: Rpc
) -> AsyncGenerator[msgspec.Struct, None]:
    """Yield a stream's items, one per credit; without credit the next item is not read."""
    granted = asyncio.Event()

    async def take_grants() -> None:
        nonlocal credit
        async for payload in payloads:
            credit += decode_grant(rpc, payload).credit
            granted.set()

    taking = asyncio.create_task(take_grants())
    taking.add_done_callback(lambda _: granted.set())
    try:
        async with aclosing(items):
            while True:
                if taking.done():
                    taking.result()  # a grant that is none ends the stream, whatever credit is left
                while not credit:
                    if taking.done():  # a caller that has stopped granting without leaving
                        taking.result()
                        raise InvalidArgument("no credit is left and no more can come; grant before closing your side")
                    granted.clear()
                    await granted.wait()
                item = await anext(items, None)
                if item is None:
                    return
                credit -= 1
                yield item
    finally:
        await end_tasks(taking)


async def _refuse(context: Context, error: CerebrosError) -> NoReturn:
    status, message, metadata = refusal(error)
    await context.abort(status, message, metadata)

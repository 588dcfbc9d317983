"""A question to the server process of a home, over its Unix socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import msgspec
from google.protobuf.json_format import MessageToDict

from bridge.contract.procedure import Procedure, Reply, Request
from bridge.runs.kinds import Deps
from bridge.transports.grpc.codec import rpcs_of, shipped_services
from cerebros.errors import CerebrosError, Internal, Unavailable, family


async def ask_server(
    socket: Path, procedure: Procedure[Deps, Request, Reply], request: Request, timeout_s: float | None
) -> Reply:
    """Ask the process that listens on a socket, as its owner.

    Raises:
        Unavailable: nothing listens there.
        CerebrosError: what the process answers.
    """
    rpc = next(rpc for rpc in rpcs_of(shipped_services()) if rpc.procedure == procedure.name)
    payload = rpc.request(**msgspec.structs.asdict(request)).SerializeToString()
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        try:
            ask = channel.unary_unary(rpc.path, request_serializer=None, response_deserializer=None)
            answer = await ask(payload, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise _told(error, socket) from None
    fields = MessageToDict(
        rpc.reply.FromString(answer), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return msgspec.convert(fields, procedure.reply, strict=False)  # protobuf's JSON has whole numbers as strings


def _told(error: grpc.aio.AioRpcError, socket: Path) -> CerebrosError:
    """Return the error that the server answered, or the one for a server that is not there."""
    trailing: Any = error.trailing_metadata()  # grpc's own type for it is another one
    answered = trailing is not None and "cerebros-error-class" in trailing
    if error.code() is grpc.StatusCode.UNAVAILABLE and not answered:
        return Unavailable(f"no server listens on {socket}; `cerebros-bridge up` starts one")
    # Parents come before their children, which have the same codes.
    kinds = {kind.code.value: kind for kind in reversed(family())}
    return kinds.get(error.code().name, Internal)(error.details() or f"{socket} answered {error.code().name}")

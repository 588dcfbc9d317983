"""Protobuf bytes to requests, replies to protobuf bytes: the only module that knows `bridge.pb`.

Which message belongs to which procedure is read from the service in
`proto/cerebros/v1/bridge.proto`, so there is no second table to keep.
Fields the contract does not know are ignored, as protobuf clients expect of
a server that is older than they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import grpc
import msgspec
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct

from bridge.pb.cerebros.v1 import bridge_pb2
from cerebros.errors import Code, InvalidArgument


class Rpc(NamedTuple):
    """A procedure as gRPC calls it; `streams` when it answers more than once."""

    method: str
    request: type[Message]
    reply: type[Message]
    streams: bool


# Every whole number up to here is a double of its own.
EXACT = 2**53

_SERVICE = bridge_pb2.DESCRIPTOR.services_by_name["CerebrosBridge"]

SERVICE: str = _SERVICE.full_name

# GetRun is get_run everywhere else.
RPCS: dict[str, Rpc] = {
    re.sub(r"(?<=.)([A-Z])", r"_\1", method.name).lower(): Rpc(
        method.name,
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
        method.server_streaming,
    )
    for method in _SERVICE.methods
}

# Our codes are spelt as gRPC's; a code that gRPC does not know fails here, at import.
STATUS: dict[Code, grpc.StatusCode] = {code: grpc.StatusCode[code.name] for code in Code}


def decode_request(procedure: str, payload: bytes) -> dict[str, Any]:
    """The fields that a caller set, as the map that `procedures.call` takes.

    Raises:
        InvalidArgument: the bytes are not this procedure's request.
    """
    request = RPCS[procedure].request
    try:
        return _fields_set(request.FromString(payload))
    except DecodeError:
        name = request.DESCRIPTOR.full_name
        raise InvalidArgument(f"{len(payload)} bytes are not a {name}; encode one with the current .proto") from None


def encode_reply(procedure: str, reply: msgspec.Struct) -> bytes:
    """A procedure's answer as protobuf bytes; what is None is left out."""
    message = RPCS[procedure].reply()
    _fill(message, msgspec.structs.asdict(reply))
    return message.SerializeToString()


def _fields_set(message: Message) -> dict[str, Any]:
    # An unset optional field or an empty list is left out, so that the request's own default holds.
    fields: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            if value:
                fields[field.name] = dict(value) if isinstance(value, Mapping) else [_plain(item) for item in value]
        elif not field.has_presence or message.HasField(field.name):
            fields[field.name] = _plain(value)
    return fields


def _plain(value: Any) -> Any:
    match value:
        case Struct():
            return {name: _plain(part) for name, part in value.items()}
        case ListValue():
            return [_plain(part) for part in value]
        case Message():
            return _fields_set(value)
        # A Struct has doubles only: `{low: 1, high: 8}` would arrive as 1.0 and 8.0, which are no whole numbers.
        case float() if value.is_integer() and abs(value) <= EXACT:
            return int(value)
    return value


def _fill(message: Message, fields: Mapping[str, Any]) -> None:
    # Google's json_format would do this too, but it refuses the NaN of a diverged trial's curve.
    for name, value in fields.items():
        match value:
            case None:
                continue
            case str() | int() | float():
                setattr(message, name, value)
            case datetime():
                getattr(message, name).FromDatetime(value)
            case msgspec.Struct():
                _fill(_present(getattr(message, name)), msgspec.structs.asdict(value))
            case dict():
                _present(getattr(message, name)).update(value)
            case (msgspec.Struct(), *_):
                for item in value:
                    _fill(getattr(message, name).add(), msgspec.structs.asdict(item))
            case _:
                getattr(message, name).extend(value)


def _present(part: Any) -> Any:
    # `part` is a message or one of protobuf's maps. A message without fields is still there, unlike one
    # that was None; a map knows no such difference.
    if isinstance(part, Message):
        part.SetInParent()
    return part

"""Protobuf bytes to requests, replies to protobuf bytes: the only module that knows `bridge.pb`.

The messages of each procedure are read from the services in
`proto/cerebros/v1`, so there is no second table to keep. Unknown fields are
ignored, as protobuf clients expect of a server older than themselves.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import grpc
import msgspec
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

import bridge.pb.cerebros.v1 as generated
from cerebros.errors import CerebrosError, Code, InvalidArgument

PACKAGE = "cerebros.v1"


class Rpc(NamedTuple):
    """A procedure as gRPC calls it.

    One that `streams` answers more than once. A `credited` one also takes more
    than one message: the first has the `request`, and each grants `credit`.
    """

    procedure: str
    service: str
    method: str
    request: type[Message]
    reply: type[Message]
    streams: bool
    credited: bool

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}"


def shipped_services() -> list[ServiceDescriptor]:
    """Return the services of every `.proto` that is generated into `bridge.pb`."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{module.name}")
        for module in pkgutil.iter_modules(generated.__path__)
    ]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def rpcs_of(services: Iterable[ServiceDescriptor]) -> list[Rpc]:
    """Return an entry for each method: GetRun is get_run; one that takes credit serves the stream of its `request`."""
    methods = [method for service in services for method in service.methods]
    streams = {method.input_type: _procedure(method) for method in methods if not method.client_streaming}
    return [
        Rpc(
            _procedure(method) if not method.client_streaming else streams[_requested(method)],
            method.containing_service.full_name,
            method.name,
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            method.server_streaming,
            method.client_streaming,
        )
        for method in methods
    ]


def _procedure(method: MethodDescriptor) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"_\1", method.name).lower()


def _requested(method: MethodDescriptor) -> Any:
    return method.input_type.fields_by_name["request"].message_type


# Every whole number up to here is a double of its own.
EXACT = 2**53

# Our codes are spelt as gRPC's; a code that gRPC does not know fails here, at import.
STATUS: dict[Code, grpc.StatusCode] = {code: grpc.StatusCode[code.name] for code in Code}

# Bytes of an error's message. It travels in the trailers, for which gRPC allows 8 kB in all: once
# percent-encoded, which triples what is not ASCII, and once in base64.
MESSAGE_BYTES = 1024


class Grant(NamedTuple):
    """One message of a stream with credit: the request, in the first message, and the number of items granted."""

    request: dict[str, Any]
    credit: int


class Refusal(NamedTuple):
    """An error in gRPC's terms: status, message, trailing metadata."""

    status: grpc.StatusCode
    message: str
    metadata: tuple[tuple[str, str | bytes], ...]


def refusal(error: CerebrosError) -> Refusal:
    """Return an error's status, with google.rpc.Status, ErrorInfo and RetryInfo for clients that read rich errors."""
    status = STATUS[error.code]
    message = error.message.encode(errors="replace")[:MESSAGE_BYTES].decode(errors="ignore")
    facts = {"class": error.error_class.value, "retryable": "true" if error.retryable else "false"}
    rich = Status(code=status.value[0], message=message)
    rich.details.add().Pack(ErrorInfo(reason=error.code.value, domain=PACKAGE, metadata=facts))
    if error.retry_after_s is not None:
        hint = RetryInfo()
        hint.retry_delay.FromTimedelta(timedelta(seconds=error.retry_after_s))
        rich.details.add().Pack(hint)
    return Refusal(
        status,
        message,
        (
            ("cerebros-error-class", facts["class"]),
            ("cerebros-retryable", facts["retryable"]),
            ("grpc-status-details-bin", rich.SerializeToString()),
        ),
    )


def decode_grant(rpc: Rpc, payload: bytes) -> Grant:
    """Decode one message of a stream with credit.

    Raises:
        InvalidArgument: the bytes are not such a message, or the credit is negative.
    """
    message = _parsed(rpc.request, payload)
    if message.credit < 0:
        raise InvalidArgument(f"credit {message.credit} is negative; grant 0 or more items")
    return Grant(_fields_set(message.request), message.credit)


def decode_request(rpc: Rpc, payload: bytes) -> dict[str, Any]:
    """Return the fields that a caller set, as the map that `Bridge.call` takes.

    Raises:
        InvalidArgument: the bytes are not this procedure's request.
    """
    return _fields_set(_parsed(rpc.request, payload))


def encode_reply(rpc: Rpc, reply: msgspec.Struct) -> bytes:
    """Encode a procedure's answer as protobuf; fields that are None are left out."""
    message = rpc.reply()
    _fill(message, msgspec.structs.asdict(reply))
    return message.SerializeToString()


def _parsed(kind: Any, payload: bytes) -> Any:
    try:
        return kind.FromString(payload)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        raise InvalidArgument(f"{len(payload)} bytes are not a {name}; encode one with the current .proto") from None


def _fields_set(message: Message) -> dict[str, Any]:
    # An unset optional field or an empty list is left out, so that the request's own default holds.
    fields: dict[str, Any] = {}
    if (union := _union(message)) is not None:
        # A tagged union: the oneof's name is the tag's field, its case the tag.
        case = message.WhichOneof(union)
        return {} if case is None else {union: case, **_fields_set(getattr(message, case))}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            if value:
                fields[field.name] = dict(value) if isinstance(value, Mapping) else [_plain(item) for item in value]
        elif not field.has_presence or message.HasField(field.name):
            fields[field.name] = _plain(value)
    return fields


def _union(message: Message) -> str | None:
    """Return the name of the oneof that holds all fields of the message, None if there is none."""
    oneofs = message.DESCRIPTOR.oneofs
    return oneofs[0].name if len(oneofs) == 1 and len(oneofs[0].fields) == len(message.DESCRIPTOR.fields) > 1 else None


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return _plain_message(value)
    # A Struct has doubles only: `{low: 1, high: 8}` would arrive as 1.0 and 8.0, which are no whole numbers.
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value


def _plain_message(message: Any) -> Any:
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            return {name: _plain(part) for name, part in message.items()}
        case "google.protobuf.ListValue":
            return [_plain(part) for part in message]
    return _fields_set(message)


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
            case date():
                setattr(message, name, value.isoformat())
            case msgspec.Struct():
                _fill_part(_present(getattr(message, name)), value)
            case dict():
                _present(getattr(message, name)).update(value)
            case (msgspec.Struct(), *_):
                for item in value:
                    _fill_part(getattr(message, name).add(), item)
            case _:
                getattr(message, name).extend(value)


def _fill_part(part: Any, value: msgspec.Struct) -> None:
    if part.DESCRIPTOR.full_name == "google.protobuf.Struct":  # a document, such as a tree
        part.update(msgspec.to_builtins(value))
    else:
        _fill(part, msgspec.structs.asdict(value))


def _present(part: Any) -> Any:
    # `part` is a message or one of protobuf's maps. A message without fields is still there, unlike one
    # that was None; a map knows no such difference.
    if isinstance(part, Message):
        part.SetInParent()
    return part

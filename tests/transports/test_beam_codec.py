"""The Elixir client's protobuf codec and names against Python's, message by message, in a real BEAM."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.transports.grpc.codec import shipped_services
from bridge.transports.port.etf import decode, encode
from telemetry.events import VOCABULARY

ELIXIR = Path(__file__).parent.parent.parent / "priv/elixir"
FILES = {service.file.name: service.file for service in shipped_services()}
MESSAGES: dict[str, Descriptor] = {
    name: message for file in FILES.values() for name, message in file.message_types_by_name.items()
}

# A double that JSON can hold; integers are exact in it up to here.
EXACT = 2**53
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.integers(-EXACT, EXACT)
    # Whole numbers arrive as integers, which have no negative zero; adding 0.0 makes it positive.
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SCALARS = {
    # One NaN: its other bit patterns are not kept, as nothing reads them.
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False) | st.just(math.nan),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=12),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=12),
}
Ask = Callable[..., tuple[Any, ...]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Send a tuple to the BEAM, get its answer."""
    if shutil.which("mix") is None:
        pytest.skip("elixir is not installed: make test installs it")
    # The client's own suite may run beside this, and mix does not wait for another mix that builds in the same place.
    build = str(tmp_path_factory.mktemp("build"))
    environment = os.environ | {"MIX_ENV": "test", "MIX_BUILD_PATH": build, "LC_ALL": "C.UTF-8"}
    subprocess.run(["mix", "compile"], cwd=ELIXIR, env=environment, check=True, capture_output=True)
    beam = subprocess.Popen(
        ["mix", "run", "--no-compile", "--no-start", "test/support/codec_echo.exs"],
        cwd=ELIXIR,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert beam.stdin is not None
    assert beam.stdout is not None

    def exchange(*question: object) -> tuple[Any, ...]:
        frame = encode(question)
        beam.stdin.write(struct.pack(">I", len(frame)) + frame)
        beam.stdin.flush()
        (size,) = struct.unpack(">I", beam.stdout.read(4))
        return tuple(decode(beam.stdout.read(size)))

    yield exchange
    beam.stdin.close()
    assert beam.wait(timeout=10) == 0


def messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Any message of this kind."""
    if descriptor.full_name == "google.protobuf.Struct":
        return st.dictionaries(st.text(max_size=5), JSON, max_size=3).map(
            lambda value: json_format.ParseDict(value, struct_pb2.Struct())
        )
    if descriptor.full_name == "google.protobuf.Timestamp":
        return st.datetimes(timezones=st.just(UTC)).map(_timestamp)
    parts = {field.name: values(field) for field in descriptor.fields}
    if _union(descriptor) is not None:
        cases = [{}, *({name: one} for name, one in parts.items())]
        return st.one_of(map(st.fixed_dictionaries, cases)).map(lambda given: GetMessageClass(descriptor)(**given))
    return st.fixed_dictionaries({}, optional=parts).map(lambda given: GetMessageClass(descriptor)(**given))


def _timestamp(time: Any) -> timestamp_pb2.Timestamp:
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(time)
    return stamp


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        key, value = kind.fields
        return st.dictionaries(values(key), values(value), max_size=3)
    one = SCALARS[field.type] if kind is None else messages(kind)
    return st.lists(one, max_size=3) if field.is_repeated else one


def as_map(message: Message) -> dict[str, Any]:
    """What the Elixir side shall make of a message: the shape that the port sends."""
    if (union := _union(message.DESCRIPTOR)) is not None:
        case = message.WhichOneof(union)
        return {} if case is None else {union: case, **as_map(getattr(message, case))}
    return {field.name: _read(message, field) for field in message.DESCRIPTOR.fields}


def _union(descriptor: Descriptor) -> str | None:
    """The name of the oneof that is all a message has: its map is that of a tagged union."""
    oneofs = [oneof for oneof in descriptor.oneofs if len(oneof.fields) > 1]
    return oneofs[0].name if oneofs and len(oneofs[0].fields) == len(descriptor.fields) else None


def _read(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: _plain(item) for key, item in value.items()}
    if field.is_repeated:
        return [_plain(item) for item in value]
    return None if field.has_presence and not message.HasField(field.name) else _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case struct_pb2.Struct():
            return json_format.MessageToDict(value)
        case timestamp_pb2.Timestamp():
            return value.ToDatetime(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case Message():
            return as_map(value)
        case float() if math.isnan(value):
            return "nan"
        case float() if math.isinf(value):
            return "infinity" if value > 0 else "neg_infinity"
        case _:
            return value


def test_the_elixir_client_has_this_contract():
    image = FileDescriptorSet.FromString((ELIXIR / "priv/contract.binpb").read_bytes())
    # protoc and buf differ in where they write a field's JSON name, which nobody here reads.
    described = {file.name: _without_json_names(file) for file in image.file}
    for file in FILES.values():
        ours = FileDescriptorProto()
        file.CopyToProto(ours)
        assert described[ours.name] == _without_json_names(ours), "run make proto"


def _without_json_names(file: FileDescriptorProto) -> list[Any]:
    def plain(message: Any) -> Any:
        for field in message.field:
            field.ClearField("json_name")
        for nested in message.nested_type:
            plain(nested)
        return message

    return [[plain(message) for message in file.message_type], list(file.service)]


@pytest.mark.parametrize("name", MESSAGES)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_message_is_the_same_on_both_sides(name, data, ask):
    message = data.draw(messages(MESSAGES[name]))

    read, again = ask(MESSAGES[name].full_name, message.SerializeToString())

    assert read == as_map(message)
    # Compared as bytes, because NaN differs from itself.
    written = type(message).FromString(again if isinstance(again, bytes) else again.encode())
    assert written.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("event", VOCABULARY, ids=lambda event: event.name)
def test_the_elixir_client_knows_every_event_its_keys_and_which_figures_are_whole(event, ask):
    kinds = {field.name: str(field.type) for field in fields(event)}
    measurements = dict.fromkeys(event.measured, 1)
    metadata = {name: "x" for name in kinds if name not in event.measured}

    stored = {"run_id": "r", "seq": 1, "name": event.name, "at": "2026-01-02T03:04:05Z"}

    known, measured, strange = ask("event", stored | {"measurements": measurements, "metadata": metadata})

    assert (known, strange) == ([event.name], [])
    whole = {name for name, value in measured.items() if isinstance(value, int)}
    assert whole == {name for name in event.measured if kinds[name].startswith("int")}

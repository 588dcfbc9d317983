"""Texts that cannot be stored, and ids that end in a newline, at every door (issue 11, kind 19)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import grpc
import msgspec
import pytest
from msgspec import Meta

from bridge.contract.procedure import Caller
from bridge.contract.telling import reachable
from bridge.service import SETTINGS
from bridge.transports.grpc.server import start_grpc
from bridge.transports.port.messages import Call, CallOptions, Hello
from cerebros.data.manifest import Manifest, manifest_schema
from cerebros.errors import InvalidArgument
from tests.calling import call
from tests.rpcs import RPCS
from tests.transports.test_port_frames import session

LOSS = [{"name": "loss", "direction": "minimize"}]
UNWRITABLE = ["a\0b", "\0", "a\ud800b", "\udfff", b"\xff", b"\xed\xa0\x80"]


@pytest.mark.parametrize("text", UNWRITABLE)
@pytest.mark.parametrize(
    ("procedure", "request_with"),
    [
        ("get_run", lambda text: {"run_id": text}),
        ("cancel_run", lambda text: {"run_id": "a", "reason": text}),
        ("limit_queue", lambda text: {"name": text, "running_at_most": 1}),
        ("create_study", lambda text: {"study_id": text, "objectives": LOSS, "space": {"x": [1, 2]}}),
        ("create_study", lambda text: {"study_id": "s", "objectives": LOSS, "space": {"x": [text, "b"]}}),
        ("create_study", lambda text: {"study_id": "s", "objectives": LOSS, "space": {text: [1, 2]}}),
        ("start_run", lambda text: {"pac_id": "a", "spec": {"kind": "nas", "manifest": text}}),
    ],
)
async def test_a_text_that_cannot_be_stored_is_refused_with_its_place(bridge, procedure, request_with, text):
    with pytest.raises(InvalidArgument) as refused:
        await call(bridge, procedure, request_with(text))
    assert refused.value.message.isprintable()


async def test_a_reason_of_many_lines_and_alphabets_is_kept(bridge, start):
    await call(bridge, "start_run", request := start())
    reason = "ein Wort,\nzwei: 名前 \U0001f600"
    await call(bridge, "cancel_run", {"run_id": request["run_id"], "reason": reason})
    run = await call(bridge, "get_run", {"run_id": request["run_id"]})
    assert reason in run.error.message


@pytest.mark.parametrize("field", [b"\x0a\x03\xed\xa0\x80", b"\x0a\x01\xff", b"\x0a\x03a\0b", b"\x0a\x02a\n"])
async def test_a_text_that_is_none_is_refused_over_grpc(bridge, field):
    server = await start_grpc(bridge, address="127.0.0.1:0", socket_path=None)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(RPCS["get_run"].path)(field)
    finally:
        await server.stop(grace_s=0.1)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", [b"\xed\xa0\x80", b"\xff", b"a\0b", b"a\n"])
async def test_a_text_that_is_none_is_refused_over_the_port(bridge, text):
    binary = b"m%s%s" % (len(text).to_bytes(4), text)
    term = b"\x83h\x05w\x04calla\x07m\0\0\0\x07get_runt\0\0\0\x01m\0\0\0\x06run_id" + binary + b"t\0\0\0\0"
    (command,) = session().receive(len(term).to_bytes(4) + term)
    with pytest.raises(InvalidArgument, match="run_id"):
        await call(bridge, command.call.procedure, command.call.params)


def patterns_in(annotation: Any) -> Iterator[str]:
    for note in getattr(annotation, "__metadata__", ()):
        if isinstance(note, Meta) and note.pattern is not None:
            yield note.pattern
    for part in get_args(annotation):
        yield from patterns_in(part)


def test_no_pattern_of_ours_lets_a_last_newline_pass(bridge):
    procedures = bridge.procedures.values()
    messages = reachable(*(kind for one in procedures for kind in (one.request, one.reply)))
    structs = (*messages, *SETTINGS, *reachable(Manifest), Caller, Hello, Call, CallOptions)
    patterns = {
        found for struct in structs for field in msgspec.structs.fields(struct) for found in patterns_in(field.type)
    }
    assert len(patterns) >= 3
    assert [pattern for pattern in patterns if not pattern.endswith(r"\Z")] == []


@pytest.mark.parametrize("text", ["a\n", "a\r\n", "a\n\n", "\na", "a b", "a\u2028", "\u0661"])
async def test_an_id_with_a_newline_is_no_id(bridge, text):
    for procedure, field in (("get_run", "run_id"), ("get_capability", "pac_id"), ("suggest", "study_id")):
        with pytest.raises(InvalidArgument, match=field):
            await call(bridge, procedure, {field: text})


def test_the_published_schema_has_the_same_patterns_as_other_languages_write_them():
    assert manifest_schema()["$defs"]["Source"]["properties"]["sha256"]["pattern"] == "^[0-9a-f]{64}$"

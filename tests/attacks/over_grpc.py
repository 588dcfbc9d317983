"""Attacks over gRPC: bytes that are no message, sizes, floods, and words for operators."""

from __future__ import annotations

import asyncio
import os

import grpc

from tests.attacks.target import ANSWER_S, Target
from tests.faults.arena import promise
from tests.rpcs import RPCS

TYPED = (
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
)


async def garbage(target: Target) -> str:
    """Every rpc with bytes that are no message of its."""
    for procedure in RPCS:
        for raw in (b"\xff" * 50, os.urandom(200), b"\x0a\x05ab\xff\xfe\xfd", b"\x08" + b"\x80" * 200):
            answer = await target.rpc(procedure, raw)
            promise(not answer.startswith(("INTERNAL", "UNKNOWN")), f"{procedure}: {answer[:80]!r}")
    return f"{4 * len(RPCS)} calls, none INTERNAL or UNKNOWN"


async def large_messages(target: Target) -> str:
    """A message of 16 MB, metadata of 1 MB, and a thousand metadata entries."""
    answer = await target.rpc("get_run", b"\x0a\x80\x80\x80\x08" + b"x" * 2**24)
    promise(answer.startswith(("RESOURCE_EXHAUSTED", "CANCELLED", "UNAVAILABLE")), f"16 MB: {answer[:80]!r}")
    for metadata in ([("x-long", "x" * 2**20)], [(f"x-{n}", "y") for n in range(5_000)]):
        answer = await target.rpc("get_run", metadata=metadata, run_id="nobody")
        promise(
            answer.startswith(("RESOURCE_EXHAUSTED", "UNAVAILABLE", "CANCELLED", "INTERNAL")),
            f"metadata: {answer[:80]!r}",
        )
    promise((await target.rpc("get_run", run_id="nobody")).startswith("NOT_FOUND"), "not served afterwards")
    return "RESOURCE_EXHAUSTED"


CROOKED_IDS = (
    "x\n",
    "\n",
    "a\u0000b",
    "x" * 10_000,
    "a b",
    "../x",
    "é" * 300,
    "",
    " ",
    "x\r",
    "\u202ex",
    "$(id)",
    "' OR 1=1 --",
)


async def crooked_ids(target: Target) -> str:
    """Ids that end in a newline, hold NUL, or are far too long."""
    for procedure in ("get_run", "cancel_run", "get_study", "list_trials"):
        if procedure not in RPCS:
            continue
        field = "study_id" if "study" in procedure else "run_id"
        for value in CROOKED_IDS:
            answer = await target.rpc(procedure, **{field: value})
            promise(answer.startswith(TYPED), f"{procedure} {value[:20]!r}: {answer[:80]!r}")
        newline = await target.rpc(procedure, **{field: "x\n"})
        promise(newline.startswith("INVALID_ARGUMENT"), f"{procedure}: an id that ends in a newline: {newline[:80]!r}")
    return "INVALID_ARGUMENT or NOT_FOUND"


async def flood(target: Target) -> str:
    """3,000 calls at once and 1,500 streams: each gets an answer of its own."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{target.grpc_port}") as channel:
        call = channel.unary_unary(RPCS["get_run"].path)
        raw = RPCS["get_run"].request(run_id="nobody").SerializeToString()

        async def once() -> str:
            try:
                await call(raw, timeout=60.0)
            except grpc.aio.AioRpcError as refused:
                return str(refused.code().name)
            return "OK"

        codes = await asyncio.gather(*(once() for _ in range(3_000)))
        odd = set(codes) - {"NOT_FOUND", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
        promise(not odd, f"some calls were answered {odd}")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{target.grpc_port}") as channel:
        streams = [channel.unary_stream(RPCS["watch_run"].path)(raw, timeout=ANSWER_S) for _ in range(1_500)]
        for stream in streams:
            stream.cancel()
    promise((await target.rpc("get_run", run_id="nobody")).startswith("NOT_FOUND"), "not served afterwards")
    return ", ".join(f"{codes.count(code)} {code}" for code in sorted(set(codes)))


# What only an operator may do, as any caller may try it, and the same over GraphQL.
OPERATOR_CALLS = {
    "drain": ({}, "mutation { drain { status } }"),
    "limit_queue": (
        {"name": "cpu", "running_at_most": 0},
        "mutation { limitQueue(name: cpu, runningAtMost: 1) { name } }",
    ),
    "set_training_lock": (
        {"pac_id": "p", "state": "locked", "holder": "me"},
        'mutation { setTrainingLock(pacId: "p", state: locked, holder: "me", reason: "r") { state } }',
    ),
    "delete_study": ({"study_id": "s"}, 'mutation { deleteStudy(studyId: "s") { studyId } }'),
}


async def operator_words(target: Target) -> str:
    """Whoever reaches a TCP port drains the service, locks a PAC, limits a queue, deletes a study."""
    for procedure, (fields, mutation) in OPERATOR_CALLS.items():
        over_grpc = await target.rpc(
            procedure,
            RPCS[procedure].request().SerializeToString() if not fields else None,
            **_cased(procedure, fields),
        )
        promise(over_grpc.startswith(("PERMISSION_DENIED", "UNAUTHENTICATED")), f"gRPC {procedure}: {over_grpc[:80]!r}")
        over_http = await target.graphql(mutation)
        promise(
            "PERMISSION_DENIED" in over_http or "UNAUTHENTICATED" in over_http,
            f"GraphQL {procedure}: {over_http[:120]!r}",
        )
    promise("serving" in await target.graphql("{ health { status } }"), "the service does not serve any more")
    return "PERMISSION_DENIED over gRPC and GraphQL"


def _cased(procedure: str, fields: dict[str, object]) -> dict[str, object]:
    """Enumerations as protobuf numbers them: the first one that means something."""
    described = RPCS[procedure].request.DESCRIPTOR.fields_by_name
    return {
        name: described[name].enum_type.values[1].number if described[name].enum_type else value
        for name, value in fields.items()
        if name in described
    }

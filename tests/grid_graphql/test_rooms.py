"""GraphQL serves procedures, streams and kinds that only this test declares."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from typing import Annotated, Literal

import msgspec
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_introspection_query
from msgspec import Meta

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller, Procedure, Stream
from bridge.contract.words import Message
from bridge.runs.kinds import Deps, Kind, Prepared
from bridge.runs.procedures import procedures as run_procedures
from bridge.service import KINDS
from cerebros.metrics import Large
from grid_graphql.asking import Context
from grid_graphql.schema import make_schema
from tests.calling import TESTER, with_parts
from tests.grid_graphql.asking import answer


class Recall(Message, frozen=True, kw_only=True):
    """Recall what a PAC knows."""

    pac_id: Annotated[str, Meta(description="Id of the PAC.")]
    depth: Annotated[int, Meta(ge=1, le=2**40, description="Number of memories.")] = 2
    mood: Annotated[Literal["wide-awake", "drowsy"], Meta(description="Mood.")] = "wide-awake"


class Memory(Message, frozen=True, kw_only=True):
    """A memory with those in it, so deep that it is a document."""

    text: str
    within: dict[str, Memory] = msgspec.field(default_factory=dict)


class Plain(Message, frozen=True, kw_only=True):
    """A plain memory. It fades."""

    text: Annotated[str, Meta(description="Text, as of `written_s`.")]
    written_s: Annotated[float | None, Meta(description="Age in seconds.")]
    weights: Annotated[tuple[float, ...], Meta(description="Weights.")]
    held_bytes: Annotated[Large, Meta(description="Size.")]
    cause: Annotated[Memory, Meta(description="Memory behind it.")]
    mood: Annotated[Literal["wide-awake", "drowsy"], Meta(description="Mood.")]


class Plains(Message, frozen=True, kw_only=True):
    """Plain memories."""

    memories: Annotated[tuple[Plain, ...], Meta(description="Memories.")]


async def recall(_deps: Deps, _caller: Caller, request: Recall) -> Plains:
    cause = Memory(text="deep", within={"a": Memory(text="deeper")})
    one = Plain(
        text=request.pac_id,
        written_s=math.inf,
        weights=(1.0, math.nan),
        held_bytes=2**33,
        cause=cause,
        mood=request.mood,
    )
    return Plains(memories=(one,) * request.depth)


async def dream(deps: Deps, caller: Caller, request: Recall) -> AsyncGenerator[Plain, None]:
    for one in (await recall(deps, caller, request)).memories:
        yield one


@pytest.fixture
def dreaming(bridge: Bridge) -> Bridge:
    """A bridge with procedures that no room declares."""
    added = (
        Procedure("recall", Recall, Plains, "memory:read", recall, noun="memories"),
        Procedure("forget", Recall, Plains, "memory:forget", recall),
        Stream("dream", Recall, Plain, "memory:read", dream, noun="dreams"),
    )
    return Bridge.of(bridge.deps, (*bridge.procedures.values(), *added))


async def test_procedures_that_a_room_adds_are_served(dreaming: Bridge):
    schema = make_schema(dreaming.procedures)
    query = '{ memories(pacId: "a", depth: "3", mood: drowsy) { text writtenS weights heldBytes cause mood } }'

    memories = (await answer(schema, dreaming, query))["memories"]

    assert len(memories) == 3
    assert memories[0] == {
        "text": "a",
        "writtenS": None,
        "weights": [1.0, None],
        "heldBytes": 2**33,
        "cause": {"text": "deep", "within": {"a": {"text": "deeper", "within": {}}}},
        "mood": "drowsy",
    }
    assert await answer(schema, dreaming, 'mutation { forget(pacId: "a") { mood } }') == {
        "forget": [{"mood": "wide_awake"}] * 2
    }


@pytest.mark.parametrize(
    ("query", "times"),
    [
        ('{ memories(pacId: "a", depth: 3000) { text writtenS weights heldBytes mood } }', 1),
        (get_introspection_query(), 9),
    ],
    ids=["one answer of many rows", "many answers in one piece each"],
)
async def test_others_have_their_turn_while_large_answers_are_made(dreaming: Bridge, query: str, times: int):
    """Issue 11, kind 1."""
    schema = make_schema(dreaming.procedures)
    await answer(schema, dreaming, query)  # checked and kept
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await asyncio.gather(*(answer(schema, dreaming, query) for _ in range(times)))
    counting.cancel()

    assert turns >= 8


async def test_a_stream_that_a_room_adds_is_followed(dreaming: Bridge):
    schema = make_schema(dreaming.procedures)
    subscription = 'subscription { dreams(pacId: "a") { text } }'

    items = await schema.subscribe(subscription, context_value=Context(dreaming, TESTER))

    assert [item.data async for item in items] == [{"dreams": {"text": "a"}}] * 2


def test_a_schema_is_made_once_for_a_table(bridge: Bridge, dreaming: Bridge):
    assert make_schema(dict(bridge.procedures)) is make_schema(bridge.procedures)
    assert make_schema(dreaming.procedures) is not make_schema(bridge.procedures)


def test_descriptions_are_the_contracts_in_graphqls_spelling(dreaming: Bridge):
    schema = make_schema(dreaming.procedures)._schema
    plain = schema.type_map["Plain"]

    assert isinstance(plain, GraphQLObjectType)
    assert plain.description == "A plain memory."
    assert plain.fields["text"].description == "Text, as of `writtenS`."
    assert schema.query_type is not None
    assert schema.query_type.fields["memories"].description == "Recall what a PAC knows."
    assert schema.query_type.fields["memories"].args["depth"].description == "Number of memories."


class Sleep(Message, frozen=True, kw_only=True, tag_field="kind", tag="deep-sleep"):
    """Sleep for a while."""

    hours: Annotated[int, Meta(ge=1, le=9, description="Hours of sleep.")] = 8


async def prepare(spec: Sleep, _caller: Caller, _deps: Deps) -> Prepared[Sleep]:
    return Prepared(payload=spec, dataset="none", dataset_digest="", identity=spec)


async def test_a_kind_that_a_room_adds_is_started_by_its_tag(bridge: Bridge):
    kinds = (*KINDS, Kind(Sleep, Sleep, prepare, (), lambda _run: None))
    sleeping = with_parts(bridge, kinds={kind.name: kind for kind in kinds})
    sleeping = Bridge.of(sleeping.deps, run_procedures(kinds))
    schema = make_schema(sleeping.procedures)
    mutation = 'mutation { startRun(input: {pacId: "a", spec: {deepSleep: {hours: 9}}}) { runId kind } }'

    run = (await answer(schema, sleeping, mutation))["startRun"]

    assert run["kind"] == "deep-sleep"
    assert (await bridge.deps.runs.stored_run(run["runId"])).payload == {"kind": "deep-sleep", "hours": 9}
    cancel = f'mutation {{ cancelRun(runId: "{run["runId"]}") {{ state }} }}'
    assert await answer(schema, sleeping, cancel) == {"cancelRun": {"state": "cancelled"}}


def test_a_kind_that_a_room_adds_is_one_of_the_specs():
    kinds = (*KINDS, Kind(Sleep, Sleep, prepare, (), lambda _run: None))
    spec = make_schema({one.name: one for one in run_procedures(kinds)})._schema.type_map["SpecInput"]

    assert isinstance(spec, GraphQLInputObjectType)
    assert {name: str(field.type) for name, field in spec.fields.items()} == {
        "cycle": "CycleInput",
        "nas": "NasInput",
        "deepSleep": "SleepInput",
    }

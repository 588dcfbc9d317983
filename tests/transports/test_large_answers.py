"""Answers that grow with what was asked: none is lost after its call took effect (issue 11, kind 19)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from uuid_utils import uuid7

from bridge.api.bridge import Bridge
from bridge.studies.sizes import ANSWER_BYTES, tree_bytes_at_most
from bridge.studies.studies import read_space
from bridge.transports.grpc.server import start_grpc
from cerebros.errors import SpaceRejected
from tests.calling import call
from tests.rpcs import RPCS, message

LOSS = [{"name": "loss", "direction": "minimize"}]


@pytest.fixture(scope="module")
async def channel(bridge: Bridge) -> AsyncIterator[grpc.aio.Channel]:
    server = await start_grpc(bridge, address="127.0.0.1:0", socket_path=None)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.stop(grace_s=0.1)


def wide_space(names: int, letters: int) -> dict[str, object]:
    """A space whose trees have so many decisions, with names and options of so many letters."""
    options = ["a" * letters, "b" * letters]
    return {f"{number:04}{'n' * letters}": {"choice": options} for number in range(names)}


async def suggested(channel: grpc.aio.Channel, study_id: str, count: int):
    rpc = RPCS["suggest"]
    payload = message("suggest", study_id=study_id, count=count).SerializeToString()
    return rpc.reply.FromString(await channel.unary_unary(rpc.path)(payload))


def repeated_space(copies: int, letters: int) -> dict[str, object]:
    """A small space whose trees have so many copies of a node with a name of so many letters."""
    leaf = {"params": {"n" * letters: {"type": "int", "low": 0, "high": 1}}}
    return {"root": "r", "types": {"r": {"slots": [{"type": "leaf", "min": copies, "max": copies}]}, "leaf": leaf}}


LARGEST = [wide_space(200, 400), wide_space(5, 8000), repeated_space(140, 20_000)]


@pytest.mark.parametrize("space", LARGEST)
async def test_trials_that_were_handed_out_arrive_however_large_their_trees(bridge, channel, space):
    study_id = f"wide-{uuid7()}"
    await call(bridge, "create_study", {"study_id": study_id, "objectives": LOSS, "space": space, "sampler": "random"})
    reply = await suggested(channel, study_id, 64)
    study = next(study for study in (await call(bridge, "list_studies", {})).studies if study.study_id == study_id)
    assert 1 <= len(reply.suggestions) <= 64
    assert study.trials_out == len(reply.suggestions)
    largest = max(suggestion.tree.ByteSize() for suggestion in reply.suggestions)
    assert largest <= tree_bytes_at_most(study.space)


async def test_small_trees_come_as_many_as_were_asked_for(bridge, channel):
    study_id = f"small-{uuid7()}"
    await call(bridge, "create_study", {"study_id": study_id, "objectives": LOSS, "space": {"x": [1, 9], "y": [1, 9]}})
    assert len((await suggested(channel, study_id, 64)).suggestions) == 64


@pytest.mark.parametrize(
    "types",
    [
        {"r": {"slots": [{"type": "leaf", "min": 0, "max": 200}]}, "leaf": {"params": {"n" * 20_000: [0, 1]}}},
        {"r": {"slots": [{"type": "l" * 20_000, "min": 0, "max": 200}]}, "l" * 20_000: {"params": {"x": [0, 1]}}},
        {
            "r": {"slots": [{"type": "leaf", "min": 0, "max": 200}]},
            "leaf": {"params": {"x": {"type": "choice", "options": ["o" * 20_000, "p"]}}},
        },
    ],
)
async def test_a_space_whose_tree_cannot_arrive_makes_no_study(bridge, types):
    for node in types.values():
        node["params"] = {
            param: rule if isinstance(rule, dict) else {"type": "int", "low": rule[0], "high": rule[1]}
            for param, rule in node.get("params", {}).items()
        }
    with pytest.raises(SpaceRejected, match="shorter names"):
        read_space({"root": "r", "types": types})


async def test_a_space_that_no_answer_could_repeat_makes_no_study(bridge, channel):
    request = message("create_study", study_id=f"vast-{uuid7()}", objectives=LOSS, space=wide_space(200, 6000))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary(RPCS["create_study"].path)(request.SerializeToString())
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    studies = (await call(bridge, "list_studies", {})).studies
    assert not [study for study in studies if study.study_id == request.study_id]


async def test_one_of_the_largest_trees_fits_a_message():
    assert tree_bytes_at_most(read_space(repeated_space(140, 20_000))) <= ANSWER_BYTES < 4 * 2**20

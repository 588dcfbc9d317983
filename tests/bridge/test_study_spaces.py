"""Spaces of studies: what a caller may write, what comes of it, and what is refused."""

import math

import msgspec
import pytest
from google.protobuf import json_format

from bridge.transports.grpc.codec import decode_request, encode_reply
from cerebros.errors import InvalidArgument
from cerebros.space.rose_tree import DEPTH_AT_MOST, Tree
from tests.bridge.asking import LAYERS, OBJECTIVES, ask, tell
from tests.calling import call
from tests.rpcs import RPCS


async def test_constant_values_and_a_space_with_one_choice_work(bridge, study):
    space = {"root": "r", "types": {"r": {"params": {"x": {"type": "choice", "options": [7]}}}}}
    study_id = await study(space=space, objectives=OBJECTIVES[:1])
    for _ in range(12):
        (trial,) = await ask(bridge, study_id)
        assert trial.tree == Tree("r", {"x": 7})
        await tell(bridge, trial, values={"accuracy": 1.0})
    assert len((await call(bridge, "best_trials", {"study_id": study_id})).trials) == 12


CELLS = {
    "root": "net",
    "types": {
        "net": {"params": {}, "slots": [{"type": "cell", "min": 1, "max": 6}]},
        "cell": {
            "params": {
                "kernel": {"type": "int", "low": 1, "high": 7, "when": {"op": ["conv"]}},
                "op": {"type": "choice", "options": ["conv", "pool"]},
            }
        },
    },
    "limits": [{"sum": "cell.kernel", "at_most": 9}, {"count": "cell", "at_least": 2}],
}


async def test_conditions_and_limits_of_a_space_hold_for_every_suggestion(bridge, study):
    study_id = await study(space=CELLS, objectives=OBJECTIVES[:1])
    for _ in range(20):
        (trial,) = await ask(bridge, study_id)
        cells = [cell.p for cell in trial.tree.c]
        assert all(("kernel" in cell) == (cell["op"] == "conv") for cell in cells)
        assert len(cells) >= 2
        assert sum(cell.get("kernel", 0) for cell in cells) <= 9
        await tell(bridge, trial, values={"accuracy": float(sum(cell.get("kernel", 0) for cell in cells))})


async def test_a_list_of_parameters_comes_over_grpc_in_a_map(bridge, study):
    listed = [
        {"name": "rate", "type": "float", "low": 0.1, "high": 0.5, "when": {"opt": ["sgd"]}},
        {"name": "opt", "type": "categorical", "choices": ["sgd", "adam"]},
    ]
    message = json_format.ParseDict({"space": {"parameters": listed}}, RPCS["create_study"].request())
    sent = decode_request(RPCS["create_study"], message.SerializeToString())
    trials = await ask(bridge, await study(space=sent["space"]), 8)
    assert {frozenset(trial.tree.p) for trial in trials} == {frozenset({"opt"}), frozenset({"opt", "rate"})}


def space(**params):
    return {"root": "r", "types": {"r": {"params": params}}}


# Types that share types: a walk along every path would take 2^60 steps.
LATTICE = {"root": "a0", "types": {f"{side}60": {"params": {}} for side in "ab"}}
for level in range(60):
    for side in "ab":
        LATTICE["types"][f"{side}{level}"] = {
            "slots": [{"type": f"{child}{level + 1}", "min": 1, "max": 1} for child in "ab"]
        }


def chain(depth):
    """A space of so many levels with one number at the end."""
    types = {f"t{n}": {"slots": [{"type": f"t{n + 1}", "min": 1, "max": 1}]} for n in range(depth - 1)}
    return {
        "root": "t0",
        "types": types | {f"t{depth - 1}": space(x={"type": "int", "low": 1, "high": 9})["types"]["r"]},
    }


async def test_the_deepest_tree_can_be_read_over_grpc(bridge, study):
    study_id = await study(space=chain(DEPTH_AT_MOST))
    reply = await call(bridge, "suggest", {"study_id": study_id})
    read = RPCS["suggest"].reply.FromString(encode_reply(RPCS["suggest"], reply))
    assert json_format.MessageToDict(read.suggestions[0].tree) == msgspec.json.decode(
        msgspec.json.encode(reply.suggestions[0].tree)
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"space": {}}, "has no parameters"),
        ({"space": space()}, "empty"),
        ({"space": space(x={"type": "float", "low": 2, "high": 1})}, "not above high"),
        ({"space": space(x={"type": "float", "low": 0, "high": 1, "log": True})}, "log scale"),
        ({"space": space(x={"type": "int", "low": 1.5, "high": 2})}, "Expected `int`"),
        ({"space": space(x={"type": "choice", "options": []})}, "length >= 1"),
        ({"space": space(x={"type": "choice", "options": [math.inf]})}, "is inf; give a finite number"),
        ({"space": {"root": "r", "types": {"r": {"slots": [{"type": "r", "min": 0, "max": 1}]}}}}, "contains itself"),
        ({"space": LATTICE}, "16 levels"),
        ({"space": chain(3000)}, "16 levels"),
        (
            {"space": space() | {"types": {"r": {"slots": [{"type": "s", "min": 0, "max": 10**9}]}, "s": {}}}},
            "lower the",
        ),
        ({"space": LAYERS | {"limits": [{"sum": "layer.units", "at_least": 257}]}}, "between 0 and 256 in every tree"),
        ({"space": space(x={"type": "int", "low": 1, "high": 2, "when": {"x": [1]}})}, "wait for each other"),
        ({"objectives": []}, "length >= 1"),
        ({"objectives": OBJECTIVES * 3}, "length <= 4"),
        ({"objectives": OBJECTIVES[:1] * 2}, "twice"),
        ({"objectives": [{"name": "a", "direction": "up"}]}, "direction"),
        ({"sampler": "tpe"}, "sampler"),
        ({"lease_s": 0}, "lease_s"),
    ],
)
async def test_a_study_that_cannot_work_is_refused(study, fields, told):
    with pytest.raises(InvalidArgument, match=told):
        await study(**fields)

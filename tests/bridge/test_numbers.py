"""Numbers from outside, and through the database: Issue 11, kind 12."""

import json
import math

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from bridge.api.values import require_values
from bridge.contract.runs import Trial
from bridge.runs.procedures import procedures as run_procedures
from bridge.service import KINDS, PROCEDURES
from bridge.store import documents
from bridge.transports.grpc.codec import decode_request
from bridge.transports.port import etf
from cerebros.errors import InvalidArgument
from cerebros.space.rose_tree import Tree
from grid_graphql.asking import Context
from grid_graphql.schema import make_schema
from tests.bridge.asking import OBJECTIVES, ask, tell
from tests.calling import TESTER, call
from tests.rpcs import RPCS

LINE = {"root": "r", "types": {"r": {"params": {"x": {"type": "float", "low": 0.0, "high": 1.0}}}}}
STRANGE = [math.nan, math.inf, -math.inf, 10**309, -(10**400), 10**5000]
SCHEMA = make_schema({procedure.name: procedure for procedure in (*run_procedures(KINDS), *PROCEDURES)})


def named(number):
    """A name for a test; Python prints no number of 5,000 digits."""
    return f"{number}" if isinstance(number, float) else f"{number.bit_length()} bits"


def places(number):
    """Requests with the number in a field, a map, a document and a list."""
    return [
        ("suggest", {"study_id": "s", "count": number}),
        ("report", {"study_id": "s", "number": 0, "attempt": 1, "values": {"a": number}}),
        ("report", {"study_id": "s", "number": number, "attempt": 1}),
        ("create_study", {"space": LINE, "objectives": OBJECTIVES, "lease_s": number}),
        ("create_study", {"space": {"x": [0.0, number]}, "objectives": OBJECTIVES}),
        ("create_study", {"space": {"x": {"choice": [1, [number]]}}, "objectives": OBJECTIVES}),
        ("start_run", {"pac_id": "p", "spec": {"kind": "nas", "manifest": "m", "limits": {"latency": number}}}),
        ("start_run", {"pac_id": "p", "spec": {"kind": "nas", "manifest": "m", "budget": {"flops": number}}}),
        ("limit_queue", {"name": "cpu", "running_at_most": number}),
        ("get_capability", {"pac_id": "p", "version": number}),
    ]


@pytest.mark.parametrize("number", STRANGE, ids=named)
async def test_a_number_that_is_none_is_refused_with_its_place_whatever_the_procedure(bridge, number):
    for name, raw in places(number):
        with pytest.raises(InvalidArgument, match=r"\$\.[a-z_.\[\]0-9]+ is .*give a finite number") as told:
            await call(bridge, name, raw)
        assert len(told.value.message) < 200


@pytest.mark.parametrize("number", [2**31, 2**53 + 2, 2**63, 2**64, 10**300], ids=named)
async def test_a_count_beyond_its_bounds_is_refused(bridge, number):
    for name, raw in [places(number)[n] for n in (0, 2, 8, 9)]:
        with pytest.raises(InvalidArgument, match="Expected `int` <="):
            await call(bridge, name, raw)


@pytest.mark.parametrize("limits", [{"latency": -1.0}, {"accuracy": 1.5}, {"energy": -5e-324}])
async def test_a_limit_that_no_model_reaches_is_refused_at_once(bridge, start, limits):
    with pytest.raises(InvalidArgument, match="no model reaches that; give a finite number"):
        await call(bridge, "start_run", start(limits=limits))


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "-1", "9" * 5000])
def test_the_command_line_refuses_a_limit_that_is_no_number(bridge_command, text):
    done = bridge_command("cycle", "examples/digits.toml", "--pac", "p", f"--limit=latency={text}")
    assert done.returncode == 1
    assert "finite number" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("digits", [309, 401, 5000])
def test_a_json_request_with_a_number_of_so_many_digits_is_refused_by_the_command_line(bridge_command, digits):
    request = '{"study_id": "s", "number": 0, "attempt": 1, "values": {"a": ' + "9" * digits + "}}"
    done = bridge_command("call", "report", request)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "digits" in done.stderr or "out of range" in done.stderr


@pytest.mark.parametrize("number", STRANGE[3:], ids=named)
async def test_whole_numbers_of_the_beam_are_refused_like_any_other(bridge, number):
    body = (abs(number).bit_length() + 7) // 8
    term = b"\x83o" + body.to_bytes(4, "big") + bytes([number < 0]) + abs(number).to_bytes(body, "little")
    with pytest.raises(InvalidArgument, match="digits"):
        await call(bridge, "suggest", {"study_id": "s", "count": etf.decode(term)})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_protobufs_doubles_are_refused_like_any_other(bridge, number):
    for name, raw in [
        ("report", {"study_id": "s", "values": {"a": number}, "attempt": 1}),
        ("create_study", {"objectives": OBJECTIVES, "lease_s": number, "space": LINE}),
    ]:
        message = json_format.ParseDict(raw, RPCS[name].request())
        with pytest.raises(InvalidArgument, match="finite"):
            await call(bridge, name, decode_request(RPCS[name], message.SerializeToString()))
    message = RPCS["create_study"].request(objectives=OBJECTIVES)
    message.space.update({"x": [0.0, float(number)]})
    with pytest.raises(InvalidArgument, match=r"\$\.space\.x\[1\] is"):
        await call(bridge, "create_study", decode_request(RPCS["create_study"], message.SerializeToString()))


REPORT = 'mutation R($v: JSON!) { report(request: {studyId: "s", number: 0, attempt: 1, values: $v}) { number } }'


@pytest.mark.parametrize("literal", ["1e400", "9" * 401, "9" * 5000, "-1e999"])
async def test_graphql_answers_a_strange_literal_with_a_typed_error(bridge, literal):
    query = REPORT.replace("($v: JSON!)", "").replace("$v", f"{{a: {literal}}}")
    result = await SCHEMA.execute(query, context_value=Context(bridge, TESTER))
    assert result.errors
    assert "INTERNAL" not in str([error.formatted for error in result.errors])


@pytest.mark.parametrize("number", STRANGE, ids=named)
async def test_graphql_answers_a_strange_variable_with_a_typed_error(bridge, number):
    result = await SCHEMA.execute(REPORT, variable_values={"v": {"a": number}}, context_value=Context(bridge, TESTER))
    assert result.errors
    assert "INTERNAL" not in str([error.formatted for error in result.errors])


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
parts = st.recursive(
    numbers | texts | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(parts)
def test_what_json_can_say_passes_the_door(part):
    require_values({"a": part})


def test_a_request_of_any_depth_is_looked_through_without_recursion():
    deep: object = math.nan
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidArgument, match="is nan"):
        require_values({"a": deep})


EDGES = [
    1e15,
    1e16,
    -1e16,
    9007199254740994.0,
    2.0**63,
    1e20,
    -1e20,
    1e22,
    1e200,
    1.7976931348623157e308,
    5e-324,
    1e-7,
    0.1,
]


@pytest.mark.parametrize("edge", [*EDGES, 2**53 + 1, 2**63 - 1, 0, True])
def test_a_number_comes_back_from_jsonb_with_its_type(sql, edge):
    told = {"value": edge, "within": [{"text": "1e5", "deep": (edge, None)}]}
    (found,) = sql.execute("SELECT %s", (Jsonb(told),)).fetchone()
    assert found == {"value": edge, "within": [{"text": "1e5", "deep": [edge, None]}]}
    assert type(found["value"]) is type(found["within"][0]["deep"][0]) is type(edge)


def test_a_struct_is_encoded_as_msgspec_encodes_it_but_for_its_points():
    tree = Tree("a", {"x": 1e20})
    trial = Trial(number=1, outcome="ok", tree_hash="3e5", tree=tree, metrics=None, curve=(1e20,))
    assert json.loads(documents.encoded(trial))["curve"] == [1e20]
    assert b"100000000000000000000.0" in documents.encoded(trial)


@pytest.mark.parametrize("value", [1e20, -1e20, 1.7e308, 1e16, 5e-324, -0.0, 10**19, 10**300], ids=named)
async def test_a_value_of_any_size_is_kept_and_the_best_trials_are_told(bridge, study, value):
    study_id = await study(space=LINE)
    for n in range(12):
        (trial,) = await ask(bridge, study_id)
        values = {"accuracy": float(n), "latency": float(value) if n % 2 else 1.0}
        told = await tell(bridge, trial, values=values | ({"latency": value} if n % 2 else {}))
        assert told.values == values
        assert {type(number) for number in told.values.values()} == {float}
        assert await tell(bridge, trial, values=values) == told  # a report again
    best = (await call(bridge, "best_trials", {"study_id": study_id})).trials
    assert best
    assert all(math.isfinite(number) for trial in best for number in trial.values.values())


async def test_values_at_both_ends_of_the_doubles_stop_no_study(bridge, study):
    study_id = await study(space=LINE)
    for n in range(16):
        (trial,) = await ask(bridge, study_id)
        await tell(bridge, trial, values={"accuracy": 1.7e308 * (-1) ** n, "latency": -1.7e308 * trial.tree.p["x"]})
    assert (await call(bridge, "best_trials", {"study_id": study_id})).trials

"""The schema says what the message structs say, and refuses what would cost too much."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    OperationType,
    get_named_type,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st
from strawberry.types import ExecutionResult
from strawberry.utils.str_converters import to_camel_case

from bridge.api.bridge import Bridge
from bridge.contract.nas import Budget, Cycle, Nas
from bridge.contract.telling import class_of, is_document, is_struct
from bridge.contract.words import VOCABULARIES
from bridge.nas.search import earlier_search
from bridge.runs.procedures import procedures as run_procedures
from bridge.service import KINDS, PROCEDURES
from bridge.transports.http.app import STATUS
from cerebros.errors import family
from grid_graphql.asking import Context
from grid_graphql.fields import given_whole, listed_in
from grid_graphql.schema import make_schema
from tests.bridge.test_policy import METRICS
from tests.calling import TESTER
from tests.grid_graphql.asking import answer

SDL = Path(__file__).parent / "schema.graphql"
TABLE = {procedure.name: procedure for procedure in (*run_procedures(KINDS), *PROCEDURES)}
SCHEMA = make_schema(TABLE)

# To accept a change: python -m tests.grid_graphql.test_schema > tests/grid_graphql/schema.graphql


def reachable(told: Any, seen: set[Any] | None = None) -> Iterator[Any]:
    """The types of a contract's type and of all that it holds; a document is read no further."""
    seen = set() if seen is None else seen
    if told in seen:
        return
    seen.add(told)
    yield told
    if is_struct(told):
        parts = () if is_document(told) else tuple(field.type for field in msgspec.structs.fields(told))
    else:
        parts = get_args(told) if get_origin(told) is not Literal else ()
    for part in parts:
        yield from reachable(part, seen)


def held_by(side: str) -> list[Any]:
    """The structs that the requests or the replies of all procedures hold, themselves left out where they are flat."""
    asked = [getattr(procedure, side) for procedure in TABLE.values()]
    found = dict.fromkeys(told for one in asked for told in reachable(one) if is_struct(told) and not is_document(told))
    flat = {one for one in asked if (listed_in(one) if side == "reply" else not given_whole(one))}
    return [struct for struct in found if struct not in flat]


def fields_in_schema(name: str) -> set[str]:
    described = SCHEMA._schema.type_map[name]
    assert isinstance(described, GraphQLObjectType | GraphQLInputObjectType)
    return set(described.fields)


def fields_of(struct: Any) -> set[str]:
    return {to_camel_case(field.name) for field in msgspec.structs.fields(struct)}


def name_of(struct: Any) -> str:
    return class_of(struct).__name__


async def spec_of(bridge: Bridge, run_id: str) -> Nas | Cycle:
    """Return the stored spec of a search run."""
    return (await earlier_search(run_id, bridge.deps)).spec


async def refusal(query: str, **variables: Any) -> str:
    """What the schema answers to a query that no resolver ever sees."""
    result = await SCHEMA.execute(query, variable_values=variables)
    assert isinstance(result, ExecutionResult)
    assert result.data is None
    assert result.errors
    return result.errors[0].message


def test_the_schema_is_the_published_one():
    assert SCHEMA.as_str() + "\n" == SDL.read_text()


def test_every_procedure_is_a_field_under_its_noun():
    def offered(kind: OperationType) -> set[str]:
        root = SCHEMA._schema.get_root_type(kind)
        return set(root.fields) if root else set()

    streams = {one.noun or one.name for one in TABLE.values() if one.streams}
    reading = {one.noun or one.name for one in TABLE.values() if one.reads} - streams
    changing = {one.noun or one.name for one in TABLE.values() if not one.reads}

    assert offered(OperationType.SUBSCRIPTION) == set(map(to_camel_case, streams))
    assert offered(OperationType.QUERY) == set(map(to_camel_case, reading))
    assert offered(OperationType.MUTATION) == set(map(to_camel_case, changing))


@pytest.mark.parametrize("procedure", TABLE.values(), ids=lambda procedure: procedure.name)
def test_a_field_takes_what_its_procedure_is_asked_with(procedure):
    fields = [root.fields for kind in OperationType if (root := SCHEMA._schema.get_root_type(kind))]
    [field] = [one[name] for one in fields if (name := to_camel_case(procedure.noun or procedure.name)) in one]

    if given_whole(procedure.request):
        assert str(field.args["input"].type) == f"{name_of(procedure.request)}Input!"
    else:
        assert set(field.args) == fields_of(procedure.request)


@pytest.mark.parametrize("struct", held_by("reply"), ids=name_of)
def test_a_type_has_the_fields_of_its_struct(struct):
    assert fields_in_schema(name_of(struct)) == fields_of(struct)


@pytest.mark.parametrize("struct", held_by("request"), ids=name_of)
def test_an_input_has_the_fields_of_its_struct(struct):
    assert fields_in_schema(f"{name_of(struct)}Input") == fields_of(struct)


@pytest.mark.parametrize(("name", "vocabulary"), VOCABULARIES.items())
def test_an_enum_has_the_words_of_its_literal(name, vocabulary):
    enum = SCHEMA._schema.type_map[name]
    assert isinstance(enum, GraphQLEnumType)
    assert [enum.serialize(word) for word in vocabulary.words] == list(enum.values)
    assert list(enum.values) == [word.replace("-", "_") for word in vocabulary.words]


def test_every_type_field_and_argument_but_the_built_in_ones_is_described():
    undescribed = [
        f"{name}.{field}"
        for name, kind in SCHEMA._schema.type_map.items()
        if not name.startswith("__") and isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
        for field, described in kind.fields.items()
        for told in (described, *getattr(described, "args", {}).values())
        if not told.description and not isinstance(get_named_type(told.type), GraphQLInputObjectType)
    ]
    assert undescribed == []


@pytest.mark.parametrize("error", family())
def test_every_error_has_an_http_status(error):
    assert 400 <= STATUS[error.code] < 600


async def test_a_syntax_error_is_a_graphql_error():
    assert "Syntax Error" in await refusal("{ run(runId: ")


async def test_a_query_too_deep_is_refused_however_often_it_is_sent():
    query = "{ runs { paretoSet { metrics { a { b { c { d } } } } } } }"
    for _ in range(2):
        assert "levels of fields" in await refusal(query)


async def test_the_figures_of_a_pareto_set_are_not_too_deep(bridge: Bridge):
    query = "{ runs { ...A } } fragment A on Run { paretoSet { metrics { accuracy } } }"

    assert "runs" in await answer(SCHEMA, bridge, query)


async def test_a_fragment_that_holds_itself_is_refused():
    assert "spreads itself" in await refusal("{ runs { ...A } } fragment A on Run { ...A }")


async def test_too_many_aliases_are_refused():
    aliases = " ".join(f"a{number}: health {{ status }}" for number in range(17))
    assert "17 aliases" in await refusal(f"{{ {aliases} }}")


async def test_a_query_too_long_is_refused():
    assert "more than 1000 tokens" in await refusal("{ " + "__typename " * 1000 + "}")


async def test_introspection_passes_the_limits():
    query = "{ __schema { types { fields { type { ofType { ofType { ofType { ofType { name } } } } } } } } }"
    result = await SCHEMA.execute(query)
    assert isinstance(result, ExecutionResult)
    assert result.errors is None


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_64_bit_number_passes_as_a_number_and_as_its_digits(number):
    scalar = SCHEMA._schema.type_map["BigInt"]
    assert scalar.parse_value(number) == scalar.parse_value(str(number)) == number == scalar.serialize(number)


@pytest.mark.parametrize("value", [True, 1.5, "", "-", "1e3", "²", None, []])
def test_what_is_no_whole_number_is_no_big_int(value):
    with pytest.raises(Exception, match="BigInt cannot represent"):
        SCHEMA._schema.type_map["BigInt"].parse_value(value)


def test_each_operation_kind_is_offered():
    assert all(SCHEMA._schema.get_root_type(kind) for kind in OperationType)
    assert parse(SDL.read_text())


async def test_an_unknown_run_answers_its_code_and_class(bridge: Bridge):
    result = await SCHEMA.execute('{ run(runId: "nobody") { state } }', context_value=Context(bridge, TESTER))

    assert isinstance(result, ExecutionResult)
    assert result.data is None
    assert [error.extensions for error in result.errors or []] == [
        {"code": "NOT_FOUND", "class": "permanent", "retryable": False, "retryAfterS": None}
    ]


async def test_a_runs_trials_are_read_in_two_pages(bridge: Bridge, ended_with):
    query = "query($run: String!, $after: Int! = -1) { trials(runId: $run, after: $after, limit: 2) { number } }"

    async def page(**variables: Any) -> list[int]:
        return [trial["number"] for trial in (await answer(SCHEMA, bridge, query, **variables))["trials"]]

    run_id = await ended_with(3)

    assert [await page(run=run_id), await page(run=run_id, after=1)] == [[0, 1], [2]]


async def test_the_pareto_set_of_a_listed_run_is_that_of_the_run(bridge: Bridge, ended_with, sql):
    """Issue 11, kind 16."""
    run_id = await ended_with(3)
    query = """query($run: String!) { run(runId: $run) { runId paretoSet { number outcome reason } }
        runs(limit: 1000) { runId paretoSet { number outcome reason } } }"""

    async def told() -> tuple[Any, Any]:
        both = await answer(SCHEMA, bridge, query, run=run_id)
        [listed] = [run for run in both["runs"] if run["runId"] == run_id]
        return both["run"]["paretoSet"], listed["paretoSet"]

    assert await told() == (None, None)
    sql.execute("UPDATE trials SET in_pareto_set = number > 0 WHERE run_id = %s", (run_id,))
    one, listed = await told()
    assert one == listed
    assert [trial["number"] for trial in listed] == [1, 2]


async def test_pruned_trials_are_counted_apart(bridge: Bridge, ended_with, sql):
    """Issue 11, kind 16."""
    run_id = await ended_with(3)
    sql.execute(
        "UPDATE trials SET outcome = 'pruned', metrics = %s WHERE run_id = %s AND number > 0",
        (msgspec.json.encode(METRICS).decode(), run_id),
    )
    query = "query($run: String!) { run(runId: $run) { trialsTotal trialsOk trialsFailed trialsPruned } }"

    run = (await answer(SCHEMA, bridge, query, run=run_id))["run"]

    assert run == {"trialsTotal": 3, "trialsOk": 0, "trialsFailed": 1, "trialsPruned": 2}


async def test_a_run_started_here_with_defaults_has_the_defaults_of_the_contract(bridge: Bridge, start):
    request = start()
    words = msgspec.json.encode(request["spec"]["manifest"]).decode()
    mutation = (
        f'mutation {{ startRun(input: {{pacId: "{request["pac_id"]}", spec: {{cycle: {{manifest: {words}}}}}}}) '
        "{ runId state kind queue priority } }"
    )

    run = (await answer(SCHEMA, bridge, mutation))["startRun"]

    assert (run["state"], run["kind"], run["queue"], run["priority"]) == ("queued", "cycle", "cpu", 0)
    assert await spec_of(bridge, run["runId"]) == Cycle(manifest=request["spec"]["manifest"])
    cancel = f'mutation {{ cancelRun(runId: "{run["runId"]}") {{ state }} }}'
    assert await answer(SCHEMA, bridge, cancel) == {"cancelRun": {"state": "cancelled"}}


async def test_a_run_started_here_is_the_run_that_was_asked_for(bridge: Bridge, start):
    request = start()
    spec = Nas(
        manifest=request["spec"]["manifest"],
        budget=Budget(trials=3, flops=2**40),
        objectives=("accuracy", "cost"),
        limits={"cost": 0.5},
        sampler="rose-parzen",
        seed=2**53,
    )
    mutation = """mutation($manifest: String!) { startRun(input: {
        pacId: "asked", queue: gpu, deadlineS: null, spec: {nas: {
            manifest: $manifest, budget: {trials: 3, flops: "1099511627776"}, objectives: ["accuracy", "cost"],
            limits: {cost: 0.5}, sampler: rose_parzen, seed: 9007199254740992, warmStart: null
        }}
    }) { runId kind queue } }"""

    run = (await answer(SCHEMA, bridge, mutation, manifest=spec.manifest))["startRun"]

    assert (run["kind"], run["queue"]) == ("nas", "gpu")
    assert await spec_of(bridge, run["runId"]) == spec
    await answer(SCHEMA, bridge, f'mutation {{ cancelRun(runId: "{run["runId"]}") {{ state }} }}')


@pytest.mark.parametrize("spec", [{}, {"nas": {"manifest": "a"}, "cycle": {"manifest": "a"}}, {"nas": None}])
async def test_a_run_of_no_kind_or_of_two_is_refused(spec):
    mutation = 'mutation($spec: SpecInput!) { startRun(input: {pacId: "a", spec: $spec}) { runId } }'

    assert re.search("exactly one key|'nas' must be non-null", await refusal(mutation, spec=spec))


async def test_a_run_of_two_kinds_is_refused_as_a_literal_too():
    spec = '{nas: {manifest: "a"}, cycle: {manifest: "a"}}'

    assert "exactly one key" in await refusal(
        f'mutation {{ startRun(input: {{pacId: "a", spec: {spec}}}) {{ runId }} }}'
    )


async def test_a_study_is_opened_asked_and_told_here(bridge: Bridge):
    space = {"root": "r", "types": {"r": {"params": {"x": {"type": "int", "low": 1, "high": 9}}}}}
    create = """mutation($space: JSON!) { createStudy(input: {
        studyId: "grid", space: $space, objectives: [{name: "loss", direction: minimize}]
    }) { studyId trialsTotal seed objectives { name direction } } }"""
    study = (await answer(SCHEMA, bridge, create, space=space))["createStudy"]
    assert study == {
        "studyId": "grid",
        "trialsTotal": 0,
        "seed": 8675309,
        "objectives": [{"name": "loss", "direction": "minimize"}],
    }

    suggested = await answer(SCHEMA, bridge, 'mutation { suggest(studyId: "grid") { number attempt tree } }')
    trial = suggested["suggest"][0]
    report = "mutation($report: ReportInput!) { report(input: $report) { outcome } }"
    facts = {"studyId": "grid", "number": trial["number"], "attempt": trial["attempt"], "values": {"loss": 0.5}}
    assert await answer(SCHEMA, bridge, report, report=facts) == {"report": {"outcome": "ok"}}

    best = await answer(SCHEMA, bridge, '{ bestTrials(studyId: "grid") { tree values } studies { studyId trialsOk } }')
    assert best["bestTrials"] == [{"tree": trial["tree"], "values": {"loss": 0.5}}]
    assert trial["tree"]["t"] == "r"
    assert {"studyId": "grid", "trialsOk": 1} in best["studies"]


if __name__ == "__main__":
    print(SCHEMA.as_str())  # noqa: T201

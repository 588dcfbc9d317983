"""The schema says what the message structs say, and refuses what would cost too much."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, OperationType, parse
from hypothesis import given
from hypothesis import strategies as st
from strawberry.types import ExecutionResult

from bridge.api.bridge import Bridge
from bridge.contract import replies, requests
from bridge.contract import words as messages
from bridge.transports.http.app import STATUS
from cerebros import metrics
from cerebros.errors import family
from grid_graphql import vocabulary
from grid_graphql.asking import Context
from grid_graphql.schema import SCHEMA

SDL = Path(__file__).parent / "schema.graphql"

# To accept a change: python -c "from grid_graphql.schema import SCHEMA; print(SCHEMA.as_str())" > schema.graphql

DOUBLES = (
    metrics.TrainingMetrics,
    replies.RunError,
    replies.Trial,
    replies.Run,
    replies.RunEvent,
    replies.Candidate,
    replies.Shortlist,
    replies.Artifact,
    replies.VcvEntry,
    replies.Neighbour,
    replies.Verdict,
    metrics.Spent,
    replies.RunEstimate,
    requests.StudyObjective,
    replies.Study,
    replies.Suggestion,
    replies.StudyTrial,
    replies.GateFinding,
    replies.GateReport,
    replies.HealthReport,
)


INPUTS = (
    requests.StartRun,
    requests.Budget,
    requests.EstimateRun,
    requests.CreateStudy,
    requests.StudyObjective,
    requests.Report,
)


def field_type(struct: type[msgspec.Struct], name: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(struct) if field.name == name)


WORDS = (
    (vocabulary.RunKind, messages.RunKind),
    (vocabulary.RunState, messages.RunState),
    (vocabulary.Outcome, messages.Outcome),
    (vocabulary.Sampler, messages.Sampler),
    (vocabulary.Direction, field_type(requests.StudyObjective, "direction")),
    (vocabulary.Decision, messages.Decision),
    (vocabulary.AccuracyKind, field_type(metrics.TrainingMetrics, "accuracy_kind")),
    (vocabulary.EnergyMethod, metrics.EnergyMethod),
    (vocabulary.GateStatus, field_type(replies.GateReport, "overall_status")),
    (vocabulary.ServingStatus, field_type(replies.HealthReport, "status")),
)


def camel(name: str) -> str:
    return re.sub(r"_(.)", lambda letter: letter[1].upper(), name)


def fields_in_schema(name: str) -> set[str]:
    described = SCHEMA._schema.type_map[name]
    assert isinstance(described, GraphQLObjectType | GraphQLInputObjectType)
    return set(described.fields)


async def refusal(query: str) -> str:
    """What the schema answers to a query that no resolver ever sees."""
    result = await SCHEMA.execute(query)
    assert isinstance(result, ExecutionResult)
    assert result.data is None
    assert result.errors
    return result.errors[0].message


def test_the_schema_is_the_published_one():
    assert SCHEMA.as_str() + "\n" == SDL.read_text()


@pytest.mark.parametrize("struct", DOUBLES, ids=lambda struct: struct.__name__)
def test_a_type_has_the_fields_of_its_struct(struct):
    assert fields_in_schema(struct.__name__) == {camel(name) for name in struct.__struct_fields__}


@pytest.mark.parametrize("struct", INPUTS, ids=lambda struct: struct.__name__)
def test_an_input_has_the_fields_of_its_struct(struct):
    assert fields_in_schema(f"{struct.__name__}Input") == {camel(name) for name in struct.__struct_fields__}


@pytest.mark.parametrize(("enum", "literal"), WORDS, ids=lambda words: getattr(words, "__name__", ""))
def test_an_enum_has_the_words_of_its_literal(enum, literal):
    assert {member.value for member in enum} == set(get_args(literal))
    assert all(member.name == member.value.replace("-", "_") for member in enum)


def test_every_type_field_and_argument_but_the_built_in_ones_is_described():
    undescribed = [
        f"{name}.{field}"
        for name, kind in SCHEMA._schema.type_map.items()
        if not name.startswith("__") and isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
        for field, described in kind.fields.items()
        if not described.description
    ]
    assert undescribed == []


@pytest.mark.parametrize("error", family())
def test_every_error_has_an_http_status(error):
    assert 400 <= STATUS[error.code] < 600


async def test_a_syntax_error_is_a_graphql_error():
    assert "Syntax Error" in await refusal("{ run(runId: ")


async def test_a_query_too_deep_is_refused_however_often_it_is_sent():
    query = "{ runs { front { metrics { a { b { c { d } } } } } } }"
    for _ in range(2):
        assert "exceeds maximum operation depth" in await refusal(query)


async def test_a_fragment_that_holds_itself_is_refused():
    assert "within itself" in await refusal("{ runs { ...A } } fragment A on Run { ...A }")


async def test_too_many_aliases_are_refused():
    aliases = " ".join(f"a{number}: health {{ status }}" for number in range(17))
    assert "17 aliases found" in await refusal(f"{{ {aliases} }}")


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
    result = await SCHEMA.execute('{ run(runId: "nobody") { state } }', context_value=Context(bridge))

    assert isinstance(result, ExecutionResult)
    assert result.data is None
    assert [error.extensions for error in result.errors or []] == [
        {"code": "NOT_FOUND", "class": "permanent", "retryable": False, "retryAfterS": None}
    ]


async def test_a_runs_trials_are_read_in_two_pages(bridge: Bridge, ended_with):
    query = "query($run: String!, $after: Int! = -1) { trials(runId: $run, after: $after, limit: 2) { number } }"

    async def page(**variables: Any) -> list[int]:
        result = await SCHEMA.execute(query, variable_values=variables, context_value=Context(bridge))
        assert isinstance(result, ExecutionResult)
        assert result.errors is None
        return [trial["number"] for trial in (result.data or {})["trials"]]

    run_id = await ended_with(3)

    assert [await page(run=run_id), await page(run=run_id, after=1)] == [[0, 1], [2]]


async def test_a_run_started_here_with_defaults_has_the_defaults_of_the_contract(bridge: Bridge, start):
    request = start()
    words = msgspec.json.encode(request["manifest"]).decode()
    mutation = (
        f'mutation {{ startRun(input: {{pacId: "{request["pac_id"]}", manifest: {words}}}) {{ runId state kind }} }}'
    )

    result = await SCHEMA.execute(mutation, context_value=Context(bridge))

    assert isinstance(result, ExecutionResult)
    assert result.errors is None
    run = (result.data or {})["startRun"]
    assert (run["state"], run["kind"]) == ("queued", "cycle")
    cancel = f'mutation {{ cancelRun(runId: "{run["runId"]}") {{ state }} }}'
    ended = await SCHEMA.execute(cancel, context_value=Context(bridge))
    assert isinstance(ended, ExecutionResult)
    assert ended.data == {"cancelRun": {"state": "cancelled"}}


async def test_a_study_is_opened_asked_and_told_here(bridge: Bridge):
    async def answer(query: str, **variables: Any) -> Any:
        result = await SCHEMA.execute(query, variable_values=variables, context_value=Context(bridge))
        assert isinstance(result, ExecutionResult)
        assert result.errors is None
        return result.data

    space = {"root": "r", "types": {"r": {"params": {"x": {"type": "int", "low": 1, "high": 9}}}}}
    create = """mutation($space: JSON!) { createStudy(input: {
        studyId: "grid", space: $space, objectives: [{name: "loss", direction: minimize}]
    }) { studyId trialsTotal objectives { name direction } } }"""
    study = (await answer(create, space=space))["createStudy"]
    assert study == {"studyId": "grid", "trialsTotal": 0, "objectives": [{"name": "loss", "direction": "minimize"}]}

    suggested = await answer('mutation { suggest(studyId: "grid") { number epoch tree } }')
    trial = suggested["suggest"][0]
    report = "mutation($report: ReportInput!) { report(input: $report) { outcome } }"
    facts = {"studyId": "grid", "number": trial["number"], "epoch": trial["epoch"], "values": {"loss": 0.5}}
    assert await answer(report, report=facts) == {"report": {"outcome": "ok"}}

    best = await answer('{ bestTrials(studyId: "grid") { tree values } studies { studyId trialsOk } }')
    assert best["bestTrials"] == [{"tree": trial["tree"], "values": {"loss": 0.5}}]
    assert {"studyId": "grid", "trialsOk": 1} in best["studies"]

"""A document's cost is known before anything expensive is done with it (issue 11, kind 1)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from graphql import GraphQLError, get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from bridge.runs.procedures import procedures as run_procedures
from bridge.service import KINDS, PROCEDURES
from cerebros.errors import InvalidArgument
from grid_graphql import documents
from grid_graphql.documents import Documents
from grid_graphql.limits import Limits, _introspected, _Measure
from grid_graphql.schema import make_schema

SCHEMA = make_schema({procedure.name: procedure for procedure in (*run_procedures(KINDS), *PROCEDURES)})._schema


def chain(links: int, spreads: int, last: str = "__typename", kind: str = "Query") -> str:
    """Fragments of which each spreads the next one several times."""
    middle = (f"fragment F{i} on {kind} {{ {f'...F{i + 1} ' * spreads} }}" for i in range(links))
    return " ".join([*middle, f"fragment F{links} on {kind} {{ {last} }}"])


def refusal(document: str, **variables: Any) -> str:
    with pytest.raises(InvalidArgument) as refused:
        Limits(SCHEMA).require(parse(document), variables)
    return refused.value.message


def passes(document: str, **variables: Any) -> bool:
    Limits(SCHEMA).require(parse(document), variables)
    return True


def values(document: str, **variables: Any) -> float:
    parsed = parse(document)
    return _Measure(SCHEMA, _introspected(SCHEMA), parsed, variables).operation(parsed.definitions[0]).values


@pytest.mark.parametrize("spreads", [2, 3, 5])
@pytest.mark.parametrize("links", [20, 45, 60])
async def test_fragments_that_spread_each_other_many_times_are_refused(links, spreads):
    document = "{ ...F0 } " + chain(links, spreads, "health { status }")

    [error] = await Documents(SCHEMA).checked(document, {})

    assert "values in the answer" in error.message or "levels of nesting" in error.message


async def test_such_fragments_under_an_operation_that_is_not_asked_for_are_refused():
    document = "query Asked { __typename } query Other { ...F0 } " + chain(60, 2)

    [error] = await Documents(SCHEMA).checked(document, {})

    assert "levels of nesting" in error.message


def test_aliases_are_counted_at_each_spread():
    aliases = "a: status b: version"

    assert passes(f"{{ health {{ ...F0 }} }} {chain(3, 2, aliases, 'HealthReport')}")
    assert "32 aliases" in refusal(f"{{ health {{ ...F0 }} }} {chain(4, 2, aliases, 'HealthReport')}")


def test_an_alias_inside_another_counts():
    assert "18 aliases" in refusal("{ " + "a: health { b: status } " * 9 + "}")


@pytest.mark.parametrize(
    "circle",
    [
        "fragment A on Query { ...A }",
        "fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }",
        "fragment A on Query { runs { ...B } } fragment B on Run { paretoSet { number ...B } }",
        "fragment A on Query { ... { ... on Query { ...A } } }",
    ],
)
def test_a_circle_of_fragments_is_refused(circle):
    assert "spreads itself" in refusal(f"{{ ...A }} {circle}")


def test_levels_inside_fragments_count():
    deep = (
        "{ runs { ...A } } fragment A on Run { paretoSet { ...B } } fragment B on Trial { metrics { x { y { z } } } }"
    )

    assert "6 levels of fields" in refusal(deep.replace("{ z }", "{ z { u } }"))
    assert passes(deep)


@pytest.mark.parametrize(
    "document",
    [
        "{ " + "... { " * 60 + "__typename" + " }" * 60 + " }",
        "{ ...F0 } " + chain(60, 1),
        "{ __schema { types { " + "ofType { " * 60 + "name" + " }" * 60 + " } } }",
    ],
    ids=["inline fragments", "a chain of fragments", "introspection"],
)
def test_nesting_of_any_kind_is_bounded(document):
    assert "levels of nesting" in refusal(document)


def test_rows_are_multiplied_by_the_fields_of_each():
    assert values("{ runs(limit: 7) { runId state } }") == 1 + 7 * (1 + 2)
    assert values("{ runs { runId } }") == 1 + 50 * (1 + 1)
    assert values("{ a: runs(limit: 2) { runId } b: runs(limit: 3) { runId } }") == 2 + 2 * 2 + 3 * 2


def test_a_size_in_a_variable_counts():
    document = "query($rows: Int = 20, $one: Int) { runs(limit: $rows) { runId } more: runs(limit: $one) { runId } }"

    assert values("query($n: Int!) { runs(limit: $n) { runId } }", n=1000) == 2001
    assert passes(document, rows=1000)
    [error] = asyncio.run(_checked_twice(document))
    assert "values in the answer" in error.message


async def _checked_twice(document: str) -> list[GraphQLError]:
    """Check a document that passes, then with sizes that do not."""
    kept = Documents(SCHEMA)
    assert not isinstance(await kept.checked(document, {"rows": 10}), list)
    return await kept.checked(document, {"rows": 10**9})  # type: ignore[return-value]


def test_lists_inside_lists_are_refused():
    document = "query($n: Int) { runs(limit: $n) { paretoSet { number outcome treeHash curve } } }"

    assert "values in the answer" in refusal(document, n=1000)
    assert "values in the answer" in refusal(document.replace("limit: $n", "limit: 1000"))
    assert passes(document, n=100)


def test_a_list_counts_with_the_largest_size_that_its_contract_allows():
    assert values("{ vcvEntries(limit: 1) { capability } }") == 1 + (1 + 1 + 384)


@pytest.mark.parametrize("size", ["-5", "999999999999999999999999", "9" * 5000, "1.5", '"7"', "null", "[1]", "{a: 1}"])
def test_any_literal_may_stand_for_a_size(size):
    assert values(f"{{ runs(limit: {size}) {{ runId }} }}") >= 1


@pytest.mark.parametrize("size", [-5, 2**70, 1.5, "7", None, [1], {"a": 1}, True])
def test_any_variable_may_stand_for_a_size(size):
    assert values("query($n: Int) { runs(limit: $n) { runId } }", n=size) >= 1


def test_introspection_passes_once_and_not_four_times():
    document = get_introspection_query(input_value_deprecation=True)
    schema = document[document.index("__schema") : document.rindex("}", 0, document.index("fragment"))]

    assert passes(document)
    repeated = document.replace(schema, "".join(f"a{i}: {schema}" for i in range(4)))
    assert "values in the answer" in refusal(repeated)


async def test_a_query_too_long_is_refused():
    [error] = await Documents(SCHEMA).checked("{ __typename }" + " " * documents.MAX_LENGTH, {})

    assert "more than 100000 code points" in error.message


names = st.sampled_from(["__typename", "status", "a: status", "version"])


@given(st.lists(st.tuples(st.lists(names, min_size=1, max_size=3), st.integers(0, 3)), min_size=1, max_size=4))
def test_a_document_has_the_extent_of_the_same_without_fragments(parts):
    """Each part's fields, and how often it spreads the next part."""
    fragments, written_out = [], ""
    for i, (fields, spreads) in reversed(list(enumerate(parts))):
        last = i == len(parts) - 1
        spread = "" if last else f"...F{i + 1} " * spreads
        fragments.append(f"fragment F{i} on HealthReport {{ {' '.join(fields)} {spread} }}")
        written_out = " ".join(fields) + ("" if last else f" {written_out}" * spreads)
    apart = parse(f"{{ health {{ ...F0 }} }} {' '.join(fragments)}")
    together = parse(f"{{ health {{ {written_out} }} }}")

    found, expected = (
        _Measure(SCHEMA, _introspected(SCHEMA), one, {}).operation(one.definitions[0]) for one in (apart, together)
    )

    assert found._replace(nesting=0) == expected._replace(nesting=0)


@pytest.mark.parametrize(
    "document",
    [
        "{ " + "health { status } " * 249 + "}",
        "{ " + ("runs(limit: 1) { " + "paretoSet { number } " * 24 + "} ") * 9 + "}",
        "{ " + " ".join(f"field{number}" for number in range(900)) + " }",
    ],
    ids=["one field many times", "nested", "unknown fields"],
)
async def test_the_standard_rules_end_early(document):
    errors = await Documents(SCHEMA).checked(document, {})

    assert isinstance(errors, list)
    assert 1 <= len(errors) <= documents.MAX_ERRORS + 1
    assert "aborted" in errors[-1].message


async def test_a_document_is_checked_once():
    kept = Documents(SCHEMA)

    assert await kept.checked("{ health { status } }", {}) is await kept.checked("{ health { status } }", {})


async def test_documents_kept_are_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(documents, "KEPT_BYTES", 100_000)
    kept = Documents(SCHEMA)
    long = '{ run(runId: "%s") { state } }'

    first = await kept.checked(long % ("a" * 9_000), {})
    for number in range(3):
        await kept.checked(long % (str(number) * 9_000), {})

    assert kept._kept_bytes <= 100_000
    assert len(kept._kept) == 2
    assert await kept.checked(long % ("a" * 9_000), {}) is not first


async def test_a_document_larger_than_all_that_is_kept_is_answered_and_forgotten(monkeypatch):
    monkeypatch.setattr(documents, "KEPT_BYTES", 1_000)
    kept = Documents(SCHEMA)

    assert not isinstance(await kept.checked("{ health { status version } }", {}), list)
    assert (len(kept._kept), kept._kept_bytes) == (0, 0)


async def test_a_check_that_takes_too_long_is_refused_while_the_loop_goes_on(monkeypatch):
    monkeypatch.setattr(documents, "CHECK_S", 0.3)
    monkeypatch.setattr(documents, "MAX_TOKENS", 100_000)
    monkeypatch.setattr(documents, "MAX_LENGTH", 1_000_000)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    [error] = await Documents(SCHEMA).checked("{ " + "health { status } " * 16_000 + "}", {})
    ticking.cancel()

    assert error.extensions["code"] == "RESOURCE_EXHAUSTED"
    assert ticks > 1

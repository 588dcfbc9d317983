"""Neighbours are exact: those that a comparison with every current vector finds.

Issue 11, kind 13: an approximate index missed 118 of 120 true neighbours where versions shared a vector.
"""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.calling import call

# Distances are computed in single precision.
CLOSE = 1e-5


@pytest.fixture(scope="module")
def write(database_url):
    """Replaces the versions of PACs that this module wrote: a list of vectors for each PAC, oldest version first."""
    options = "-c search_path=cerebros,public"
    with psycopg.connect(database_url, autocommit=True, options=options) as connection:
        connection.execute(
            "INSERT INTO runs (run_id, kind, pac_id, state, dataset, dataset_digest, payload, payload_digest) "
            "VALUES ('neighbourly', 'nas', 'n', 'succeeded', 'd', 'd', '{}', 'x')"
        )
        connection.execute(
            "INSERT INTO verdicts (verdict_id, run_id, pac_id, decision, verdict, artifact_digest, issued_at, "
            "expires_at) VALUES ('neighbourly', 'neighbourly', 'n', 'allow', '{}', 'a', now(), now())"
        )

        def replace(vectors):
            connection.execute("DELETE FROM vcv_entries WHERE run_id = 'neighbourly'")
            rows = [
                (pac_id, version, vector.tolist())
                for pac_id, versions in vectors.items()
                for version, vector in enumerate(versions, start=1)
            ]
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO vcv_entries (pac_id, version, task, capability, skills, accuracy, latency_s, "
                    "cost_usd, energy_j, trust, reliability, resources, policy_flags, dataset_digest, "
                    "artifact_digest, run_id, verdict_id) VALUES (%s, %s, 't', %s::real[]::vector(384), '{}', 1, 1, "
                    "1, 1, 1, 1, '{}', '{}', 'd', 'a', 'neighbourly', 'neighbourly')",
                    rows,
                )
            connection.execute("ANALYZE vcv_entries")

        yield replace
        replace({})
        connection.execute("DELETE FROM runs WHERE run_id = 'neighbourly'")


def unit(*numbers):
    """A unit vector of 384 numbers that begins with these."""
    vector = np.zeros(384)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def exact(sql, pac_id):
    """Distances of all other PACs' newest vectors, computed one by one, by PAC."""
    newest = dict(sql.execute("SELECT pac_id, capability::real[] FROM vcv_entries ORDER BY version").fetchall())
    here = np.array(newest.pop(pac_id))
    return {
        other: 1 - float(np.dot(here, there) / np.linalg.norm(here) / np.linalg.norm(there))
        for other, there in newest.items()
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    numbers=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=6), min_size=1, max_size=40),
    limit=st.integers(1, 50),
)
async def test_no_other_pac_is_nearer_than_a_neighbour(bridge, sql, write, numbers, limit):
    """Few vectors, so that many PACs and versions share one: ties, old versions that are nearer, and copies."""
    pool = [unit(1, n, n * n % 5) for n in range(7)]
    write({"here": [pool[0]]} | {f"pac-{n}": [pool[i] for i in versions] for n, versions in enumerate(numbers)})
    distances = exact(sql, "here")

    found = (await call(bridge, "nearest_capabilities", {"pac_id": "here", "limit": limit})).neighbours

    assert len(found) == min(limit, len(distances))
    nearest = sorted(distances.values())[: len(found)]
    assert [neighbour.distance for neighbour in found] == pytest.approx(nearest, abs=CLOSE)
    for neighbour in found:
        assert neighbour.distance == pytest.approx(distances[neighbour.entry.pac_id], abs=CLOSE)
    order = [(neighbour.distance, neighbour.entry.pac_id) for neighbour in found]
    assert order == sorted(order)
    assert len({pac_id for _, pac_id in order}) == len(order)


@pytest.mark.parametrize("limit", [10, 1000])
async def test_all_neighbours_are_found_where_a_thousand_older_versions_share_a_vector(bridge, sql, write, limit):
    shared, random = unit(1), np.random.default_rng(3)
    others = {f"pac-{n:03}": [shared] * 20 + [unit(*random.normal(size=384))] for n in range(120)}
    write({"here": [shared]} | others)
    nearest = sorted(exact(sql, "here").items(), key=lambda item: item[1])[:limit]

    found = (await call(bridge, "nearest_capabilities", {"pac_id": "here", "limit": limit})).neighbours

    assert {n.entry.pac_id: n.distance for n in found} == pytest.approx(dict(nearest), abs=CLOSE)
    assert {n.entry.version for n in found if n.entry.pac_id in others} == {21}

"""The gate of a PAC that nobody knows is no healthy gate: NOT_FOUND at every door.

Issue 11, kind 22. A training lock of such a PAC is open: a lock may be set before a PAC's first run.
"""

from __future__ import annotations

import json

import httpx
import pytest

from bridge.transports.http.app import make_app
from cerebros.errors import NotFound
from tests.calling import call


async def test_the_gate_of_a_pac_that_never_had_a_run_is_not_found(bridge, start):
    with pytest.raises(NotFound, match="PAC 'nobody' has no run and no capability vector; start_run"):
        await call(bridge, "check_gate", {"pac_id": "nobody"})
    run = await call(bridge, "start_run", start(pac_id="newcomer"))
    assert (await call(bridge, "check_gate", {"pac_id": "newcomer"})).findings
    assert (await call(bridge, "check_gate", {})).findings
    await call(bridge, "cancel_run", {"run_id": run.run_id})


async def test_the_gate_of_an_unknown_pac_is_not_found_over_graphql(bridge):
    async with httpx.AsyncClient(base_url="http://127.0.0.1", transport=httpx.ASGITransport(make_app(bridge))) as http:
        query = '{ gate(pacId: "nobody") { overallStatus } }'
        answer = (await http.post("/graphql", json={"query": query})).json()
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_the_gate_of_an_unknown_pac_is_not_found_on_the_command_line(bridge_command):
    told = bridge_command("gate", "check", "--pac", "nobody", "--json")
    error = json.loads(told.stdout)["error"]
    assert (told.returncode, error["code"]) == (1, "NOT_FOUND")
    assert error["message"].startswith("PAC 'nobody' has no run")


async def test_the_training_lock_of_a_pac_that_nobody_closed_is_open(bridge):
    lock = await call(bridge, "get_training_lock", {"pac_id": "nobody"})
    assert (lock.state, lock.revision) == ("open", 0)

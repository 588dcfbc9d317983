"""Operator procedures are answered to operators, at every door.

Issue 11, kind 3: `drain`, `limit_queue`, `delete_study` and locks were open to everybody, and `drain` was for good.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from bridge.process.owner import owner
from bridge.transports.grpc.server import start_grpc
from bridge.transports.http.app import make_app
from cerebros.errors import FailedPrecondition, NotFound, PermissionDenied, Unavailable
from tests.calling import call, with_parts, with_settings
from tests.rpcs import RPCS, message
from tests.transports.test_erlang_port import owned
from tests.transports.test_grpc_tls import authority, pair, serving, trusting

__all__ = ["pair"]

# Each of them, with a request that would be granted.
REQUESTS: dict[str, dict[str, Any]] = {
    "drain": {},
    "undrain": {},
    "limit_queue": {"name": "gpu", "running_at_most": 7},
    "set_training_lock": {"pac_id": "barred", "state": "locked", "holder": "stranger", "reason": "a test"},
    "delete_study": {"study_id": "wanted"},
}

MUTATIONS = {
    "drain": "mutation { drain { status } }",
    "undrain": "mutation { undrain { status } }",
    "limit_queue": "mutation { limitQueue(name: gpu, runningAtMost: 7) { name } }",
    "set_training_lock": (
        'mutation { setTrainingLock(pacId: "barred", state: locked, holder: "stranger", reason: "a test") { state } }'
    ),
    "delete_study": 'mutation { deleteStudy(studyId: "wanted") { studyId } }',
}

Asked = Callable[[str], Awaitable[str]]


@pytest.fixture
async def server(bridge: Bridge, study) -> AsyncIterator[Bridge]:
    """A server of its own draining, with a study that somebody wants."""
    served = with_parts(bridge, draining=asyncio.Event(), ending=asyncio.Event())
    await study(study_id="wanted")
    yield served
    with suppress(NotFound):  # a stranger may have been quicker
        await call(bridge, "delete_study", {"study_id": "wanted"})


async def state(server: Bridge) -> tuple[object, ...]:
    """All that the requests would change."""
    queues = (await call(server, "list_queues", {})).queues
    return (
        (await call(server, "health", {})).status,
        [(queue.name, queue.running_at_most) for queue in queues],
        await call(server, "get_training_lock", {"pac_id": "barred"}),
        [study.study_id for study in (await call(server, "list_studies", {})).studies],
    )


@asynccontextmanager
async def over_graphql(server: Bridge) -> AsyncIterator[Asked]:
    async with httpx.AsyncClient(
        base_url="http://127.0.0.1", transport=httpx.ASGITransport(make_app(server))
    ) as client:

        async def ask(name: str) -> str:
            answer = (await client.post("/graphql", json={"query": MUTATIONS[name]})).json()
            return answer["errors"][0]["extensions"]["code"] if "errors" in answer else "OK"

        yield ask


def asked_of(channel: grpc.aio.Channel) -> Asked:
    async def ask(name: str) -> str:
        try:
            await channel.unary_unary(RPCS[name].path)(message(name, **REQUESTS[name]).SerializeToString(), timeout=20)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    return ask


@asynccontextmanager
async def over_tcp(server: Bridge) -> AsyncIterator[Asked]:
    grpc_server = await start_grpc(server, address="127.0.0.1:0", socket_path=None)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel:
        yield asked_of(channel)
    await grpc_server.stop(0)


def test_the_procedures_for_operators_are_these(bridge):
    assert {name for name, procedure in bridge.procedures.items() if procedure.operator} == set(REQUESTS)


@pytest.mark.parametrize("door", [over_graphql, over_tcp])
async def test_a_stranger_operates_nothing(server, door):
    before = await state(server)
    async with door(server) as ask:
        assert {name: await ask(name) for name in REQUESTS} == dict.fromkeys(REQUESTS, "PERMISSION_DENIED")
    assert await state(server) == before


@pytest.mark.parametrize("door", [over_graphql, over_tcp])
async def test_a_setting_lets_anybody_operate(server, door):
    async with door(with_settings(server, operators="anybody")) as ask:
        assert [await ask("drain"), await ask("undrain")] == ["OK", "OK"]


async def test_the_owner_operates_over_the_socket(server, tmp_path):
    grpc_server = await start_grpc(server, address="127.0.0.1:0", socket_path=tmp_path / "s")
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}") as channel:
        ask = asked_of(channel)
        assert await ask("drain") == "OK"
        assert (await call(server, "health", {})).status == "draining"
        assert await ask("undrain") == "OK"
        assert (await call(server, "health", {})).status == "serving"
    await grpc_server.stop(0)


async def test_a_certificate_in_the_owners_name_is_no_owner_until_a_setting_trusts_certificates(server, pair, tmp_path):
    ca = authority("test authority")
    file = tmp_path / "ca.pem"
    file.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    mine, client = pair("server", ca), pair(owner(), ca)
    for operators, told in (("owner", "PERMISSION_DENIED"), ("certified", "OK")):
        trusted = with_settings(server, operators=operators)
        async with (
            serving(trusted, cert=mine.cert, key=mine.key, client_ca=file) as address,
            grpc.aio.secure_channel(address, trusting(file, client)) as channel,
        ):
            assert await asked_of(channel)("undrain") == told


def test_the_owner_of_the_port_and_the_user_of_the_command_line_operate(environment, bridge_command, sql):
    with owned(environment, "--no-worker") as program:
        assert program.answer("call", 1, "drain", {}, {})[:2] == ("ok", 1)
    told = bridge_command("call", "limit_queue", '{"name": "gpu", "running_at_most": 3}')
    assert told.returncode == 0, told.stderr
    assert bridge_command("call", "limit_queue", '{"name": "gpu"}').returncode == 0


async def test_the_command_line_drains_the_server_of_its_home_and_not_itself(server, bridge_command, tmp_path):
    def command(*words: str):
        return asyncio.to_thread(bridge_command, "call", *words, CEREBROS_HOME=str(tmp_path))

    nobody = await command("drain")
    assert (nobody.returncode, "no server listens on" in nobody.stderr) == (1, True)
    grpc_server = await start_grpc(server, address="127.0.0.1:0", socket_path=tmp_path / "bridge.sock")
    for name, status in (("drain", "draining"), ("undrain", "serving")):
        told = await command(name)
        assert json.loads(told.stdout)["status"] == status, told.stderr
        assert (await call(server, "health", {})).status == status
    server.deps.ending.set()
    ended = await command("undrain")
    assert (ended.returncode, "told to end" in ended.stderr) == (1, True)
    await grpc_server.stop(0)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_stranger_does_not_learn_what_is_wrong_with_a_request(bridge, name):
    with pytest.raises(PermissionDenied):
        await call(bridge, name, {"nonsense": 1}, Caller(principal="", transport="http"))


async def test_a_refusal_says_how_an_operator_would_ask(bridge):
    stranger = Caller(principal="", transport="http")
    with pytest.raises(PermissionDenied, match=r"'drain' \(service:drain\) .* over http, .* CEREBROS_OPERATORS"):
        await call(bridge, "drain", {}, stranger)


async def test_a_server_that_was_drained_is_taken_back_and_one_that_ends_is_not(server, start):
    assert (await call(server, "drain", {})).status == "draining"
    with pytest.raises(Unavailable):
        await call(server, "start_run", start())
    assert (await call(server, "undrain", {})).status == "serving"
    run = await call(server, "start_run", start())
    await call(server, "cancel_run", {"run_id": run.run_id})

    server.deps.ending.set()
    server.deps.draining.set()
    with pytest.raises(FailedPrecondition, match="told to end"):
        await call(server, "undrain", {})
    assert (await call(server, "health", {})).status == "draining"

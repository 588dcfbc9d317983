"""A model edited since its verdict is not promoted, and a version edited since it was written is not rolled back to.

Issue 11, kind 4: a verdict's signature was checked, what it is on was not.
Each test edits a row or a file behind the store's back, and puts it back.
"""

import asyncio
import os
from contextlib import contextmanager

import msgspec
import pytest
from psycopg.sql import SQL, Identifier, Literal

from bridge.contract.capability import VcvEntry
from bridge.contract.policy import Verdict
from bridge.policy.seal import Seal
from bridge.policy.verdicts import VERDICT
from bridge.runs.stages import advance, resumed
from bridge.service import worker_on
from cerebros.errors import FailedPrecondition, NotFound, PermissionDenied
from tests.calling import KINDS, call, start_request, with_parts
from tests.conftest import EXAMPLES, SMALL

MANIFEST = str(EXAMPLES / "breast_cancer.toml")


@pytest.fixture(scope="module")
async def version(bridge):
    """Version 1 of PAC `smith`, from run `judged`; run `strange` made one of PAC `jones`."""
    for run_id, pac_id in (("strange", "jones"), ("judged", "smith")):
        request = start_request(run_id=run_id, pac_id=pac_id, kind="nas", manifest=MANIFEST, budget=SMALL)
        await call(bridge, "start_run", request)
        await worker_on(bridge, only=run_id).work(until_idle=True)
        await call(bridge, "evaluate_policy", {"run_id": run_id})
        written = await call(bridge, "promote", {"run_id": run_id})
    return written


@pytest.fixture
async def verdict(bridge, version):
    """The newest verdict on run `judged`: it allows, and was not promoted yet."""
    return await call(bridge, "evaluate_policy", {"run_id": "judged"})


@pytest.fixture
def edited(sql):
    """Sets a column of one row to an SQL expression while it lasts."""

    @contextmanager
    def edit(table, column, value, **row):
        where = SQL(" AND ").join(SQL("{} = {}").format(Identifier(name), Literal(key)) for name, key in row.items())
        names = {"table": Identifier(table), "column": Identifier(column), "where": where, "value": SQL(value)}
        kept = SQL("SELECT {column}::text, pg_typeof({column})::text FROM {table} WHERE {where}").format(**names)
        ((was, kind),) = sql.execute(kept).fetchall()
        change = SQL("UPDATE {table} SET {column} = {value} WHERE {where} RETURNING ctid::text").format(**names)
        ((place,),) = sql.execute(change).fetchall()
        try:
            yield
        finally:
            back = SQL("UPDATE {table} SET {column} = {was}::{kind} WHERE ctid = {place}")
            sql.execute(back.format(**names, was=Literal(was), kind=SQL(kind), place=Literal(place)))

    return edit


def promote(bridge):
    return call(bridge, "promote", {"run_id": "judged"})


def roll_back(bridge, pac_id="smith", version=1):
    return call(bridge, "rollback", {"pac_id": pac_id, "version": version, "reason": "a test"})


@pytest.fixture
async def nothing_written(bridge, version):
    """No version is written while the test lasts."""
    before = (await call(bridge, "list_capabilities", {})).entries
    yield
    assert (await call(bridge, "list_capabilities", {})).entries == before


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pac_id", "'jones'"),
        ("decision", "'deny'"),
        ("artifact_digest", "repeat('0', 64)"),
        ("issued_at", "issued_at + interval '1 second'"),
        ("expires_at", "expires_at + interval '1 year'"),
        ("verdict_id", "repeat('0', 64)"),
        ("verdict", "'5'"),
        ("verdict", "verdict - 'run_id'"),
        ("verdict", """verdict || '{"reasons": 5}'"""),
    ],
)
async def test_a_verdict_with_an_edited_column_promotes_nothing(
    bridge, edited, verdict, nothing_written, column, value
):
    with (
        edited("verdicts", column, value, verdict_id=verdict.verdict_id),
        pytest.raises(PermissionDenied, match=r"was edited: .*; evaluate_policy gives a new one"),
    ):
        await promote(bridge)


EDITS = {
    "decision": "deny",
    "reasons": ["none"],
    "issued_at": "2999-01-01T00:00:00Z",
    "expires_at": "2999-01-01T00:00:00Z",
}


@pytest.mark.parametrize("field", Verdict.__struct_fields__)
async def test_a_verdict_with_an_edited_field_promotes_nothing(bridge, edited, verdict, nothing_written, field):
    change = msgspec.json.encode({field: EDITS.get(field, "0" * 64)}).decode()
    with (
        edited("verdicts", "verdict", f"verdict || '{change}'", verdict_id=verdict.verdict_id),
        pytest.raises(PermissionDenied, match="was edited"),
    ):
        await promote(bridge)


@pytest.mark.parametrize("rewritten", [False, True], ids=["its column", "its column and what it says"])
async def test_a_verdict_of_another_run_promotes_nothing(bridge, edited, version, nothing_written, rewritten):
    theirs = {"verdict_id": (await call(bridge, "evaluate_policy", {"run_id": "strange"})).verdict_id}
    says = """verdict || '{"run_id": "judged", "pac_id": "smith"}'""" if rewritten else "verdict"
    told = "a signature that does not hold" if rewritten else "it tells another run_id, pac_id than its row"
    with (
        edited("verdicts", "run_id", "'judged'", **theirs),
        edited("verdicts", "pac_id", "'smith'", **theirs),
        edited("verdicts", "verdict", says, **theirs),
        pytest.raises(PermissionDenied, match=told),
    ):
        await promote(bridge)


async def test_no_edit_of_a_time_puts_an_older_verdict_before_the_newest(bridge, edited, verdict, nothing_written):
    newest = await call(bridge, "evaluate_policy", {"run_id": "judged"})
    with (
        edited("verdicts", "issued_at", "issued_at - interval '1 year'", verdict_id=newest.verdict_id),
        pytest.raises(PermissionDenied, match="it tells another issued_at than its row"),
    ):
        await promote(bridge)


# What a promotion relies on besides the verdict: where it stands, an edit of it, and the part of the verdict it breaks.
RESTS_ON = {
    "the accuracy": ("stages", "result", "jsonb_set(result, '{metrics,accuracy}', '1')", "inputs_digest"),
    "the latency": ("stages", "result", "jsonb_set(result, '{metrics,latency_p50_s}', '1e-9')", "inputs_digest"),
    "the energy": ("stages", "result", "jsonb_set(result, '{metrics,energy_j}', '0')", "inputs_digest"),
    "the naive answer": ("stages", "result", "jsonb_set(result, '{baseline}', '0')", "inputs_digest"),
    "the weights": ("stages", "result", """jsonb_set(result, '{weights,digest}', '"00"')""", "artifact_digest"),
    "the model": ("stages", "result", """jsonb_set(result, '{description,digest}', '"00"')""", "description_digest"),
    "the cost of scoring": ("stages", "cost_usd", "cost_usd + 1e-9", "inputs_digest"),
    "the task": ("runs", "payload", """jsonb_set(payload, '{spec,task}', '"anything"')""", "inputs_digest"),
    "the terms": ("runs", "payload", """jsonb_set(payload, '{manifest,purposes}', '["train"]')""", "inputs_digest"),
    "the limits": ("runs", "payload", "jsonb_set(payload, '{goals,objectives,0,at_least}', '0')", "inputs_digest"),
    "the PAC": ("runs", "pac_id", "'jones'", "pac_id is 'smith'"),
    "the dataset": ("stages", "result", """jsonb_set(result, '{digest}', '"00"')""", "dataset_digest"),
    "the leaked rows": ("stages", "result", "jsonb_set(result, '{leaked_rows}', '7')", "inputs_digest"),
    "the cost of a trial": ("trials", "cost_usd", "cost_usd / 2", "inputs_digest"),
}


def edit_of(edited, what):
    table, column, value, _ = RESTS_ON[what]
    stage = "check" if what in {"the dataset", "the leaked rows"} else "score"
    rows = {"stages": {"name": stage}, "runs": {}, "trials": {"number": 0}}
    return edited(table, column, value, run_id="judged", **rows[table])


@pytest.mark.parametrize("what", RESTS_ON)
@pytest.mark.parametrize("procedure", [promote, roll_back])
async def test_a_run_that_was_edited_since_it_was_judged_gives_no_version(
    bridge, edited, verdict, nothing_written, what, procedure
):
    with (
        edit_of(edited, what),
        pytest.raises(PermissionDenied, match=f"is not on what is stored: .*{RESTS_ON[what][3]}.*; restore"),
    ):
        await procedure(bridge)


@pytest.mark.parametrize("what", RESTS_ON)
async def test_a_run_that_was_edited_under_a_valid_verdict_is_not_judged_anew(bridge, edited, verdict, what):
    with (
        edit_of(edited, what),
        pytest.raises(PermissionDenied, match=r"is not on what is stored: .*; restore .* or start another run"),
    ):
        await call(bridge, "evaluate_policy", {"run_id": "judged"})


VERSION_EDITS = {
    "pac_id": "'baker'",
    "version": "99",
    "task": "'anything'",
    "capability": "(capability::real[])[2:384] || (capability::real[])[1:1]",
    "skills": "skills || 'flying'::text",
    "resources": """resources || '{"parameters": 1}'""",
    "policy_flags": "'{train,sell}'",
    "created_at": "created_at - interval '1 microsecond'",
    "rolled_back_from": "1",
    "run_id": "'strange'",
    "verdict_id": "(SELECT verdict_id FROM vcv_entries WHERE run_id = 'strange' LIMIT 1)",
    "artifact_digest": "repeat('0', 64)",
    "dataset_digest": "repeat('0', 64)",
    "signature": "(SELECT signature FROM vcv_entries WHERE run_id = 'strange' LIMIT 1)",
} | {name: f"{name} / 2" for name in ("accuracy", "latency_s", "cost_usd", "energy_j", "trust", "reliability")}


@pytest.mark.parametrize("column", VcvEntry.__struct_fields__)
async def test_a_version_with_an_edited_column_is_not_rolled_back_to(bridge, edited, version, column):
    with edited("vcv_entries", column, VERSION_EDITS[column], pac_id="smith", version=1):
        key = {"pac_id": {"pac_id": "baker"}, "version": {"version": 99}}.get(column, {})
        with pytest.raises(PermissionDenied, match=r"a signature that does not hold: it was edited, .* then promote"):
            await roll_back(bridge, **key)


async def test_a_version_with_an_edited_column_is_no_answer_to_a_promotion(bridge, edited, verdict):
    written = await promote(bridge)
    assert await promote(bridge) == written
    with (
        edited("vcv_entries", "accuracy", "1", pac_id="smith", version=written.version),
        pytest.raises(PermissionDenied, match="it was edited"),
    ):
        await promote(bridge)


@pytest.mark.parametrize("kind", ["weights", "description"])
@pytest.mark.parametrize("procedure", [promote, roll_back])
async def test_a_model_whose_files_were_edited_gives_no_version(bridge, verdict, nothing_written, kind, procedure):
    listed = (await call(bridge, "list_artifacts", {"run_id": "judged"})).artifacts
    (path,) = [bridge.deps.artifacts.directory / artifact.digest for artifact in listed if artifact.kind == kind]
    content = path.read_bytes()
    try:
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(FailedPrecondition, match="restore it from a backup"):
            await procedure(bridge)
        path.unlink()
        with pytest.raises(NotFound, match="restore it from a backup"):
            await procedure(bridge)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("procedure", [promote, roll_back])
async def test_another_key_knows_none_of_what_this_one_signed(bridge, verdict, nothing_written, tmp_path, procedure):
    other = with_parts(bridge, rooms_parts={Seal.of: Seal.at(tmp_path / "key")})
    with pytest.raises(PermissionDenied, match=r"home with another key; call evaluate_policy"):
        await procedure(other)


@pytest.mark.parametrize("procedure", [promote, roll_back])
async def test_an_edit_while_the_model_is_read_is_noticed(bridge, edited, verdict, nothing_written, procedure):
    """The model's file is a pipe for once: whoever fills it knows that the first comparison is over."""
    path = bridge.deps.artifacts.directory / verdict.artifact_digest
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    try:
        working = asyncio.create_task(procedure(bridge))
        pipe = await opened_by_its_reader(path)
        with edit_of(edited, "the accuracy"):
            await asyncio.to_thread(fill, pipe, content)
            with pytest.raises(PermissionDenied, match="is not on what is stored"):
                await working
    finally:
        path.unlink()
        path.write_bytes(content)


async def opened_by_its_reader(path):
    async with asyncio.timeout(60):
        while True:
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                await asyncio.sleep(0.01)


def fill(pipe, content):
    os.set_blocking(pipe, True)
    with os.fdopen(pipe, "wb") as file:
        file.write(content)


async def test_a_cycle_promotes_nothing_that_was_edited_since_its_verdict(bridge, edited, version, start):
    request = start(pac_id="wright", manifest=MANIFEST)
    run_id = (await call(bridge, "start_run", request)).run_id
    claim = await bridge.deps.engine.claim("test", "cpu", 600.0, KINDS, only=run_id)
    async for run in advance(await resumed(claim, bridge.deps), bridge.deps):
        if run.get(VERDICT) is not None:
            break
    theirs = (await call(bridge, "evaluate_policy", {"run_id": "strange"})).verdict_id

    async def rest():
        return [run async for run in advance(await resumed(claim, bridge.deps), bridge.deps)]

    for edit, told in (
        (("stages", "result", "jsonb_set(result, '{metrics,accuracy}', '1')", "score"), "inputs_digest"),
        (("stages", "result", "jsonb_set(result, '{leaked_rows}', '7')", "check"), "inputs_digest"),
        (("stages", "result", f"""jsonb_set(result, '{{verdict_id}}', '"{theirs}"')""", "verdict"), "its stage gave"),
    ):
        *where, stage = edit
        with edited(*where, run_id=run_id, name=stage), pytest.raises(PermissionDenied, match=told):
            await rest()
    with edited("verdicts", "decision", "'deny'", run_id=run_id), pytest.raises(PermissionDenied, match="was edited"):
        await rest()

    (done,) = await rest()
    assert "promote" in done.results
    assert (await call(bridge, "get_capability", {"pac_id": "wright"})).version == 1
    await bridge.deps.engine.release(claim)
    await call(bridge, "cancel_run", {"run_id": run_id})

"""The claim protocol, by itself and under Hypothesis: time here is the service clock's row, moved by the test."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import ClassVar

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from bridge.contract.nas import Nas
from bridge.contract.operator import SetTrainingLock
from bridge.contract.runs import Trial
from bridge.nas.goals import goals_named
from bridge.nas.payload import SearchPayload
from bridge.runs import engine as engine_module
from bridge.runs.claims import Claim
from bridge.runs.engine import Engine, Order
from bridge.runs.trials import TrialStore
from bridge.store.database import Database
from bridge.store.migrate import migrate
from cerebros.data.manifest import parse_manifest
from cerebros.errors import AlreadyExists, StaleWorker
from cerebros.space.rose_tree import Tree
from telemetry.events import RunQueued, StageStart, run_stop, trial_stop
from tests.calling import KINDS, call
from tests.conftest import EXAMPLES
from tests.faults.unguarded import changed

LEASE_S = 10.0
MANIFEST = parse_manifest((EXAMPLES / "digits.toml").read_text(), "digits.toml")


def order(pac_id: str, payload_digest: str, priority: int = 0) -> Order:
    spec = Nas(manifest="digits.toml")
    return Order(
        kind="nas",
        pac_id=pac_id,
        dataset=MANIFEST.name,
        dataset_digest="d",
        payload=SearchPayload(spec, MANIFEST, ".", goals_named(["accuracy"], {})),
        payload_digest=payload_digest,
        queue="cpu",
        priority=priority,
        deadline_s=None,
    )


class ClaimProtocol(RuleBasedStateMachine):
    """Callers, workers and time in any order; the model knows who holds what and what was written."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    database: ClassVar[Database]
    sql: ClassVar[psycopg.Connection]
    runs, claims = Bundle("runs"), Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine(self.database, lambda _: None, lambda _: None)
        self.trials = TrialStore(self.database, self.engine)
        self.sql.execute("DELETE FROM runs; DELETE FROM training_locks; UPDATE queues SET running_at_most = NULL")
        self.names = itertools.count()
        self.holder: dict[str, Claim] = {}  # who may write a run now
        self.until_s: dict[str, float] = {}  # the end of the holder's lease
        self.effects: dict[str, set[int]] = {}
        self.ended: set[str] = set()
        self.cancelled: set[str] = set()
        self.locks: dict[str, str] = {}
        self.limit: int | None = None

    def wait(self, work):
        return self.loop.run_until_complete(work)

    @property
    def now_s(self) -> float:
        return self.sql.execute("SELECT seconds FROM service_clock").fetchone()[0]

    def states(self) -> dict[str, str]:
        return dict(self.sql.execute("SELECT run_id, state FROM runs").fetchall())

    def may_write(self, claim: Claim) -> bool:
        return self.holder.get(claim.run_id) is claim

    @rule(target=runs, pac=st.sampled_from(("ada", "bob")), priority=st.integers(0, 2))
    def enqueue(self, pac, priority):
        run_id = f"run-{next(self.names)}"
        event = RunQueued(trials=1, run_id=run_id, kind="nas", pac_id=pac, dataset="digits", correlation_id=None)
        assert self.wait(self.engine.enqueue(order(pac, run_id, priority), event, 1000))
        self.effects[run_id] = set()
        return run_id

    @rule(run_id=runs, other=st.booleans())
    def enqueue_again(self, run_id, other):
        event = RunQueued(trials=1, run_id=run_id, kind="nas", pac_id="ada", dataset="digits", correlation_id=None)
        again = self.engine.enqueue(order("ada", "another" if other else run_id), event, 1000)
        if other:
            with pytest.raises(AlreadyExists):
                self.wait(again)
        else:
            assert self.wait(again) is False

    @rule(target=claims)
    def claim(self):
        before = self.states()
        claim = self.wait(self.engine.claim("worker", "cpu", LEASE_S, KINDS))
        if claim is None:
            self.note_ends(before)  # a run that has lost too many workers is ended by the claim
            return multiple()
        assert before[claim.run_id] == "queued"
        assert claim.run_id not in self.holder
        assert claim.run_id not in self.cancelled
        assert self.locks.get(claim.pac_id, "open") == "open"
        at_work = sum(state == "running" for state in self.states().values())
        assert self.limit is None or at_work <= self.limit
        self.holder[claim.run_id], self.until_s[claim.run_id] = claim, self.now_s + LEASE_S
        return claim

    @rule(claim=claims)
    def heartbeat(self, claim):
        try:
            lease = self.wait(self.engine.heartbeat(claim, LEASE_S))
        except StaleWorker:
            assert not self.may_write(claim)
            return
        assert self.may_write(claim)
        assert (lease.cancel_reason is not None) == (claim.run_id in self.cancelled)
        assert lease.locked == (self.locks.get(claim.pac_id) == "locked")
        self.until_s[claim.run_id] = self.now_s + LEASE_S

    @rule(claim=claims, number=st.integers(0, 2))
    def append_trial(self, claim, number):
        trial = Trial(number=number, outcome="error", tree_hash="x", tree=Tree("network"))
        event = trial_stop(claim.run_id, number, "error", "x", None, None)
        new = self.may_write(claim) and number not in self.effects[claim.run_id]
        try:
            self.wait(self.trials.append_trial(claim, trial, None, event))
        except StaleWorker:
            assert not new
            return
        assert new, f"trial {number} of {claim.run_id} was written by claim {claim.attempt}"
        self.effects[claim.run_id].add(number)

    @rule(claim=claims)
    def append(self, claim):
        with suppress(StaleWorker):
            self.wait(self.engine.append(claim, StageStart(run_id=claim.run_id, stage="check")))
            assert self.may_write(claim)

    @rule(claim=claims)
    def release(self, claim):
        self.wait(self.engine.release(claim))
        if self.may_write(claim):
            del self.holder[claim.run_id]

    @rule(claim=claims)
    def end(self, claim):
        event = run_stop(claim.run_id, "nas", claim.pac_id, "succeeded")
        with suppress(StaleWorker):
            self.wait(self.engine.end(claim, "succeeded", None, None, event))
            assert self.may_write(claim)
            del self.holder[claim.run_id]
            self.ended.add(claim.run_id)

    @rule(run_id=runs)
    def cancel(self, run_id):
        self.wait(self.engine.cancel(run_id, "enough"))
        if run_id not in self.ended:
            (self.cancelled if run_id in self.holder else self.ended).add(run_id)

    @rule(pac=st.sampled_from(("ada", "bob")), state=st.sampled_from(("open", "draining", "locked")))
    def lock(self, pac, state):
        self.wait(self.engine.set_training_lock(SetTrainingLock(pac_id=pac, state=state, holder="test", reason="")))
        self.locks[pac] = state

    @rule(limit=st.sampled_from((None, 0, 1, 2)))
    def limit_queue(self, limit):
        self.wait(self.engine.limit_queue("cpu", limit))
        self.limit = limit

    @rule(seconds=st.floats(0.5, 2.5 * LEASE_S))
    def pass_time(self, seconds):
        self.sql.execute("UPDATE service_clock SET seconds = seconds + %s", (seconds,))
        now_s, before = self.now_s, self.states()
        self.wait(self.engine.sweep())
        for run_id in [run_id for run_id in self.holder if self.until_s[run_id] < now_s]:
            del self.holder[run_id]
        self.note_ends(before)

    def note_ends(self, before: dict[str, str]) -> None:
        """Runs nobody holds may have been ended: cancelled ones by a sweep, hopeless ones by a claim."""
        for run_id, state in self.states().items():
            if before[run_id] in ("queued", "running") and state not in ("queued", "running"):
                assert run_id not in self.holder
                self.ended.add(run_id)

    @invariant()
    def what_is_held_is_running_and_nothing_else(self):
        rows = self.sql.execute("SELECT run_id, attempt FROM runs WHERE state = 'running'").fetchall()
        assert dict(rows) == {run_id: claim.attempt for run_id, claim in self.holder.items()}

    @invariant()
    def a_pac_is_trained_by_one_run_at_a_time(self):
        pacs = [claim.pac_id for claim in self.holder.values()]
        assert len(pacs) == len(set(pacs))

    @invariant()
    def events_have_no_gaps_and_trials_one_effect(self):
        gaps = """
            SELECT r.run_id FROM runs r LEFT JOIN events e USING (run_id) GROUP BY r.run_id, last_seq
            HAVING count(e.seq) <> last_seq OR max(e.seq) <> last_seq OR min(e.seq) <> 1"""
        assert self.sql.execute(gaps).fetchall() == []
        told = "SELECT run_id, (metadata ->> 'number')::int FROM events WHERE name = 'cerebros.trial.stop'"
        effects = sorted((run_id, number) for run_id, numbers in self.effects.items() for number in numbers)
        assert sorted(self.sql.execute(told).fetchall()) == effects
        assert sorted(self.sql.execute("SELECT run_id, number FROM trials").fetchall()) == effects


@pytest.fixture(scope="module")
def claims_url(database_url):
    """A database of its own: nobody else moves its clock."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE claims")
    url = database_url.rsplit("/", 1)[0] + "/claims"
    migrate(url)
    return url


@pytest.fixture
def protocol(claims_url, monkeypatch):
    """The state machine on its database, where the seconds that really pass do not count."""
    monkeypatch.setattr(engine_module, "TICK_AT_MOST_S", 0.0)
    loop, database = asyncio.new_event_loop(), Database(claims_url)
    loop.run_until_complete(database.open())
    with psycopg.connect(claims_url, autocommit=True, options="-c search_path=cerebros,public") as sql:
        yield type("Protocol", (ClaimProtocol,), {"loop": loop, "database": database, "sql": sql})
    loop.run_until_complete(database.close())
    loop.close()


STEPS = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_claim_protocol_keeps_its_promises(protocol):
    run_state_machine_as_test(protocol, settings=STEPS)


def test_without_the_fence_hypothesis_finds_the_stale_write(protocol):
    unshrunk = settings(STEPS, max_examples=500, phases=(Phase.generate,))
    with changed("fence"), pytest.raises(AssertionError):
        run_state_machine_as_test(protocol, settings=unshrunk)


async def test_one_id_and_two_payloads_250_times_at_once_is_one_run(bridge, start, sql):
    request = start(kind="nas")
    payloads = request, request | {"spec": request["spec"] | {"seed": 5}}
    calls = (call(bridge, "start_run", payloads[n % 2]) for n in range(250))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    runs = [answer for answer in answers if isinstance(answer, msgspec.Struct)]
    assert len(runs) == 125
    assert all(run == runs[0] for run in runs)
    assert sum(isinstance(answer, AlreadyExists) for answer in answers) == 125
    stored = sql.execute("SELECT name FROM events WHERE run_id = %s", (request["run_id"],)).fetchall()
    assert stored == [("cerebros.run.queued",)]
    await call(bridge, "cancel_run", {"run_id": request["run_id"]})

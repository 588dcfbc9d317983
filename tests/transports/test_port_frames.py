"""Port protocol v1 as claims about one session, fed with bytes and read as terms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract.operator import HealthReport
from bridge.contract.runs import RunEvent
from bridge.transports.port.etf import Atom, EtfError, decode, encode
from bridge.transports.port.frames import Connection
from bridge.transports.port.messages import (
    ATOMS,
    CODE_ATOMS,
    CREDIT,
    LONGEST_TEXT,
    MAX_CALLS,
    MAX_FRAME_BYTES,
    Call,
    CallOptions,
    Cancel,
    Credit,
    Drain,
    Follow,
    Heartbeat,
    Invoke,
)
from cerebros.errors import CerebrosError, Code, NotFound, family

HEALTHY = HealthReport(
    status="serving", version="0", database="reachable", workers=1, queued=0, running=0, worker="alive"
)

# The names of procedures that stream.
STREAMS = frozenset({"watch_run"})


def frame(*term: Any) -> bytes:
    raw = encode((Atom(term[0]), *term[1:]))
    return len(raw).to_bytes(4) + raw


def sent(connection: Connection) -> list[Any]:
    """Everything the connection wants written, as terms."""
    raw, terms = connection.outgoing(), []
    while raw:
        size = int.from_bytes(raw[:4])
        terms.append(decode(raw[4 : 4 + size]))
        raw = raw[4 + size :]
    return terms


def watch(call_id: int) -> bytes:
    """A call of the procedure that streams."""
    return frame("call", call_id, "watch_run", {"run_id": "r"}, {})


def session(**hello_options: Any) -> Connection:
    """A session that has said hello."""
    connection = Connection({"name": "cerebros-bridge", "version": "0"}, STREAMS)
    connection.receive(frame("hello", 1, hello_options))
    assert sent(connection)[0][:2] == ("hello", 1)
    return connection


def run_event(seq: int, name: str = "cerebros.trial.stop") -> RunEvent:
    return RunEvent(
        run_id="r", seq=seq, name=name, measurements={"loss": float("nan")}, metadata={"number": seq},
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )  # fmt: skip


def test_hello_tells_version_and_limits():
    connection = Connection({"name": "cerebros-bridge", "version": "0"}, STREAMS)
    connection.receive(frame("hello", 1, {}))
    [(name, protocol, info)] = sent(connection)
    assert (name, protocol) == ("hello", 1)
    assert info["max_calls"] == MAX_CALLS
    assert info["credit"] == CREDIT


def test_a_heartbeat_that_is_announced_is_watched():
    connection = Connection({}, STREAMS)
    assert connection.receive(frame("hello", 1, {"heartbeat_ms": 2500})) == [Heartbeat(2.5)]
    assert sent(connection)[0][2]["heartbeat_ms"] == 2500


def test_another_protocol_version_ends_the_session_with_a_reason():
    connection = Connection({}, STREAMS)
    connection.receive(frame("hello", 2, {}))
    assert sent(connection)[-1] == ("bye", "unsupported_version")
    assert connection.receive(frame("hello", 1, {})) == []
    assert sent(connection) == []


def test_hello_with_an_unknown_option_ends_the_session():
    connection = Connection({}, STREAMS)
    connection.receive(frame("hello", 1, {"colour": "red"}))
    assert sent(connection)[-1] == ("bye", "hello_refused")


def test_a_call_before_hello_is_a_failed_precondition():
    connection = Connection({}, STREAMS)
    assert connection.receive(frame("call", 1, "health", {}, {})) == []
    assert sent(connection)[0][:3] == ("error", 1, "failed_precondition")


def test_a_call_becomes_a_command_and_its_result_one_ok():
    connection = session()
    [command] = connection.receive(frame("call", 7, Atom("health"), {Atom("a"): Atom("b")}, {"timeout_ms": 1500}))
    assert command == Invoke(Call(7, "health", {"a": "b"}, CallOptions(timeout_ms=1500)))
    call = command.call
    assert {type(text) for text in (call.procedure, *call.params, *call.params.values())} == {str}
    connection.ok(7, HEALTHY)
    [(name, call_id, result)] = sent(connection)
    assert (name, call_id, result["status"]) == ("ok", 7, "serving")


def test_an_answered_call_is_not_answered_again():
    connection = session()
    connection.receive(frame("call", 7, "health", {}, {}))
    connection.error(7, NotFound("no"))
    connection.ok(7, HEALTHY)
    connection.error(7, NotFound("no"))
    assert len(sent(connection)) == 1


@pytest.mark.parametrize("error", [CerebrosError, *family()])
def test_every_error_has_an_atom_a_class_and_its_retryability(error):
    problem = error("why")
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    connection.error(1, problem)
    [(_, _, code, facts)] = sent(connection)
    assert code == problem.code.value.lower()
    assert facts == {"message": "why", "class": problem.error_class.value, "retryable": problem.retryable}


def test_every_code_has_its_own_published_atom():
    assert set(CODE_ATOMS) == set(Code)
    assert len(set(CODE_ATOMS.values())) == len(Code)
    assert set(CODE_ATOMS.values()) <= ATOMS


def test_an_id_in_flight_cannot_be_taken_again_and_its_call_lives_on():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    assert connection.receive(frame("call", 1, "health", {}, {})) == []
    assert [term[0] for term in sent(connection)] == ["log"]
    connection.ok(1, HEALTHY)
    assert sent(connection)[0][0] == "ok"


def test_one_call_too_many_is_refused_at_once_and_the_next_answer_makes_room():
    connection = session()
    for call_id in range(MAX_CALLS):
        connection.receive(frame("call", call_id, "health", {}, {}))
    assert connection.receive(frame("call", MAX_CALLS, "health", {}, {})) == []
    assert sent(connection)[-1][:3] == ("error", MAX_CALLS, "resource_exhausted")
    connection.ok(0, HEALTHY)
    assert len(connection.receive(frame("call", MAX_CALLS, "health", {}, {}))) == 1


def test_a_procedure_that_streams_is_followed():
    connection = session()
    [command] = connection.receive(frame("call", 1, "watch_run", {"run_id": "r", "after_seq": 3}, {}))
    assert command == Follow(Call(1, "watch_run", {"run_id": "r", "after_seq": 3}, CallOptions()))


def test_a_stream_sends_no_more_events_than_its_credit():
    connection = session(credit=2)
    connection.receive(watch(1))
    for seq in (1, 2, 3):
        assert connection.hungry(1)
        connection.item(1, run_event(seq))
    assert [term[2]["seq"] for term in sent(connection)] == [1, 2]
    assert not connection.hungry(1)
    assert connection.receive(frame("credit", 1, 1)) == [Credit(1, 1)]
    assert [term[2]["seq"] for term in sent(connection)] == [3]
    assert connection.hungry(1)


def test_progress_tells_how_many_events_it_stands_for():
    connection = session(credit=0)
    connection.receive(watch(1))
    for seq in (1, 2, 3):
        connection.item(1, run_event(seq, "cerebros.training.progress"))
    connection.receive(frame("credit", 1, 8))
    connection.item(1, run_event(4, "cerebros.training.progress"))
    assert [(term[2]["seq"], term[2]["measurements"]["dropped"]) for term in sent(connection)] == [(3, 2), (4, 0)]


def test_an_event_for_a_stream_that_is_over_is_not_sent():
    connection = session()
    connection.receive(watch(1))
    connection.error(1, NotFound("no"))
    connection.item(1, run_event(1))
    assert [term[0] for term in sent(connection)] == ["error"]


def test_an_event_has_the_shape_of_telemetry_execute():
    connection = session()
    connection.receive(watch(1))
    connection.item(1, run_event(9))
    [event] = sent(connection)
    assert event == (
        "item",
        1,
        {
            "run_id": "r",
            "seq": 9,
            "name": "cerebros.trial.stop",
            "measurements": {"loss": Atom("nan")},
            "metadata": {"number": 9},
            "at": "2026-01-02T03:04:05Z",
        },
    )


def test_cancel_names_only_calls_in_flight():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    assert connection.receive(frame("cancel", 1)) == [Cancel(1)]
    connection.ok(1, HEALTHY)
    assert connection.receive(frame("cancel", 1)) == []


def test_credit_for_a_stream_that_is_over_is_no_mistake():
    connection = session()
    assert connection.receive(frame("credit", 5, 1)) == []
    assert sent(connection) == []


def test_ping_is_answered_with_figures_even_while_draining():
    connection = session()
    connection.receive(watch(1) + frame("drain", 10) + frame("ping", 42))
    assert sent(connection)[-1] == ("pong", 42, {"calls": 0, "streams": 1, "frames_received": 4, "frames_sent": 2})


def test_a_draining_session_refuses_new_calls_as_unavailable_and_finishes_the_old():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    assert connection.receive(frame("drain", 10)) == [Drain(10)]
    assert connection.receive(frame("call", 2, "health", {}, {})) == []
    connection.ok(1, HEALTHY)
    connection.close("drained")
    terms = sent(connection)
    assert [term[:3] for term in terms] == [
        ("draining",),
        ("error", 2, "unavailable"),
        ("ok", 1, terms[2][2]),
        ("bye", "drained"),
    ]


@pytest.mark.parametrize(
    "term",
    [
        ("call", 1, "health", {}),
        ("call", 1, 2, {}, {}),
        ("call", 1, "health", [], {}),
        ("call", 1, "health", {}, {"timeout_ms": 0}),
        ("call", 1, "health", {}, {"unknown": 1}),
    ],
)
def test_a_crooked_call_is_an_invalid_argument_of_its_own_id(term):
    connection = session()
    assert connection.receive(frame(*term)) == []
    [answer] = sent(connection)
    assert answer[:3] == ("error", 1, "invalid_argument")


# Maps that the decoder refuses: an atom and a binary of one name, a bit string, a key that is a tuple.
UNREADABLE = (
    b"t\0\0\0\2w\6pac_idm\0\0\0\1am\0\0\0\6pac_idm\0\0\0\1a",
    b"t\0\0\0\1m\0\0\0\1aM\0\0\0\1\3\xa0",
    b"t\0\0\0\1h\0a\1",
)


def unreadable(name: bytes, call_id: int, params: bytes) -> bytes:
    raw = b"\x83h\5" + name + encode(call_id)[1:] + b"m\0\0\0\6health" + params + b"t\0\0\0\0"
    return len(raw).to_bytes(4) + raw


@pytest.mark.parametrize("params", UNREADABLE)
@pytest.mark.parametrize("name", [b"w\4call", b"d\0\4call", b"m\0\0\0\4call"])
@pytest.mark.parametrize("call_id", [0, 255, 256, 2**31, 2**40, 2**63 - 1])
def test_a_call_that_the_decoder_refuses_is_an_invalid_argument_of_its_own_id(call_id, name, params):
    connection = session()
    assert connection.receive(unreadable(name, call_id, params)) == []
    [answer] = sent(connection)
    assert answer[:3] == ("error", call_id, "invalid_argument")
    with pytest.raises(EtfError) as problem:
        decode(b"\x83" + params)
    assert answer[3]["message"].startswith(problem.value.message)


def test_an_unreadable_second_use_of_an_id_leaves_the_call_that_owns_it_alone():
    connection = session()
    connection.receive(frame("call", 7, "health", {}, {}))
    connection.receive(unreadable(b"w\4call", 7, UNREADABLE[0]))
    assert [term[:2] for term in sent(connection)] == [("log", "warning")]
    connection.ok(7, HEALTHY)
    assert sent(connection)[0][:2] == ("ok", 7)


@given(st.binary(max_size=12))
def test_whatever_follows_the_name_of_a_call_is_answered_or_logged_once(tail):
    connection = session()
    raw = b"\x83h\5w\4call" + tail
    assert connection.receive(len(raw).to_bytes(4) + raw) == []
    [answer] = sent(connection)
    assert answer[:2] == ("log", "warning") or (answer[0], answer[2]) == ("error", "invalid_argument")


@pytest.mark.parametrize("raw", [b"", b"\x83", b"\x83P\0\0\0\0", b"not a term", encode({}), encode((Atom("x"), 1))])
def test_a_frame_that_is_no_message_is_logged_and_the_session_goes_on(raw):
    connection = session()
    assert connection.receive(len(raw).to_bytes(4) + raw) == []
    assert [term[:2] for term in sent(connection)] == [("log", "warning")]
    assert len(connection.receive(frame("call", 1, "health", {}, {}))) == 1


def test_a_frame_over_the_limit_ends_the_session_before_it_is_read():
    connection = session()
    connection.receive((MAX_FRAME_BYTES + 1).to_bytes(4))
    assert sent(connection)[-1] == ("bye", "frame_too_large")


def test_nothing_follows_bye():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    connection.close("shutdown")
    connection.ok(1, HEALTHY)
    assert sent(connection) == [("bye", "shutdown")]


def test_a_result_over_the_limit_is_an_error_of_its_call():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    connection.ok(1, {"text": "x" * MAX_FRAME_BYTES})
    assert sent(connection)[0][:3] == ("error", 1, "resource_exhausted")


def test_a_long_or_unwritable_message_still_arrives():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    connection.error(1, NotFound("\udcff" + "x" * 2 * LONGEST_TEXT))
    assert len(sent(connection)[0][3]["message"]) == LONGEST_TEXT


def test_results_hold_lists_where_python_has_tuples():
    connection = session()
    connection.receive(frame("call", 1, "health", {}, {}))
    connection.ok(1, {"capability": (1.0, 2.0), "pareto_set": ({"curve": ()},)})
    assert sent(connection)[0][2] == {"capability": [1.0, 2.0], "pareto_set": [{"curve": []}]}

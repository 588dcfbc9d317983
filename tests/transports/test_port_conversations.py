"""Whole conversations over the port's frames: cut anywhere, of any bytes, and with published atoms only."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.port.etf import Atom
from bridge.transports.port.frames import Connection
from bridge.transports.port.messages import ATOMS
from tests.transports.test_port_frames import STREAMS, frame, run_event, sent, session, watch

CONVERSATION = b"".join(
    (
        frame("hello", 1, {}),
        frame("call", 1, "health", {}, {}),
        watch(2),
        frame("credit", 2, 3),
        frame("ping", 1),
        frame("cancel", 1),
    )
)


def converse(pieces: list[bytes]) -> tuple[list[Any], list[Any]]:
    connection = Connection({}, STREAMS)
    commands = [command for piece in pieces for command in connection.receive(piece)]
    return commands, sent(connection)


def test_a_conversation_split_at_any_byte_is_the_same_conversation():
    whole = converse([CONVERSATION])
    assert len(whole[0]) == 4
    for cut in range(len(CONVERSATION) + 1):
        assert converse([CONVERSATION[:cut], CONVERSATION[cut:]]) == whole
    assert converse([bytes((byte,)) for byte in CONVERSATION]) == whole


@given(st.lists(st.binary(max_size=40) | st.just(frame("ping", 1)), max_size=20))
def test_no_bytes_raise(pieces):
    connection = session()
    for piece in pieces:
        connection.receive(len(piece).to_bytes(4) + piece)
        connection.receive(piece)
    sent(connection)


def atoms_in(value: Any) -> set[Atom]:
    match value:
        case Atom():
            return {value}
        case dict():
            return {atom for pair in value.items() for atom in atoms_in(pair)}
        case list() | tuple():
            return {atom for element in value for atom in atoms_in(element)}
    return set()


def test_only_published_atoms_are_sent():
    connection = session(credit=1)
    connection.receive(frame("call", 1, "health", {}, {}) + watch(2) + frame("hello", 1, {}))
    connection.ok(1, {"figures": [float("inf"), float("-inf"), float("nan"), True, None]})
    connection.item(2, run_event(1))
    connection.receive(frame("ping", 1) + frame("drain", 1) + frame("call", 3, "health", {}, {}))
    connection.close("drained")
    assert atoms_in(sent(connection)) <= ATOMS

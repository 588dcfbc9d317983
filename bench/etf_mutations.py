"""Mutated terms against the codec and against a session: what may happen is a typed refusal, nothing else."""

from __future__ import annotations

import random
import sys
import time
from typing import NamedTuple

from bridge.transports.port.etf import Atom, EtfError, decode, encode
from bridge.transports.port.frames import Connection
from bridge.transports.port.messages import framed

# Every kind of term that the codec reads by a path of its own.
SAMPLE = {
    "metrics": {"accuracy": 0.97, "loss": 0.1, "parameters": 12345, "flops": 2**40, "device": "cpu"},
    "capability": [n / 384 for n in range(384)],
    "curve": [*range(20)],
    "front": [(Atom("ok"), None, True, b"\xff\xfe"), {}, [], ()],
    "big": -(2**2100),
}

MESSAGES = (
    (Atom("call"), 1, "get_run", {"run_id": "r"}, {"timeout_ms": 100}),
    (Atom("attach"), 2, "r", 3),
    (Atom("credit"), 2, 3),
    (Atom("cancel"), 1),
    (Atom("ping"), 9),
)

# Caches and free lists are full after so much of an attack.
WARM_UP = 0.2


class Attack(NamedTuple):
    """What came of it; `grown_blocks` are Python's allocated blocks at the end against those after the warm-up."""

    mutations: int
    refused: int
    grown_blocks: int
    wall_s: float


def attack(mutations: int, seed: int) -> Attack:
    """Read mutated terms and take mutated messages; whatever is raised but the codec's own error comes out here."""
    terms = [encode(SAMPLE), *map(encode, MESSAGES)]
    dice, refused, warm_blocks = random.Random(seed), 0, 0
    began = time.perf_counter()
    for number in range(mutations):
        if number == int(WARM_UP * mutations):
            warm_blocks = sys.getallocatedblocks()
        hostile = mutated(dice.choice(terms), dice)
        try:
            encode(decode(hostile))
        except EtfError:
            refused += 1
        converse(hostile)
    grown = sys.getallocatedblocks() - warm_blocks
    return Attack(mutations, refused, grown, time.perf_counter() - began)


def converse(hostile: bytes) -> None:
    """One session that gets the term as a frame between two sound ones."""
    connection = Connection({}, frozenset())
    connection.receive(framed("hello", 1, {}))
    connection.receive(len(hostile).to_bytes(4) + hostile)
    connection.outgoing()
    connection.receive(framed("ping", 7))
    if connection.phase == "serving":
        pong = decode(connection.outgoing()[4:])
        assert pong[:2] == ("pong", 7), pong


def mutated(term: bytes, dice: random.Random) -> bytes:
    """The term with one to four bytes changed, or pieces cut out, put in or doubled."""
    raw = bytearray(term)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(raw))
        match dice.randrange(4):
            case 0:
                raw[at] = dice.randrange(256)
            case 1:
                del raw[at : at + dice.randint(1, 8)]
            case 2:
                raw[at:at] = dice.randbytes(dice.randint(1, 8))
            case 3:
                raw[at:at] = raw[: dice.randint(1, 40)]
        raw = raw or bytearray(b"\x83")
    return bytes(raw)

"""Attacks over a port: frames that are none, terms that swell, numbers that no float holds."""

from __future__ import annotations

import asyncio
import os
import zlib

from bridge.transports.port.etf import Atom
from tests.attacks.target import Target
from tests.faults.arena import promise


def _frame(term: bytes) -> bytes:
    return len(term).to_bytes(4) + term


BOMB = zlib.compress(b"\x6d" + (2**28).to_bytes(4) + bytes(2**28), 9)

TERMS = (
    b"\x83\x50" + (2**28 + 5).to_bytes(4) + BOMB,  # compressed
    b"\x83" + b"\x6c\x00\x00\x00\x01" * 5_000,  # nested lists
    b"\x83\x6c\xff\xff\xff\xff",  # a list that claims four billion elements
    b"\x83\x6f\x00\x10\x00\x00\x00" + b"\xff" * 2**20,  # an integer of a million bytes
    b"\x83\x74\xff\xff\xff\xff",  # a map that claims as many pairs
    b"\x83\x71\x64\x00\x01a\x64\x00\x01b\x61\x01",  # an external fun
    b"\x00",
    b"",
    os.urandom(300),
)


async def crooked_frames(target: Target) -> str:
    """Terms that are refused: the session goes on, or parts with a word."""
    for term in TERMS:
        async with target.port() as port:
            port.write(_frame(term))
            answer = await port.call("health")
            promise(answer.startswith("ok"), f"{term[:20]!r}: {answer[:80]!r}")
    async with target.port() as port:
        port.write((2**31).to_bytes(4) + b"x" * 1000)
        told = [await port.read(), await port.read()]
        promise([word for word, *_ in told] == ["log", "bye"], f"a frame of 2 GiB: {told}")
    return f"{len(TERMS)} terms, the session goes on"


NUMBERS = (float("nan"), float("inf"), -1.0, 10**400, 10**5000, -(10**30), 2**63, 1e308, "1", None, [], {})


async def crooked_numbers(target: Target) -> str:
    """Numbers that are none, or too large, wherever a request takes one."""
    async with target.port() as port:
        for value in NUMBERS:
            for procedure, fields in (
                ("list_runs", {"limit": value}),
                ("suggest", {"study_id": "none", "count": value}),
                ("report", {"study_id": "none", "number": value, "attempt": 1, "values": {"loss": 1.0}}),
                ("report", {"study_id": "none", "number": 0, "attempt": 1, "values": {"loss": value}}),
                (
                    "create_study",
                    {
                        "study_id": "s",
                        "objectives": [{"name": "l", "direction": "minimize"}],
                        "space": {"x": {"uniform": [0, value]}, "y": [1, 2]},
                    },
                ),
                (
                    "start_run",
                    {"pac_id": "p", "spec": {"kind": "nas", "manifest": "nowhere.toml", "budget": {"wall_s": value}}},
                ),
            ):
                answer = await port.call(procedure, **fields)
                promise(not answer.startswith("internal"), f"{procedure} {_shown(value)}: {answer[:100]!r}")
        for value in (float("nan"), float("inf"), -1.0, 10**400):
            spec = {
                "kind": "nas",
                "manifest": "nowhere.toml",
                "limits": {"latency": value},
                "objectives": ["accuracy", "latency"],
            }
            answer = await port.call("start_run", pac_id="p", spec=spec)
            promise(answer.startswith("invalid_argument"), f"a limit of {_shown(value)}: {answer[:100]!r}")
    return f"{len(NUMBERS)} values in six places, none a defect"


async def crooked_texts(target: Target) -> str:
    """Texts of NUL, newlines, half characters and markup, wherever a request takes one."""
    async with target.port() as port:
        for text in (b"\xed\xa0\x80", "a\0b", "x\n", "[red]x[/red]", ":fire:", "\x1b[2J", "x" * 100_000):
            for procedure, fields in (
                ("get_run", {"run_id": text}),
                ("get_study", {"study_id": text}),
                ("check_dataset", {"manifest": text}),
                ("list_runs", {"pac_id": text}),
                (text, {}),
                ("get_run", {text: 1}),
            ):
                port_answer = await port.call(procedure, **{str(k): v for k, v in fields.items()})  # type: ignore[arg-type]
                promise(
                    not port_answer.startswith(("internal", "ok {'run_id'")),
                    f"{procedure!r} {text[:10]!r}: {port_answer[:100]!r}",
                )
    return "refused in kind"


async def left_suggests(target: Target) -> str:
    """Suggests of a study with very many options, left at once: other studies are answered meanwhile."""
    async with target.port() as port:
        for options in (50_000, 1_000):
            space = {"x": {"choice": [f"option-{n}" for n in range(options)]}, "y": {"uniform": [0, 1]}}
            made = await port.call(
                "create_study",
                study_id=f"wide-{options}",
                objectives=[{"name": "loss", "direction": "minimize"}],
                space=space,
            )
            if made.startswith("ok"):
                break
            promise(made.startswith("invalid_argument"), f"{options} options: {made[:100]!r}")
        plain = await port.call(
            "create_study",
            study_id="plain",
            objectives=[{"name": "loss", "direction": "minimize"}],
            space={"x": {"uniform": [0, 1]}},
        )
        promise(plain.startswith("ok"), plain[:100])
        for number in range(20):
            port.send(Atom("call"), 10_000 + number, "suggest", {"study_id": f"wide-{options}"}, {"timeout_ms": 50})
        answer = await asyncio.wait_for(port.call("suggest", study_id="plain"), 10.0)
        promise(answer.startswith("ok"), f"another study's: {answer[:100]!r}")
    return "answered beside them"


def _shown(value: object) -> str:
    """A value in a few characters; Python writes no integer of more than 4,300 digits."""
    return f"an integer of {value.bit_length()} bits" if isinstance(value, int) and value > 2**64 else repr(value)

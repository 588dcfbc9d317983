"""A port program that sends events as fast as the pipe takes them: `fresh` encodes each of them, `ready` none."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from bridge.contract.runs import RunEvent
from bridge.transports.port.frames import Connection
from bridge.transports.port.messages import framed

# As many as a stream's first credit, so as many as one write of the real program holds.
BATCH = 64

MEASUREMENTS = {"duration_s": 1.25, "accuracy": 0.97, "loss": 0.11, "latency_s": 0.0004, "cost_usd": 2e-5}
METADATA = {"number": 7, "outcome": "ok", "tree_hash": "0123456789abcdef", "reason": None}


def main(kind: str, count: int) -> None:
    connection = Connection({}, {"watch_run"})
    connection.receive(framed("hello", 1, {}) + framed("call", 1, "watch_run", {"run_id": "bench"}, {}))
    connection.outgoing()
    ready = batch(connection, 1)
    for first in range(1, count + 1, BATCH):
        unsent = memoryview(ready if kind == "ready" else batch(connection, first))
        while unsent:
            unsent = unsent[os.write(4, unsent) :]
    os.read(3, 1)  # until the owner has seen them all and closes


def batch(connection: Connection, first: int) -> bytes:
    at = datetime.now(UTC)
    for seq in range(first, first + BATCH):
        event = RunEvent(
            run_id="bench", seq=seq, name="cerebros.trial.stop", measurements=MEASUREMENTS, metadata=METADATA, at=at
        )
        connection.item(1, event)
    connection.receive(framed("credit", 1, BATCH))
    return connection.outgoing()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

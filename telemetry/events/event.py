"""The form of an event: a name, measurements and metadata.

An event is a frozen dataclass named `cerebros.<thing>.<what happened>`, which
is queued, start, progress, rung, stop or exception. Fields listed in
`measured` are measurements (numbers), the others are metadata; together they
have the shape of Erlang's `:telemetry.execute/3`.
A `stop` carries every documented key, also when the thing failed: figures
that do not exist are None, never a made-up number. Any other event tells of
something that happened once; one named `cerebros.<thing>.progress` tells how
far something has come, and is superseded by the next one of that name.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import msgspec

Scalar = str | int | float | bool | None


class Record(msgspec.Struct, frozen=True):
    """An event as it is stored and sent: `measurements` are numbers, `metadata` names what they belong to."""

    name: str
    measurements: dict[str, float | int | None]
    metadata: dict[str, Scalar]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of every event; the fields that `measured` names are its measurements, the others its metadata."""

    name: ClassVar[str]
    measured: ClassVar[tuple[str, ...]]

    def record(self) -> Record:
        """Return the event as it is stored and sent."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return Record(
            name=self.name,
            measurements={key: values[key] for key in self.measured},
            metadata={key: value for key, value in values.items() if key not in self.measured},
        )


def is_progress(name: str) -> bool:
    """Return True if a slow reader may skip all but the last of consecutive events with this name."""
    return name.endswith(".progress")

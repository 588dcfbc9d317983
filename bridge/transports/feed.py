"""A stream's events on their way to a reader that grants credit.

Credit is how many more events the reader will take. What has none waits
here, in bounded room: of progress events that follow each other only the
newest is kept, and it says how many it stands for; any other event is never
dropped, it stops the reading instead.
"""

from __future__ import annotations

import msgspec

from bridge.contract.runs import RunEvent
from cerebros.errors import Internal
from telemetry.events import is_progress


class Feed:
    """At most one progress event and one other wait; `dropped` counts what a progress event replaced."""

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self._waiting: list[RunEvent] = []
        self._dropped = 0

    @property
    def hungry(self) -> bool:
        """Whether the next event may be offered; if not, credit has to come first."""
        return not self._waiting or is_progress(self._waiting[-1].name)

    def offer(self, event: RunEvent) -> None:
        """Take the next event in.

        Raises:
            Internal: the feed is not hungry, so the event was read too early.
        """
        if not self.hungry:
            raise Internal(f"event {event.seq} was read before there was credit for {self._waiting[-1].seq}")
        if self._waiting and is_progress(event.name):
            self._waiting[-1] = event
            self._dropped += 1
        else:
            self._waiting.append(event)

    def take(self) -> list[RunEvent]:
        """The events that have credit, in order, each given once."""
        taken = self._waiting[: self.credit]
        del self._waiting[: self.credit]
        self.credit -= len(taken)
        return [self._counted(event) if is_progress(event.name) else event for event in taken]

    def _counted(self, event: RunEvent) -> RunEvent:
        measurements = {**event.measurements, "dropped": self._dropped}
        self._dropped = 0
        return msgspec.structs.replace(event, measurements=measurements)

"""What a reader without credit misses, and what it never misses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.contract.runs import RunEvent
from bridge.transports.port.feed import Feed
from cerebros.errors import Internal

AT = datetime(2026, 1, 2, tzinfo=UTC)


def event(seq: int, name: str) -> RunEvent:
    return RunEvent(run_id="r", seq=seq, name=name, measurements={"loss": 0.5}, metadata={}, at=AT)


class Reader:
    """Offers stored events as a stream does, and keeps what arrives."""

    def __init__(self, credit: int, names: list[str]) -> None:
        self.feed = Feed(credit)
        self.stored = [event(seq, name) for seq, name in enumerate(names, 1)]
        self.unread = list(self.stored)
        self.arrived: list[RunEvent] = []

    def advance(self, grant: int = 0) -> None:
        self.feed.credit += grant
        self.arrived += self.feed.take()
        while self.unread and self.feed.hungry:
            self.feed.offer(self.unread.pop(0))
            self.arrived += self.feed.take()


def lifecycle(events: list[RunEvent]) -> list[int]:
    return [event.seq for event in events if event.name == "cerebros.trial.stop"]


@given(
    credit=st.integers(0, 5),
    names=st.lists(st.sampled_from(["cerebros.trial.stop", "cerebros.trial.progress"]), max_size=40),
    grants=st.lists(st.integers(0, 5), max_size=40),
)
def test_credit_is_kept_lifecycle_is_whole_and_every_missing_progress_is_counted(credit, names, grants):
    reader = Reader(credit, names)
    reader.advance()
    for grant in grants:
        reader.advance(grant)
        assert len(reader.arrived) <= credit + sum(grants)
    reader.advance(len(names))
    assert lifecycle(reader.arrived) == lifecycle(reader.stored)
    dropped = sum(event.measurements.get("dropped", 0) for event in reader.arrived)
    assert len(reader.arrived) + dropped == len(names)
    seqs = [event.seq for event in reader.arrived]
    assert seqs == sorted(seqs)


def test_the_newest_progress_is_the_one_that_arrives():
    reader = Reader(0, ["cerebros.trial.progress"] * 10_000)
    reader.advance()
    reader.advance(grant=1)
    assert [(event.seq, event.measurements["dropped"]) for event in reader.arrived] == [(10_000, 9_999)]


def test_a_reader_with_credit_misses_nothing():
    reader = Reader(100, ["cerebros.trial.progress"] * 100)
    reader.advance()
    assert [event.measurements["dropped"] for event in reader.arrived] == [0] * 100


def test_an_event_that_may_not_be_dropped_stops_the_reading():
    feed = Feed(0)
    feed.offer(event(1, "cerebros.trial.stop"))
    assert not feed.hungry
    with pytest.raises(Internal):
        feed.offer(event(2, "cerebros.trial.stop"))

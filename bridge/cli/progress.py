"""The bar that follows a run: its stage, candidates, the best so far, failures, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.cli import show
from bridge.contract.runs import RunEvent

# Candidates of a search must have ended before its pace says anything.
PACE_TRIALS = 3


@dataclass
class Account:
    """The account that a run's events give of it.

    Attributes:
        planned: candidates of the search; 0 while unknown.
        best: highest accuracy on validation rows, None before the first.
        ends: the outcomes of candidates with their numbers.
        limit_s: seconds of work after which the run starts no more candidates, None without a limit.
    """

    limit_s: float | None = None
    stage: str = "queued"
    planned: int = 0
    best: float | None = None
    ends: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def hear(self, event: RunEvent) -> None:
        """Add what an event tells."""
        match event.name:
            case "cerebros.run.queued":
                self.planned = int(event.measurements["trials"] or 0)
                self.limit_s = event.measurements.get("wall_s")
            case "cerebros.stage.start":
                self.stage = str(event.metadata["stage"])
                self.began = time.monotonic()
            case "cerebros.trial.stop":
                outcome = str(event.metadata["outcome"])
                self.ends[outcome] = self.ends.get(outcome, 0) + 1
                accuracy = event.measurements["accuracy"]
                if outcome == "ok" and accuracy is not None:
                    self.best = max(self.best or accuracy, accuracy)

    @property
    def ended(self) -> int:
        return sum(self.ends.values())

    def left_s(self, now: float) -> float | None:
        """Seconds until the search ends, by its pace and its limit; None while neither says anything."""
        passed = now - self.began
        paced = passed / self.ended * (self.planned - self.ended) if self.ended >= PACE_TRIALS else None
        limited = None if self.limit_s is None else max(0.0, self.limit_s - passed)
        known = [seconds for seconds in (paced, limited) if seconds is not None]
        return min(known) if known and self.stage == "search" else None

    def words(self, now: float) -> str:
        """The words beside the bar."""
        said = [] if self.best is None else [f"best {self.best:.4f}"]
        said += [f"{count} {outcome}" for outcome, count in self.ends.items() if outcome != "ok"]
        if (left_s := self.left_s(now)) is not None:
            said.append(f"about {show.duration(left_s)} left")
        if self.limit_s is not None and self.stage == "search":
            said.append(f"limit {show.duration(self.limit_s)}")
        return ", ".join(said)


async def progress(events: AsyncIterator[RunEvent]) -> None:
    """Follow a run on stderr until it has ended."""
    account = Account()
    columns = (
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=show.console(stderr=True), transient=True) as bars:
        bar = bars.add_task("queued", total=None, words="")
        async for event in events:
            account.hear(event)
            bars.update(
                bar,
                description=account.stage,
                total=account.planned or None,
                completed=account.ended,
                words=account.words(time.monotonic()),
            )

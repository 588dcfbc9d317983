"""The vocabulary of events: a class for each, all of them in `VOCABULARY`."""

from telemetry.events.capability import PromotionStop, VerdictStop
from telemetry.events.event import Event, Record, Scalar, is_progress
from telemetry.events.nas import ShortlistStop
from telemetry.events.runs import (
    RunQueued,
    RunStart,
    RunStop,
    StageException,
    StageStart,
    StageStop,
    run_stop,
    stage_exception,
)
from telemetry.events.trials import TrialProgress, TrialRung, TrialStop, trial_rung, trial_stop

VOCABULARY: tuple[type[Event], ...] = (
    RunQueued,
    RunStart,
    RunStop,
    StageStart,
    StageStop,
    StageException,
    TrialProgress,
    TrialRung,
    TrialStop,
    ShortlistStop,
    VerdictStop,
    PromotionStop,
)

__all__ = [
    "VOCABULARY",
    "Event",
    "Record",
    "Scalar",
    "is_progress",
    "PromotionStop",
    "RunQueued",
    "RunStart",
    "RunStop",
    "ShortlistStop",
    "StageException",
    "StageStart",
    "StageStop",
    "TrialProgress",
    "TrialRung",
    "TrialStop",
    "VerdictStop",
    "run_stop",
    "stage_exception",
    "trial_rung",
    "trial_stop",
]

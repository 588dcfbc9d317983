"""Choice of the executor that runs this process's jobs, by the operator's settings."""

from __future__ import annotations

from bridge.jobs.executor import Executor
from bridge.jobs.pool import JobPool
from bridge.jobs.settings import JobSettings
from cerebros.errors import FailedPrecondition


def executor_of(settings: JobSettings, *, on_gpu: bool) -> Executor:
    """Return the executor of these settings, with one GPU for each job if `on_gpu`; nothing is started yet.

    Raises:
        FailedPrecondition: it needs an extra that is not installed, or a setting that is not set.
    """
    limits = settings.trial_processes, settings.trial_memory_bytes, settings.trial_timeout_s
    if settings.executor == "local":
        return JobPool(*limits)
    try:
        from bridge.jobs.ray_executor import RayExecutor
    except ImportError:
        raise FailedPrecondition("CEREBROS_EXECUTOR is ray; install cerebros-bridge[ray]") from None
    return RayExecutor(settings.ray_address, *limits, gpus=int(on_gpu))

"""Events as JSON lines on stderr, one line each, with structlog."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

import structlog


def configure_logging(level: str) -> None:
    """Send every log line of this process, our own and libraries', to stderr as JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log_event(name: str, seq: int, measurements: Mapping[str, object], metadata: Mapping[str, object]) -> None:
    """One stored event as one line; called after its transaction has committed."""
    structlog.get_logger().info(name, seq=seq, **metadata, **measurements)


def log_failure(what: str, **facts: object) -> None:
    """Something went wrong that somebody should look at."""
    structlog.get_logger().error(what, **facts)

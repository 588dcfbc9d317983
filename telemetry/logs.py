"""JSON lines on stderr, one object each: stored events, failures, and warnings of libraries."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import Processor


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        Meta(
            description="Least level of the JSON lines on stderr, `debug` to `critical`; "
            "libraries are heard from `warning` on."
        ),
    ] = "info"


def configure_logging(level: str) -> None:
    """Log as JSON lines on stderr: our own lines from `level` on, those of libraries from `level` and WARNING on.

    Libraries log through `logging`; their lines also have `logger`, the name they log under.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    of_libraries = max(number, logging.WARNING)
    facts: list[Processor] = [add_log_level, TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[*facts, JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # one write a line, as the handler below has
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[add_logger_name, *facts, format_exc_info],
            processors=[ProcessorFormatter.remove_processors_meta, JSONRenderer()],
        )
    )
    handler.setLevel(of_libraries)  # psycopg sets a level of its own, which passes the root's by
    logging.basicConfig(handlers=[handler], level=of_libraries, force=True)


def log_event(name: str, seq: int, measurements: Mapping[str, object], metadata: Mapping[str, object]) -> None:
    """Log a stored event as one line; called after its transaction has committed."""
    structlog.get_logger().info(name, seq=seq, **metadata, **measurements)


def log_call(procedure: str, action: str, **caller: object) -> None:
    """Log, at `debug`, a call that may change something: the question, and what is known of who asks."""
    told = {name: fact for name, fact in caller.items() if fact is not None and name != "deadline"}
    structlog.get_logger().debug("cerebros.call", procedure=procedure, action=action, **told)


def log_failure(what: str, **facts: object) -> None:
    """Log a failure that an operator should look at."""
    structlog.get_logger().error(what, **facts)

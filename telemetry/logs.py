"""The log: stored events, failures, and warnings of libraries, a line each.

A line is a JSON object or, where a person reads along at a terminal, words.
Nobody who logs waits for the log or hears of its trouble: `Sink` sees to that.
Failures and libraries' lines are limited a kind, since callers can cause any
number of them; a stored event costs its caller a transaction, and each has its
line.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, TextIO, cast

import msgspec
import structlog
from msgspec import Meta
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor

from cerebros.errors import InvalidArgument
from telemetry.sink import NO_ROOM, Sink

Form = Literal["auto", "human", "json"]

# Least first.
Level = Literal["debug", "info", "warning", "error", "critical"]


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    log_level: Annotated[
        Level,
        Meta(
            description="Least level of the log's lines, `debug` to `critical`; libraries are heard from `warning` on."
        ),
    ] = "info"
    log_format: Annotated[
        Form,
        Meta(
            description="Form of the log: `json`, an object a line; `human`, words, and of events only the start and "
            "end of runs unless the level is `debug`; `auto` is `human` on a terminal and `json` elsewhere."
        ),
    ] = "auto"
    log_file: Annotated[str, Meta(description="File that the log is added to; stderr when empty.")] = ""


# Lines of a kind in a second; more are left out and counted.
LINES_PER_SECOND = 5

# Characters of a text in a line; of a longer one its two ends are kept, which say the most.
TEXT_AT_MOST = 8192

# Seconds that the end of a process waits for its last lines to be written.
LAST_LINES_S = 1.0

# Events that a person at a terminal is told of, and the facts of each.
TOLD_TO_PEOPLE = {
    "cerebros.run.start": ("run_id", "kind", "pac_id", "attempt"),
    "cerebros.run.stop": ("run_id", "state", "duration_s", "accuracy", "error_code", "error_message"),
}


def configure_logging(level: str, form: Form = "auto", file: str = "") -> None:
    """Log our own lines from `level` on, those of libraries from `level` and WARNING on.

    Whatever this process prints to stderr from now on, a traceback too, goes through a `Sink`. Libraries log through
    `logging`; their lines also have `logger`, the name they log under.

    Raises:
        InvalidArgument: the file cannot be opened.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    on_terminal = not file and os.isatty(_stderr_descriptor())
    human = form == "human" or (form == "auto" and on_terminal)
    colours = on_terminal and "NO_COLOR" not in os.environ
    facts: list[Processor] = [add_log_level, TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human), _short]
    ending: list[Processor] = [_printable, _console(colours)] if human else [JSONRenderer()]
    if human and on_terminal:
        ending.append(_on_a_line_of_its_own)
    _log_to(_opened(file), [*facts, *ending])
    structlog.configure(
        processors=[_limited, *([_brief] if human and level != "debug" else []), *facts, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _sinks[0])),
    )
    _hear_libraries(max(number, logging.WARNING), facts, ending)


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


class LeftOut(msgspec.Struct, frozen=True):
    """Numbers of lines that this process did not write: too many of their kind in a second, and without room."""

    too_many: int
    no_room: int


def left_out() -> LeftOut:
    """Return the numbers since this process began to log."""
    counts = sum((sink.left_out for sink in _sinks), start=Counter[str]())
    return LeftOut(too_many=counts.total() - counts[NO_ROOM], no_room=counts[NO_ROOM])


def write_last_lines() -> None:
    """Wait, for a bounded time, until the lines logged so far are written: the last act of a process."""
    for sink in _sinks:
        sink.drain(LAST_LINES_S)


# The sink of the log, and that of stderr where the log has a file; empty until `configure_logging`.
_sinks: list[Sink] = []


def _log_to(descriptor: int, processors: list[Processor]) -> None:
    def account(lines: Mapping[str, int]) -> str:
        told: Any = {"event": "cerebros.log.left_out", "lines": dict(lines)}
        for process in processors:
            told = process(None, "warning", told)
        return f"{told}\n"

    _sinks[:] = [Sink(number, account) for number in dict.fromkeys((descriptor, _stderr_descriptor()))]
    if sys.stderr is sys.__stderr__ or isinstance(sys.stderr, Sink):  # else a test reads it
        sys.stderr = _sinks[-1]
    atexit.register(write_last_lines)


def _hear_libraries(level: int, facts: list[Processor], ending: list[Processor]) -> None:
    handler = logging.StreamHandler(_sinks[0])
    handler.addFilter(lambda record: _admitted(record.name))
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[add_logger_name, format_exc_info, *facts],
            processors=[ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    handler.setLevel(level)  # psycopg sets a level of its own, which passes the root's by
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    # gRPC's core writes to descriptor 2 by itself, where a full pipe would stop its threads.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _opened(file: str) -> int:
    if not file:
        return _stderr_descriptor()
    try:
        # Without O_NONBLOCK a FIFO that nobody reads would be waited for.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
    except (OSError, ValueError) as problem:
        raise InvalidArgument(f"CEREBROS_LOG_FILE {file!r} cannot be opened: {problem}; name another file") from None
    os.set_blocking(descriptor, True)
    return descriptor


@cache
def _stderr_descriptor() -> int:
    # A process that was started without stderr may have anything at 2.
    return 2 if sys.__stderr__ is not None else os.open(os.devnull, os.O_WRONLY)


_second, _lines_in_second = 0, Counter[str]()


def _admitted(kind: str) -> bool:
    """Return True unless this second has had enough lines of the kind."""
    global _second
    if (now := int(time.monotonic())) != _second:
        _second = now
        _lines_in_second.clear()
    _lines_in_second[kind] += 1
    if _lines_in_second[kind] <= LINES_PER_SECOND:
        return True
    _sinks[0].leave_out(kind)
    return False


def _limited(_logger: object, method: str, told: EventDict) -> EventDict:
    if method == "error" and not _admitted(told["event"]):
        raise structlog.DropEvent
    return told


def _brief(_logger: object, method: str, told: EventDict) -> EventDict:
    if method != "info":
        return told
    if (facts := TOLD_TO_PEOPLE.get(told["event"])) is None:
        raise structlog.DropEvent
    return {"event": told["event"]} | {name: told[name] for name in facts if told.get(name) is not None}


def _short(_logger: object, _method: str, told: EventDict) -> EventDict:
    for name, fact in told.items():
        if isinstance(fact, str) and len(fact) > TEXT_AT_MOST:
            half = TEXT_AT_MOST // 2
            told[name] = f"{fact[:half]} … {len(fact) - TEXT_AT_MOST} characters … {fact[-half:]}"
        elif isinstance(fact, float) and not math.isfinite(fact):
            told[name] = str(fact)  # JSON has no word for it
    return told


def _printable(_logger: object, _method: str, told: EventDict) -> EventDict:
    """Make texts harmless for a terminal and figures short for its reader."""
    account = told.pop("traceback", None) or told.pop("exception", None)
    for name, fact in told.items():
        if isinstance(fact, float):
            told[name] = f"{fact:.4g}"
        elif isinstance(fact, str):
            told[name] = _escaped(fact.rstrip())
    if account is not None:
        told["exception"] = "\n".join(map(_escaped, str(account).splitlines()))
    return told


def _escaped(text: str) -> str:
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _on_a_line_of_its_own(_logger: object, _method: str, line: Any) -> str:
    """Take the place of what stands on the terminal's line: a command's bar perhaps, which is drawn again below."""
    return f"\r\x1b[K{line}"


def _console(colours: bool) -> ConsoleRenderer:
    return ConsoleRenderer(
        colors=colours, sort_keys=False, pad_event_to=0, pad_level=False, exception_formatter=plain_traceback
    )

"""The outermost frame of whatever somebody waits for: a request, a stream, a run.

Expected errors are typed; any other exception is a defect. A caller is told
of the defect and its class only; the message and the traceback may hold
anything, and go to the log.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.process.files import PASSING
from cerebros.errors import CerebrosError, Internal, ResourceExhausted
from telemetry.logs import log_failure

# Python's words, as a RuntimeError, where the system refuses it a thread.
NO_THREAD = "can't start new thread"


@contextmanager
def defects_answered(what: str) -> Iterator[None]:
    """Turn a defect in `what` into a typed error, and log its traceback.

    Raises:
        Internal: there was a defect.
        ResourceExhausted, Unavailable: the process may have no more memory or threads, or a disk or the system is in
            trouble, which is nobody's defect.
        CerebrosError: what was raised inside, as it is.
    """
    try:
        yield
    except CerebrosError:
        raise
    except MemoryError:
        raise ResourceExhausted(f"{what}: memory ran out; ask for less, or on a machine with more") from None
    except Exception as defect:  # noqa: BLE001 - the outermost frame
        if isinstance(defect, OSError) and defect.errno in PASSING:
            refusal, move = PASSING[defect.errno]
            raise refusal(f"{what}: {defect.strerror}; {move}") from None
        if str(defect) == NO_THREAD:
            raise ResourceExhausted(
                f"{what}: no thread could be started; allow this user more memory or processes (ulimit -v, -u)"
            ) from None
        log_failure("cerebros.defect", at=what, traceback=traceback.format_exc())
        raise Internal(f"{what}: {type(defect).__name__}; this is a defect, please report it") from None

"""Cerebros for callers of erlport: every procedure is a function of this module.

    {:ok, pid} = :python.start(python: ~c"python3", python_path: ~c"priv/thunderline")
    {:ok, run} = :python.call(pid, :erlport_entry, :start_run, [%{"pac_id" => "p1", "manifest" => "digits.toml"}])
    {:error, :not_found, facts} = :python.call(pid, :erlport_entry, :call, ["get_run", %{"run_id" => "x"}])

erlport's Python half comes with its Elixir package; this module neither
imports nor needs it. Values are what erlport makes of terms: binaries are
bytes, atoms are bytes of a class of erlport's, `undefined` is None. Requests
are maps or proplists; that of `start_run` may have the fields of its `spec`
beside its own, and its kind is then `DEFAULT_KIND` unless given. Their texts
are binaries, because a charlist cannot be told from a list of integers.
Answers are maps with binary keys.

The bridge runs in this process, on a thread of its own, and stays open from
the first call on. It works on no runs: keep `cerebros-bridge up` or
`cerebros-bridge worker` beside it. erlport has no streams with credit; to
watch a run, ask `get_run` for `last_seq`, or speak the port protocol.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, partial
from typing import Any

import msgspec

from bridge.api.bridge import Bridge
from bridge.contract.procedure import Caller
from bridge.contract.runs import StartRun
from bridge.process.owner import owner
from bridge.process.settings import read_settings
from bridge.runs.procedures import procedures
from bridge.service import KINDS, PROCEDURES, SETTINGS, migrated_database, open_bridge
from cerebros.errors import CerebrosError
from telemetry.logs import LogSettings, configure_logging

# The slowest procedure, checking a dataset, takes seconds; erlport itself would wait for ever.
TIMEOUT_MS = 30_000

# The kind of a run whose request is flat and names none: the one that Thunderline asks for.
DEFAULT_KIND = "cycle"

# Those that answer once, by name; erlport has no streams.
NAMES = tuple(procedure.name for procedure in (*procedures(KINDS), *PROCEDURES) if not procedure.streams)

# All that is not of these says what a kind of run needs to know.
OF_ANY_RUN = frozenset(field.name for field in msgspec.structs.fields(StartRun))

# erlport's Atom where erlport runs us, plain bytes elsewhere.
_atom: Callable[[bytes], bytes] = getattr(sys.modules.get("erlport.erlterms"), "Atom", bytes)


def call(procedure: bytes, params: Any = (), timeout_ms: int = TIMEOUT_MS) -> tuple[Any, ...]:
    """Run a procedure: `{ok, Result}`, or `{error, Code, #{message, class, retryable}}`."""
    try:
        loop, bridge = _opened()
        deadline = time.monotonic() + timeout_ms / 1000
        caller = Caller(principal=owner(), owner=True, transport="erlport", deadline=deadline)
        name = procedure.decode()
        request = _with_spec(_request(params)) if name == "start_run" else _request(params)
        work = bridge.call(caller, name, request)
        return _atom(b"ok"), _term(asyncio.run_coroutine_threadsafe(work, loop).result())
    except CerebrosError as problem:
        facts = {"message": problem.message, "class": problem.error_class.value, "retryable": problem.retryable}
        return _atom(b"error"), _atom(problem.code.value.lower().encode()), _term(facts)


def __getattr__(name: str) -> Callable[..., tuple[Any, ...]]:
    if name not in NAMES:
        raise AttributeError(f"no procedure is called {name!r}; choose from {', '.join(NAMES)}")
    return partial(call, name.encode())


@cache
def _opened() -> tuple[asyncio.AbstractEventLoop, Bridge]:
    """The loop and the bridge, opened at the first call; a failure is that call's answer, and the next tries again."""
    settings = read_settings(SETTINGS)
    log = settings[LogSettings]
    configure_logging(log.log_level, log.log_format, log.log_file)
    opened: Future[tuple[asyncio.AbstractEventLoop, Bridge]] = Future()

    async def keep_open(url: str) -> None:
        async with open_bridge(settings, url) as bridge:
            opened.set_result((asyncio.get_running_loop(), bridge))
            await asyncio.Event().wait()

    def run() -> None:
        try:
            with migrated_database(settings) as url:
                asyncio.run(keep_open(url))
        except CerebrosError as problem:
            opened.set_exception(problem)
        finally:
            opened.cancel()  # whatever else went wrong, nobody waits for ever

    # The thread and its database go with the process, which erlport ends at once.
    threading.Thread(target=run, name="cerebros-bridge", daemon=True).start()
    return opened.result()


def _request(params: Any) -> dict[str, Any]:
    plain = _plain(params)
    return {} if plain == [] else plain


def _with_spec(request: dict[str, Any]) -> dict[str, Any]:
    """A request to start a run as Thunderline writes it, flat, in the form of the contract."""
    if "spec" in request:
        return request
    spec = {name: value for name, value in request.items() if name not in OF_ANY_RUN}
    common = {name: value for name, value in request.items() if name in OF_ANY_RUN}
    return {**common, "spec": {"kind": DEFAULT_KIND, **spec}}


def _plain(value: Any) -> Any:
    """A term as erlport reads it, in the types that the procedures decode."""
    match value:
        case bytes():
            text = value.decode(errors="replace")
            return None if text == "nil" and type(value) is not bytes else text
        case dict():
            return {_plain(key): _plain(element) for key, element in value.items()}
        case list() | tuple() if value and all(_is_pair(element) for element in value):
            return {_plain(key): _plain(element) for key, element in value}
        case list() | tuple():
            return list(map(_plain, value))
    return value


def _is_pair(element: Any) -> bool:
    return isinstance(element, tuple) and len(element) == 2 and isinstance(element[0], bytes)


def _term(value: Any) -> Any:
    """A result in types that erlport writes well: from text it would make a charlist, from NaN a broken term."""
    match msgspec.to_builtins(value):
        case str(text):
            return text.encode(errors="replace")
        case dict(entries):
            return {_term(key): _term(element) for key, element in entries.items()}
        case list(elements) | tuple(elements):
            return list(map(_term, elements))
        case float(number) if not math.isfinite(number):
            return _atom(b"nan" if math.isnan(number) else b"infinity" if number > 0 else b"neg_infinity")
        case other:
            return other

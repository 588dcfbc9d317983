"""erlport_entry as a real BEAM calls it, in the messages of erlport's protocol.

erlport itself is not in any registry for Python 3 and may not be copied, so
its Python half is stood for by HOST: it speaks the call messages
(`{'C', id, module, function, args}`, answered by `{'r', id, result}` or
`{'e', id, reason}`) and gives values the types that erlport gives them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENTRY = Path(__file__).parent.parent / "priv" / "thunderline"

HOST = """
import importlib, os, sys, types
from bridge.transports.port import etf

class Atom(bytes):
    "What erlport makes of an atom."

sys.modules["erlport.erlterms"] = types.SimpleNamespace(Atom=Atom)

def theirs(value):
    match value:
        case etf.Atom(): return Atom(value.encode())
        case str(): return value.encode()
        case dict(): return {theirs(k): theirs(v) for k, v in value.items()}
        case list() | tuple(): return type(value)(map(theirs, value))
        case None: return Atom(b"nil")
    return value

def ours(value):
    match value:
        case Atom(): return etf.Atom(value.decode())
        case None: return etf.Atom("undefined")
        case str(): return list(map(ord, value))
        case dict(): return {ours(k): ours(v) for k, v in value.items()}
        case list() | tuple(): return type(value)(map(ours, value))
    return value

inward, outward = os.fdopen(3, "rb"), os.fdopen(4, "wb")
while head := inward.read(4):
    tag, number, module, function, args = etf.decode(inward.read(int.from_bytes(head)))
    try:
        called = getattr(importlib.import_module(module), function)
        answer = (etf.Atom("r"), number, ours(called(*map(theirs, args))))
    except Exception as problem:
        answer = (etf.Atom("e"), number, (etf.Atom("python"), type(problem).__name__, str(problem), []))
    raw = etf.encode(answer)
    outward.write(len(raw).to_bytes(4) + raw)
    outward.flush()
"""

CALLER = """
[Python, Host, Manifest] = init:get_plain_arguments(),
Port = open_port({spawn_executable, Python}, [binary, {packet, 4}, nouse_stdio, {args, ["-c", Host]}]),
Call = fun(Function, Args) ->
    port_command(Port, term_to_binary({'C', 1, erlport_entry, Function, Args})),
    receive {Port, {data, Frame}} -> binary_to_term(Frame) end
end,
Started = #{<<"run_id">> => <<"erlport">>, pac_id => <<"p">>, <<"manifest">> => list_to_binary(Manifest),
            seed => 7, deadline_s => nil, <<"budget">> => [{trials, 4}, {epochs, 1}]},
{r, 1, {ok, #{<<"state">> := <<"queued">>, <<"metrics">> := undefined}}} = Call(start_run, [Started]),
Nested = maps:with([<<"run_id">>, pac_id, deadline_s], Started),
Spec = maps:without([<<"run_id">>, pac_id, deadline_s], Started),
{r, 1, {ok, #{<<"run_id">> := <<"erlport">>, <<"kind">> := <<"cycle">>}}} =
    Call(start_run, [Nested#{spec => Spec#{kind => cycle}}]),
{r, 1, {ok, #{<<"run_id">> := <<"erlport">>, <<"last_seq">> := 1}}} = Call(get_run, [[{run_id, <<"erlport">>}]]),
{r, 1, {ok, #{<<"status">> := <<"serving">>}}} = Call(call, [<<"health">>]),
{r, 1, {ok, #{<<"status">> := <<"serving">>}}} = Call(call, [health, [], 5000]),
{r, 1, {error, not_found, #{<<"class">> := <<"permanent">>, <<"retryable">> := false}}} =
    Call(call, [<<"get_run">>, #{<<"run_id">> => <<"nobody">>}]),
{r, 1, {error, not_found, _}} = Call(call, [<<"fly">>, #{}]),
{r, 1, {error, invalid_argument, #{<<"message">> := Where}}} = Call(start_run, [Started#{seed := -1}]),
{match, _} = re:run(Where, "seed"),
{r, 1, {error, deadline_exceeded, #{<<"class">> := <<"timeout">>}}} =
    Call(call, [check_dataset, #{manifest => list_to_binary(Manifest)}, 20]),
{e, 1, {python, <<"AttributeError">>, _, []}} = Call(fly, []),
io:format("every call was answered~n"),
halt().
"""


@pytest.mark.skipif(shutil.which("erl") is None, reason="erlang is not installed: make test installs it")
def test_a_beam_calls_procedures_as_it_would_through_erlport(database_url, tmp_path, start):
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "CEREBROS_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ENTRY), os.environ.get("PYTHONPATH")))),
    }
    arguments = [sys.executable, HOST, start()["spec"]["manifest"]]
    done = subprocess.run(
        ["erl", "-noinput", "-noshell", "-eval", CALLER, "-extra", *arguments],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "every call was answered\n", done.stdout + done.stderr


def test_every_procedure_is_a_function_of_the_module(monkeypatch):
    monkeypatch.syspath_prepend(ENTRY)
    import erlport_entry

    for name in ("start_run", "get_run", "check_dataset", "health"):
        assert name in erlport_entry.NAMES
    for name in erlport_entry.NAMES:
        assert callable(getattr(erlport_entry, name))
    with pytest.raises(AttributeError, match="choose from"):
        erlport_entry.no_such_procedure  # noqa: B018


def test_figures_that_no_term_can_hold_become_atoms(monkeypatch):
    monkeypatch.syspath_prepend(ENTRY)
    import erlport_entry

    assert erlport_entry._term({"loss": [float("nan"), float("inf"), -float("inf"), 0.5]}) == {
        b"loss": [b"nan", b"infinity", b"neg_infinity", 0.5]
    }

"""The External Term Format codec, judged by itself, by erlang-py and by a real BEAM."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import erlang
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.transports.etf import Atom, EtfError, Opaque, decode, encode
from bridge.transports.etf.reading import MAX_NUMBER_KEYS
from bridge.transports.etf.terms import MAX_DEPTH

# Single mutations of one message; a longer run is a matter of this figure.
MUTATIONS = 30_000

JUDGE = """
Port = open_port({fd, 0, 1}, [binary, {packet, 4}]),
Evaluate = fun(Text) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, []),
    Value
end,
Answer = fun(<<"term", Bytes/binary>>) -> binary_to_term(Bytes);
            (<<"text", Text/binary>>) -> Evaluate(Text)
end,
Loop = fun Next() ->
    receive
        {Port, {data, Question}} ->
            Reply = try [<<"ok">>, term_to_binary(Answer(Question))] catch _:_ -> <<"no">> end,
            port_command(Port, Reply),
            Next()
    end
end,
Loop().
"""


class Beam:
    """A running BEAM that reads terms and expressions and writes them as it would itself."""

    def __init__(self) -> None:
        command = ["erl", "-noinput", "-noshell", "-eval", JUDGE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def rewrite(self, term: bytes) -> bytes | None:
        """The BEAM's own bytes for the term, None where it refuses it."""
        return self._ask(b"term" + term)

    def evaluate(self, expression: str) -> bytes:
        term = self._ask(b"text" + f"{expression}.".encode())
        assert term is not None, expression
        return term

    def _ask(self, question: bytes) -> bytes | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(len(question).to_bytes(4) + question)
        self._process.stdin.flush()
        reply = self._process.stdout.read(int.from_bytes(self._process.stdout.read(4)))
        return reply[2:] if reply[:2] == b"ok" else None

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def beam() -> Iterator[Beam]:
    if shutil.which("erl") is None:
        pytest.skip("no erl on PATH")
    judge = Beam()
    yield judge
    judge.close()


def not_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
atoms = texts.map(Atom).filter(lambda atom: atom not in ("true", "false", "nil"))
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers() | st.integers(-(2**70), 2**70) | st.integers(0, 2**2100)
scalars = st.none() | st.booleans() | integers | floats | texts | atoms | st.binary().filter(not_utf8)
keys = st.one_of(texts, atoms, st.integers(-(2**70), 2**70), st.none(), st.booleans(), floats)
runs = (
    st.lists(floats, min_size=6, max_size=12)
    | st.lists(st.integers(0, 300), min_size=6, max_size=12)
    | st.lists(st.integers(-(2**33), 2**33), min_size=6, max_size=12)
)
values = st.recursive(
    scalars | runs,
    lambda inner: (
        st.lists(inner, max_size=10)
        | st.lists(inner, max_size=10).map(tuple)
        | st.dictionaries(keys, inner, max_size=10)
    ),
    max_leaves=30,
)


@given(values)
@example([0.0, -0.0] * 8)
@example([1e308] * 20)
@example([*range(300)])
@example([2**31] * 20)
@example(tuple(range(300)))
@example("é" * 255)
@example(Atom("é" * 255))
def test_what_is_written_is_read_again(value):
    term = encode(value)
    assert decode(term) == value
    assert encode(decode(term)) == term


@given(values)
def test_the_beam_reads_what_is_written_and_its_own_bytes_are_read_the_same(beam, value):
    rewritten = beam.rewrite(encode(value))
    assert rewritten is not None
    assert encode_sorted(decode(rewritten)) == encode_sorted(value)


def encode_sorted(value: Any) -> Any:
    """A form in which maps differ by content only, and -0.0, 0 and False are three things."""
    match value:
        case dict():
            return sorted((encode(key), encode_sorted(element)) for key, element in value.items())
        case list() | tuple():
            return type(value)(map(encode_sorted, value))
    # Before OTP 27 the BEAM's own maps and matches may treat -0.0 as 0.0; its bytes keep the sign.
    return encode(value)


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        ("héllo", '<<"héllo"/utf8>>'),
        ("", "<<>>"),
        (b"\xff\x00", "<<255, 0>>"),
        (Atom("søk"), "'søk'"),
        (True, "true"),
        (None, "nil"),
        (255, "255"),
        (256, "256"),
        (-1, "-1"),
        (2**27, "1 bsl 27"),
        (-(2**31), "-(1 bsl 31)"),
        (2**63, "1 bsl 63"),
        (-(2**2100), "-(1 bsl 2100)"),
        (0.1, "0.1"),
        ([], "[]"),
        ([1, 2, 3], "[1, 2, 3]"),
        ([*range(0, 256)] * 300, "lists:append(lists:duplicate(300, lists:seq(0, 255)))"),
        ([*range(1000)], "lists:seq(0, 999)"),
        ([0.5] * 1000, "lists:duplicate(1000, 0.5)"),
        ((), "{}"),
        ((1,) * 256, "erlang:make_tuple(256, 1)"),
        ({"a": {Atom("b"): [1.5]}}, '#{<<"a">> => #{b => [1.5]}}'),
        ({n: n for n in range(100)}, "maps:from_list([{N, N} || N <- lists:seq(0, 99)])"),
    ],
)
def test_values_mean_in_erlang_what_they_mean_in_python(beam, value, expression):
    assert beam.rewrite(encode(value)) == beam.evaluate(expression)
    assert decode(beam.evaluate(expression)) == value


@pytest.mark.parametrize(("number", "atom"), [(math.nan, "nan"), (math.inf, "infinity"), (-math.inf, "neg_infinity")])
def test_numbers_the_beam_lacks_are_written_as_atoms(number, atom):
    assert decode(encode(number)) == Atom(atom)
    assert type(decode(encode(number))) is Atom
    assert decode(encode([0.5] * 9 + [number])) == [0.5] * 9 + [Atom(atom)]


@pytest.mark.parametrize(
    "expression", ["self()", "make_ref()", "hd(erlang:ports())", "fun erlang:abs/1", "fun(X) -> X end"]
)
def test_pids_references_ports_and_funs_come_back_as_they_went(beam, expression):
    term = beam.evaluate(expression)
    opaque = decode(term)
    assert isinstance(opaque, Opaque)
    assert beam.rewrite(encode([opaque])) == b"\x83l\0\0\0\1" + term[1:] + b"j"


def test_opaque_terms_of_older_systems_are_measured_rightly():
    node = b"d\0\x04a@bc"
    for tag, rest in ((b"g", 9), (b"f", 5), (b"e", 5)):
        raw = tag + node + bytes(rest)
        assert decode(b"\x83" + raw) == Opaque(raw)
    raw = b"r\0\x03" + node + bytes(13)
    assert decode(b"\x83" + raw) == Opaque(raw)


def test_atoms_of_older_systems_are_latin_1():
    assert decode(b"\x83d\0\x02s\xf8") == decode(b"\x83s\x02s\xf8") == Atom("sø")


def test_subclasses_are_written_as_what_they_extend():
    class Colour(StrEnum):
        RED = "red"

    assert decode(encode([Colour.RED])) == ["red"]


def plain(value: Any) -> Any:
    """What erlang-py reads, in this codec's types; booleans and None it knows by itself."""
    match value:
        case erlang.OtpErlangBinary():
            return plain(value.value)
        case erlang.OtpErlangAtom():
            name = value.value
            return {"true": True, "false": False, "nil": None}.get(name, Atom(name))
        case erlang.OtpErlangString():
            return [*value.value]
        case erlang.OtpErlangList():
            return [plain(element) for element in value.value]
        case bytes():
            return value if not_utf8(value) else value.decode()
        case list() | tuple():
            return type(value)(map(plain, value))
        case dict():
            return {plain(key): plain(element) for key, element in value.items()}
        case _:
            return value

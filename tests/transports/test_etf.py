"""The External Term Format codec, judged by itself, by erlang-py and by a real BEAM."""

from __future__ import annotations

import math
import os
import random
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any

import erlang
import pytest
from etf_mutations import SAMPLE, attack, mutated
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.transports.port.etf import Atom, EtfError, Opaque, decode, encode
from bridge.transports.port.etf.reading import MAX_NUMBER_KEYS
from bridge.transports.port.etf.terms import MAX_DEPTH

# `make bench-etf` reads more, its --mutations as many as you like.
MUTATIONS = 30_000

JUDGE = """
Port = open_port({fd, %d, %d}, [binary, {packet, 4}]),
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
        # Not 0 and 1: the BEAM's own terminal driver has those.
        questions, self._questions = os.pipe()
        self._answers, answers = os.pipe()
        command = ["erl", "-noinput", "-noshell", "-eval", JUDGE % (questions, answers)]
        self._process = subprocess.Popen(command, pass_fds=(questions, answers))
        os.close(questions)
        os.close(answers)

    def rewrite(self, term: bytes) -> bytes | None:
        """The BEAM's own bytes for the term, None where it refuses it."""
        return self._ask(b"term" + term)

    def evaluate(self, expression: str) -> bytes:
        term = self._ask(b"text" + f"{expression}.".encode())
        assert term is not None, expression
        return term

    def _ask(self, question: bytes) -> bytes | None:
        os.write(self._questions, len(question).to_bytes(4) + question)
        reply = self._read(int.from_bytes(self._read(4)))
        return reply[2:] if reply[:2] == b"ok" else None

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            piece = os.read(self._answers, size - len(read))
            assert piece, "the BEAM has ended"
            read += piece
        return read

    def close(self) -> None:
        os.close(self._questions)
        self._process.kill()
        self._process.wait()
        os.close(self._answers)


@pytest.fixture(scope="module")
def beam() -> Iterator[Beam]:
    if shutil.which("erl") is None:
        pytest.skip("no erl on PATH")
    judge = Beam()
    judge.evaluate("started")  # so that no claim below pays for the start
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
    """What erlang-py reads, in this codec's types."""
    match value:
        case erlang.OtpErlangBinary(value=raw):
            return raw if not_utf8(raw) else raw.decode()
        case erlang.OtpErlangAtom(value=name):
            return None if name == "nil" else Atom(name)
        case list() | tuple():
            return type(value)(map(plain, value))
        case dict():
            return {plain(key): plain(element) for key, element in value.items()}
    return value


@given(values)
def test_erlang_py_reads_the_same_value(value):
    term = encode(value)
    if b"undefined" not in term:  # its None, our atom
        assert encode_sorted(plain(erlang.binary_to_term(term))) == encode_sorted(value)


@given(values)
def test_what_erlang_py_writes_is_read_the_same(value):
    theirs = erlang.binary_to_term(encode(value))
    assert encode_sorted(decode(erlang.term_to_binary(theirs))) == encode_sorted(value)


def nested(depth: int) -> bytes:
    return b"\x83" + b"l\0\0\0\1" * depth + b"j" + b"j" * depth


def test_nesting_is_taken_up_to_the_limit_and_refused_beyond():
    assert decode(nested(MAX_DEPTH))
    with pytest.raises(EtfError, match="deeper"):
        decode(nested(MAX_DEPTH + 1))
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(EtfError, match="deeper"):
        encode(endless)


def test_a_compressed_term_is_refused(beam):
    bomb = beam.evaluate("term_to_binary(lists:duplicate(1000000, 0), [compressed])")
    with pytest.raises(EtfError, match="compressed"):
        decode(decode(bomb))


@pytest.mark.parametrize("expression", ["[1 | 2]", "[a | <<1>>]", "<<1:3>>"])
def test_improper_lists_and_bit_strings_are_refused(beam, expression):
    with pytest.raises(EtfError):
        decode(beam.evaluate(expression))


@pytest.mark.parametrize(
    "expression",
    ["#{1 => a, 1.0 => b}", '#{a => 1, <<"a">> => 2}', "#{true => a, 1 => b}", "#{[1] => a}", "#{{1} => a}"],
)
def test_keys_that_python_would_confuse_or_cannot_hold_are_refused(beam, expression):
    with pytest.raises(EtfError):
        decode(beam.evaluate(expression))


@pytest.mark.parametrize("value", [{"a": 1, b"a": 2}, {None: 1, Atom("nil"): 2}])
def test_keys_that_become_one_term_are_refused(value):
    with pytest.raises(EtfError):
        encode(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, "\ud800", {"\ud800": 1}, Atom("x" * 256), range(3)])
def test_a_value_without_a_term_is_refused(value):
    with pytest.raises(EtfError):
        encode(value)


@pytest.mark.parametrize("head", [b"l", b"i", b"t", b"m", b"o"])
def test_a_length_over_the_remaining_bytes_is_refused_before_memory_is_taken(head):
    tracemalloc.start()
    with pytest.raises(EtfError):
        decode(b"\x83" + head + b"\xff\xff\xff\xff" + b"a\1" * 10)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("before", [0, 20])
def test_a_float_that_no_beam_sends_is_refused(number, before):
    bits = struct.pack(">d", number)
    term = b"\x83l" + (before + 1).to_bytes(4) + encode(0.5)[1:] * before + b"F" + bits + b"j"
    with pytest.raises(EtfError):
        decode(term)


@given(values)
def test_every_cut_and_every_trailing_byte_is_noticed(value):
    term = encode(value)
    for cut in range(len(term)):
        with pytest.raises(EtfError):
            decode(term[:cut])
    with pytest.raises(EtfError):
        decode(term + b"j")


def test_mutated_frames_raise_nothing_but_the_codecs_own_error_and_leave_no_memory_behind():
    outcome = attack(MUTATIONS, seed=8675309)
    assert 0 < outcome.refused < MUTATIONS
    # What stays are the caches of names, which have an end; 10⁶ mutations grow no more (docs/LOG.md).
    assert outcome.grown_blocks < 10_000


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(raw):
    for term in (raw, b"\x83" + raw):
        with suppress(EtfError):
            decode(term)


def test_mutated_terms_that_are_read_mean_the_same_to_the_beam(beam):
    term, dice = encode(SAMPLE), random.Random(42)
    compared = 0
    for _ in range(1500):
        hostile = mutated(term, dice)
        try:
            value = decode(hostile)
        except EtfError:
            continue
        rewritten = beam.rewrite(hostile)
        if rewritten is not None:
            compared += 1
            assert encode_sorted(decode(rewritten)) == encode_sorted(value)
    assert compared > 10


def test_a_map_has_few_number_keys_and_any_number_of_names():
    assert len(decode(encode({str(n): n for n in range(10 * MAX_NUMBER_KEYS)}))) == 10 * MAX_NUMBER_KEYS
    assert len(decode(encode({n: n for n in range(MAX_NUMBER_KEYS)}))) == MAX_NUMBER_KEYS
    with pytest.raises(EtfError):
        decode(encode({n: n for n in range(MAX_NUMBER_KEYS + 1)}))

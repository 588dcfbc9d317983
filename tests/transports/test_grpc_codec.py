"""The protobuf contract and the message structs say the same, and nothing is lost between them."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, get_origin

import grpc
import msgspec
import numpy as np
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from bridge.api.bridge import decode
from bridge.contract.nas import Budget, Cycle, Nas
from bridge.contract.runs import ListTrials, StartRun, Trial, TrialList
from bridge.runs.procedures import procedures as run_procedures
from bridge.service import KINDS, PROCEDURES
from bridge.transports.grpc.codec import STATUS, decode_request, encode_reply, refusal
from cerebros.errors import InvalidArgument, ResourceExhausted, family
from cerebros.metrics import TrainingMetrics
from cerebros.nets.space import cerebros_space
from cerebros.space.rose_tree import Space, Tree, tree_hash
from tests.bridge.test_policy import METRICS
from tests.rpcs import ATTACH, RPCS, message, with_cases

START = StartRun[Nas | Cycle]

CONTRACT: dict[str, tuple[Any, Any]] = {
    procedure.name: (procedure.request, procedure.reply) for procedure in (*run_procedures(KINDS), *PROCEDURES)
}

# Numbers inside google.protobuf.Struct are doubles: integers are exact up to here.
EXACT = 2**53
# Others are refused at the door, see test_texts.
WRITABLE = st.characters(codec="utf-8", exclude_characters="\0")
SCALARS = (
    st.none()
    | st.booleans()
    | st.text(WRITABLE)
    | st.integers(-EXACT, EXACT)
    | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(WRITABLE), inner), max_leaves=8)


SPACES = st.sampled_from((cerebros_space(), cerebros_space(levels=2, units=2)))
TREES = st.builds(lambda space, seed: space.draw(np.random.default_rng(seed)), SPACES, st.integers(0, 99))


def values(kind: inspect.Type, finite: bool = False) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold; measurements hold finite numbers only."""
    match kind:
        case inspect.Metadata(type=inner):
            return values(inner, finite)
        case inspect.StructType(cls=cls) if cls is Tree:
            return TREES
        case inspect.StructType(cls=cls) if cls is Space:
            return SPACES
        case inspect.StructType(cls=cls, fields=fields):
            cls = get_origin(cls) or cls
            return st.builds(cls, **{field.name: values(field.type, finite=cls is TrainingMetrics) for field in fields})
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern)
        case inspect.StrType(min_length=low, max_length=high):
            return st.text(WRITABLE, min_size=low or 0, max_size=high and min(high, 40))
        case inspect.IntType(ge=low, le=high):
            return st.integers(-(2**63) if low is None else low, 2**63 - 1 if high is None else high)
        case inspect.FloatType(gt=0, le=high):
            return st.floats(1e-9, high)
        case inspect.FloatType():
            return st.floats(allow_nan=not finite, allow_infinity=not finite)
        case inspect.LiteralType(values=options):
            return st.sampled_from(options)
        case inspect.UnionType(types=types):
            return st.one_of([values(member, finite) for member in types])
        case inspect.VarTupleType(item_type=item, min_length=low):
            return st.lists(values(item), min_size=low or 0, max_size=3).map(tuple)
        case inspect.DictType(value_type=value):
            return st.dictionaries(st.text(WRITABLE), map_values(value), max_size=3)
        case inspect.DateTimeType():
            return st.datetimes(timezones=st.just(UTC))
        case inspect.NoneType():
            return st.none()
        case _:
            raise AssertionError(f"no strategy for {kind}")


def map_values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.IntType():
            return st.integers(0, 2**63 - 1)
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case inspect.AnyType():
            return JSON
    return SCALARS


def holds(message: Message, reply: msgspec.Struct) -> bool:
    """Whether a protobuf client reads in `message` what `reply` says."""
    return all(reads(message, name, value) for name, value in msgspec.structs.asdict(reply).items())


def reads(message: Message, name: str, value: object) -> bool:
    sent = getattr(message, name)
    if value is None and message.DESCRIPTOR.fields_by_name[name].is_repeated:
        return not sent  # a list has no presence in protobuf
    if value is None or isinstance(sent, Message):
        there = message.HasField(name)
        return not there if value is None else there and same(sent, value)
    return same(sent, value)


def same(sent: Any, value: object) -> bool:
    match value:
        case Tree() | Space():
            return bool(json_format.MessageToDict(sent) == msgspec.json.decode(msgspec.json.encode(value)))
        case msgspec.Struct():
            return holds(sent, value)
        case tuple():
            return len(sent) == len(value) and all(map(same, sent, value))
        case dict() if isinstance(sent, Message):
            return json_format.MessageToDict(sent) == value
        case datetime():
            return bool(sent.ToDatetime(tzinfo=UTC) == value)
        case float() if math.isnan(value):
            return math.isnan(sent)
        case _:
            return bool(sent == value)


def bare(kind: inspect.Type) -> inspect.Type:
    """The type without what its `Meta` says."""
    return bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def structs_of(kind: inspect.Type) -> list[inspect.StructType]:
    """The structs that a field may hold: directly, in a tuple or or-None; several for a tagged union."""
    match bare(kind):
        case inspect.StructType(cls=cls) as struct:
            return [] if cls in (Tree, Space) else [struct]
        case inspect.VarTupleType(item_type=item):
            return structs_of(item)
        case inspect.UnionType(types=types):
            return [found for member in types for found in structs_of(member)]
    return []


def needs_presence(field: inspect.Field) -> bool:
    """Whether leaving the field out means something else than protobuf's zero."""
    kind = bare(field.type)
    nullable = isinstance(kind, inspect.UnionType) and kind.includes_none
    return nullable or (not field.required and field.default not in (0, "", ()))


def assert_same_fields(struct: inspect.StructType, message: Descriptor) -> None:
    assert {field.name for field in struct.fields} == set(message.fields_by_name), struct.cls
    for field in struct.fields:
        sent: FieldDescriptor = message.fields_by_name[field.name]
        if not sent.is_repeated and sent.message_type is None:
            assert sent.has_presence == needs_presence(field), f"{message.full_name}.{field.name}"
        match structs_of(field.type):
            case [inner]:
                assert_same_fields(inner, sent.message_type)
            case [*members] if members:
                cases = {case.name: case.message_type for case in sent.message_type.oneofs_by_name["kind"].fields}
                assert set(cases) == {member.tag for member in members}
                for member in members:
                    assert_same_fields(member, cases[member.tag])


def test_every_procedure_is_an_rpc_and_every_rpc_a_procedure():
    assert set(RPCS) == set(CONTRACT)
    assert [name for name, rpc in RPCS.items() if rpc.streams] == ["watch_run"] == [ATTACH.procedure]


@pytest.mark.parametrize("name", CONTRACT)
def test_structs_and_protobuf_messages_have_the_same_fields(name):
    request, reply = CONTRACT[name]
    for struct, wire in ((request, RPCS[name].request), (reply, RPCS[name].reply)):
        kind = inspect.type_info(struct)
        assert isinstance(kind, inspect.StructType)
        assert_same_fields(kind, wire.DESCRIPTOR)


@pytest.mark.parametrize("name", CONTRACT)
@given(st.data())
def test_a_request_arrives_as_it_was_sent(name, data):
    struct, message = CONTRACT[name][0], RPCS[name].request
    request = data.draw(values(inspect.type_info(struct)))
    fields = {field: value for field, value in msgspec.to_builtins(request).items() if value is not None}

    payload = json_format.ParseDict(with_cases(fields), message()).SerializeToString()

    assert decode(decode_request(RPCS[name], payload), struct) == request


@pytest.mark.parametrize("name", CONTRACT)
@given(st.data())
def test_a_reply_arrives_as_it_was_given(name, data):
    reply = data.draw(values(inspect.type_info(CONTRACT[name][1])))

    assert holds(RPCS[name].reply.FromString(encode_reply(RPCS[name], reply)), reply)


def test_what_a_caller_leaves_out_takes_the_default():
    payload = message("start_run", pac_id="pac-1", spec={"kind": "nas", "manifest": "m.toml", "budget": {}})

    request = decode(decode_request(RPCS["start_run"], payload.SerializeToString()), START)

    assert request == StartRun(pac_id="pac-1", spec=Nas(manifest="m.toml", budget=Budget()))


def test_an_explicit_zero_is_not_the_default():
    payload = message("start_run", pac_id="pac-1", spec={"kind": "cycle", "manifest": "m.toml", "seed": 0})

    assert decode(decode_request(RPCS["start_run"], payload.SerializeToString()), START).spec.seed == 0


@given(st.binary(max_size=64))
def test_any_bytes_make_a_map_or_an_invalid_argument(payload):
    with suppress(InvalidArgument):
        assert set(decode_request(RPCS["start_run"], payload)) <= set(StartRun.__struct_fields__)


def test_a_diverged_trial_keeps_the_nan_in_its_curve():
    trials = TrialList(
        trials=(Trial(number=0, outcome="diverged", tree_hash="0", tree=Tree("network"), curve=(1.0, math.nan)),)
    )

    assert holds(RPCS["list_trials"].reply.FromString(encode_reply(RPCS["list_trials"], trials)), trials)


def test_a_page_of_the_largest_trials_is_a_message_that_clients_take_by_default():
    space, generator = cerebros_space(), np.random.default_rng(0)
    largest = max((space.draw(generator) for _ in range(500)), key=lambda tree: len(str(tree)))
    trial = Trial(
        number=9999,
        outcome="ok",
        tree_hash=tree_hash(largest),
        tree=largest,
        metrics=METRICS,
        curve=(0.1,) * Budget().epochs,
    )
    page = TrialList(trials=(trial,) * ListTrials(run_id="any").limit)

    assert len(encode_reply(RPCS["list_trials"], page)) < 4 * 2**20


@pytest.mark.parametrize("error", family())
def test_every_error_has_a_grpc_status(error):
    assert STATUS[error.code] is grpc.StatusCode[error.code.value]


def test_a_refusal_that_passes_says_when_to_come_again():
    def hints(error):
        (*_, (_, packed)) = refusal(error).metadata
        details = Status.FromString(packed).details
        return [detail.TypeName() for detail in details]

    assert hints(ResourceExhausted("full")) == ["google.rpc.ErrorInfo", "google.rpc.RetryInfo"]
    assert hints(InvalidArgument("never")) == ["google.rpc.ErrorInfo"]

import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateStudyRequest(_message.Message):
    __slots__ = ("space", "objectives", "study_id", "sampler", "seed", "lease_s")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVES_FIELD_NUMBER: _ClassVar[int]
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    space: _struct_pb2.Struct
    objectives: _containers.RepeatedCompositeFieldContainer[StudyObjective]
    study_id: str
    sampler: str
    seed: int
    lease_s: float
    def __init__(self, space: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., objectives: _Optional[_Iterable[_Union[StudyObjective, _Mapping]]] = ..., study_id: _Optional[str] = ..., sampler: _Optional[str] = ..., seed: _Optional[int] = ..., lease_s: _Optional[float] = ...) -> None: ...

class SuggestRequest(_message.Message):
    __slots__ = ("study_id", "count")
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    count: int
    def __init__(self, study_id: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("study_id", "number", "attempt", "outcome", "values", "reason")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    number: int
    attempt: int
    outcome: str
    values: _containers.ScalarMap[str, float]
    reason: str
    def __init__(self, study_id: _Optional[str] = ..., number: _Optional[int] = ..., attempt: _Optional[int] = ..., outcome: _Optional[str] = ..., values: _Optional[_Mapping[str, float]] = ..., reason: _Optional[str] = ...) -> None: ...

class BestTrialsRequest(_message.Message):
    __slots__ = ("study_id", "limit")
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    limit: int
    def __init__(self, study_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListStudiesRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class DeleteStudyRequest(_message.Message):
    __slots__ = ("study_id",)
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    def __init__(self, study_id: _Optional[str] = ...) -> None: ...

class StudyObjective(_message.Message):
    __slots__ = ("name", "direction")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    direction: str
    def __init__(self, name: _Optional[str] = ..., direction: _Optional[str] = ...) -> None: ...

class Study(_message.Message):
    __slots__ = ("study_id", "space", "objectives", "sampler", "seed", "lease_s", "trials_total", "trials_ok", "trials_out", "created_at")
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVES_FIELD_NUMBER: _ClassVar[int]
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    TRIALS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TRIALS_OK_FIELD_NUMBER: _ClassVar[int]
    TRIALS_OUT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    space: _struct_pb2.Struct
    objectives: _containers.RepeatedCompositeFieldContainer[StudyObjective]
    sampler: str
    seed: int
    lease_s: float
    trials_total: int
    trials_ok: int
    trials_out: int
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, study_id: _Optional[str] = ..., space: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., objectives: _Optional[_Iterable[_Union[StudyObjective, _Mapping]]] = ..., sampler: _Optional[str] = ..., seed: _Optional[int] = ..., lease_s: _Optional[float] = ..., trials_total: _Optional[int] = ..., trials_ok: _Optional[int] = ..., trials_out: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StudyList(_message.Message):
    __slots__ = ("studies",)
    STUDIES_FIELD_NUMBER: _ClassVar[int]
    studies: _containers.RepeatedCompositeFieldContainer[Study]
    def __init__(self, studies: _Optional[_Iterable[_Union[Study, _Mapping]]] = ...) -> None: ...

class Suggestion(_message.Message):
    __slots__ = ("study_id", "number", "attempt", "tree", "tree_hash", "lease_s")
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    TREE_HASH_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    number: int
    attempt: int
    tree: _struct_pb2.Struct
    tree_hash: str
    lease_s: float
    def __init__(self, study_id: _Optional[str] = ..., number: _Optional[int] = ..., attempt: _Optional[int] = ..., tree: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tree_hash: _Optional[str] = ..., lease_s: _Optional[float] = ...) -> None: ...

class SuggestionList(_message.Message):
    __slots__ = ("suggestions",)
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[Suggestion]
    def __init__(self, suggestions: _Optional[_Iterable[_Union[Suggestion, _Mapping]]] = ...) -> None: ...

class StudyTrial(_message.Message):
    __slots__ = ("number", "attempt", "outcome", "tree", "tree_hash", "values", "reason")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    TREE_HASH_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    attempt: int
    outcome: str
    tree: _struct_pb2.Struct
    tree_hash: str
    values: _containers.ScalarMap[str, float]
    reason: str
    def __init__(self, number: _Optional[int] = ..., attempt: _Optional[int] = ..., outcome: _Optional[str] = ..., tree: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tree_hash: _Optional[str] = ..., values: _Optional[_Mapping[str, float]] = ..., reason: _Optional[str] = ...) -> None: ...

class StudyTrialList(_message.Message):
    __slots__ = ("trials",)
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[StudyTrial]
    def __init__(self, trials: _Optional[_Iterable[_Union[StudyTrial, _Mapping]]] = ...) -> None: ...

import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCapabilityRequest(_message.Message):
    __slots__ = ("pac_id", "version")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    version: int
    def __init__(self, pac_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ListCapabilitiesRequest(_message.Message):
    __slots__ = ("pac_id", "limit")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    limit: int
    def __init__(self, pac_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class NearestCapabilitiesRequest(_message.Message):
    __slots__ = ("pac_id", "limit")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    limit: int
    def __init__(self, pac_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("pac_id", "version", "reason")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    version: int
    reason: str
    def __init__(self, pac_id: _Optional[str] = ..., version: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class VcvEntry(_message.Message):
    __slots__ = ("pac_id", "version", "task", "capability", "skills", "accuracy", "latency_s", "cost_usd", "energy_j", "trust", "reliability", "resources", "policy_flags", "dataset_digest", "artifact_digest", "run_id", "verdict_id", "created_at", "rolled_back_from", "signature")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CAPABILITY_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_S_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    ENERGY_J_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    POLICY_FLAGS_FIELD_NUMBER: _ClassVar[int]
    DATASET_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_FROM_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    version: int
    task: str
    capability: _containers.RepeatedScalarFieldContainer[float]
    skills: _containers.RepeatedScalarFieldContainer[str]
    accuracy: float
    latency_s: float
    cost_usd: float
    energy_j: float
    trust: float
    reliability: float
    resources: _struct_pb2.Struct
    policy_flags: _containers.RepeatedScalarFieldContainer[str]
    dataset_digest: str
    artifact_digest: str
    run_id: str
    verdict_id: str
    created_at: _timestamp_pb2.Timestamp
    rolled_back_from: int
    signature: str
    def __init__(self, pac_id: _Optional[str] = ..., version: _Optional[int] = ..., task: _Optional[str] = ..., capability: _Optional[_Iterable[float]] = ..., skills: _Optional[_Iterable[str]] = ..., accuracy: _Optional[float] = ..., latency_s: _Optional[float] = ..., cost_usd: _Optional[float] = ..., energy_j: _Optional[float] = ..., trust: _Optional[float] = ..., reliability: _Optional[float] = ..., resources: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., policy_flags: _Optional[_Iterable[str]] = ..., dataset_digest: _Optional[str] = ..., artifact_digest: _Optional[str] = ..., run_id: _Optional[str] = ..., verdict_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rolled_back_from: _Optional[int] = ..., signature: _Optional[str] = ...) -> None: ...

class VcvList(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[VcvEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[VcvEntry, _Mapping]]] = ...) -> None: ...

class Neighbour(_message.Message):
    __slots__ = ("entry", "distance")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    entry: VcvEntry
    distance: float
    def __init__(self, entry: _Optional[_Union[VcvEntry, _Mapping]] = ..., distance: _Optional[float] = ...) -> None: ...

class NeighbourList(_message.Message):
    __slots__ = ("neighbours",)
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    neighbours: _containers.RepeatedCompositeFieldContainer[Neighbour]
    def __init__(self, neighbours: _Optional[_Iterable[_Union[Neighbour, _Mapping]]] = ...) -> None: ...

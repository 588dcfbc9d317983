import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvaluatePolicyRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("verdict_id", "decision", "reasons", "artifact_digest", "dataset_digest", "policy_digest", "inputs_digest", "issued_at", "expires_at", "signature", "run_id", "pac_id", "description_digest")
    VERDICT_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATASET_DIGEST_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INPUTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    verdict_id: str
    decision: str
    reasons: _containers.RepeatedScalarFieldContainer[str]
    artifact_digest: str
    dataset_digest: str
    policy_digest: str
    inputs_digest: str
    issued_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    signature: str
    run_id: str
    pac_id: str
    description_digest: str
    def __init__(self, verdict_id: _Optional[str] = ..., decision: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., artifact_digest: _Optional[str] = ..., dataset_digest: _Optional[str] = ..., policy_digest: _Optional[str] = ..., inputs_digest: _Optional[str] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signature: _Optional[str] = ..., run_id: _Optional[str] = ..., pac_id: _Optional[str] = ..., description_digest: _Optional[str] = ...) -> None: ...

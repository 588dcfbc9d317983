import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckGateRequest(_message.Message):
    __slots__ = ("pac_id",)
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    def __init__(self, pac_id: _Optional[str] = ...) -> None: ...

class GetTrainingLockRequest(_message.Message):
    __slots__ = ("pac_id",)
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    def __init__(self, pac_id: _Optional[str] = ...) -> None: ...

class SetTrainingLockRequest(_message.Message):
    __slots__ = ("pac_id", "state", "holder", "reason", "expected_revision")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    state: str
    holder: str
    reason: str
    expected_revision: int
    def __init__(self, pac_id: _Optional[str] = ..., state: _Optional[str] = ..., holder: _Optional[str] = ..., reason: _Optional[str] = ..., expected_revision: _Optional[int] = ...) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LimitQueueRequest(_message.Message):
    __slots__ = ("name", "running_at_most")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUNNING_AT_MOST_FIELD_NUMBER: _ClassVar[int]
    name: str
    running_at_most: int
    def __init__(self, name: _Optional[str] = ..., running_at_most: _Optional[int] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UndrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GateFinding(_message.Message):
    __slots__ = ("rule", "status", "value", "limit", "message")
    RULE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    rule: str
    status: str
    value: float
    limit: float
    message: str
    def __init__(self, rule: _Optional[str] = ..., status: _Optional[str] = ..., value: _Optional[float] = ..., limit: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class GateReport(_message.Message):
    __slots__ = ("overall_status", "timestamp", "findings")
    OVERALL_STATUS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    overall_status: str
    timestamp: _timestamp_pb2.Timestamp
    findings: _containers.RepeatedCompositeFieldContainer[GateFinding]
    def __init__(self, overall_status: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[GateFinding, _Mapping]]] = ...) -> None: ...

class TrainingLock(_message.Message):
    __slots__ = ("pac_id", "state", "holder", "reason", "revision", "since", "run_id")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    state: str
    holder: str
    reason: str
    revision: int
    since: _timestamp_pb2.Timestamp
    run_id: str
    def __init__(self, pac_id: _Optional[str] = ..., state: _Optional[str] = ..., holder: _Optional[str] = ..., reason: _Optional[str] = ..., revision: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_id: _Optional[str] = ...) -> None: ...

class QueueStatus(_message.Message):
    __slots__ = ("name", "running_at_most", "queued", "running", "workers")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUNNING_AT_MOST_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    running_at_most: int
    queued: int
    running: int
    workers: int
    def __init__(self, name: _Optional[str] = ..., running_at_most: _Optional[int] = ..., queued: _Optional[int] = ..., running: _Optional[int] = ..., workers: _Optional[int] = ...) -> None: ...

class QueueList(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[QueueStatus]
    def __init__(self, queues: _Optional[_Iterable[_Union[QueueStatus, _Mapping]]] = ...) -> None: ...

class HealthReport(_message.Message):
    __slots__ = ("status", "version", "database", "workers", "queued", "running", "worker")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    status: str
    version: str
    database: str
    workers: int
    queued: int
    running: int
    worker: str
    def __init__(self, status: _Optional[str] = ..., version: _Optional[str] = ..., database: _Optional[str] = ..., workers: _Optional[int] = ..., queued: _Optional[int] = ..., running: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...

import datetime

from bridge.pb.cerebros.v1 import nas_pb2 as _nas_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartRunRequest(_message.Message):
    __slots__ = ("pac_id", "spec", "run_id", "deadline_s", "correlation_id", "queue", "priority")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    spec: Spec
    run_id: str
    deadline_s: float
    correlation_id: str
    queue: str
    priority: int
    def __init__(self, pac_id: _Optional[str] = ..., spec: _Optional[_Union[Spec, _Mapping]] = ..., run_id: _Optional[str] = ..., deadline_s: _Optional[float] = ..., correlation_id: _Optional[str] = ..., queue: _Optional[str] = ..., priority: _Optional[int] = ...) -> None: ...

class Spec(_message.Message):
    __slots__ = ("nas", "cycle")
    NAS_FIELD_NUMBER: _ClassVar[int]
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    nas: _nas_pb2.SearchSpec
    cycle: _nas_pb2.SearchSpec
    def __init__(self, nas: _Optional[_Union[_nas_pb2.SearchSpec, _Mapping]] = ..., cycle: _Optional[_Union[_nas_pb2.SearchSpec, _Mapping]] = ...) -> None: ...

class EstimateRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: Spec
    def __init__(self, spec: _Optional[_Union[Spec, _Mapping]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("pac_id", "state", "limit", "kind")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    state: str
    limit: int
    kind: str
    def __init__(self, pac_id: _Optional[str] = ..., state: _Optional[str] = ..., limit: _Optional[int] = ..., kind: _Optional[str] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("run_id", "reason")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    reason: str
    def __init__(self, run_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("run_id", "after_seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_seq: int
    def __init__(self, run_id: _Optional[str] = ..., after_seq: _Optional[int] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("request", "credit")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    request: WatchRunRequest
    credit: int
    def __init__(self, request: _Optional[_Union[WatchRunRequest, _Mapping]] = ..., credit: _Optional[int] = ...) -> None: ...

class ListTrialsRequest(_message.Message):
    __slots__ = ("run_id", "after", "limit")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after: int
    limit: int
    def __init__(self, run_id: _Optional[str] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListArtifactsRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class GetArtifactRequest(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: str
    def __init__(self, digest: _Optional[str] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_id", "kind", "pac_id", "state", "dataset", "stages_done", "last_seq", "attempt", "trials_total", "trials_ok", "trials_failed", "created_at", "started_at", "finished_at", "metrics", "pareto_set", "promoted_version", "error", "queue", "priority", "trials_pruned")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    STAGES_DONE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TRIALS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TRIALS_OK_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FAILED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PARETO_SET_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TRIALS_PRUNED_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    kind: str
    pac_id: str
    state: str
    dataset: str
    stages_done: _containers.RepeatedScalarFieldContainer[str]
    last_seq: int
    attempt: int
    trials_total: int
    trials_ok: int
    trials_failed: int
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    metrics: TrainingMetrics
    pareto_set: _containers.RepeatedCompositeFieldContainer[Trial]
    promoted_version: int
    error: RunError
    queue: str
    priority: int
    trials_pruned: int
    def __init__(self, run_id: _Optional[str] = ..., kind: _Optional[str] = ..., pac_id: _Optional[str] = ..., state: _Optional[str] = ..., dataset: _Optional[str] = ..., stages_done: _Optional[_Iterable[str]] = ..., last_seq: _Optional[int] = ..., attempt: _Optional[int] = ..., trials_total: _Optional[int] = ..., trials_ok: _Optional[int] = ..., trials_failed: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metrics: _Optional[_Union[TrainingMetrics, _Mapping]] = ..., pareto_set: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., promoted_version: _Optional[int] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., queue: _Optional[str] = ..., priority: _Optional[int] = ..., trials_pruned: _Optional[int] = ...) -> None: ...

class RunList(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ...) -> None: ...

class RunError(_message.Message):
    __slots__ = ("code", "error_class", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_CLASS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    error_class: str
    message: str
    def __init__(self, code: _Optional[str] = ..., error_class: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Trial(_message.Message):
    __slots__ = ("number", "outcome", "tree_hash", "tree", "metrics", "reason", "curve")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TREE_HASH_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURVE_FIELD_NUMBER: _ClassVar[int]
    number: int
    outcome: str
    tree_hash: str
    tree: _struct_pb2.Struct
    metrics: TrainingMetrics
    reason: str
    curve: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, number: _Optional[int] = ..., outcome: _Optional[str] = ..., tree_hash: _Optional[str] = ..., tree: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metrics: _Optional[_Union[TrainingMetrics, _Mapping]] = ..., reason: _Optional[str] = ..., curve: _Optional[_Iterable[float]] = ...) -> None: ...

class TrialList(_message.Message):
    __slots__ = ("trials",)
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[Trial]
    def __init__(self, trials: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ...) -> None: ...

class TrainingMetrics(_message.Message):
    __slots__ = ("accuracy", "accuracy_kind", "loss", "latency_p50_s", "latency_p95_s", "latency_p99_s", "duration_s", "cpu_s", "energy_j", "energy_method", "cost_usd", "peak_mem_bytes", "parameters", "flops", "epochs", "device", "trials_total", "trials_ok", "trials_failed", "trials_pruned", "latency_spread_s", "accuracy_spread", "population")
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_KIND_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P50_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P95_S_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P99_S_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    ENERGY_J_FIELD_NUMBER: _ClassVar[int]
    ENERGY_METHOD_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    PEAK_MEM_BYTES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    TRIALS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TRIALS_OK_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FAILED_FIELD_NUMBER: _ClassVar[int]
    TRIALS_PRUNED_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SPREAD_S_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_SPREAD_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    accuracy: float
    accuracy_kind: str
    loss: float
    latency_p50_s: float
    latency_p95_s: float
    latency_p99_s: float
    duration_s: float
    cpu_s: float
    energy_j: float
    energy_method: str
    cost_usd: float
    peak_mem_bytes: int
    parameters: int
    flops: int
    epochs: int
    device: str
    trials_total: int
    trials_ok: int
    trials_failed: int
    trials_pruned: int
    latency_spread_s: float
    accuracy_spread: float
    population: int
    def __init__(self, accuracy: _Optional[float] = ..., accuracy_kind: _Optional[str] = ..., loss: _Optional[float] = ..., latency_p50_s: _Optional[float] = ..., latency_p95_s: _Optional[float] = ..., latency_p99_s: _Optional[float] = ..., duration_s: _Optional[float] = ..., cpu_s: _Optional[float] = ..., energy_j: _Optional[float] = ..., energy_method: _Optional[str] = ..., cost_usd: _Optional[float] = ..., peak_mem_bytes: _Optional[int] = ..., parameters: _Optional[int] = ..., flops: _Optional[int] = ..., epochs: _Optional[int] = ..., device: _Optional[str] = ..., trials_total: _Optional[int] = ..., trials_ok: _Optional[int] = ..., trials_failed: _Optional[int] = ..., trials_pruned: _Optional[int] = ..., latency_spread_s: _Optional[float] = ..., accuracy_spread: _Optional[float] = ..., population: _Optional[int] = ...) -> None: ...

class Spent(_message.Message):
    __slots__ = ("duration_s", "cpu_s", "energy_j", "cost_usd")
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    ENERGY_J_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    duration_s: float
    cpu_s: float
    energy_j: float
    cost_usd: float
    def __init__(self, duration_s: _Optional[float] = ..., cpu_s: _Optional[float] = ..., energy_j: _Optional[float] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class RunEstimate(_message.Message):
    __slots__ = ("method", "runs", "expected", "low", "high")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    method: str
    runs: int
    expected: Spent
    low: Spent
    high: Spent
    def __init__(self, method: _Optional[str] = ..., runs: _Optional[int] = ..., expected: _Optional[_Union[Spent, _Mapping]] = ..., low: _Optional[_Union[Spent, _Mapping]] = ..., high: _Optional[_Union[Spent, _Mapping]] = ...) -> None: ...

class RunEvent(_message.Message):
    __slots__ = ("run_id", "seq", "name", "measurements", "metadata", "at")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    seq: int
    name: str
    measurements: _struct_pb2.Struct
    metadata: _struct_pb2.Struct
    at: _timestamp_pb2.Timestamp
    def __init__(self, run_id: _Optional[str] = ..., seq: _Optional[int] = ..., name: _Optional[str] = ..., measurements: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("digest", "kind", "bytes", "path", "run_id", "created_at")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    digest: str
    kind: str
    bytes: int
    path: str
    run_id: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, digest: _Optional[str] = ..., kind: _Optional[str] = ..., bytes: _Optional[int] = ..., path: _Optional[str] = ..., run_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ArtifactList(_message.Message):
    __slots__ = ("artifacts",)
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    def __init__(self, artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ...) -> None: ...

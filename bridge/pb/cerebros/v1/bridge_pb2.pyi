import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Budget(_message.Message):
    __slots__ = ("trials", "wall_s", "parameters", "epochs", "probes", "shortlist", "window", "rungs", "flops", "repeats", "population")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    WALL_S_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    RUNGS_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    REPEATS_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    trials: int
    wall_s: float
    parameters: int
    epochs: int
    probes: int
    shortlist: int
    window: int
    rungs: int
    flops: int
    repeats: int
    population: int
    def __init__(self, trials: _Optional[int] = ..., wall_s: _Optional[float] = ..., parameters: _Optional[int] = ..., epochs: _Optional[int] = ..., probes: _Optional[int] = ..., shortlist: _Optional[int] = ..., window: _Optional[int] = ..., rungs: _Optional[int] = ..., flops: _Optional[int] = ..., repeats: _Optional[int] = ..., population: _Optional[int] = ...) -> None: ...

class StartRunRequest(_message.Message):
    __slots__ = ("pac_id", "manifest", "run_id", "kind", "task", "budget", "objectives", "sampler", "seed", "deadline_s", "correlation_id", "queue", "priority", "limits", "warm_start", "candidates")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVES_FIELD_NUMBER: _ClassVar[int]
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    WARM_START_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    manifest: str
    run_id: str
    kind: str
    task: str
    budget: Budget
    objectives: _containers.RepeatedScalarFieldContainer[str]
    sampler: str
    seed: int
    deadline_s: float
    correlation_id: str
    queue: str
    priority: int
    limits: _containers.ScalarMap[str, float]
    warm_start: str
    candidates: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    def __init__(self, pac_id: _Optional[str] = ..., manifest: _Optional[str] = ..., run_id: _Optional[str] = ..., kind: _Optional[str] = ..., task: _Optional[str] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., objectives: _Optional[_Iterable[str]] = ..., sampler: _Optional[str] = ..., seed: _Optional[int] = ..., deadline_s: _Optional[float] = ..., correlation_id: _Optional[str] = ..., queue: _Optional[str] = ..., priority: _Optional[int] = ..., limits: _Optional[_Mapping[str, float]] = ..., warm_start: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("pac_id", "state", "limit")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    state: str
    limit: int
    def __init__(self, pac_id: _Optional[str] = ..., state: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("run_id", "after_seq", "credit")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_seq: int
    credit: int
    def __init__(self, run_id: _Optional[str] = ..., after_seq: _Optional[int] = ..., credit: _Optional[int] = ...) -> None: ...

class ListTrialsRequest(_message.Message):
    __slots__ = ("run_id", "after", "limit")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after: int
    limit: int
    def __init__(self, run_id: _Optional[str] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ShortlistRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class CheckDatasetRequest(_message.Message):
    __slots__ = ("manifest",)
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    manifest: str
    def __init__(self, manifest: _Optional[str] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

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

class EvaluatePolicyRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class PromoteRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class EstimateRequest(_message.Message):
    __slots__ = ("manifest", "kind", "budget")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    manifest: str
    kind: str
    budget: Budget
    def __init__(self, manifest: _Optional[str] = ..., kind: _Optional[str] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ...) -> None: ...

class StudyObjective(_message.Message):
    __slots__ = ("name", "direction")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    direction: str
    def __init__(self, name: _Optional[str] = ..., direction: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("study_id", "number", "epoch", "outcome", "values", "reason")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    number: int
    epoch: int
    outcome: str
    values: _containers.ScalarMap[str, float]
    reason: str
    def __init__(self, study_id: _Optional[str] = ..., number: _Optional[int] = ..., epoch: _Optional[int] = ..., outcome: _Optional[str] = ..., values: _Optional[_Mapping[str, float]] = ..., reason: _Optional[str] = ...) -> None: ...

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

class CheckGateRequest(_message.Message):
    __slots__ = ("pac_id",)
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    def __init__(self, pac_id: _Optional[str] = ...) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

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

class Run(_message.Message):
    __slots__ = ("run_id", "kind", "pac_id", "state", "dataset", "stages_done", "last_seq", "epoch", "trials_total", "trials_ok", "trials_failed", "created_at", "started_at", "finished_at", "metrics", "front", "promoted_version", "error", "queue", "priority")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    STAGES_DONE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TRIALS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TRIALS_OK_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FAILED_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    FRONT_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    kind: str
    pac_id: str
    state: str
    dataset: str
    stages_done: _containers.RepeatedScalarFieldContainer[str]
    last_seq: int
    epoch: int
    trials_total: int
    trials_ok: int
    trials_failed: int
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    metrics: TrainingMetrics
    front: _containers.RepeatedCompositeFieldContainer[Trial]
    promoted_version: int
    error: RunError
    queue: str
    priority: int
    def __init__(self, run_id: _Optional[str] = ..., kind: _Optional[str] = ..., pac_id: _Optional[str] = ..., state: _Optional[str] = ..., dataset: _Optional[str] = ..., stages_done: _Optional[_Iterable[str]] = ..., last_seq: _Optional[int] = ..., epoch: _Optional[int] = ..., trials_total: _Optional[int] = ..., trials_ok: _Optional[int] = ..., trials_failed: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metrics: _Optional[_Union[TrainingMetrics, _Mapping]] = ..., front: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., promoted_version: _Optional[int] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., queue: _Optional[str] = ..., priority: _Optional[int] = ...) -> None: ...

class RunList(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ...) -> None: ...

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

class Candidate(_message.Message):
    __slots__ = ("rank", "tree", "tree_hash", "log_l", "log_g", "score")
    RANK_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    TREE_HASH_FIELD_NUMBER: _ClassVar[int]
    LOG_L_FIELD_NUMBER: _ClassVar[int]
    LOG_G_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    rank: int
    tree: _struct_pb2.Struct
    tree_hash: str
    log_l: float
    log_g: float
    score: float
    def __init__(self, rank: _Optional[int] = ..., tree: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tree_hash: _Optional[str] = ..., log_l: _Optional[float] = ..., log_g: _Optional[float] = ..., score: _Optional[float] = ...) -> None: ...

class Shortlist(_message.Message):
    __slots__ = ("run_id", "observations", "probes", "candidates")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    observations: int
    probes: int
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    def __init__(self, run_id: _Optional[str] = ..., observations: _Optional[int] = ..., probes: _Optional[int] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ...) -> None: ...

class DatasetReport(_message.Message):
    __slots__ = ("name", "digest", "task", "label", "rows", "columns", "features", "train_rows", "validation_rows", "test_rows", "missing", "nan_share", "infinity_share", "label_balance", "duplicates", "leaked_rows", "warnings", "inputs")
    class MissingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LabelBalanceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TRAIN_ROWS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_ROWS_FIELD_NUMBER: _ClassVar[int]
    TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    NAN_SHARE_FIELD_NUMBER: _ClassVar[int]
    INFINITY_SHARE_FIELD_NUMBER: _ClassVar[int]
    LABEL_BALANCE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    LEAKED_ROWS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    task: str
    label: str
    rows: int
    columns: int
    features: int
    train_rows: int
    validation_rows: int
    test_rows: int
    missing: _containers.ScalarMap[str, int]
    nan_share: float
    infinity_share: float
    label_balance: _containers.ScalarMap[str, int]
    duplicates: int
    leaked_rows: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    inputs: int
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., task: _Optional[str] = ..., label: _Optional[str] = ..., rows: _Optional[int] = ..., columns: _Optional[int] = ..., features: _Optional[int] = ..., train_rows: _Optional[int] = ..., validation_rows: _Optional[int] = ..., test_rows: _Optional[int] = ..., missing: _Optional[_Mapping[str, int]] = ..., nan_share: _Optional[float] = ..., infinity_share: _Optional[float] = ..., label_balance: _Optional[_Mapping[str, int]] = ..., duplicates: _Optional[int] = ..., leaked_rows: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ..., inputs: _Optional[int] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("name", "digest", "task", "rows", "licence", "checked_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    task: str
    rows: int
    licence: str
    checked_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., task: _Optional[str] = ..., rows: _Optional[int] = ..., licence: _Optional[str] = ..., checked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DatasetList(_message.Message):
    __slots__ = ("datasets",)
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ...) -> None: ...

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

class VcvEntry(_message.Message):
    __slots__ = ("pac_id", "version", "task", "capability", "skills", "accuracy", "latency_s", "cost_usd", "energy_j", "trust", "reliability", "resources", "policy_flags", "dataset_digest", "artifact_digest", "run_id", "verdict_id", "created_at", "rolled_back_from")
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
    def __init__(self, pac_id: _Optional[str] = ..., version: _Optional[int] = ..., task: _Optional[str] = ..., capability: _Optional[_Iterable[float]] = ..., skills: _Optional[_Iterable[str]] = ..., accuracy: _Optional[float] = ..., latency_s: _Optional[float] = ..., cost_usd: _Optional[float] = ..., energy_j: _Optional[float] = ..., trust: _Optional[float] = ..., reliability: _Optional[float] = ..., resources: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., policy_flags: _Optional[_Iterable[str]] = ..., dataset_digest: _Optional[str] = ..., artifact_digest: _Optional[str] = ..., run_id: _Optional[str] = ..., verdict_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rolled_back_from: _Optional[int] = ...) -> None: ...

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

class Verdict(_message.Message):
    __slots__ = ("verdict_id", "decision", "reasons", "artifact_digest", "dataset_digest", "policy_digest", "inputs_digest", "issued_at", "expires_at", "signature")
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
    def __init__(self, verdict_id: _Optional[str] = ..., decision: _Optional[str] = ..., reasons: _Optional[_Iterable[str]] = ..., artifact_digest: _Optional[str] = ..., dataset_digest: _Optional[str] = ..., policy_digest: _Optional[str] = ..., inputs_digest: _Optional[str] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signature: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("study_id", "number", "epoch", "tree", "tree_hash", "lease_s")
    STUDY_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    TREE_HASH_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    study_id: str
    number: int
    epoch: int
    tree: _struct_pb2.Struct
    tree_hash: str
    lease_s: float
    def __init__(self, study_id: _Optional[str] = ..., number: _Optional[int] = ..., epoch: _Optional[int] = ..., tree: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tree_hash: _Optional[str] = ..., lease_s: _Optional[float] = ...) -> None: ...

class SuggestionList(_message.Message):
    __slots__ = ("suggestions",)
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[Suggestion]
    def __init__(self, suggestions: _Optional[_Iterable[_Union[Suggestion, _Mapping]]] = ...) -> None: ...

class StudyTrial(_message.Message):
    __slots__ = ("number", "epoch", "outcome", "tree", "tree_hash", "values", "reason")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    TREE_HASH_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    number: int
    epoch: int
    outcome: str
    tree: _struct_pb2.Struct
    tree_hash: str
    values: _containers.ScalarMap[str, float]
    reason: str
    def __init__(self, number: _Optional[int] = ..., epoch: _Optional[int] = ..., outcome: _Optional[str] = ..., tree: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tree_hash: _Optional[str] = ..., values: _Optional[_Mapping[str, float]] = ..., reason: _Optional[str] = ...) -> None: ...

class StudyTrialList(_message.Message):
    __slots__ = ("trials",)
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    trials: _containers.RepeatedCompositeFieldContainer[StudyTrial]
    def __init__(self, trials: _Optional[_Iterable[_Union[StudyTrial, _Mapping]]] = ...) -> None: ...

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

class GetTrainingLockRequest(_message.Message):
    __slots__ = ("pac_id",)
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    def __init__(self, pac_id: _Optional[str] = ...) -> None: ...

class SetTrainingLockRequest(_message.Message):
    __slots__ = ("pac_id", "state", "holder", "reason", "expected_epoch")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_EPOCH_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    state: str
    holder: str
    reason: str
    expected_epoch: int
    def __init__(self, pac_id: _Optional[str] = ..., state: _Optional[str] = ..., holder: _Optional[str] = ..., reason: _Optional[str] = ..., expected_epoch: _Optional[int] = ...) -> None: ...

class TrainingLock(_message.Message):
    __slots__ = ("pac_id", "state", "holder", "reason", "epoch", "since", "run_id")
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    state: str
    holder: str
    reason: str
    epoch: int
    since: _timestamp_pb2.Timestamp
    run_id: str
    def __init__(self, pac_id: _Optional[str] = ..., state: _Optional[str] = ..., holder: _Optional[str] = ..., reason: _Optional[str] = ..., epoch: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_id: _Optional[str] = ...) -> None: ...

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

class DrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HealthReport(_message.Message):
    __slots__ = ("status", "version", "database", "workers", "queued", "running")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    status: str
    version: str
    database: str
    workers: int
    queued: int
    running: int
    def __init__(self, status: _Optional[str] = ..., version: _Optional[str] = ..., database: _Optional[str] = ..., workers: _Optional[int] = ..., queued: _Optional[int] = ..., running: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("trials", "wall_s", "parameters", "epochs", "probes", "shortlist", "window")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    WALL_S_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    trials: int
    wall_s: float
    parameters: int
    epochs: int
    probes: int
    shortlist: int
    window: int
    def __init__(self, trials: _Optional[int] = ..., wall_s: _Optional[float] = ..., parameters: _Optional[int] = ..., epochs: _Optional[int] = ..., probes: _Optional[int] = ..., shortlist: _Optional[int] = ..., window: _Optional[int] = ...) -> None: ...

class StartRunRequest(_message.Message):
    __slots__ = ("pac_id", "manifest", "run_id", "kind", "task", "budget", "objectives", "sampler", "seed", "deadline_s", "correlation_id")
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
    def __init__(self, pac_id: _Optional[str] = ..., manifest: _Optional[str] = ..., run_id: _Optional[str] = ..., kind: _Optional[str] = ..., task: _Optional[str] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., objectives: _Optional[_Iterable[str]] = ..., sampler: _Optional[str] = ..., seed: _Optional[int] = ..., deadline_s: _Optional[float] = ..., correlation_id: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

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

class CheckGateRequest(_message.Message):
    __slots__ = ("pac_id",)
    PAC_ID_FIELD_NUMBER: _ClassVar[int]
    pac_id: str
    def __init__(self, pac_id: _Optional[str] = ...) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TrainingMetrics(_message.Message):
    __slots__ = ("accuracy", "accuracy_kind", "loss", "latency_p50_s", "latency_p95_s", "latency_p99_s", "duration_s", "cpu_s", "energy_j", "energy_method", "cost_usd", "peak_mem_bytes", "parameters", "flops", "epochs", "device", "trials_total", "trials_ok", "trials_failed", "trials_pruned")
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
    def __init__(self, accuracy: _Optional[float] = ..., accuracy_kind: _Optional[str] = ..., loss: _Optional[float] = ..., latency_p50_s: _Optional[float] = ..., latency_p95_s: _Optional[float] = ..., latency_p99_s: _Optional[float] = ..., duration_s: _Optional[float] = ..., cpu_s: _Optional[float] = ..., energy_j: _Optional[float] = ..., energy_method: _Optional[str] = ..., cost_usd: _Optional[float] = ..., peak_mem_bytes: _Optional[int] = ..., parameters: _Optional[int] = ..., flops: _Optional[int] = ..., epochs: _Optional[int] = ..., device: _Optional[str] = ..., trials_total: _Optional[int] = ..., trials_ok: _Optional[int] = ..., trials_failed: _Optional[int] = ..., trials_pruned: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("run_id", "kind", "pac_id", "state", "dataset", "stages_done", "last_seq", "epoch", "trials_total", "trials_ok", "trials_failed", "created_at", "started_at", "finished_at", "metrics", "front", "promoted_version", "error")
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
    def __init__(self, run_id: _Optional[str] = ..., kind: _Optional[str] = ..., pac_id: _Optional[str] = ..., state: _Optional[str] = ..., dataset: _Optional[str] = ..., stages_done: _Optional[_Iterable[str]] = ..., last_seq: _Optional[int] = ..., epoch: _Optional[int] = ..., trials_total: _Optional[int] = ..., trials_ok: _Optional[int] = ..., trials_failed: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metrics: _Optional[_Union[TrainingMetrics, _Mapping]] = ..., front: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., promoted_version: _Optional[int] = ..., error: _Optional[_Union[RunError, _Mapping]] = ...) -> None: ...

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

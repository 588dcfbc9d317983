from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchSpec(_message.Message):
    __slots__ = ("manifest", "task", "budget", "objectives", "limits", "warm_start", "candidates", "sampler", "seed")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    WARM_START_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SAMPLER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    manifest: str
    task: str
    budget: Budget
    objectives: _containers.RepeatedScalarFieldContainer[str]
    limits: _containers.ScalarMap[str, float]
    warm_start: str
    candidates: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    sampler: str
    seed: int
    def __init__(self, manifest: _Optional[str] = ..., task: _Optional[str] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., objectives: _Optional[_Iterable[str]] = ..., limits: _Optional[_Mapping[str, float]] = ..., warm_start: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., sampler: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

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

class ShortlistRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

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

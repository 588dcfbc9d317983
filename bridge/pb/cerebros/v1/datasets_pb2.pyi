import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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

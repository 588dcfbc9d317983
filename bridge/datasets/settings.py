"""Settings of datasets: where callers may name them, and how large their files may be."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class DatasetSettings(msgspec.Struct, frozen=True, kw_only=True):
    dataset_roots: Annotated[
        str,
        Meta(
            description="Directories, with `:` between them, in which callers of the port, gRPC and HTTP may name "
            "manifests and their sources; hidden files and the rest of `CEREBROS_HOME` stay out of reach. "
            "Commands read what their user may read.",
            extra={"default": "the examples, and `datasets/` in `CEREBROS_HOME`"},
        ),
    ] = ""
    source_bytes_at_most: Annotated[
        int, Meta(ge=1, description="Largest size of a dataset's file.", extra={"default": "1 GiB"})
    ] = 2**30

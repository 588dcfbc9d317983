"""Whether the term codec stays linear and whole on input made to harm it.

The limit is proportionality itself, measured in the same run: a term of
sixteen times the bytes may take sixteen times as long. A quadratic reader
would score 0.06.

The many small lists have a peer as well: Python building the same lists by a
comprehension, which is linear in instructions. It scores far below 1, because
30 MiB of new objects do not fit the caches that 2 MiB do; the reader, which
has to build them too, cannot be more linear than its memory.

`--mutations N` reads N mutated terms and takes them as frames of a session.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from contextlib import suppress

from etf_mutations import attack

from bridge.transports.port.etf import EtfError, decode

SMALL, TIMES, ROUNDS = 2**16, 16, 9
BYTES_PER_SMALL_LIST = 7


def hostile_terms(size: int) -> dict[str, bytes]:
    """Terms of about `size` bytes, each made to be slow for a careless reader."""
    count = size // 10
    colliding = b"".join(b"n\x08\0" + (n * 2**40).to_bytes(8, "little") + b"j" for n in range(count))
    liar = b"l" + (size // 20).to_bytes(4)
    lists = size // BYTES_PER_SMALL_LIST
    return {
        "a big integer": b"\x83o" + size.to_bytes(4) + b"\0" + b"\xff" * size,
        "colliding number keys": b"\x83t" + count.to_bytes(4) + colliding,
        "lists that begin like runs": b"\x83" + (liar + b"a\1") * 150 + b"a\1" * (size // 2),
        "many small lists": b"\x83l" + lists.to_bytes(4) + b"l\0\0\0\1jj" * lists + b"j",
    }


def linearity(work: Callable[[int], object]) -> float:
    """How near the time of TIMES the size is to TIMES the time; the best of rounds that take turns."""
    best = dict.fromkeys((SMALL, TIMES * SMALL), float("inf"))
    for _ in range(ROUNDS):
        for size in best:
            began = time.perf_counter()
            work(size)
            best[size] = min(best[size], time.perf_counter() - began)
    return TIMES * best[SMALL] / best[TIMES * SMALL]


def reader_of(name: str) -> Callable[[int], object]:
    terms = {size: hostile_terms(size)[name] for size in (SMALL, TIMES * SMALL)}

    def read(size: int) -> None:
        with suppress(EtfError):
            decode(terms[size])

    return read


def build_lists(size: int) -> None:
    gc.disable()  # as the reader does
    lists = [[[]] for _ in range(size // BYTES_PER_SMALL_LIST)]
    gc.enable()
    del lists


def main(mutations: int) -> None:
    ratios = {name: linearity(reader_of(name)) for name in hostile_terms(10)}
    ratios["many small lists vs python"] = ratios["many small lists"] / linearity(build_lists)
    for name, ratio in ratios.items():
        print(f"{name:<28} {ratio:6.2f} of linear")
    outcome = attack(mutations, seed=8675309)
    print(
        f"{outcome.mutations} mutated terms: {outcome.refused} refused, the others read and written, none broke "
        f"anything; {outcome.grown_blocks} more allocated blocks after {outcome.wall_s:.0f} s"
    )
    print(json.dumps({"bench": "etf", "ratios": {name.replace(" ", "_"): round(r, 2) for name, r in ratios.items()}}))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mutations", type=int, default=100_000)
    main(arguments.parse_args().mutations)

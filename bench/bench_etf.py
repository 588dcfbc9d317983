"""Whether the term codec stays linear on input made to slow it down.

The limit is proportionality itself, measured in the same run: a term of
sixteen times the bytes may take sixteen times as long. A quadratic reader
would score 0.06.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress

from bridge.transports.etf import EtfError, decode

SMALL, TIMES = 2**16, 16


def hostile_terms(size: int) -> dict[str, bytes]:
    """Terms of about `size` bytes, each made to be slow for a careless reader."""
    count = size // 10
    colliding = b"".join(b"n\x08\0" + (n * 2**40).to_bytes(8, "little") + b"j" for n in range(count))
    liar = b"l" + (size // 20).to_bytes(4)
    return {
        "a big integer": b"\x83o" + size.to_bytes(4) + b"\0" + b"\xff" * size,
        "colliding number keys": b"\x83t" + count.to_bytes(4) + colliding,
        "lists that begin like runs": b"\x83" + (liar + b"a\1") * 150 + b"a\1" * (size // 2),
        "many small lists": b"\x83l" + (size // 6).to_bytes(4) + b"l\0\0\0\1jj"[:7] * (size // 6),
    }


def seconds(name: str, size: int) -> float:
    term = hostile_terms(size)[name]
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        with suppress(EtfError):
            decode(term)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    ratios = {}
    for name in hostile_terms(10):
        small, large = seconds(name, SMALL), seconds(name, TIMES * SMALL)
        ratios[name.replace(" ", "_")] = round(TIMES * small / large, 2)
        print(f"{name:<28} {small * 1e3:8.2f} ms at 64 KiB, {large * 1e3:8.2f} ms at 1 MiB")
    print(json.dumps({"bench": "etf", "ratios": ratios}))


if __name__ == "__main__":
    main()

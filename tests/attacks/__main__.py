"""`python -m tests.attacks`: every attack on a running service, as a table; the last line is JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

from tests.attacks.matrix import ATTACKS, HEALTHZ_MS, attempt
from tests.attacks.target import target


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    arguments.add_argument(
        "--only", default="", help="attacks whose door or name has one of these words, divided by commas"
    )
    raise SystemExit(asyncio.run(attacks(arguments.parse_args().only)))


async def attacks(only: str) -> int:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| door | attack | seen | worst /healthz |\n|---|---|---|---|")
    chosen = [one for one in ATTACKS if any(word in f"{one.door} {one.name}" for word in only.split(","))]
    held, worst = 0, 0.0
    async with target() as opened:
        for attack in chosen:
            began = time.monotonic()
            kept, seen = await attempt(attack, opened)
            healthz_ms = opened.healthz_since(began)
            worst = max(worst, healthz_ms)
            kept = kept and healthz_ms <= HEALTHZ_MS
            held += kept
            verdict = "held" if kept else "BROKEN"
            print(f"| {attack.door} | {attack.name} | {verdict}: {seen} | {healthz_ms:.0f} ms |", flush=True)
    print(json.dumps({"attack": len(chosen), "held": held, "healthz_ms": round(worst, 1)}))
    return int(held < len(chosen))


if __name__ == "__main__":
    main()

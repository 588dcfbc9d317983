"""`python -m tests.faults`: every fault of the matrix and its controls, as a table; the last line is JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
from time import monotonic

from tests.faults.arena import arena
from tests.faults.matrix import FAULTS, attempt, loop_of


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    arguments.add_argument("--seed", type=int, default=random.randrange(2**31))
    arguments.add_argument("--loop-trials", type=int, default=600, help="trials of the loop; 0 leaves it out")
    arguments.add_argument(
        "--only", default="", help="faults whose names have one of these words, divided by commas, in them"
    )
    arguments.add_argument("--controls", action=argparse.BooleanOptionalAction, default=True)
    options = arguments.parse_args()
    raise SystemExit(asyncio.run(faults(options.seed, options.only, options.loop_trials, options.controls)))


async def faults(seed: int, only: str, loop_trials: int, with_controls: bool) -> int:
    print(f"seed {seed}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| fault | expected | seen | control: without this guard | both took |\n|---|---|---|---|---|")
    count = {"faults": 0, "held": 0, "controls": 0, "controls_failed": 0}
    matrix = (*FAULTS, *([loop_of(loop_trials)] if loop_trials else []))
    async with arena() as ground:
        for fault in (f for f in matrix if any(word in f.name for word in only.split(","))):
            began = monotonic()
            held, seen = await attempt(fault, ground, seed)
            count["faults"] += 1
            count["held"] += held
            controls = []
            for guard in fault.guards if with_controls else ():
                kept, account = await attempt(fault, ground, seed, guard)
                count["controls"] += 1
                count["controls_failed"] += not kept
                controls.append(f"{guard}: {'NOTHING BROKE' if kept else 'fails, ' + account}")
            verdict = "held" if held else "BROKEN"
            row = [
                fault.name,
                fault.expected,
                f"{verdict}: {seen}",
                "; ".join(controls),
                f"{monotonic() - began:.0f} s",
            ]
            print(f"| {' | '.join(row)} |", flush=True)
    print(json.dumps(count))
    return int(count["held"] < count["faults"] or count["controls_failed"] < count["controls"])


if __name__ == "__main__":
    main()

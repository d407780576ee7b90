"""`python -m tests.fuzz --count 100000`, or `--only NUMBER` to repeat one."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.fuzz.campaign import REPOSITORY, announcer, campaign
from tests.fuzz.mutations.mutant import mutant
from tests.fuzz.trial import bench

BUILD = REPOSITORY / "build" / "fuzz"


def main() -> int:
    reader = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    reader.add_argument("--count", type=int, default=10_000)
    reader.add_argument("--first", type=int, default=0)
    reader.add_argument("--processes", type=int, default=min(8, os.cpu_count() or 1))
    reader.add_argument("--only", type=int, help="repeat one, in this process")
    asked = reader.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if asked.only is not None:
        return _repeat(asked.only)
    begun = time.monotonic()
    report = campaign(
        asked.first, asked.count, processes=asked.processes, watch=announcer(asked.count)
    )
    told = report.told(time.monotonic() - begun)
    print(told)
    numbers = f"{asked.first} to {asked.first + asked.count - 1}"
    (BUILD / "report.txt").write_text(f"mutants {numbers}\n{told}\n")
    return 1 if report.findings else 0


def _repeat(number: int) -> int:
    made = mutant(number)
    path = BUILD / f"{number}.{made.suffix}"
    path.write_bytes(made.data)
    print(f"{path}: {len(made.data):,} bytes; {made.made}", flush=True)
    with bench() as here:
        judged = here.judge(made)
    print(judged.finding or f"{judged.verdict}, {judged.seconds:.2f} s, {judged.peak >> 20} MB")
    return 1 if judged.finding else 0


if __name__ == "__main__":
    sys.exit(main())

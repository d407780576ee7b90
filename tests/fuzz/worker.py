"""A process that judges mutants and says so line by line; it may die of one.

`python -m tests.fuzz.worker FOLDER FIRST END STEP` prints the number of a mutant before it is
taken up and a JSON object after it. The folder is cleared by whoever started it.
"""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import warnings
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from tests.fuzz.mutations.mutant import mutant
from tests.fuzz.trial import bench

HANG_SECONDS = 90
"""By the clock, on a machine that has other work."""
ROOM = 6 << 30
"""Bytes of addresses: so that no mutant takes the whole machine's memory."""
A_BENCH = 300


def main(within: Path, first: int, end: int, step: int) -> None:
    warnings.simplefilter("ignore")
    faulthandler.enable()
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    numbers = iter(range(first, end, step))
    while batch := list(islice(numbers, A_BENCH)):
        with bench(within) as here:
            for number in batch:
                print(number, flush=True)
                made = mutant(number)
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
                judged = here.judge(made)
                faulthandler.cancel_dump_traceback_later()
                print(json.dumps(asdict(judged)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))

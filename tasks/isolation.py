"""Decoding a suspicious file in a child process, with limits on memory and time.

A file that a run died with in its hands may have brought that run down. From then on it
is decoded where it can do no harm: the child may crash or be ended, and its parent counts.
"""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from blocks.network import PanoptesNetwork
from models.errors import BadInput
from models.ingest import Derived, Source
from tasks.ledger import count_attempt

MEMORY_BYTES = 4 << 30
SECONDS = 300.0
ATTEMPTS = 3
"""Attempts that did not return after which a file is taken for a decoder's bane."""

Derivation = Callable[[PanoptesNetwork, Source], Derived]


def guarded(derive: Derivation) -> Derivation:
    """Run a derivation in a child process where the source asks for it.

    Raises BadInput ``decoder-crash`` once `ATTEMPTS` attempts have not returned.
    """

    @functools.wraps(derive)
    def run(network: PanoptesNetwork, source: Source) -> Derived:
        if not source.guarded:
            return derive(network, source)
        ended = "a run that held it ended without a word"
        while True:
            try:
                made: Derived = call_in_child(derive, network, source)
            except ChildDied as died:
                ended = str(died)
            else:
                return made
            if count_attempt(network, source) > ATTEMPTS:
                raise BadInput("decoder-crash", ended)

    return run


class ChildDied(Exception):
    """The child ended without a result."""


def call_in_child(
    function: Callable[..., Any],
    *arguments: Any,
    memory_bytes: int = MEMORY_BYTES,
    seconds: float = SECONDS,
) -> Any:
    """What `function` gives or raises, computed in a process of its own.

    Raises ChildDied if the process crashed, ran out of memory or took too long.
    """
    inner = getattr(function, "__wrapped__", function)
    with tempfile.TemporaryDirectory(prefix="panoptes-child-") as folder:
        call, answer = Path(folder, "call"), Path(folder, "answer")
        call.write_bytes(cloudpickle.dumps((inner, arguments, memory_bytes)))
        command = [sys.executable, "-m", "tasks.isolation", str(call), str(answer)]
        try:
            ended = subprocess.run(
                command,
                timeout=seconds,
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=os.sep,
            )
        except subprocess.TimeoutExpired:
            raise ChildDied(f"decoding it took more than {seconds:.0f} seconds") from None
        if ended.returncode < 0:
            raise ChildDied(f"decoding it ended with signal {-ended.returncode}")
        if ended.returncode != 0 or not answer.exists():
            last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise ChildDied(f"decoding it failed: {''.join(last)[:200]}")
        succeeded, value = pickle.loads(answer.read_bytes())
    if succeeded:
        return value
    if isinstance(value, MemoryError):
        raise ChildDied(f"decoding it needs more than {memory_bytes >> 30} GB of memory")
    raise value


def main(call: Path, answer: Path) -> None:
    """The child's side: limit yourself, compute, write the answer down whole."""
    import resource

    function, arguments, memory_bytes = cloudpickle.loads(call.read_bytes())
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        outcome = (True, function(*arguments))
    except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
        outcome = (False, error)
    answer.write_bytes(cloudpickle.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

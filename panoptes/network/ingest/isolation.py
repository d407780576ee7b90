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

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest.ledger import count_attempt
from panoptes.network.ingest.outcome import Derived
from panoptes.network.site import Site
from panoptes.network.upload import Source

MEMORY_BYTES = 4 << 30
SECONDS = 300.0
ATTEMPTS = 3
"""Attempts that did not return after which a file is taken for a decoder's bane."""

Derivation = Callable[[Site, Source], Derived]


def guarded(derive: Derivation) -> Derivation:
    """Run a derivation in a child process where the source asks for it.

    Raises BadInput ``decoder-crash`` once `ATTEMPTS` attempts have not returned.
    """

    @functools.wraps(derive)
    def run(site: Site, source: Source) -> Derived:
        if not source.guarded:
            return derive(site, source)
        ended = "a run that held it ended without a word"
        while True:
            try:
                made: Derived = call_in_child(derive, site, source)
            except ChildDied as died:
                ended = str(died)
            else:
                return made
            if count_attempt(site, source) > ATTEMPTS:
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

    Raises ChildDied if the process crashed, ran out of memory or took too long, and TransientError
    if that is not the function's fault: it did not begin, or there is no room for its answer.
    """
    inner = getattr(function, "__wrapped__", function)
    try:
        scratch = tempfile.TemporaryDirectory(prefix="panoptes-child-", ignore_cleanup_errors=True)
    except OSError as error:
        raise TransientError(f"no scratch folder can be made: {error.strerror}") from error
    with scratch as folder:
        call, answer = Path(folder) / "call", Path(folder) / "answer"
        try:
            call.write_bytes(cloudpickle.dumps((inner, arguments, memory_bytes)))
        except OSError as error:
            raise TransientError(f"the scratch folder {folder}: {error.strerror}") from error
        module = "panoptes.network.ingest.isolation"
        command = [sys.executable, "-m", module, str(call), str(answer)]
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
        last = "".join(ended.stderr.decode(errors="replace").strip().splitlines()[-1:])[:200]
        if not answer.exists():
            raise TransientError(f"the process that should decode did not begin: {last}")
        if ended.returncode == os.EX_TEMPFAIL:
            raise TransientError(f"the scratch folder {folder}: {last}")
        if ended.returncode < 0:
            raise ChildDied(f"decoding it ended with signal {-ended.returncode}")
        if ended.returncode != 0:
            raise ChildDied(f"decoding it failed: {last}")
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
    answer.touch()  # what comes now is the function's doing
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        outcome = (True, function(*arguments))
    except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
        outcome = (False, error)
    written = cloudpickle.dumps(outcome)
    try:
        answer.write_bytes(written)
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        sys.exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

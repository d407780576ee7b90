"""Processes that belong together: each has a name and a log, and none outlives its starter.

Linux and macOS; see `deployments.local_stack.guard` for how they end.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

from deployments.local_stack import guard

MOST_LOG_BYTES = 64 << 20
"""Of each log; as much of what was before is kept beside it."""
_LINES = 30
"""Of a log, which tell how a process ended."""


class Processes:
    """Child processes that are ended together."""

    def __init__(self, logs: Path, *, grace: float, folder: Path | None = None) -> None:
        """They run in `folder`, write to ``NAME.log`` in `logs`, and end within `grace` seconds."""
        self.stack_id = uuid.uuid4().hex
        """The mark in the environment of each, and of whatever they start."""
        self._logs, self._folder, self._grace = logs, folder, grace
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._log_starts: dict[str, int] = {}
        self._guard: subprocess.Popen[bytes] | None = None
        self._commands: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}

    def begin(self, lock: IO[str] | None = None) -> None:
        """Start the guard, which holds `lock` as well until it has cleared up. Idempotent."""
        if self._guard is None:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, self.stack_id, str(self._grace)],
                stdin=subprocess.PIPE,
                env={},
                pass_fds=[lock.fileno()] if lock else [],
                start_new_session=True,
            )

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        pass_fds: Collection[int] = (),
    ) -> None:
        """Start one, with this environment and nothing else; one of that name has to have ended."""
        self.begin()
        self._commands[name] = command, environment
        with (self._logs / f"{name}.log").open("ab") as log:
            self._log_starts[name] = log.tell()
            self._running[name] = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**environment, guard.MARK: self.stack_id},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                start_new_session=True,
            )

    def start_again(self, name: str) -> None:
        """As it was started before, with its log continued; what was passed to it is not."""
        self.start(name, *self._commands[name])

    def end_all(self, *, last: str = "") -> None:
        """End all of them and whatever they started, `last` after the others. Idempotent."""
        if self._guard is None:
            return
        if last in self._running:
            spared = {self._running[last].pid}
            guard.end_processes(self.stack_id, grace=self._grace, spare=spared)
        guard.end_processes(self.stack_id, grace=self._grace)
        for process in self._running.values():
            process.wait()
        self._running.clear()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
        self._guard = None

    def process_id(self, name: str) -> int:
        return self._running[name].pid

    def status(self, name: str, *, within: float = 0.0) -> int | None:
        """The exit status of one that ends within so many seconds."""
        try:
            return self._running[name].wait(within)
        except subprocess.TimeoutExpired:
            return None

    def ended(self) -> dict[str, int]:
        """The exit status of each that has ended by itself."""
        found = {name: self.status(name) for name in self._running}
        return {name: status for name, status in found.items() if status is not None}

    def trim_logs(self, *, most_bytes: int = MOST_LOG_BYTES) -> None:
        """Of a log that has become longer, keep the last part as ``NAME.log.1``.

        Its process goes on writing into the same file, which begins anew; lines that it writes
        in between are lost, as with logrotate's ``copytruncate``.
        """
        for name in self._running:
            log = self._logs / f"{name}.log"
            end = log.stat().st_size
            if end <= most_bytes:
                continue
            with log.open("rb+") as writing:
                writing.seek(end - most_bytes)
                writing.readline()
                kept = writing.read(end - writing.tell())
                log.with_name(f"{log.name}.1").write_bytes(kept)
                writing.truncate(0)
            self._log_starts[name] = 0

    def last_words(self, name: str) -> str:
        """The end of its log, as far as this process wrote it, below the log's name."""
        log = self._logs / f"{name}.log"
        tail = log.read_bytes()[self._log_starts.get(name, 0) :].decode(errors="replace")
        return "\n".join([f"The end of {log}:", *tail.splitlines()[-_LINES:]])

"""What a provider's machine does with a container, as a process of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class Container:
    """The command of an image in which this project is installed, with the environment given.

    It has an empty /tmp of its own, and of this machine's environment the path alone.
    """

    def __init__(self, folder: Path, command: Sequence[str], env: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        program, *arguments = command
        assert program == "python", command
        own = {name: value.replace("/tmp/", f"{folder}/") for name, value in env.items()}
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], cwd=folder, start_new_session=True,
                env={"PATH": os.environ["PATH"], "HOME": str(folder), **own},
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """As a container's runtime tells it: 137 after SIGKILL. None while it runs."""
        status = self.process.poll()
        return status if status is None or status >= 0 else 128 - status

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """It gets ten seconds after a signal that it may hear."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

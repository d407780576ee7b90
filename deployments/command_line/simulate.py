"""`panoptes-network simulate`: units that upload nights, to a folder or a bucket."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from panoptes.network.addresses import open_store
from panoptes.network.errors import ConfigurationError
from panoptes.network.safe_text import one_line
from panoptes.network.simulator.headers import Generation
from panoptes.network.simulator.night import Night, Sent

GENERATIONS: dict[str, Generation | None] = {"old": "old", "new": "new", "both": None}
"""Of keywords, as the option names them."""


def run(to: str, night: Night, *, files_per_second: float, truth: Path | None) -> int:
    """Upload a night; `truth` gets a line of JSON a file: what it is and what it should become.

    `files_per_second` 0 uploads as fast as the store takes it.
    """
    try:
        store = open_store(to)
        store.check()
    except ConfigurationError as error:
        sys.stderr.write(f"panoptes-network simulate: {one_line(error)}\n")
        return 1
    console = Console(stderr=True)
    columns = (TextColumn("uploading"), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        truth.open("w", encoding="utf-8") if truth else nullcontext() as told,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("uploading", total=None)
        began, count = time.monotonic(), 0
        for count, (sent, data) in enumerate(night.uploads(), start=1):
            if files_per_second:
                time.sleep(max(0.0, began + (count - 1) / files_per_second - time.monotonic()))
            store.put(sent.name, data)
            _tell(told, sent)
            bar.advance(task)
    sys.stdout.write(f"{count} files uploaded to {to}\n")
    return 0


def _tell(told: TextIO | None, sent: Sent) -> None:
    if told is not None:
        told.write(json.dumps(asdict(sent), default=str) + "\n")
        told.flush()

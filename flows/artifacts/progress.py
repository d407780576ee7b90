"""What a run shows in the Prefect UI while it works and when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from flows.artifacts.keys import observation_key
from panoptes.network.errors import TransientError
from panoptes.network.ingest.lag import lag_sentence
from panoptes.network.ingest.outcome import Became, FileResult, images_of, summary
from panoptes.network.ingest.take import Watch
from panoptes.network.ingest.watchdog import progressed
from panoptes.network.safe_text import markdown, one_line

UPDATE_SECONDS = 2.0
LOG_SECONDS = 10.0
IN_VAIN = 8
"""Files one after the other that passing trouble kept from being taken; then a run ends."""


class Away(TransientError):
    """A store or the catalogue is away: going on would cost a minute for each file left."""


def log_now_and_then(what: str) -> Callable[[str], None]:
    """To be called with the name of each thing done: the run's log says how far it is."""
    log, told, count = get_run_logger(), time.monotonic(), 0

    def done(name: str) -> None:
        nonlocal told, count
        count += 1
        if time.monotonic() - told >= LOG_SECONDS:
            told = time.monotonic()
            log.info("%d %s, now at %s", count, what, one_line(name))

    return done


class RunProgress(Watch):
    """A progress artifact while files are taken, and a table of them at the end."""

    def __init__(self, sequence_id: str) -> None:
        self.key = observation_key(sequence_id)
        self._artifact: UUID | None = None
        self._planned = self._taken = self._in_vain = 0
        self._updated = 0.0
        self._log = get_run_logger()

    def planned(self, files: int) -> None:
        progressed()
        self._planned += files
        self._show(force=True)

    def taken(self, result: FileResult) -> None:
        progressed()
        self._taken += 1
        away = result.became is Became.FAILED and result.code == "passing-trouble"
        self._in_vain = self._in_vain + 1 if away else 0
        if result.became in (Became.QUARANTINED, Became.FAILED):
            told = one_line(f"{result.name}: {result.became.value}: {result.reason}")
            self._log.warning("%s", told)
        self._show(force=self._taken == self._planned)
        if self._in_vain >= IN_VAIN:
            why = one_line(result.reason)
            raise Away(f"{self._in_vain} files in a row could not be taken; {why}")

    def resting(self, files: int, seconds: float) -> None:
        self._log.info("%d files have just changed: looking again in %.1f s", files, seconds)

    def _show(self, *, force: bool) -> None:
        if not force and time.monotonic() - self._updated < UPDATE_SECONDS:
            return
        self._updated = time.monotonic()
        percent = 100.0 * self._taken / self._planned if self._planned else 100.0
        if self._artifact is None:
            made = create_progress_artifact(
                percent, key=f"progress-{self.key}", description=f"Files of {self.key} taken"
            )
            assert isinstance(made, UUID)
            self._artifact = made
        else:
            update_progress_artifact(self._artifact, percent)

    def finish(self, results: list[FileResult]) -> None:
        """Log the summary and leave the table of what became of each file."""
        self._log.info("%s", summary(results))
        rows = [
            {
                "file": markdown(r.name),
                "became": r.became.value,
                "in, or why not": markdown(r.told),
            }
            for r in sorted(results, key=lambda r: (not r.is_trouble, r.name))
        ]
        lag = lag_sentence(result.lag for result in results)
        create_table_artifact(
            rows,
            key=f"files-{self.key}",
            description=" ".join(
                filter(
                    None,
                    (f"What became of each file: {summary(results)}.", images_of(results), lag),
                )
            ),
        )

"""What a run shows in the Prefect UI while it works and when it is done."""

from __future__ import annotations

import time
from uuid import UUID

from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger

from models.ingest import Became, FileResult, summary

UPDATE_SECONDS = 2.0


class RunProgress:
    """A progress artifact while files are taken, and a table of them at the end."""

    def __init__(self, sequence_id: str) -> None:
        self.key = sequence_id.lower().replace("_", "-")
        self._artifact: UUID | None = None
        self._planned = self._taken = 0
        self._updated = 0.0
        self._log = get_run_logger()

    def planned(self, files: int) -> None:
        self._planned += files
        self._show(force=True)

    def taken(self, result: FileResult) -> None:
        self._taken += 1
        if result.outcome in (Became.QUARANTINED, Became.FAILED):
            self._log.warning("%s: %s: %s", result.name, result.outcome.value, result.reason)
        self._show(force=self._taken == self._planned)

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
                "file": r.name,
                "became": r.outcome.value,
                "in, or why not": r.told,
            }
            for r in sorted(results, key=lambda r: (r.outcome not in _TROUBLE, r.name))
        ]
        create_table_artifact(
            rows,
            key=f"files-{self.key}",
            description=f"What became of each file: {summary(results)}",
        )


_TROUBLE = (Became.FAILED, Became.QUARANTINED)

"""What a sweep found waiting, and whether that is a backlog that grows."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

SWEPT = "panoptes.incoming.swept"
"""The event with which a sweep says what it found."""


class Backlog(BaseModel):
    """The count of one sweep."""

    model_config = ConfigDict(frozen=True)
    files: int = Field(description="that wait in incoming")
    observations: int = Field(description="that they belong to")
    overdue: int = Field(description="files that nobody took in three windows")
    oldest_seconds: float = Field(description="how long the oldest of them has waited")
    passing: int = Field(
        0, description="files under passing names such as NAME.part, unchanged for a day"
    )
    started: int = Field(0, description="runs that the sweep created")
    unroutable: int = Field(0, description="files that it took into quarantine")

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.files} files of {self.observations} observations wait, {self.overdue} of them "
            f"overdue, the oldest for {self.oldest_seconds / 3600:.1f} h"
        )


def is_growing(reports: Sequence[Backlog]) -> bool:
    """Whether three sweeps in a row, newest first, each found more overdue files."""
    last = [report.overdue for report in reports[:3]]
    return len(last) == 3 and last[0] > last[1] > last[2]

"""What became of each document and file that was there before."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from panoptes.network.names import display_name


class Done(StrEnum):
    """What became of it, or would in a dry run."""

    COMPLETED = "completed"
    """A flat document, where it is: it has the fields now that it lacked."""
    WRITTEN = "written beside"
    """A nested document: it stays, and one of ours says the same."""
    ENTERED = "entered"
    """A file: it stays, and ledger and catalogue know it."""
    SETTLED = "counted"
    """An observation whose counts were not those of its images."""
    LEFT = "left"
    """It stays as it is and is not found by us; the reason says why."""


@dataclass(frozen=True)
class TakenOver:
    """One document or file that was not as this release has it."""

    name: str
    """``COLLECTION/KEY`` or the nested document's path; of a file ``LOCATION/PATH``."""
    became: Done
    reason: str | None = None
    """Of what was left, a sentence for a volunteer."""

    def row(self) -> dict[str, Any]:
        """As it is written as JSON."""
        return {k: display_name(v) for k, v in asdict(self).items() if v is not None}


class Tally:
    """Counts what was taken over as it comes."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Done]] = Counter()

    def add(self, taken: TakenOver) -> None:
        what = taken.name.partition("/")[0]
        if taken.became is Done.WRITTEN:
            what = f"nested {taken.name.split('/')[-2]}"
        elif taken.became is Done.ENTERED:
            what = f"files in {what}"
        self.counts[what, taken.became] += 1

    @property
    def left(self) -> int:
        return sum(n for (_, became), n in self.counts.items() if became is Done.LEFT)

    @property
    def sentence(self) -> str:
        """One line for people: ``10 images completed, 3 files in images entered``."""
        parts = [f"{n} {what} {became}" for (what, became), n in sorted(self.counts.items())]
        return ", ".join(parts) or "nothing to take over"

    def as_json(self) -> dict[str, int]:
        return {f"{what} {became}": n for (what, became), n in sorted(self.counts.items())}

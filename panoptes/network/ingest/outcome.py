"""What was made of an uploaded file, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from panoptes.network.amounts import counted
from panoptes.network.documents import File, Output
from panoptes.network.ingest.lag import lag_of


class Derived(BaseModel):
    """What was made of one source: small enough to be kept as a task's result."""

    model_config = ConfigDict(frozen=True)
    crc32c: str = Field(description="of the source's bytes, base64")
    outputs: tuple[Output, ...]
    header: dict[str, Any] = Field(default_factory=dict, description="cards, keywords upper case")
    checksums: str | None = None
    measured: dict[str, Any] | None = Field(
        None, description="of a light: see `panoptes.network.ingest.measuring`"
    )
    duplicate_of: str | None = Field(None, description="the file whose archive this one equals")

    def output(self, role: str) -> Output | None:
        return next((o for o in self.outputs if o.role == role), None)


class Became(StrEnum):
    """What became of a file, in the words of the summary."""

    CATALOGUED = "catalogued"
    FILED = "filed"
    ALREADY = "already"
    QUARANTINED = "quarantined"
    WAITING = "waiting"
    FAILED = "failed"


TROUBLE = (Became.FAILED, Became.QUARANTINED, Became.WAITING)
"""What people must be told the reason of, gravest first."""


@dataclass(frozen=True)
class FileResult:
    """One row of the summary."""

    name: str
    became: Became
    image_id: str | None = None
    location: str | None = None
    path: str | None = None
    code: str | None = None
    reason: str | None = None
    next_step: str | None = None
    stays: str | None = None
    """Why it cannot be removed from `incoming`, though it is done."""
    lag: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Of a file that was just taken: see `panoptes.network.ingest.lag`."""

    @property
    def is_trouble(self) -> bool:
        """Whether people must be told the reason."""
        return self.became in TROUBLE or self.stays is not None

    @property
    def told(self) -> str:
        """For people: the location that has the file; of trouble, why and what to do."""
        if not self.is_trouble:
            return self.location or ""
        stays = self.stays and f"It is done, and cannot be removed from incoming: {self.stays}."
        said = (self.reason, self.next_step) if self.became in TROUBLE else ()
        return " ".join(filter(None, (*said, stays)))

    @classmethod
    def from_entry(
        cls, entry: File, became: Became | None = None, *, stays: str | None = None
    ) -> FileResult:
        """The row of a closed ledger entry."""
        if became is None:
            became = {
                "archived": Became.CATALOGUED,
                "filed": Became.FILED,
                "quarantined": Became.QUARANTINED,
            }.get(entry.outcome or "", Became.FAILED)
        return cls(
            name=entry.name,
            became=became,
            image_id=entry.image_id,
            location=entry.location,
            path=entry.path,
            code=entry.code,
            reason=entry.reason,
            next_step=entry.next_step,
            stays=stays,
            lag=lag_of(entry) if became in (Became.CATALOGUED, Became.FILED) else {},
        )


def count_outcomes(results: list[FileResult]) -> dict[str, int]:
    """How many files became what, every word named."""
    return {o.value: sum(r.became is o for r in results) for o in Became}


def images_of(results: list[FileResult]) -> str:
    """How many images the catalogued files are, in a sentence; empty where there is none.

    A camera raw and the FITS file that the unit made of it have one image id.
    """
    catalogued = [each for each in results if each.became is Became.CATALOGUED]
    files, images = len(catalogued), len({each.image_id for each in catalogued})
    if not files:
        return ""
    of_files = "The catalogued file is" if files == 1 else f"The {files} catalogued files are"
    why = "" if files == images else ": a camera raw and the FITS file made of it are one image"
    return f"{of_files} {counted(images, 'image')}{why}."


def summary(results: list[FileResult]) -> str:
    """One line for people: ``12 catalogued, 2 filed, 1 quarantined (empty-file)``."""
    counts = {o: n for o, n in count_outcomes(results).items() if n}
    codes = sorted({r.code for r in results if r.became is Became.QUARANTINED and r.code})
    parts = [
        f"{n} {o}" + (f" ({', '.join(codes)})" if o == "quarantined" and codes else "")
        for o, n in counts.items()
    ]
    if stuck := sum(r.stays is not None for r in results):
        parts.append(f"{stuck} of them cannot be removed from incoming")
    return ", ".join(parts) or "nothing to do"

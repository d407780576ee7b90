"""What an audit finds: where bucket and catalogue disagree, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from panoptes.network.documents import Location
from panoptes.network.names import display_name

Severity = Literal["error", "warning"]
"""An error is a file that is lost, wrong or not to be found; a warning is untidiness."""


class Kind(StrEnum):
    """What is wrong."""

    OBJECT_MISSING = "object-missing"
    OBJECT_DAMAGED = "object-damaged"
    OBJECT_MOVED = "object-moved"
    OBJECT_ORPHANED = "object-orphaned"
    ENTRY_MISSING = "entry-missing"
    ENTRY_STUCK = "entry-stuck"
    ENTRY_WRONG = "entry-wrong"
    GIVEN_UP = "given-up"
    UPLOAD_LOST = "upload-lost"
    IMAGE_MISSING = "image-missing"
    IMAGE_WRONG = "image-wrong"
    CATALOGUED_TWICE = "catalogued-twice"
    DOCUMENT_MISSING = "document-missing"
    DOCUMENT_UNREADABLE = "document-unreadable"
    COUNT_WRONG = "count-wrong"
    QUARANTINE_MISSING = "quarantine-missing"
    QUARANTINE_UNEXPLAINED = "quarantine-unexplained"
    QUARANTINE_ORPHANED = "quarantine-orphaned"
    LEFT_BEHIND = "left-behind"
    OVERDUE = "overdue"
    LEASE_LEFT = "lease-left"
    TRUTH_LOST = "truth-lost"
    TRUTH_BYTES = "truth-bytes"
    TRUTH_FATE = "truth-fate"


WARNINGS = {
    Kind.OBJECT_MOVED,
    Kind.OBJECT_ORPHANED,
    Kind.ENTRY_STUCK,
    Kind.GIVEN_UP,
    Kind.COUNT_WRONG,
    Kind.QUARANTINE_UNEXPLAINED,
    Kind.QUARANTINE_ORPHANED,
    Kind.LEFT_BEHIND,
    Kind.OVERDUE,
    Kind.LEASE_LEFT,
}


class Repair(StrEnum):
    """What ``--repair`` does about a finding, in the order in which it is done.

    Nothing is ever removed that is not replaced.
    """

    DROP = "drop"
    NOTE = "note"
    REBUILD = "rebuild"
    RETURN = "return"
    INGEST = "ingest"
    SETTLE = "settle"


DOES: dict[Repair, str] = {
    Repair.SETTLE: "Asks the catalogue for the counts again and writes them down.",
    Repair.REBUILD: "Makes documents, pictures and colour planes again, from the archived file.",
    Repair.NOTE: "Writes the present generation into the ledger, once the bytes were compared.",
    Repair.RETURN: "Copies the object to incoming under its own name and ingests it again.",
    Repair.INGEST: "Ingests the upload that still lies in incoming.",
    Repair.DROP: "Removes the second document, if the proper one has every field of it.",
}

assert set(DOES) == set(Repair)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    location: Location | Literal["catalog", "measurements"]
    """What it is about lies there."""
    name: str
    """An object's path; ``COLLECTION/KEY`` in the catalogue."""
    sentence: str
    """For a volunteer."""
    sequence_id: str | None = None
    repair: Repair | None = None
    """What ``--repair`` does; None where a person has to decide."""
    subject: str | None = None
    """The uploaded file concerned: its name as it was uploaded."""

    @property
    def severity(self) -> Severity:
        return "warning" if self.kind in WARNINGS else "error"

    @property
    def can_be_repaired(self) -> bool:
        return self.repair is not None

    @property
    def does(self) -> str:
        """What ``--repair`` does, as a sentence; empty where it does nothing."""
        return DOES[self.repair] if self.repair else ""

    def row(self) -> dict[str, Any]:
        """As it is written as JSON."""
        told = {"severity": self.severity, **asdict(self), "repair_does": self.does or None}
        return {
            key: display_name(value) if isinstance(value, str) else value
            for key, value in told.items()
        }


@dataclass(frozen=True)
class Uploaded:
    """One line of the truth: a file that was uploaded, and what should become of it.

    Where one name was uploaded several times, the truth is its last version.
    """

    name: str
    size: int
    """Bytes."""
    sha256: str
    """Of the uploaded bytes, hexadecimal."""
    fate: str
    """``archived``, ``filed`` or ``quarantined``; empty: whichever."""
    code: str | None = None
    """Why it is quarantined; None: for whatever reason."""
    image_id: str | None = None

    @classmethod
    def from_line(cls, fields: Mapping[str, Any]) -> Uploaded:
        """From a line of ``panoptes-network simulate --truth``. Raises ValueError."""
        try:
            return cls(
                name=str(fields["name"]),
                size=int(fields["size"]),
                sha256=str(fields["sha256"]),
                fate=str(fields.get("fate") or ""),
                code=fields.get("code"),
                image_id=fields.get("image_id"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a line of the truth: {error}") from error


@dataclass(frozen=True)
class Waiting:
    """Uploads that lie in `incoming` and are not done yet."""

    files: int = 0
    oldest_seconds: float = 0.0

    @property
    def sentence(self) -> str:
        """For people."""
        if not self.files:
            return "nothing waits in incoming"
        files = "1 file waits" if self.files == 1 else f"{self.files} files wait"
        return f"{files} in incoming, the oldest for {self.oldest_seconds / 3600:.1f} h"


def counted(kinds: Mapping[tuple[Severity, str], int]) -> str:
    """One line for people: ``2 errors (object-missing), 1 warning (count-wrong)``."""
    parts = []
    for severity in ("error", "warning"):
        of_it = {kind: count for (each, kind), count in kinds.items() if each == severity}
        if count := sum(of_it.values()):
            plural = "" if count == 1 else "s"
            parts.append(f"{count} {severity}{plural} ({', '.join(sorted(of_it))})")
    return ", ".join(parts) or "nothing is wrong"

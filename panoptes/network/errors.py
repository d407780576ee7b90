"""What happens next when a file cannot be taken: try again, or quarantine.

Every task raises one of these two or lets an unclassified exception through.
`TransientError` passes with time and is retried with backoff and jitter. `BadInput`
never passes, unless somebody is still writing the file: it goes to quarantine at once
with a code and a sentence that a volunteer understands. Anything else is a defect of ours
or of the machine: the file is reported as failed, stays where it is and is tried again by
a later run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panoptes.network.file_types import FileType
from panoptes.network.safe_text import one_line

if TYPE_CHECKING:
    from pydantic import ValidationError

_MOST_DETAIL = 500
"""Characters: what was seen in a file is often words of the file's own."""


@dataclass(frozen=True)
class Advice:
    """What a volunteer reads about one kind of bad input."""

    sentence: str
    next_step: str
    may_pass: bool = False
    """Whether a file that is still being written can look like this, too."""


_SUFFIXES = " or ".join(", ".join(f".{each}" for each in FileType).rsplit(", ", 1))

ADVICE: dict[str, Advice] = {
    "unroutable-name": Advice(
        "The name of the file does not say which unit, camera and time it belongs to.",
        "Rename it to UNIT/CAMERA/SEQUENCE/IMAGE.suffix, for example "
        "PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz, and upload it again.",
        may_pass=True,
    ),
    "unknown-suffix": Advice(
        "The network does not take files of this type.",
        f"Upload {_SUFFIXES} files. Keep a file of any other type, and ask the network's "
        "operators what to do with it.",
        may_pass=True,
    ),
    "not-a-file": Advice(
        "This is not a plain file.",
        "It stays where it is. Replace it by the file itself and upload that.",
    ),
    "empty-file": Advice(
        "The file is empty: the camera or the upload wrote nothing.",
        "Upload it again from the unit if the original there is not empty.",
        may_pass=True,
    ),
    "too-large": Advice(
        "The file, its image or its header is larger than any of a PANOPTES camera.",
        "Check what was uploaded. If it is right, an operator raises the limit in the network's "
        "settings and has the file judged again.",
    ),
    "truncated-file": Advice(
        "The file ends too early: part of it is missing.",
        "Upload it again from the unit; look at the unit's disk and network if it happens often.",
        may_pass=True,
    ),
    "transfer-damage": Advice(
        "The bytes that arrived are not the bytes that were sent.",
        "Upload it again from the unit.",
    ),
    "not-fits": Advice(
        "The file is not a FITS file, whatever its name says.",
        "Check how it was made; upload the camera's own file under its own suffix.",
        may_pass=True,
    ),
    "bad-header": Advice(
        "The FITS header breaks the standard so that the image cannot be read with certainty.",
        "Check the software that wrote it; upload a corrected file.",
        may_pass=True,
    ),
    "no-image": Advice(
        "The FITS file holds no image.",
        "Check whether the right file was uploaded; tables are not archived on their own.",
        may_pass=True,
    ),
    "corrupt-data": Advice(
        "The image data inside the file is damaged and cannot be decoded.",
        "Upload it again from the unit.",
        may_pass=True,
    ),
    "checksum-mismatch": Advice(
        "The checksum inside the file does not match its contents.",
        "Upload it again from the unit, or make it again if the original there fails as well.",
        may_pass=True,
    ),
    "unsupported-format": Advice(
        "The file is legal, but of a kind that the network cannot archive without loss.",
        "Ask the network's operators; the file is kept as it is.",
        may_pass=True,
    ),
    "not-a-raw": Advice(
        "The file is not a camera raw that can be read.",
        "Check that the camera saves raw files, and upload it again from the unit.",
        may_pass=True,
    ),
    "not-a-picture": Advice(
        "The file is not the picture (JPEG, PNG) or video (MP4) that its name says.",
        "Upload it again from the unit.",
        may_pass=True,
    ),
    "conflicts-with-archive": Advice(
        "Another file of the same image is already archived, and the two differ.",
        "Compare the two. If this one is right, an operator moves the archived one away, has this "
        "one judged again, and then uploads the other again under its own name: it is kept aside.",
        may_pass=True,
    ),
    "decoder-crash": Advice(
        "Reading this file brought the decoder down three times.",
        "Keep the file for the developers; upload it again from the unit if it differs there.",
    ),
}

_UNPUBLISHED = Advice(
    "The network could not take it.",
    "Tell the network's operators this file's name; they see the reason in its case.",
)


def published(code: str | None) -> Advice:
    """What everybody may read of why a file was refused: our own words, whatever was seen."""
    return ADVICE.get(code or "", _UNPUBLISHED)


PAGE = """# My file was quarantined

Nothing is lost: the network keeps your file untouched and tells its operators why it could not
be taken. They tell you the file's name, a case such as `Q1f0c29ab03de`, and one of the reasons
below. What you can do stands beside it; often that is to upload the file again under the same
name. A good file takes the place of the bad one by itself, and nothing needs to be deleted first.

Where units upload into a folder, a file that looks cut short, empty or not readable is judged once
it has not changed for ten minutes: its upload may go on.

What became of a file is told by its name at `/files` of the network's services.

Look at the unit first: if the original there opens, the upload went wrong; if it does not, the
camera or the disk did.

| code | what it means | what to do |
|---|---|---|
"""


def advice_page() -> str:
    """docs/quarantine.md: for who looks after a unit."""
    rows = (f"| `{code}` | {each.sentence} | {each.next_step} |" for code, each in ADVICE.items())
    return PAGE + "\n".join(rows) + "\n"


class IngestError(Exception):
    """Base of the two outcomes that are not success."""


class TransientError(IngestError):
    """A passing trouble: the store, the catalog or the machine may answer next time."""


class BadInput(IngestError):
    """The file itself is at fault; trying again cannot help.

    `code` is a key of `ADVICE`; `detail` says, in one line, what was seen in this file.
    `conflicts_with` is the object (location, path, generation) that it cannot stand beside.
    """

    def __init__(
        self, code: str, detail: str = "", *, conflicts_with: dict[str, Any] | None = None
    ) -> None:
        if code not in ADVICE:
            raise ValueError(f"unknown quarantine code {code!r}")
        self.code = code
        self.detail = one_line(detail, most=_MOST_DETAIL)
        self.conflicts_with = conflicts_with
        super().__init__(code, self.detail)

    @property
    def reason(self) -> str:
        """The sentence for volunteers, with what was seen in this file."""
        sentence = ADVICE[self.code].sentence
        return f"{sentence} ({self.detail})" if self.detail else sentence

    @property
    def next_step(self) -> str:
        return ADVICE[self.code].next_step

    @property
    def may_pass(self) -> bool:
        """Whether the rest of a file that is still being written could make it good."""
        return ADVICE[self.code].may_pass

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_bad_input, (self.code, self.detail, self.conflicts_with))


def _bad_input(code: str, detail: str, conflicts_with: dict[str, Any] | None) -> BadInput:
    return BadInput(code, detail, conflicts_with=conflicts_with)


def is_transient(error: BaseException) -> bool:
    """Whether trying again can help.

    Stores and catalogs turn their libraries' passing errors into `TransientError`;
    connection errors and timeouts of anything else pass by nature.
    """
    return isinstance(error, TransientError | ConnectionError | TimeoutError)


class ConfigurationError(Exception):
    """The operator's settings cannot work; the message says what is wrong and where."""


def first_fault(error: ValidationError) -> str:
    """Where the first of a document's or settings' faults is, and what it is."""
    first = error.errors(include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


if __name__ == "__main__":
    sys.stdout.write(advice_page())

"""An uploaded file: one generation of it, as `incoming` lists it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from panoptes.network.documents import Output
from panoptes.network.names import UploadName
from panoptes.network.safe_text import one_line


@dataclass(slots=True, eq=False)
class Memory:
    """What this process knows of an upload while it works on it; never travels to another."""

    data: bytes | None = None
    """The file's bytes."""
    decoded: object | None = None
    """What a derivation decoded and its verification compares."""
    kept: Output | None = None
    """Where nothing was uploaded: the archived object that these are the bytes of, which stays
    the image's whatever its path."""

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return (Memory, ())

    def clear(self) -> None:
        self.data = self.decoded = self.kept = None


@dataclass(frozen=True)
class Source:
    """One generation of an uploaded file."""

    name: str
    generation: int
    size: int
    arrived: datetime
    crc32c: str | None = None
    upload: UploadName | None = None
    """What its name says; None where it says nothing that we understand."""
    adopted: bool = False
    """Nothing was uploaded: it is an object of an archive that was there before."""
    guarded: bool = False
    """An earlier attempt ended without a word: decode in a child process, with limits."""
    memory: Memory = field(default_factory=Memory, compare=False, repr=False)

    @property
    def label(self) -> str:
        """What people read in logs and run names."""
        if self.upload is None:
            return one_line(self.name)
        return f"{self.upload.image_id or self.upload.stem} {self.upload.file_type.value}"

    def in_child(self) -> Source:
        return replace(self, guarded=True)

"""What units upload while the suite breaks things, and what has to become of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from panoptes.network.errors import BadInput
from panoptes.network.names import UploadName, parse_upload
from panoptes.network.simulator.night import Fate, Sent
from tests.files import IMAGE, LATER, SEQUENCE, jpeg, mp4, tiny_cr2, tiny_fits, tiny_fits_fz


@dataclass(frozen=True)
class Upload:
    """One file, and its fate."""

    sent: Sent
    data: bytes

    @property
    def name(self) -> str:
        return self.sent.name

    @property
    def upload(self) -> UploadName | None:
        try:
            return parse_upload(self.name)
        except BadInput:
            return None


Night = Mapping[str, Upload]
"""By name."""


def upload(name: str, data: bytes, fate: Fate, code: str | None = None) -> Upload:
    try:
        said: UploadName | None = parse_upload(name)
    except BadInput:
        said = None
    sent = Sent(
        name=name,
        file_type=said.file_type if said else None,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        image_id=said.image_id if said else None,
        sequence_id=said.sequence_id if said else None,
        fate=fate,
        code=code,
    )
    return Upload(sent, data)


def night_of(*uploads: Upload) -> Night:
    return {each.name: each for each in uploads}


@cache
def tiny_night() -> Night:
    """Every kind of file: two images, one of them in three forms, and what goes with them."""
    later = tiny_fits({"EXPTIME": 60.5}, seed=1)
    return night_of(
        upload(f"{IMAGE}.cr2", tiny_cr2(), "archived"),
        upload(f"{IMAGE}.fits", tiny_fits(), "archived"),
        upload(f"{IMAGE}.fits.fz", tiny_fits_fz(), "archived"),
        upload(f"{IMAGE}.jpg", jpeg(), "filed"),
        upload(f"{LATER}.fits.fz", tiny_fits_fz(later), "archived"),
        upload(f"{SEQUENCE}.mp4", mp4(), "filed"),
        upload(f"{SEQUENCE}/20180216T112830.fits", tiny_fits()[:3000], *BAD),
        upload("PAN001/stray.fits", tiny_fits(seed=3), "quarantined", "unroutable-name"),
    )


BAD: tuple[Fate, str] = ("quarantined", "truncated-file")


@cache
def small_night() -> Night:
    """One image, and one file that is bad."""
    return night_of(
        upload(f"{IMAGE}.fits", tiny_fits(), "archived"),
        upload(f"{IMAGE}.jpg", jpeg(), "filed"),
        upload(f"{SEQUENCE}/20180216T112830.fits", tiny_fits()[:3000], *BAD),
    )

"""A night as POCS's main of June 2026 leaves it in the bucket, from a Canon and a ZWO.

Names, folders and cards are those of its `observatory.py`, `camera.py` and `cli/network.py`:
what is uploaded by itself, what a script or a person uploads by `upload directory`, and what
those give a wrong name.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from tests.files import jpeg, mp4, tiny_fits, tiny_fits_fz

UNIT, CANON, ZWO = "PAN042", "14d3bd", "310d1f0f00070900"
LIGHTS = "20260612T083011"
TAGS = "exoplanet,tabby_star"

NO_UNIT = (
    f"Quickalignment/{CANON}-20260612T043011-alignment_overlay.jpg",
    f"home/panoptes/images/Hd189733/{CANON}/20260612T100011/20260612T100214.fits.fz",
)
"""What POCS uploads without its unit's name: nobody can tell whose it is."""

CANON_CARDS: dict[str, Any] = {"CREATOR": "POCSv0.8.6", "OBSERVER": "Mauna Loa", "TAGS": TAGS}
ZWO_CARDS: dict[str, Any] = {
    "FILTER": "M",
    "MEASRGGB": None,
    "ISO": None,
    "IMAGETYP": "Light Frame",
    "CCD-TEMP": -10.1,
    "SET-TEMP": -10.0,
    "EGAIN": 1.25,
    "CAM-NAME": "Cam01",
    "CAM-MOD": "ZWO ASI294MM Pro",
    "CAM-ID": ZWO,
    "INSTRUME": ZWO,
    "TAGS": TAGS,
}


def uploads() -> Iterator[tuple[str, bytes]]:
    """Every upload's name and bytes, in the order of the night."""
    for camera, cards in ((CANON, CANON_CARDS), (ZWO, ZWO_CARDS)):
        canon = camera == CANON

        def frame(
            folder: str, name: str, camera: str = camera, cards: Any = cards, **more: Any
        ) -> tuple[str, bytes]:
            path = f"{UNIT}/{folder}/{camera}/{name}"
            made = tiny_fits(cards | more, seed=sum(path.encode()))
            return path, tiny_fits_fz(made) if path.endswith(".fz") else made

        # By hand, with `upload directory`, before the night.
        for number in (214, 244):
            flat = f"20260612T030011/20260612T030{number}.fits"
            yield frame("images/Eveningflat", flat, FIELD="EveningFlat", QUALITY="BAD")
        for name in ("dark", "20000-fine-initial", "19960-00", "20010-fine-final"):
            yield frame("focus", f"20260612T034011/{name}.fits", FIELD=None)
        picture = f"{UNIT}/focus/{camera}/20260612T034011/fine-focus.png"
        yield picture, png(shade=40 if canon else 60)
        if canon:
            yield frame("Polaralignment", "20260612T040011/20260612T040014.fits.fz", FIELD=None)
            yield NO_UNIT[0], jpeg(shade=70)
        for index in range(3):
            stem = f"{LIGHTS}/20260612T083{2 + 2 * index}14"
            yield frame("Hd189733", f"{stem}.fits.fz", FIELD="HD 189733")
            if canon:
                yield f"{UNIT}/Hd189733/{camera}/{stem}.jpg", jpeg(shade=80 + index)
        if canon:
            yield NO_UNIT[1], tiny_fits_fz(tiny_fits(cards, seed=5))
        film = f"{UNIT}/Hd189733/{camera}/{LIGHTS}/Hd189733_{camera}_{LIGHTS}.mp4"
        yield film, mp4(picture=camera.encode())
        # By a script, in the morning; a Canon's header does not say so.
        dark = {} if canon else {"IMAGETYP": "Dark Frame"}
        for second in ("14", "44"):
            yield frame("dark", f"20260612T140011/20260612T1402{second}.fits.fz", **dark)
        if not canon:
            yield frame("bias", "20260612T143011/20260612T143014.fits.fz", **dark)


def png(*, shade: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (24, 16), shade).save(buffer, "PNG")
    return buffer.getvalue()

"""What a Canon raw file says about its exposure, read from its bytes alone.

A CR2 is a TIFF 6.0 file (header, chained IFDs) with Exif 2.3 tags and Canon's maker note;
its fourth IFD points at the sensor's samples. The maker note's layout is documented by
ExifTool's tables (https://exiftool.org/TagNames/Canon.html) and by Laurent Clevy's CR2
description (http://lclevy.free.fr/cr2/). Only what the file holds is given: a tag that is
absent, cut off or marked as unknown is None.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, NamedTuple, TypeAlias, get_origin, get_type_hints

from panoptes.network.cr2.tiff import Ifd, Tiff
from panoptes.network.errors import BadInput

# Read once: it takes a third of a millisecond.
_type_hints = cache(get_type_hints)

CardValue: TypeAlias = str | int | float | bool
Four: TypeAlias = tuple[int, int, int, int]

_FULL_FRAME_BLURS = 1440
"""A blur circle is the sensor's diagonal over this, by ExifTool's CircleOfConfusion."""


@dataclass(frozen=True, slots=True)
class RawStrip:
    """Where the sensor's samples lie in the file and how they are coded."""

    offset: int
    length: int
    compression: int | None
    """TIFF's number; 6 is a (lossless) JPEG stream."""
    slices: tuple[int, int, int] | None
    """Number of slices but the last, their width, the last one's width, in samples."""
    sraw_type: int | None
    """1 for a full raw; anything else has been resampled by the camera."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One exposure's metadata as the camera wrote it, in the order of its FITS cards: the keyword
    is that of the units' own files, the comment says the unit."""

    taken: Annotated[datetime | None, "DATE-OBS", "start of exposure, camera clock"] = None
    exposure: Annotated[float | None, "EXPTIME", "[s] exposure time"] = None
    iso: Annotated[int | None, "ISO", "sensitivity setting"] = None
    model: Annotated[str | None, "CAM-MOD", "camera model"] = None
    camera_serial: Annotated[str | None, "CAMSN", "camera serial number"] = None
    internal_serial: Annotated[str | None, "INTSN", "internal serial number"] = None
    lens_model: Annotated[str | None, "LENSMOD", "lens model"] = None
    lens_serial: Annotated[str | None, "LENSSN", "lens serial number"] = None
    f_number: Annotated[float | None, "FNUMBER", "focal ratio"] = None
    focal_length: Annotated[float | None, "FOCALLEN", "[mm] focal length"] = None
    camera_temperature: Annotated[int | None, "CAMTEMP", "[degC] camera temperature"] = None
    circle_of_confusion: Annotated[float | None, "CIRCCONF", "[mm] circle of confusion"] = None
    color_temperature: Annotated[int | None, "COLORTMP", "[K] colour temperature as shot"] = None
    measured_ev: Annotated[float | None, "MEASEV", "[EV] measured exposure value"] = None
    measured_ev2: Annotated[float | None, "MEASEV2", "[EV] second measured exposure value"] = None
    measured_rggb: Annotated[Four | None, "MEASRGGB", "measured R G G B"] = None
    normal_white: Annotated[int | None, "WHTLVLN", "normal white level"] = None
    specular_white: Annotated[int | None, "WHTLVLS", "specular white level"] = None
    red_balance: Annotated[float | None, "REDBAL", "red balance as shot"] = None
    blue_balance: Annotated[float | None, "BLUEBAL", "blue balance as shot"] = None
    wb_rggb: Annotated[Four | None, "WBRGGB", "white balance R G G B as shot"] = None
    orientation: Annotated[
        int | None, "ORIENTAT", "how the camera was held (Exif); not applied"
    ] = None
    """Exif's 1 to 8. The samples are never turned."""
    black_levels: Four | None = None
    """Of R, G1, G2 and B, in units of the samples."""
    make: str | None = None
    model_id: int | None = None
    """Canon's number of the model, whatever name it is sold under."""
    strip: RawStrip | None = None
    is_cr2: bool = False

    def cards(self) -> list[tuple[str, CardValue, str]]:
        """Keyword, value and comment of what is known, ready for a FITS header.

        Numbers are numbers here where the units' own files hold text with a unit.
        """
        found: list[tuple[str, CardValue, str]] = []
        for name, hint in _type_hints(Capture, include_extras=True).items():
            value = _shown(getattr(self, name))
            if get_origin(hint) is Annotated and value is not None:
                keyword, comment = hint.__metadata__
                found.append((keyword, value, comment))
        return found


def _shown(value: object) -> CardValue | None:
    """The value as a card has it. The camera's clock knows no time zone."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return value if isinstance(value, CardValue) else None


def read_capture(data: bytes) -> Capture:
    """The capture metadata of a TIFF-based camera raw, above all a CR2.

    Damaged or missing parts are left out. Raises BadInput ``empty-file``, or ``not-a-raw``
    when the bytes do not begin as a TIFF file.
    """
    if not data:
        raise BadInput("empty-file")
    tiff = Tiff.open(data)
    if tiff is None:
        raise BadInput("not-a-raw", f"it begins with {bytes(data[:8])!r}")
    chain = tiff.chain(tiff.long_at(4) or 0)
    main = chain[0] if chain else Ifd.empty(tiff)
    exif = main.child(0x8769)
    note = exif.child(0x927C, inline=True)
    is_cr2 = data[8:10] == b"CR"
    model = main.text(0x110)
    name = model or ""
    orientation = main.integer(0x112)
    shot = note.shorts(0x04, signed=True)
    return Capture(
        make=main.text(0x10F),
        model=model,
        model_id=note.integer(0x10),
        taken=_taken(exif.text(0x9003), exif.text(0x9291)),
        exposure=exif.rational(0x829A),
        iso=_sensitivity(exif),
        f_number=exif.rational(0x829D) or None,
        focal_length=exif.rational(0x920A) or None,
        orientation=orientation if orientation in range(1, 9) else None,
        camera_serial=_serial(exif.text(0xA431)) or _note_serial(note.integer(0x0C), name),
        internal_serial=_serial(note.text(0x96, skip=9 if "EOS 5D" in name else 0)),
        lens_model=exif.text(0xA434) or note.text(0x95),
        lens_serial=_serial(exif.text(0xA435)),
        camera_temperature=_temperature(shot, name),
        measured_ev=shot[3] / 32 + 5 if len(shot) > 3 else None,
        measured_ev2=shot[23] / 8 - 6 if len(shot) > 23 and shot[23] else None,
        measured_rggb=_four_at(note.shorts(0xAA), 1),
        circle_of_confusion=_circle_of_confusion(exif),
        strip=_strip(tiff, chain) if is_cr2 else None,
        is_cr2=is_cr2,
        **color_data(note)._asdict(),
    )


def _taken(text: str | None, subsec: str | None) -> datetime | None:
    """Exif's ``YYYY:MM:DD hh:mm:ss`` (4.6.5 D) and its fraction; zeros mean unknown."""
    fraction = subsec if subsec and re.fullmatch(r"\d{1,6}", subsec, re.ASCII) else ""
    try:
        whole = datetime.strptime(text or "", "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return whole.replace(microsecond=int(fraction.ljust(6, "0")))


def _sensitivity(exif: Ifd) -> int | None:
    """The ISO setting; 65535 in the older tag points to the newer ones (Exif 2.3, 4.6.5 G)."""
    for tag in (0x8827, 0x8832, 0x8831):
        value = exif.integer(tag)
        if value and value != 0xFFFF:
            return value
    return None


def _serial(text: str | None) -> str | None:
    """A serial number; a lens that has none is written as zeros."""
    return None if text is None or not text.strip("0 ") else text


def _note_serial(number: int | None, model: str) -> str | None:
    """The maker note's serial number as the camera's label shows it."""
    if not number:
        return None
    if re.search(r"EOS D30\b", model):
        return f"{number >> 16:04x}{number & 0xFFFF:05d}"
    return f"{number:06d}" if "EOS-1D" in model else f"{number:010d}"


def _temperature(shot: tuple[int, ...], model: str) -> int | None:
    """Zero stands for unknown; EOS-1D and -1DS write something else there."""
    if len(shot) <= 12 or not shot[12]:
        return None
    if "EOS" not in model or re.search(r"EOS-1DS?$", model, re.I):
        return None
    return shot[12] - 128


def _circle_of_confusion(exif: Ifd) -> float | None:
    """The sensor's diagonal over 1440, in millimetres to the micrometre as ExifTool gives it.

    Canon writes the sensor's size in thousandths of an inch as the denominators of the
    focal plane resolution, with the image's size in thousands as numerators.
    """
    x, y = exif.fraction(0xA20E), exif.fraction(0xA20F)
    if x is None or y is None:
        return None
    plausible = (
        x[0] % 1000 == 0 == y[0] % 1000
        and 640_000 <= x[0] < 10_000_000
        and 480_000 <= y[0] < 10_000_000
        and 61 <= x[1] < 1500
        and 61 <= y[1] < 1000
        and x[1] != y[1]
    )
    if not plausible:
        return None
    return round(math.hypot(x[1], y[1]) * 0.0254 / _FULL_FRAME_BLURS, 3)


def _strip(tiff: Tiff, chain: list[Ifd]) -> RawStrip | None:
    """The raw IFD is where bytes 12 to 15 of a CR2 point, else the fourth of the chain."""
    pointed = tiff.chain(tiff.long_at(12) or 0)
    for ifd in (*pointed[:1], *chain[3:4]):
        offset, length = ifd.integer(0x111), ifd.integer(0x117)
        if offset is not None and length is not None:
            slices = ifd.shorts(0xC640)
            return RawStrip(
                offset=offset,
                length=length,
                compression=ifd.integer(0x103),
                slices=(slices[0], slices[1], slices[2]) if len(slices) == 3 else None,
                sraw_type=ifd.integer(0xC6C5),
            )
    return None


def _four_at(values: tuple[int, ...], index: int) -> Four | None:
    four = values[index : index + 4]
    return (four[0], four[1], four[2], four[3]) if len(four) == 4 and any(four) else None


class ColorData(NamedTuple):
    """White balance and levels, as `Capture` has them."""

    color_temperature: int | None = None
    wb_rggb: Four | None = None
    red_balance: float | None = None
    blue_balance: float | None = None
    black_levels: Four | None = None
    normal_white: int | None = None
    specular_white: int | None = None


_COLOR_COUNTS: dict[int, tuple[int, str]] = {
    582: (0x19, "1"),
    653: (0x22, "2"),
    796: (0x3F, "3"),
    **dict.fromkeys((674, 692, 702, 1227, 1250, 1251, 1337, 1338, 1346), (0x3F, "4")),
    **dict.fromkeys((1273, 1275), (0x3F, "6")),
    **dict.fromkeys((1312, 1313, 1316, 1506), (0x3F, "7")),
    **dict.fromkeys((1353, 1560, 1592, 1602), (0x3F, "8")),
}
"""Length of tag 0x4001 -> where the as-shot balance begins, and the layout's number."""

_COLOR_LEVELS: dict[tuple[str, int], tuple[int, int | None, int | None]] = {
    ("3", 1): (0xC4, None, None),
    **dict.fromkeys((("4", 4), ("4", 5)), (0x2B4, 0x2B8, 0x2B9)),
    **dict.fromkeys((("4", 6), ("4", 7)), (0x2CB, 0x2CF, 0x2D0)),
    ("4", 9): (0x2CF, 0x2D3, 0x2D4),
    ("6", 10): (0x1DF, 0x1E3, 0x1E4),
    ("7", 10): (0x1F8, 0x1FC, 0x1FD),
    ("7", 11): (0x2D8, 0x2DC, 0x2DD),
    ("8", 14): (0x22C, 0x230, 0x231),
    **dict.fromkeys((("8", 12), ("8", 13), ("8", 15)), (0x30A, 0x30E, 0x30F)),
}
"""Layout and version -> where black, normal white and specular white levels are."""


def color_data(note: Ifd) -> ColorData:
    """The parts of Canon's ColorData (0x4001) whose place is known for its length and version.

    The layouts are those of ExifTool's tables ColorData1 to ColorData8.
    """
    values = note.shorts(0x4001)
    known = _COLOR_COUNTS.get(len(values))
    if known is None:
        return ColorData()
    balance, layout = known
    black, normal, specular = _COLOR_LEVELS.get((layout, values[0]), (None, None, None))
    wb_rggb = _four_at(values, balance)
    return ColorData(
        color_temperature=values[balance + 4] or None,
        wb_rggb=wb_rggb,
        red_balance=_balance(wb_rggb, 0),
        blue_balance=_balance(wb_rggb, 3),
        black_levels=None if black is None else _four_at(values, black),
        normal_white=(values[normal] or None) if normal is not None else None,
        specular_white=(values[specular] or None) if specular is not None else None,
    )


def _balance(wb_rggb: Four | None, channel: int) -> float | None:
    if wb_rggb is None or wb_rggb[1] + wb_rggb[2] <= 0:
        return None
    return round(wb_rggb[channel] / ((wb_rggb[1] + wb_rggb[2]) / 2), 6)

"""Canon CR2 files from scratch: TIFF with Exif, maker note and a lossless JPEG of the samples.

The layout is that of an EOS 100D (Laurent Clevy's description of CR2, ExifTool's tables of
the maker note). LibRaw and dcraw read the samples back bit for bit.
"""

from __future__ import annotations

import itertools
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from panoptes.network.simulator.sensor import BIAS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Four: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the camera writes about an exposure. None leaves the tag out."""

    taken: datetime
    exposure: float = 120.0
    """Seconds."""
    iso: int = 100
    model: str = "Canon EOS 100D"
    model_id: int = 0x80000346
    serial: str = "012070048413"
    internal_serial: str = "HA0028608"
    lens: str | None = "EF85mm f/1.4L IS USM"
    temperature: int | None = 17
    """Degrees Celsius."""
    measured_ev: float | None = -3.75
    measured_rggb: Four | None = (625, 1024, 1024, 682)
    wb_rggb: Four = (1982, 1024, 1024, 1601)
    color_temperature: int = 5009
    black: int = BIAS
    normal_white: int = 11765
    specular_white: int = 12277
    orientation: int = 1
    slices: tuple[int, int, int] | None = None
    """None: two halves, as the 100D does."""
    borders: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom of the picture on the sensor; None: without a masked border."""
    components: int = 2


@dataclass(frozen=True)
class _Tag:
    number: int
    kind: int
    count: int
    data: bytes


def _ascii(number: int, text: str) -> _Tag:
    data = text.encode("latin-1") + b"\0"
    return _Tag(number, 2, len(data), data)


def _shorts(number: int, *values: int) -> _Tag:
    data = struct.pack(f"<{len(values)}H", *(value & 0xFFFF for value in values))
    return _Tag(number, 3, len(values), data)


def _longs(number: int, *values: int) -> _Tag:
    return _Tag(number, 4, len(values), struct.pack(f"<{len(values)}I", *values))


def _fraction(number: int, numerator: int, denominator: int) -> _Tag:
    return _Tag(number, 5, 1, struct.pack("<II", numerator, denominator))


def _ifd(tags: Sequence[_Tag], place: int, following: int = 0) -> bytes:
    """An IFD for offset `place`, its longer values right behind it."""
    head = struct.pack("<H", len(tags))
    behind = place + 2 + 12 * len(tags) + 4
    values = b""
    for tag in sorted(tags, key=lambda tag: tag.number):
        head += struct.pack("<HHI", tag.number, tag.kind, tag.count)
        if len(tag.data) <= 4:
            head += tag.data.ljust(4, b"\0")
        else:
            head += struct.pack("<I", behind + len(values))
            values += _even(tag.data)
    return head + struct.pack("<I", following) + values


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def _maker_note(settings: Settings, width: int, height: int) -> list[_Tag]:
    """The parts of Canon's maker note that somebody reads."""
    shot = [0] * 34
    shot[0], shot[2] = 68, 160
    if settings.measured_ev is not None:
        shot[3] = round((settings.measured_ev - 5) * 32)
        shot[23] = round((settings.measured_ev + 6) * 8)
    if settings.temperature is not None:
        shot[12] = settings.temperature + 128
    color = [0] * 1313
    color[0] = 10
    for place in (0x3F, 0x44, 0x49):
        color[place : place + 5] = [*settings.wb_rggb, settings.color_temperature]
    for place in range(0x4E, 0x100, 5):
        color[place : place + 5] = [2000, 1024, 1024, 1600, 5200]
    color[0x114:0x118] = color[0x1F8:0x1FC] = [settings.black] * 4
    color[0x1FC:0x1FE] = [settings.normal_white, settings.specular_white]
    left, top, right, bottom = settings.borders or (0, 0, width - 1, height - 1)
    tags = [
        _shorts(0x04, *shot),
        _ascii(0x06, settings.model),
        _ascii(0x07, "Firmware Version 1.0.1"),
        _longs(0x0C, int(settings.serial) & 0xFFFFFFFF),
        _longs(0x10, settings.model_id),
        _ascii(0x96, settings.internal_serial),
        _shorts(0xE0, 34, width, height, 1, 1, left, top, right, bottom, *[0] * 8),
        _shorts(0x4001, *color),
    ]
    if settings.measured_rggb is not None:
        tags.append(_shorts(0xAA, 10, *settings.measured_rggb))
    if settings.lens is not None:
        tags.append(_ascii(0x95, settings.lens))
    return tags


def _exif(settings: Settings, note: tuple[int, int], width: int, height: int) -> list[_Tag]:
    when = settings.taken.strftime("%Y:%m:%d %H:%M:%S")
    exposure = Fraction(settings.exposure).limit_denominator(10_000)
    tags = [
        _fraction(0x829A, exposure.numerator, exposure.denominator),
        _fraction(0x829D, 14, 10),
        _shorts(0x8827, settings.iso),
        _Tag(0x9000, 7, 4, b"0230"),
        _ascii(0x9003, when),
        _ascii(0x9004, when),
        _fraction(0x920A, 85, 1),
        _longs(0xA002, width),
        _longs(0xA003, height),
        _fraction(0xA20E, 5_184_000, 905),
        _fraction(0xA20F, 3_456_000, 595),
        _shorts(0xA210, 2),
        _ascii(0xA431, settings.serial),
        _ascii(0xA435, "0000000000"),
    ]
    if settings.taken.microsecond:
        tags.append(_ascii(0x9291, f"{settings.taken.microsecond // 10_000:02d}"))
    if settings.lens is not None:
        tags.append(_ascii(0xA434, settings.lens))
    # Makers' notes lie outside of Exif's IFD; the entry holds place and size only.
    place, size = note
    return [*tags, _Tag(0x927C, 7, size, struct.pack("<I", place))]


def lossless_jpeg(samples: NDArray[np.uint16], *, components: int = 2) -> bytes:
    """A JPEG stream of 14 bits (ITU-T T.81, process 14, predictor 1), as Canon cameras write it.

    `samples` are (rows, columns) in the order of the scan, with a multiple of `components` columns.
    """
    import imagecodecs

    scan = samples.reshape(len(samples), -1, components)
    return bytes(imagecodecs.jpeg8_encode(scan, lossless=True, predictor=1, bitspersample=14))


def cr2_bytes(samples: NDArray[np.uint16], settings: Settings) -> bytes:
    """A CR2 file of `samples`, (rows, columns) of the whole sensor, 14 bits.

    The number of columns is a multiple of twice `settings.components`.
    """
    import numpy as np

    from panoptes.network.pictures import preview

    height, width = samples.shape
    count, wide, last = settings.slices or (1, width // 2, width - width // 2)
    edges = [*range(0, count * wide + 1, wide), count * wide + last]
    pieces = [samples[:, a:b].reshape(-1) for a, b in itertools.pairwise(edges)]
    scan = np.concatenate(pieces).reshape(height, width)
    stream = lossless_jpeg(scan, components=settings.components)
    picture = preview(samples, pattern="RGGB", long_side=640)
    thumbnail = preview(samples, pattern="RGGB", long_side=160)
    tiny = bytes(4 * 4 * 3 * 2)
    note = _maker_note(settings, width, height)
    when = settings.taken.strftime("%Y:%m:%d %H:%M:%S")

    note_size = len(_ifd(note, 0))

    def parts(at: Mapping[str, int]) -> dict[str, bytes]:
        return {
            "ifd0": _ifd(
                [
                    _shorts(0x100, 640),
                    _shorts(0x101, 428),
                    _shorts(0x102, 8, 8, 8),
                    _shorts(0x103, 6),
                    _ascii(0x10F, "Canon"),
                    _ascii(0x110, settings.model),
                    _longs(0x111, at["picture"]),
                    _shorts(0x112, settings.orientation),
                    _longs(0x117, len(picture)),
                    _fraction(0x11A, 72, 1),
                    _fraction(0x11B, 72, 1),
                    _shorts(0x128, 2),
                    _ascii(0x132, when),
                    _longs(0x8769, at["exif"]),
                ],
                at["ifd0"],
                at["ifd1"],
            ),
            "exif": _ifd(_exif(settings, (at["note"], note_size), width, height), at["exif"]),
            "note": _ifd(note, at["note"]),
            "ifd1": _ifd(
                [_longs(0x201, at["thumbnail"]), _longs(0x202, len(thumbnail))],
                at["ifd1"],
                at["ifd2"],
            ),
            "ifd2": _ifd(
                [
                    _shorts(0x100, 4),
                    _shorts(0x101, 4),
                    _shorts(0x102, 16, 16, 16),
                    _shorts(0x103, 1),
                    _shorts(0x106, 2),
                    _longs(0x111, at["tiny"]),
                    _shorts(0x115, 3),
                    _shorts(0x116, 4),
                    _longs(0x117, len(tiny)),
                    _shorts(0x11C, 1),
                ],
                at["ifd2"],
                at["ifd3"],
            ),
            "ifd3": _ifd(
                [
                    _shorts(0x103, 6),
                    _longs(0x111, at["raw"]),
                    _longs(0x117, len(stream)),
                    _longs(0xC5D8, 1),
                    _longs(0xC5E0, 1),
                    _shorts(0xC640, count, wide, last),
                    _longs(0xC6C5, 1),
                ],
                at["ifd3"],
            ),
            "picture": picture,
            "thumbnail": thumbnail,
            "tiny": tiny,
            "raw": stream,
        }

    # Sizes do not depend on places: a first round measures, the second writes.
    measured = parts(defaultdict(int))
    sizes = (len(_even(part)) for part in measured.values())
    at = dict(zip(measured, itertools.accumulate(sizes, initial=16), strict=False))
    header = b"II*\0" + struct.pack("<I", 16) + b"CR\x02\0" + struct.pack("<I", at["ifd3"])
    return header + b"".join(map(_even, parts(at).values()))

"""A camera raw as R, G and B FITS files that lose none of the sensor's samples.

A colour plane holds every sample of its colour, unscaled: no white balance, no colour
matrix, no interpolation. Red and blue are exact planes of half the frame's size. Green has
two samples a cell: its image is their sum, which is what photometry wants, and the second
green follows as the extension ``G2``, so that the first is the difference. Where the frame
has an odd number of rows or columns some first greens have no partner to be summed with;
then the first green is kept whole too, as the extension ``G1``. The extensions cost the
archive one plane, and in exchange the mosaic can be put together again bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from panoptes.network.cr2.frame import RawFrame, read_raw
from panoptes.network.errors import BadInput
from panoptes.network.fits.plain import CardTuple, FitsImage, fits_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.fits.plain import Image


Colour: TypeAlias = Literal["r", "g", "b"]
COLOURS: tuple[Colour, ...] = ("r", "g", "b")


class PlanesMismatch(Exception):
    """Planes that do not hold the samples of their raw; says which and where."""


@dataclass(frozen=True, kw_only=True)
class RawOrigin:
    """Where planes come from and whose they are. None leaves the card out."""

    source: str
    """Name of the raw in its store."""
    generation: int | None = None
    crc32c: str | None = None
    """Base64, as stores give it."""
    code_version: str | None = None
    image_id: str | None = None
    sequence_id: str | None = None
    unit_id: str | None = None
    camera_id: str | None = None

    def cards(self) -> list[CardTuple]:
        wanted: list[CardTuple] = [
            ("IMAGEID", self.image_id, "PANOPTES image ID"),
            ("SEQID", self.sequence_id, "PANOPTES sequence ID"),
            ("INSTRUME", self.camera_id, "camera ID"),
            ("OBSERVER", self.unit_id, "PANOPTES unit ID"),
            ("FILENAME", self.source.rsplit("/", 1)[-1], "the camera's raw file"),
            ("SRCNAME", self.source, "name of the raw in its store"),
            # Generations reach 2**63 and some readers keep integers in 32 bits.
            ("SRCGEN", None if self.generation is None else str(self.generation), "its generation"),
            ("SRCCRC", self.crc32c, "its CRC32C, base64"),
            ("PROGRAM", self.code_version, "software that made this file"),
        ]
        return [card for card in wanted if card[1] is not None]


@dataclass(frozen=True, eq=False)
class Planes:
    """The four sample planes of a frame; r and b are views of its pixels, and so are both
    greens. Shapes differ by one where the frame's size is odd."""

    r: NDArray[np.uint16]
    g1: NDArray[np.uint16]
    g2: NDArray[np.uint16]
    b: NDArray[np.uint16]
    green_sum: Image
    """g1 + g2 where both exist; 16 bits where every sum fits, else 32."""


def _places(pattern: str) -> dict[str, tuple[int, int]]:
    """Row and column of r, g1, g2, b within the 2 x 2 cell; g1 is in the upper row."""
    places = {"r": divmod(pattern.index("R"), 2), "b": divmod(pattern.index("B"), 2)}
    places["g1"] = divmod(pattern.index("G"), 2)
    places["g2"] = divmod(pattern.rindex("G"), 2)
    return places


def split_planes(frame: RawFrame) -> Planes:
    """The colour planes of a frame; no sample is changed and none is left out."""
    import numpy as np

    r, g1, g2, b = (
        frame.pixels[row::2, column::2]
        for row, column in (_places(frame.pattern)[name] for name in ("r", "g1", "g2", "b"))
    )
    rows, columns = min(g1.shape[0], g2.shape[0]), min(g1.shape[1], g2.shape[1])
    first, second = g1[:rows, :columns], g2[:rows, :columns]
    fits = 2 * frame.highest <= 0xFFFF
    green_sum = np.add(first, second, dtype=np.uint16 if fits else np.int32)
    return Planes(r=r, g1=g1, g2=g2, b=b, green_sum=green_sum)


def plane_fits(frame: RawFrame, provenance: RawOrigin) -> dict[Colour, bytes]:
    """The three plain FITS files of a frame."""
    planes = split_planes(frame)
    places = _places(frame.pattern)
    black = dict(zip(((0, 0), (0, 1), (1, 0), (1, 1)), frame.black, strict=True))
    rows, columns = frame.pixels.shape
    about: tuple[CardTuple, ...] = (
        *provenance.cards(),
        *frame.capture.cards(),
        ("BUNIT", "adu", "unit of the pixels"),
        ("RAWDATA", True, "the sensor's own samples, unscaled"),
        ("BAYERPAT", frame.pattern, "colours of the mosaic's first cell, by rows"),
        ("ROWORDER", "TOP-DOWN", "the first row is the sensor's top row"),
        ("RAWNX", columns, "visible columns of the mosaic"),
        ("RAWNY", rows, "visible rows of the mosaic"),
        ("RAWLEFT", frame.left, "masked columns left of them on the sensor"),
        ("RAWTOP", frame.top, "masked rows above them on the sensor"),
    )

    def exact(name: str, colour: str, comment: str) -> tuple[CardTuple, ...]:
        place = places[name]
        return (
            ("FILTER", colour, comment),
            *_place_cards([place]),
            ("NSAMPLE", 1, "sensor samples summed in a pixel"),
            ("BLACKLVL", black[place], "[adu] black level of this image"),
            ("SATURATE", frame.saturation, "[adu] saturation level of this image"),
        )

    green_black = black[places["g1"]] + black[places["g2"]]
    greens: list[FitsImage] = [
        FitsImage(
            (
                *about,
                ("FILTER", "G", "colour of this plane: sum of both greens"),
                *_place_cards([places["g1"], places["g2"]]),
                ("NSAMPLE", 2, "sensor samples summed in a pixel"),
                ("BLACKLVL", green_black, "[adu] black level of this image, of both greens"),
                ("SATURATE", 2 * frame.saturation, "[adu] both greens saturated; see G2 for one"),
            ),
            planes.green_sum,
        ),
        FitsImage(exact("g2", "G", "second green; the first is sum - G2"), planes.g2, "G2"),
    ]
    if planes.g1.shape != planes.green_sum.shape:
        greens.append(FitsImage(exact("g1", "G", "first green, whole"), planes.g1, "G1"))
    return {
        "r": fits_bytes([FitsImage((*about, *exact("r", "R", "colour of this plane")), planes.r)]),
        "g": fits_bytes(greens),
        "b": fits_bytes([FitsImage((*about, *exact("b", "B", "colour of this plane")), planes.b)]),
    }


def _place_cards(places: Sequence[tuple[int, int]]) -> tuple[CardTuple, ...]:
    """Where samples lie in the mosaic; LTM/LTV map its coordinates to the plane's (IRAF)."""
    row = sum(place[0] for place in places) / len(places)
    column = sum(place[1] for place in places) / len(places)
    return (
        ("CFAROW", row, "row of pixel (1,1) in the mosaic, from 0"),
        ("CFACOL", column, "column of pixel (1,1) in the mosaic, from 0"),
        ("LTM1_1", 0.5, "x = LTM1_1 * (mosaic x) + LTV1, from 1"),
        ("LTM2_2", 0.5, "y = LTM2_2 * (mosaic y) + LTV2, from 1"),
        ("LTV1", (1 - column) / 2, ""),
        ("LTV2", (1 - row) / 2, ""),
    )


def verify_planes(raw: RawFrame | bytes, files: Mapping[Colour, bytes]) -> None:
    """Put the mosaic together again from what was written and compare every sample.

    `files` may be plain or tile-compressed FITS; planes are placed by their own cards.
    Raises PlanesMismatch, and BadInput for a raw that cannot be read.
    """
    import numpy as np

    frame = raw if isinstance(raw, RawFrame) else read_raw(raw)
    images = {
        (colour, name): (place, pixels)
        for colour in COLOURS
        for name, place, pixels in _read_images(colour, files[colour])
    }
    missing = {("r", ""), ("g", ""), ("g", "G2"), ("b", "")} - images.keys()
    if missing:
        raise PlanesMismatch(f"{sorted(missing)} are missing")
    _, sums = images.pop(("g", ""))
    rows, columns = sums.shape
    second = images["g", "G2"][1]
    first = np.subtract(sums, second[:rows, :columns], dtype=np.int32)
    if ("g", "G1") not in images:
        images["g", "G1"] = (_places(frame.pattern)["g1"], first)
    elif not np.array_equal(images["g", "G1"][1][:rows, :columns], first):
        raise PlanesMismatch("the sum of the greens is not G1 + G2")
    if {place for place, _ in images.values()} != {(0, 0), (0, 1), (1, 0), (1, 1)}:
        raise PlanesMismatch("the planes do not cover the mosaic")
    for (colour, name), ((row, column), pixels) in images.items():
        _compare(f"{colour}{name}", pixels, frame.pixels[row::2, column::2])


def _compare(name: str, pixels: Image, samples: Image) -> None:
    import numpy as np

    if pixels.shape != samples.shape:
        raise PlanesMismatch(f"{name}: shape {pixels.shape} instead of {samples.shape}")
    if not np.array_equal(pixels, samples):
        y, x = (int(i) for i in np.argwhere(pixels != samples)[0])
        raise PlanesMismatch(
            f"{name}: {pixels[y, x]} instead of {samples[y, x]} at row {y}, column {x}"
        )


def _read_images(colour: Colour, file: bytes) -> list[tuple[str, tuple[int, int], Image]]:
    """Name, place in the cell and physical values of each image; the first has no name."""
    import numpy as np

    from panoptes.network.fits.content import decode

    found: list[tuple[str, tuple[int, int], Image]] = []
    try:
        hdus = [hdu for hdu in decode(file) if hdu.stored is not None]
    except BadInput as error:
        # Written by us, so no fault of the raw.
        raise PlanesMismatch(f"{colour}: {error}") from error
    for hdu in hdus:
        assert hdu.stored is not None
        row, column = hdu.header.get("CFAROW"), hdu.header.get("CFACOL")
        if not isinstance(row, float) or not isinstance(column, float):
            raise PlanesMismatch(f"{colour}: no CFAROW and CFACOL in HDU {hdu.index}")
        name = str(hdu.header.get("EXTNAME", "")) if found else ""
        if hdu.stored.dtype.itemsize == 2 and hdu.header.get("BZERO") == 32768:
            pixels: Image = hdu.stored.view(">u2").astype(np.uint16)
            pixels ^= np.uint16(0x8000)
        else:
            pixels = hdu.stored.astype(np.int32)
        found.append((name, (int(row), int(column)), pixels))
    return found

"""A picture of any place of an archived image, from the few tiles of its file that show it."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.pictures import Format, encoded, picture
from panoptes.network.storage.store import ObjectInfo, ObjectStore
from panoptes.network.stretching import Stretch

if TYPE_CHECKING:
    from panoptes.network.fits.cards import Header
    from panoptes.network.fits.section import Region

MAX_SIDE = 1024
"""Pixels of the image, of a cutout's width and height."""
MAX_SHOWN = 2048
"""Pixels of the picture, of its width and height."""
MAX_ZOOM = 16


class NotInImage(ValueError):
    """The place that was asked for is not in the image; the message says what is."""


@dataclass(frozen=True)
class Pixel:
    """A pixel of the image as stored, the first column and row being 0, as in numpy.

    Viewers that follow FITS count from 1."""

    x: int
    y: int


@dataclass(frozen=True)
class Sky:
    """A place on the sky, degrees (ICRS)."""

    ra: float
    dec: float


@dataclass(frozen=True)
class Cutout:
    """What is to be shown, and how. Raises ValueError for sizes beyond the limits."""

    place: Pixel | Sky
    """Of the middle."""
    width: int = 256
    height: int = 256
    """In pixels of the image as stored; what lies beyond its edges is left out."""
    zoom: int = 1
    """Times that each of them is enlarged."""
    stretch: Stretch = field(default_factory=Stretch)
    colours: Literal["bayer", "grey"] = "bayer"
    """`grey` shows each sample as it is."""
    kind: Format = "jpg"

    def __post_init__(self) -> None:
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise ValueError(f"a cutout's width and height are 1 to {MAX_SIDE} pixels")
        if not 1 <= self.zoom <= MAX_ZOOM or max(self.width, self.height) * self.zoom > MAX_SHOWN:
            raise ValueError(
                f"a zoom is 1 to {MAX_ZOOM}, and makes no picture of more than {MAX_SHOWN} pixels"
            )


def cutout(
    store: ObjectStore, name: str, wanted: Cutout, *, info: ObjectInfo | None = None
) -> bytes:
    """A picture of a part of a FITS file, compressed or not, read by ranges.

    It is oriented and coloured as the image's preview. `info` is what the store says of the
    file, where the caller has just asked. Raises NotInImage, NotFound,
    TransientError (also where the file is replaced meanwhile), BadInput for what cannot be
    read, and `fits.section.TooMuchToRead`.
    """
    from PIL import Image

    from panoptes.network.fits.display import display_of
    from panoptes.network.fits.section import StoredImage

    info = info or store.stat(name)
    image = StoredImage(partial(store.read_range, name), info.size)
    display = display_of(image.header)
    pattern = display.pattern if wanted.colours == "bayer" else None
    region = _region(image.header, image.shape, wanted, cell=2 if pattern else 1)
    part = image.section(region)
    if store.stat(name).generation != info.generation:
        raise TransientError(f"{name} changed while it was read")
    shown = picture(
        part.stored,
        pattern=pattern,
        long_side=MAX_SIDE,
        bottom_up=True,
        mirrored=display.mirrored,
        turns=display.turns,
        physical=part.physical,
        saturation=display.saturation,
        stretch=wanted.stretch,
    )
    if pattern:
        shown = shown.resize((2 * shown.width, 2 * shown.height), Image.Resampling.BICUBIC)
    if wanted.zoom > 1:
        size = shown.width * wanted.zoom, shown.height * wanted.zoom
        shown = shown.resize(size, Image.Resampling.NEAREST)
    return encoded(shown, wanted.kind)


def why_no_cutout(store: ObjectStore, name: str, width: int, height: int) -> str | None:
    """Why no part of a file's image of these sizes can be shown; None where it can.

    Raises NotFound and TransientError.
    """
    from panoptes.network.fits.section import Region, StoredImage, TooMuchToRead

    try:
        image = StoredImage(partial(store.read_range, name), store.stat(name).size)
        image.require_room(Region(0, 0, width, height))
    except (TooMuchToRead, BadInput) as error:
        return str(error)
    return None


def _region(header: Header, shape: tuple[int, int], wanted: Cutout, *, cell: int) -> Region:
    """The pixels that are asked for, as far as there are any, and whole Bayer cells of them."""
    from panoptes.network.fits.section import Region

    rows, columns = shape
    if isinstance(wanted.place, Sky):
        x, y = pixel_of(header, wanted.place)
        place = f"RA {wanted.place.ra:g}, Dec {wanted.place.dec:g}"
    else:
        x, y = wanted.place.x, wanted.place.y
        place = f"x={x}, y={y}"
    if not (0 <= x < columns and 0 <= y < rows):
        raise NotInImage(
            f"{place} is not in the image, which has x from 0 to {columns - 1} and y from 0 to "
            f"{rows - 1}"
        )
    sides = []
    for middle, length, most in ((x, wanted.width, columns), (y, wanted.height, rows)):
        first = max(0, middle - length // 2)
        last = min(most, middle - length // 2 + length)
        first -= first % cell
        last += -last % cell
        sides.append((first, min(last, most) - first))
    return Region(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def pixel_of(header: Header, place: Sky) -> tuple[int, int]:
    """The column and row, from 0, at which a place on the sky is, distortions included.

    Raises NotInImage where the header knows no sky, or the place is nowhere near it.
    """
    from astropy.io.fits import Header as Cards
    from astropy.wcs import WCS
    from astropy.wcs.wcs import NoConvergence

    nowhere = NotInImage(f"RA {place.ra:g}, Dec {place.dec:g} is not in the image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sky = WCS(Cards.fromstring(header.raw.decode("latin-1")), naxis=2)
        except Exception as error:
            raise NotInImage(
                "the solution of the sky in the image's header cannot be read: give x and y"
            ) from error
        if not sky.has_celestial or sky.wcs.lngtyp != "RA":
            raise NotInImage("the image's header has no solution of the sky: give x and y")
        try:
            x, y = (float(v) for v in sky.all_world2pix(place.ra, place.dec, 0, ra_dec_order=True))
            back = sky.all_pix2world(x, y, 0, ra_dec_order=True)
        except (NoConvergence, ValueError) as error:
            raise nowhere from error
    apart = math.hypot(
        (float(back[0]) - place.ra + 180) % 360 - 180, float(back[1]) - place.dec
    )  # fmt: skip
    if not (math.isfinite(x) and math.isfinite(y) and abs(x) + abs(y) < 1e9):
        raise nowhere
    if abs(place.dec) < 89 and not apart < 1:
        raise nowhere
    return round(x), round(y)

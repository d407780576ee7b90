"""The frames of an observation of which light curves are made: their times, pixels and places.

A frame whose document has no solution is solved here, by a hint from the frame before it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from panoptes.network.catalog.catalog import Fields, Query
from panoptes.network.catalog.values import number
from panoptes.network.errors import BadInput
from panoptes.network.fits.content import check_source
from panoptes.network.fits.display import display_of
from panoptes.network.image_types import ImageType
from panoptes.network.photometry.bayer import bayer_pattern
from panoptes.network.photometry.measurements import UNMASKED
from panoptes.network.plate_solving.solving import pixel_scale
from panoptes.network.plate_solving.wcs import Wcs
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, Unreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Exposure:
    """A light image, as its document has it."""

    image_id: str
    location: Literal["images", "originals"]
    path: str
    middle: datetime
    """Of the exposure, UTC."""
    seconds: float
    airmass: float
    """NaN where it is not known."""
    hints: tuple[tuple[float, float], ...]
    """Degrees, near the middle of the frame, the best first."""
    scale: float
    """Arcseconds a pixel, to some per cent."""
    has_mask: bool = True
    """Whether the camera has a Bayer mask."""
    wcs: Wcs | None = None


@dataclass(frozen=True)
class LeftOut:
    """An image that light curves do without."""

    image_id: str
    reason: str


class FrameLost(Exception):
    """An image of which light curves were to be made cannot be read; the message says why."""

    def __init__(self, image_id: str, reason: str) -> None:
        super().__init__(image_id, reason)
        self.left_out = LeftOut(image_id, reason)

    def __str__(self) -> str:
        return f"{self.left_out.image_id}: {self.left_out.reason}"


def exposures_of(
    site: Site, sequence_id: str, observation: Fields
) -> tuple[list[Exposure], list[LeftOut]]:
    """The light images of an observation in the order of time, and those that cannot be used.

    `observation` are the fields of its document: it says whether the camera has a mask, and where
    the images look whose own documents do not.
    """
    query = Query("images", [("sequence_id", "==", sequence_id)], [("time", "asc")])
    used: list[Exposure] = []
    left: list[LeftOut] = []
    for stored in site.catalog.query(query):
        if stored.fields.get("image_type", "light") != ImageType.LIGHT.value:
            continue
        found = _exposure(stored.key, stored.fields, observation)
        if isinstance(found, LeftOut):
            left.append(found)
        else:
            used.append(found)
    return used, left


def _exposure(image_id: str, said: Fields, observation: Fields) -> Exposure | LeftOut:
    path, original = said.get("bucket_path"), said.get("original_path")
    begun, seconds = _begin(said), _known(said, "exptime")
    if not isinstance(path, str) and not isinstance(original, str):
        return LeftOut(image_id, "nothing of it is archived")
    if begun is None or not 0 < seconds < 86400:
        return LeftOut(image_id, "its header does not say how long it was exposed")
    pairs = [(_known(said, f"ra_{which}"), _known(said, f"dec_{which}")) for which in _PLACES]
    pairs.append((_known(observation, "ra"), _known(observation, "dec")))
    return Exposure(
        image_id=image_id,
        location="images" if isinstance(path, str) else "originals",
        path=path if isinstance(path, str) else str(original),
        middle=begun + timedelta(seconds=seconds / 2),
        seconds=seconds,
        airmass=_known(said, "airmass"),
        hints=tuple(pair for pair in pairs if not math.isnan(sum(pair))),
        scale=pixel_scale(_known(said, "xpixsz")),
        has_mask=_is_mask(observation.get("camera_filter")),
        wcs=_wcs(said.get("solution")),
    )


_PLACES = ("image", "mnt")
_CLOCKS = timedelta(seconds=1.5)


def _begin(said: Fields) -> datetime | None:
    """Of the exposure: its name has whole seconds, ``DATE-OBS`` may have parts of them.

    A camera's clock may be wrong, where the computer that names its images asks others.
    """
    named, text = said.get("time"), said.get("dateobs")
    if not isinstance(named, datetime):
        return None
    try:
        told = datetime.fromisoformat(text) if isinstance(text, str) else named
    except ValueError:
        return named
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return told if abs(told - named) <= _CLOCKS else named


def _known(said: Fields, name: str) -> float:
    value = number(said, name)
    return math.nan if value is None else value


def _wcs(solution: Any) -> Wcs | None:
    cards = solution.get("wcs") if isinstance(solution, dict) else None
    try:
        return Wcs.from_cards(cards) if cards else None
    except (KeyError, ValueError, TypeError):
        return None  # other software's, or a later release's: solved again


def frame_of(site: Site, exposure: Exposure) -> tuple[NDArray[np.uint16], str]:
    """A frame's (rows, columns) as the camera gave them, ADU, and its pattern, such as ``GBRG``.

    Of the mask's first two rows, as its header says, else as it is measured; `UNMASKED` where
    there is no mask. Raises FrameLost for what cannot be decoded or is not there, and
    TransientError.
    """
    try:
        data, _ = site.store(exposure.location).read(exposure.path)
        is_raw = exposure.location == "originals"
        pixels, pattern = _of_raw(site, data) if is_raw else _of_fits(site, data)
    except NotFound:
        raise FrameLost(exposure.image_id, "its archived file is missing") from None
    except (BadInput, Unreadable) as error:
        raise FrameLost(exposure.image_id, f"its archived file cannot be read: {error}") from error
    return pixels, pattern


def _is_mask(camera_filter: object) -> bool:
    """Of the card ``FILTER``: cameras without a mask have another, or ``M``."""
    return not isinstance(camera_filter, str) or camera_filter.strip() in ("", "RGGB")


def _of_fits(site: Site, data: bytes) -> tuple[NDArray[np.uint16], str]:
    content = check_source(
        data,
        max_pixels=site.settings.max_pixels,
        max_decoded=site.settings.max_decoded_bytes,
        max_header=site.settings.max_header_bytes,
    )
    pixels = content.adu()
    if not _is_mask(content.header.get("FILTER")):
        return pixels, UNMASKED
    return pixels, display_of(content.header).pattern or bayer_pattern(pixels)


def _of_raw(site: Site, data: bytes) -> tuple[NDArray[np.uint16], str]:
    """Rows upwards, as units write FITS files."""
    from panoptes.network.cr2.frame import read_raw

    raw = read_raw(data, max_pixels=site.settings.max_pixels)
    pattern = raw.pattern if len(raw.pixels) % 2 else raw.pattern[2:] + raw.pattern[:2]
    return raw.pixels[::-1], pattern


def solved_pixels(site: Site, exposure: Exposure) -> NDArray[np.uint16]:
    """Those of `frame_of`, which also have to be of the shape that was solved, and of a camera
    with a mask or without, as the exposure has it."""
    pixels, has_mask = _solved_frame(site, exposure)
    if has_mask != exposure.has_mask:
        raise FrameLost(exposure.image_id, _of_another_camera(has_mask))
    return pixels


def _solved_frame(site: Site, exposure: Exposure) -> tuple[NDArray[np.uint16], bool]:
    assert exposure.wcs is not None
    pixels, pattern = frame_of(site, exposure)
    if pixels.shape != exposure.wcs.shape:
        raise FrameLost(exposure.image_id, "its archived file is not the one that was solved")
    return pixels, pattern != UNMASKED


def _of_another_camera(has_mask: bool) -> str:
    has = "a" if has_mask else "no"
    return f"its header is of a camera with {has} Bayer mask, and most of the others say else"


def solved(
    site: Site, exposures: list[Exposure], looked_at: Callable[[], None]
) -> Iterator[Exposure | LeftOut]:
    """Each with its WCS, or why not; `looked_at` is called after each. Raises TransientError."""
    from panoptes.network.plate_solving.detection import find_stars
    from panoptes.network.plate_solving.solving import Unsolved, solve

    before: tuple[tuple[float, float], ...] = ()
    for exposure in exposures:
        wcs = exposure.wcs
        if wcs is None:
            try:
                found = find_stars(frame_of(site, exposure)[0])
                solution = solve(
                    found.stars,
                    found.shape,
                    exposure.middle,
                    hints=[*before, *exposure.hints],
                    scale=exposure.scale,
                )
                wcs = solution.wcs
            except FrameLost as lost:
                yield lost.left_out
            except (Unsolved, ValueError) as why:
                yield LeftOut(exposure.image_id, str(why))
        if wcs is not None:
            before = (wcs.crval,)
            yield replace(exposure, wcs=wcs)
        looked_at()


def readable(
    site: Site, exposures: list[Exposure], looked_at: Callable[[], None]
) -> tuple[list[Exposure], list[LeftOut]]:
    """Solved exposures whose pixels are there, of a camera with a mask or without, as most of
    them say: an observation says what its first image does, which may be wrong; and the others.
    Raises TransientError."""
    found: list[tuple[Exposure, bool]] = []
    left = []
    for each in exposures:
        try:
            found.append((each, _solved_frame(site, each)[1]))
        except FrameLost as lost:
            left.append(lost.left_out)
        looked_at()
    most = 2 * sum(has_mask for _, has_mask in found) >= len(found)
    left += [LeftOut(e.image_id, _of_another_camera(has)) for e, has in found if has != most]
    return [replace(each, has_mask=most) for each, has_mask in found if has_mask == most], left


def of_one_shape(exposures: list[Exposure]) -> tuple[list[Exposure], list[LeftOut]]:
    """Solved exposures of the shape that most have, and the others: a mask has one phase."""
    shapes = Counter(each.wcs.shape for each in exposures if each.wcs)
    if not shapes:
        return [], []
    most = shapes.most_common(1)[0][0]
    kept, left = [], []
    for each in exposures:
        assert each.wcs is not None
        if each.wcs.shape == most:
            kept.append(each)
        else:
            rows, columns = each.wcs.shape
            why = f"it has {columns} x {rows} pixels, and most of the others {most[1]} x {most[0]}"
            left.append(LeftOut(each.image_id, why))
    return kept, left

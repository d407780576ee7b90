"""An image's quality and place on the sky, measured while its pixels are there for the preview.

Whatever goes wrong is said in the image's document and holds up nothing: it is the file's
archive that matters, and a frame is tried again only when it is ingested again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from panoptes.network.catalog.values import number
from panoptes.network.image_types import ImageType
from panoptes.network.keywords import Described, describe, known_cards
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.site import Site
from panoptes.network.stars.separation import separation
from panoptes.network.upload import Source

if TYPE_CHECKING:
    from panoptes.network.fits.content import ImageContent
    from panoptes.network.plate_solving.solving import Solution

log = safe_log(__name__)

_FULL_FRAME = 60.0
"""Square degrees: of a smaller one the middle is not where the mount points."""


def measure(site: Site, source: Source, content: ImageContent) -> dict[str, Any] | None:
    """``measured`` and ``solution`` of an image's document.

    None for what is no light, and where the network's settings do not want it.
    """
    if not site.settings.measurements_wanted or source.upload is None:
        return None
    cards = known_cards(content.header.mapping())
    said = describe(cards)
    if said.image_type(source.upload.image_type) is not ImageType.LIGHT:
        return None
    try:
        return _measured(source, content, said)
    except Exception as error:  # the archive of a file never waits for what its stars say
        log.exception("%s could not be measured", source.label)
        return {"measured": None, "solution": _failed("measured", error)}


def _measured(source: Source, content: ImageContent, described: Described) -> dict[str, Any]:
    from panoptes.network.fits.display import display_of
    from panoptes.network.plate_solving.detection import find_stars
    from panoptes.network.plate_solving.solving import Unsolved, pixel_scale, solve
    from panoptes.network.quality import measure_quality

    assert source.upload is not None
    said = described.image
    try:
        found = find_stars(content.adu())
    except ValueError as error:
        return {"measured": None, "solution": {"reason": str(error)}}
    scale, exptime = pixel_scale(number(said, "xpixsz")), number(said, "exptime")
    solution: Solution | None = None
    when, hints = source.upload.time, _hints(described)
    try:
        solution = solve(found.stars, found.shape, when, hints=hints, scale=scale)
        told = _told(solution, said)
    except Unsolved as unsolved:
        told = {"reason": str(unsolved)}
    except Exception as error:  # nor does its quality
        log.exception("%s could not be solved", source.label)
        told = _failed("solved", error)
    quality = measure_quality(
        found, solution, pattern=display_of(content.header).pattern, exptime=exptime
    )
    return {"measured": quality.model_dump(exclude_none=True), "solution": told}


def _failed(what: str, error: Exception) -> dict[str, Any]:
    """What went wrong, for the document."""
    why = one_line(f"it could not be {what}: {type(error).__name__}: {error}", most=200)
    return {"reason": why}


def _hints(described: Described) -> list[tuple[float, float]]:
    """Where the header says that it looks: its own solution, the mount, the field."""
    said, field = described.image, described.observation
    pairs = [(number(said, f"ra_{which}"), number(said, f"dec_{which}")) for which in _PLACES]
    pairs.append((number(field, "ra"), number(field, "dec")))
    known = ((ra, dec) for ra, dec in pairs if ra is not None and dec is not None)
    return list(dict.fromkeys(known))


_PLACES = ("image", "mnt")


def _told(solution: Solution, said: Mapping[str, Any]) -> dict[str, Any]:
    """Of a solution, as the document has it."""
    wcs = solution.wcs
    rows, columns = wcs.shape
    told = {
        "ra": round(wcs.crval[0], 7),
        "dec": round(wcs.crval[1], 7),
        "wcs": wcs.cards(),
        "scale": round(wcs.scale, 5),
        "matched": len(solution.stars),
        "expected": solution.expected,
        "rms": round(solution.rms, 3),
        "median": round(solution.median, 3),
        "way": solution.way,
        "solver": solution.solver,
    }
    ra, dec = number(said, "ra_mnt"), number(said, "dec_mnt")
    is_full = rows * columns * (wcs.scale / 3600) ** 2 >= _FULL_FRAME
    if is_full and ra is not None and dec is not None:
        told["pointing_error"] = round(separation(*wcs.crval, ra, dec), 4)
    return told


def pointing_error(image: Mapping[str, Any]) -> float | None:
    """Degrees between where the mount said that it pointed and where the solved image lies.

    None where either is not known, and of a crop that was solved here: its middle is not the
    mount's.
    """
    solution = image.get("solution")
    if isinstance(solution, dict) and "wcs" in solution:
        return number(solution, "pointing_error")
    values = [number(image, name) for name in ("ra_mnt", "dec_mnt", "ra_image", "dec_image")]
    known = [each for each in values if each is not None]
    return separation(*known) if len(known) == 4 else None

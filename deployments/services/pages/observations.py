"""An observation as a contact sheet, and one image with everything that was made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from deployments.services.pages.drawn import Drawn
from panoptes.network.catalog.catalog import Fields, Query, Stored
from panoptes.network.cutout import why_no_cutout
from panoptes.network.documents import Location
from panoptes.network.errors import BadInput, TransientError, published
from panoptes.network.fits import section
from panoptes.network.fits.header_json import Json
from panoptes.network.header_answer import stored_header
from panoptes.network.names import parse_sequence_id
from panoptes.network.nights.course import COURSE_FIELDS, Course, course_plot, courses
from panoptes.network.object_paths import BadPath, NotOurs
from panoptes.network.search import all_images, find_images
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

IMAGES_AT_ONCE = 120
"""On a contact sheet."""
MOST_FILES = 50
MOST_SIDE = 512
"""Pixels of the part of an image that its page shows."""


@dataclass(frozen=True)
class SkyPlace:
    """Where the image is, in degrees (ICRS), and who says so."""

    ra: float
    dec: float
    source: str


@dataclass(frozen=True)
class Refused:
    """A file that is in quarantine, or could not be taken."""

    name: object
    outcome: object
    reason: object
    next_step: object


@dataclass(frozen=True)
class ObservationPage:
    """An observation and some of its images, the oldest first."""

    sequence_id: str
    fields: Fields
    images: tuple[Stored, ...]
    following: str | None
    """Where the next images are."""
    before: str | None
    """The camera's observations before and after it, by their ids."""
    after: str | None
    refused: tuple[Refused, ...]
    place: SkyPlace | None
    courses: tuple[Course, ...]
    """What all of its images say, against time."""


@dataclass(frozen=True)
class Product:
    """Something that was made of an image, or that it was made of."""

    what: str
    location: Location
    path: str


@dataclass(frozen=True)
class ImagePage:
    """An image."""

    image_id: str
    fields: Fields
    observation: Fields
    number: int
    """Of the observation's images in the order of time, from 1."""
    count: int
    before: str | None
    after: str | None
    products: tuple[Product, ...]
    sources: tuple[tuple[str, Mapping[str, Any]], ...]
    """What was uploaded, by file type."""
    header: tuple[tuple[str, Json], ...]
    """Its cards; several with the same keyword one after the other."""
    header_problem: str | None
    place: SkyPlace | None
    shape: tuple[int, int] | None
    """Columns and rows of the archived image."""
    no_cutout: str | None
    """Why no part of it can be shown; None where it can."""

    @property
    def side(self) -> int:
        """Pixels of the part that is shown."""
        columns, rows = self.shape or (MOST_SIDE, MOST_SIDE)
        return min(MOST_SIDE, columns, rows)


def observation_page(
    site: Site, sequence_id: str, cursor: str | None, *, hidden: frozenset[Location]
) -> ObservationPage:
    """Raises NotFound and `search.BadCursor`. Of locations that are `hidden` it is not told what
    was seen in their files."""
    try:
        name = parse_sequence_id(sequence_id)
    except ValueError as error:
        raise NotFound(str(error)) from None
    stored = site.catalog.get("observations", sequence_id)
    if stored is None:
        raise NotFound(f"there is no observation {sequence_id}")
    page = find_images(
        site.catalog, sequence_id, image_types=None, limit=IMAGES_AT_ONCE, cursor=cursor
    )
    before, after = _neighbours(site, stored, name.unit_id, name.camera_id)
    return ObservationPage(
        sequence_id=sequence_id,
        fields=stored.fields,
        images=tuple(page.documents),
        following=page.following,
        before=before,
        after=after,
        refused=tuple(_refused(site, sequence_id, open_to_all="quarantine" in hidden)),
        place=_place({}, stored.fields),
        courses=tuple(
            courses(
                each.fields for each in all_images(site.catalog, sequence_id, only=COURSE_FIELDS)
            )
        ),
    )


def _neighbours(
    site: Site, observation: Stored, unit_id: str, camera_id: str
) -> tuple[str | None, str | None]:
    time = observation.fields.get("time")
    if not isinstance(time, datetime):
        return None, None

    def nearest(operator: str, way: str) -> str | None:
        where: Any = [("camera_id", "==", camera_id), ("time", operator, time)]
        order: Any = [("time", way)]
        # Of another unit only where cameras changed hands.
        found = site.catalog.query(Query("observations", where, order, limit=5))
        return next((each.key for each in found if each.fields.get("unit_id") == unit_id), None)

    return nearest("<", "desc"), nearest(">", "asc")


def _refused(site: Site, sequence_id: str, *, open_to_all: bool) -> Iterator[Refused]:
    query = Query("files", [("sequence_id", "==", sequence_id)], [("arrived", "desc")], limit=1000)
    found = (
        each
        for each in site.catalog.query(query)
        if each.fields.get("outcome") in ("quarantined", "failed")
    )
    for number, each in enumerate(found):
        if number == MOST_FILES:
            return
        fields = each.fields
        name, outcome, code = (fields.get(one) for one in ("name", "outcome", "code"))
        if not open_to_all:
            yield Refused(name, outcome, fields.get("reason"), fields.get("next_step"))
        elif outcome == "quarantined":
            advice = published(code if isinstance(code, str) else None)
            yield Refused(name, outcome, advice.sentence, advice.next_step)
        else:
            yield Refused(name, outcome, None, None)


def image_stored(site: Site, image_id: str) -> Stored:
    """The document of an image. Raises NotFound."""
    try:
        stored = site.catalog.get("images", image_id)
    except ValueError:
        stored = None
    if stored is None:
        raise NotFound(f"there is no image {image_id[:100]!r}")
    return stored


def _is_observation(text: str) -> bool:
    try:
        parse_sequence_id(text)
    except ValueError:
        return False  # another program's word
    return True


def image_page(site: Site, image_id: str) -> ImagePage:
    """Raises NotFound."""
    stored = image_stored(site, image_id)
    fields = stored.fields
    sequence_id = fields.get("sequence_id")
    observation, ids = None, [image_id]
    if isinstance(sequence_id, str) and _is_observation(sequence_id):
        observation = site.catalog.get("observations", sequence_id)
        ids = [each.key for each in _ids(site, sequence_id)]
    at = ids.index(image_id) if image_id in ids else 0
    products = tuple(_products(fields))
    header, problem = _header(site, products)
    sources = fields.get("sources")
    shape = _shape(fields, header)
    return ImagePage(
        image_id=image_id,
        fields=fields,
        observation=observation.fields if observation else {},
        number=at + 1,
        count=len(ids),
        before=ids[at - 1] if at else None,
        after=ids[at + 1] if at + 1 < len(ids) else None,
        products=products,
        sources=tuple(
            (str(kind), source)
            for kind, source in (sources.items() if isinstance(sources, Mapping) else ())
            if isinstance(source, Mapping)
        ),
        header=header,
        header_problem=problem,
        place=_place(fields, observation.fields if observation else {}),
        shape=shape,
        no_cutout=_no_cutout(site, fields, shape, header),
    )


def _no_cutout(
    site: Site,
    fields: Fields,
    shape: tuple[int, int] | None,
    header: tuple[tuple[str, Json], ...],
) -> str | None:
    """Files are only looked into where the whole image would be too much to read for a part."""
    bits = dict(header).get("BITPIX")
    if shape is None or not isinstance(bits, int):
        return None
    if math.prod(shape) * abs(bits) // 8 <= section.MAX_AT_ONCE:
        return None
    width, height = (min(MOST_SIDE, each) for each in shape)
    try:
        return why_no_cutout(site.store("images"), fields["bucket_path"], width, height)
    except (NotFound, TransientError):
        return "no part of it can be shown at the moment: try again later"


def _ids(site: Site, sequence_id: str) -> Iterator[Stored]:
    return all_images(site.catalog, sequence_id, image_types=None, only=("time",))


def _shape(fields: Fields, header: tuple[tuple[str, Json], ...]) -> tuple[int, int] | None:
    cards = dict(header)
    columns, rows = cards.get("NAXIS1"), cards.get("NAXIS2")
    if not fields.get("bucket_path") or not isinstance(columns, int) or not isinstance(rows, int):
        return None
    return (columns, rows) if columns > 0 and rows > 0 else None


def _products(fields: Fields) -> Iterator[Product]:
    rgb = fields.get("rgb_paths")
    colours = rgb if isinstance(rgb, Mapping) else {}
    named: list[tuple[str, Location, object]] = [
        ("archived image", "images", fields.get("bucket_path")),
        ("camera raw", "originals", fields.get("original_path")),
        *(
            (f"{word} plane", "rgb", colours.get(letter))
            for letter, word in (("r", "red"), ("g", "green"), ("b", "blue"))
        ),
        ("preview", "previews", fields.get("preview_path")),
        ("the unit's own picture", "previews", fields.get("picture_path")),
    ]
    for what, location, path in named:
        if isinstance(path, str) and path:
            yield Product(what, location, path)


def _header(
    site: Site, products: tuple[Product, ...]
) -> tuple[tuple[tuple[str, Json], ...], str | None]:
    """Of the archived image; where only a raw has arrived, of a plane of it."""
    held = [each for each in products if each.location in ("images", "rgb")]
    if not held:
        return (), "There is no FITS file of this image."
    first = held[0]
    try:
        answer = stored_header(site, first.path, bucket_name=first.location)
    except (NotFound, NotOurs, BadPath, BadInput) as error:
        return (), f"The header cannot be shown: {error}"
    except TransientError:
        return (), "The archive is away at the moment: try again later."
    cards: list[tuple[str, Json]] = []
    found = answer["header"]
    assert isinstance(found, dict)
    for keyword, value in found.items():
        if keyword != "FILENAME":
            cards += [(keyword, each) for each in (value if isinstance(value, list) else [value])]
    return tuple(cards), None


def _place(image: Fields, observation: Fields) -> SkyPlace | None:
    for fields, ra_name, dec_name, source in (
        (image, "ra_image", "dec_image", "from its stars"),
        (image, "ra_mnt", "dec_mnt", "from the mount"),
        (observation, "ra", "dec", "from its observation"),
    ):
        ra, dec = _finite(fields.get(ra_name)), _finite(fields.get(dec_name))
        if ra is not None and dec is not None and abs(dec) <= 90:
            return SkyPlace(ra % 360.0, dec, source)
    return None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


class CoursePlots:
    """Plots of observations, drawn once for as long as their images say the same."""

    def __init__(self) -> None:
        self._drawn: Drawn[str, tuple[Course, ...]] = Drawn()

    def of(self, page: ObservationPage) -> list[tuple[str, Markup]]:
        """Titles, and SVG to put into the page."""

        def draw() -> list[Markup]:
            return [Markup(course_plot(each)) for each in page.courses]  # no text of others

        drawn = self._drawn.of(page.sequence_id, page.courses, draw)
        return [(each.quantity.name, plot) for each, plot in zip(page.courses, drawn, strict=True)]

"""FITS cards and the document fields they fill: one table for both keyword generations.

Older units write eight-letter keywords (``RA-MNT``, ``MOONFRAC``), newer ones HIERARCH
names too (``moon_fraction``). Keywords are compared without regard to case and the first
of a row that holds a value wins. A card that is missing, empty, undefined or no number
leaves its field absent. ``docs/keywords.md`` is made from this table:
``python -m panoptes.network.keywords > docs/keywords.md``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias, TypeGuard

from panoptes.network.image_types import ImageType, image_type_of_card, image_type_of_field

CardValue: TypeAlias = str | int | float | bool | complex | None
FieldValue: TypeAlias = str | int | float | list[str]
Reader: TypeAlias = Callable[[CardValue], FieldValue | None]
DocumentName: TypeAlias = Literal["unit", "camera", "observation", "image"]
Row: TypeAlias = tuple[str, tuple[str, ...], Reader, str, str]
"""Of a `Keyword`, but for its document."""

# Possessive: a page of digits or blanks is read once, and not cut in every way there is.
_NUMBER = re.compile(
    r"([+-]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[EeDd][+-]?\d++)?+)\s*+(?:[A-Za-z%]++\s*+)?+"
)
_FRACTION = re.compile(r"\d++\s*+/\s*+\d++")
_MAX_TEXT = 1000
_MISSING = {"", "nan", "none", "null", "n/a", "undefined"}


class NoValue(ValueError):
    """A card holds something, but not what its keyword promises."""


def read_text(value: CardValue) -> str | None:
    """The text without surrounding blanks; None if empty. A page of text is no value."""
    if value is None:
        return None
    text = str(value).strip()
    if len(text) > _MAX_TEXT:
        raise NoValue
    return None if text.lower() in _MISSING else text


def read_float(value: CardValue) -> float | None:
    """A finite number, also from ``'11 C'``, ``'0.019 mm'`` and ``'1/200'``."""
    if isinstance(value, bool | complex):
        raise NoValue
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    text = read_text(value)
    if text is None:
        return None
    if _FRACTION.fullmatch(text):
        try:
            return float(Fraction("".join(text.split())))
        except (ZeroDivisionError, OverflowError):
            raise NoValue from None
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise NoValue
    number = float(found[1].upper().replace("D", "E"))
    return number if math.isfinite(number) else None


def read_int(value: CardValue) -> int | None:
    """A whole number; ``100.0`` and ``'100'`` count as one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else None
    number = read_float(value)
    if number is None:
        return None
    if number != int(number) or abs(number) >= 2**53:
        raise NoValue
    return int(number)


def between(low: float, high: float) -> Reader:
    """A reader of numbers from `low` to `high`, both included."""

    def read(value: CardValue) -> float | None:
        number = read_float(value)
        if number is not None and not low <= number <= high:
            raise NoValue
        return number

    return read


def nth_of_four(index: int) -> Reader:
    """A reader of one of the four whole numbers of a card such as ``'471 1024 1024 733'``."""

    def read(value: CardValue) -> int | None:
        text = read_text(value)
        if text is None:
            return None
        parts = text.split()
        if len(parts) != 4:
            raise NoValue
        return read_int(parts[index])

    return read


@dataclass(frozen=True)
class Keyword:
    """A field of a document and the cards that fill it, best first."""

    document: DocumentName
    name: str
    cards: tuple[str, ...]
    read: Reader
    unit: str
    meaning: str


def read_flag(value: CardValue) -> bool | None:
    """A logical value, also written out: ``'True'``, ``'T'``, ``'no'``."""
    if isinstance(value, bool):
        return value
    text = (read_text(value) or "").casefold()
    if text not in _FLAGS:
        raise NoValue
    return _FLAGS[text]


_FLAGS = {"": None, "t": True, "true": True, "yes": True, "f": False, "false": False, "no": False}
MAX_TAGS = 50


def read_tags(value: CardValue) -> list[str] | None:
    """Words between commas, each once: ``'exoplanet,tabby_star'``."""
    words = [" ".join(word.split()) for word in (read_text(value) or "").split(",")]
    return list(dict.fromkeys(word for word in words if word))[:MAX_TAGS] or None


def read_right_ascension(value: CardValue) -> float | None:
    """Degrees from 0 to 360; -10 is 350."""
    number = read_float(value)
    if number is not None and not -360 <= number <= 360:
        raise NoValue
    return number + 360.0 if number is not None and number < 0 else number


def geographic(low: float, high: float, *, negative: str) -> Reader:
    """A reader of degrees on Earth; a letter behind them may say on which side, as in ``155 W``."""
    read_degrees = between(low, high)

    def read(value: CardValue) -> float | None:
        number = read_degrees(value)
        assert number is None or isinstance(number, float)
        side = str(value).strip()[-1:].upper() if isinstance(value, str) else ""
        if number is None or side != negative:
            return number
        if number < 0:
            raise NoValue  # both a sign and a side: nobody knows which holds
        return -number

    return read


read_latitude = geographic(-90, 90, negative="S")
read_longitude = geographic(-180, 360, negative="W")
_RA, _DEC = read_right_ascension, between(-90, 90)
_SEPARATION, _SHARE = between(0, 180), between(0, 1)
_CENTRE = "centre: solved, else of the field, else of the mount"

ROWS: dict[DocumentName, tuple[Row, ...]] = {
    "unit": (
        ("name", ("OBSERVER",), read_text, "", "name of the unit"),
        ("latitude", ("LAT-OBS", "LATITUDE"), read_latitude, "deg", "north positive; `location`"),
        (
            "longitude",
            ("LONG-OBS", "LONGITUDE"),
            read_longitude,
            "deg",
            "east positive; `location`",
        ),
        ("elevation", ("ELEV-OBS", "ELEVATION"), read_float, "m", "above sea level"),
    ),
    "camera": (
        ("name", ("CAM-NAME",), read_text, "", "what the unit calls it, such as Cam00"),
        ("model", ("CAMMODEL", "CAM-MOD"), read_text, "", "camera model"),
        ("serial_number", ("CAMSN", "CAM-ID"), read_text, "", "serial number, a text"),
        ("internal_serial_number", ("INTSN",), read_text, "", "internal serial number"),
        ("firmware", ("CAM-FW",), read_text, "", "version of the camera's firmware"),
        ("instrument", ("INSTRUME",), read_text, "", "the camera's id, as its unit wrote it"),
        ("is_primary", ("IS_PRIMARY",), read_flag, "", "whether the unit points by it"),
    ),
    "observation": (
        ("software_version", ("CREATOR",), read_text, "", "control software's version"),
        ("ra", ("CRVAL1", "FIELD_RA", "RA-MNT", "RA_MNT"), _RA, "deg", _CENTRE),
        ("dec", ("CRVAL2", "FIELD_DEC", "DEC-MNT", "DEC_MNT"), _DEC, "deg", _CENTRE),
        ("exptime", ("EXPTIME",), between(0, 1e6), "s", "exposure time"),
        ("field_name", ("FIELD", "FIELD_NAME"), read_text, "", "target field"),
        ("camera_filter", ("FILTER",), read_text, "", "filter or Bayer pattern"),
        ("iso", ("ISO",), read_int, "", "ISO setting"),
        ("project", ("ORIGIN",), read_text, "", "project"),
        ("tags", ("TAGS",), read_tags, "", "words that the field was marked with"),
    ),
    "image": (
        ("exptime", ("EXPTIME",), between(0, 1e6), "s", "exposure time"),
        (
            "ha_mnt",
            ("HA-MNT", "HA_MNT"),
            read_float,
            "h",
            "mount's hour angle (POCS writes hours and comments 'Degrees')",
        ),
        ("ra_mnt", ("RA-MNT", "RA_MNT"), _RA, "deg", "mount's right ascension"),
        ("dec_mnt", ("DEC-MNT", "DEC_MNT"), _DEC, "deg", "mount's declination"),
        ("ra_image", ("CRVAL1",), _RA, "deg", "from the plate solution"),
        ("dec_image", ("CRVAL2",), _DEC, "deg", "from the plate solution"),
        ("moonfrac", ("MOONFRAC", "MOON_FRACTION"), _SHARE, "", "illuminated fraction of the Moon"),
        ("moonsep", ("MOONSEP", "MOON_SEPARATION"), _SEPARATION, "deg", "distance from the Moon"),
        ("airmass", ("AIRMASS",), read_float, "", "sec(z)"),
        ("measev", ("MEASEV",), read_float, "EV", "measured brightness"),
        ("measev2", ("MEASEV2",), read_float, "EV", "measured brightness, second"),
        ("measr", ("MEASRGGB",), nth_of_four(0), "", "measured red"),
        ("measg", ("MEASRGGB",), nth_of_four(1), "", "measured first green"),
        ("measg2", ("MEASRGGB",), nth_of_four(2), "", "measured second green"),
        ("measb", ("MEASRGGB",), nth_of_four(3), "", "measured blue"),
        ("camtemp", ("CAMTEMP", "CCD-TEMP"), read_float, "degC", "camera temperature"),
        ("settemp", ("SET-TEMP",), read_float, "degC", "what it is cooled to"),
        ("coolpow", ("COOL-POW",), read_float, "%", "power of its cooler"),
        ("egain", ("EGAIN",), read_float, "e-/ADU", "conversion factor"),
        ("gain", ("GAIN", "CAM-GAIN"), read_float, "", "gain, as the camera counts it"),
        ("bitdepth", ("BITDEPTH",), read_int, "", "bits that the camera reads"),
        ("xpixsz", ("XPIXSZ",), read_float, "um", "width of a pixel"),
        ("ypixsz", ("YPIXSZ",), read_float, "um", "height of a pixel"),
        ("focpos", ("FOC-POS",), read_float, "", "position of the focuser"),
        ("fwpos", ("FW-POS",), read_int, "", "position of the filter wheel"),
        ("dateobs", ("DATE-OBS",), read_text, "", "start, by the camera's own clock"),
        ("imagetyp", ("IMAGETYP",), read_text, "", "what the camera says that it is for"),
        ("quality", ("QUALITY",), read_text, "", "BAD where the unit says so"),
        ("circconf", ("CIRCCONF",), read_float, "mm", "circle of confusion"),
        ("colortmp", ("COLORTMP",), read_float, "K", "colour temperature"),
        ("bluebal", ("BLUEBAL",), read_float, "", "blue balance"),
        ("redbal", ("REDBAL",), read_float, "", "red balance"),
        ("whtlvln", ("WHTLVLN",), read_int, "ADU", "normal white level"),
        ("whtlvls", ("WHTLVLS",), read_int, "ADU", "specular white level"),
    ),
}
KEYWORDS = tuple(Keyword(document, *row) for document, rows in ROWS.items() for row in rows)

_ALSO = ("CTYPE1", "CTYPE2", "SEQID", "SEQUENCE_ID", "IMAGEID", "IMAGE_ID")
_KNOWN = frozenset((*_ALSO, *(card for keyword in KEYWORDS for card in keyword.cards)))


def known_cards(header: Mapping[str, object]) -> dict[str, CardValue]:
    """The cards of a header, keywords in upper case, that `describe` and notes are made of."""
    return {k: v for k, v in header.items() if k in _KNOWN and _is_card_value(v)}


@dataclass(frozen=True)
class Described:
    """What a header says, by document, and the cards that could not be understood."""

    unit: dict[str, FieldValue] = field(default_factory=dict)
    camera: dict[str, FieldValue] = field(default_factory=dict)
    observation: dict[str, FieldValue] = field(default_factory=dict)
    image: dict[str, FieldValue] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def image_type(self, of_name: ImageType | None) -> ImageType:
        """What the exposure is for; `of_name` is what the file's name says.

        The folder knows it best: a camera calls biases darks, and flats lights.
        """
        field_name, card = self.observation.get("field_name"), self.image.get("imagetyp")
        return (
            of_name
            or image_type_of_field(field_name if isinstance(field_name, str) else None)
            or image_type_of_card(card if isinstance(card, str) else None)
            or ImageType.LIGHT
        )


def describe(header: Mapping[str, object]) -> Described:
    """Read every known card of a header whose keywords are in upper case."""
    cards: dict[str, CardValue] = {k: v for k, v in header.items() if _is_card_value(v)}
    solved = _is_solved(cards)
    filled: dict[str, dict[str, FieldValue]] = {document: {} for document in ROWS}
    notes: dict[str, None] = {}
    for keyword in KEYWORDS:
        for card in keyword.cards:
            if card in ("CRVAL1", "CRVAL2") and not solved:
                continue
            if keyword.document == "observation" and not _is_whole_position(cards, card):
                continue
            try:
                value = keyword.read(cards.get(card))
            except NoValue:
                shown = repr(cards[card])
                shown = shown if len(shown) <= 100 else f"{shown[:100]}..."
                notes[f"{card} = {shown} was not understood and left out"] = None
                continue
            if value is not None:
                filled[keyword.document][keyword.name] = value
                break
    return Described(**filled, notes=tuple(notes))


def _is_card_value(value: object) -> TypeGuard[CardValue]:
    return value is None or isinstance(value, str | int | float | bool | complex)


_PAIRS = (
    ("CRVAL1", "CRVAL2"),
    ("FIELD_RA", "FIELD_DEC"),
    ("RA-MNT", "DEC-MNT"),
    ("RA_MNT", "DEC_MNT"),
)


def _is_solved(cards: Mapping[str, CardValue]) -> bool:
    """Whether CRVAL1 and CRVAL2 are right ascension and declination (FITS 4.0, section 8.3).

    Both have to be there. Axes without a type are taken for them, as the network's own
    software writes them only when a frame is solved, unless both are 0, the default.
    """
    types = [str(cards.get(name) or "").strip().upper() for name in ("CTYPE1", "CTYPE2")]
    if any(types):
        celestial = types[0].startswith("RA") and (not types[1] or types[1].startswith("DEC"))
        return celestial and _is_whole_position(cards, "CRVAL1")
    whole = _is_whole_position(cards, "CRVAL1")
    return whole and any(read_float(cards.get(name)) for name in ("CRVAL1", "CRVAL2"))


def _is_whole_position(cards: Mapping[str, CardValue], card: str) -> bool:
    """Whether the other coordinate of a position is there, too; True for any other card."""
    for ra, dec in _PAIRS:
        if card in (ra, dec):
            try:
                return _RA(cards.get(ra)) is not None and _DEC(cards.get(dec)) is not None
            except NoValue:
                return False
    return True


def table() -> str:
    """The documentation page of this table, in Markdown."""
    lines = [
        "# Keywords",
        "",
        "Which FITS cards fill which fields of the catalogue. This page is made from",
        "`panoptes/network/keywords.py`: `python -m panoptes.network.keywords > docs/keywords.md`.",
        "",
        "Where a row names several cards, the first that holds a value wins. A card that is",
        "missing, empty, undefined or not understood leaves its field absent; the image's",
        "`notes` say which card was not understood. `CRVAL1` and `CRVAL2` count only where",
        "`CTYPE1`, if present, is a right ascension; a position is always one pair of cards.",
    ]
    for document in ROWS:
        lines += ["", f"## {document.capitalize()}", "", "| field | cards | unit | meaning |"]
        lines += ["|---|---|---|---|"]
        lines += [
            f"| `{k.name}` | {', '.join(map('`{}`'.format, k.cards))} | {k.unit} | {k.meaning} |"
            for k in KEYWORDS
            if k.document == document
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())

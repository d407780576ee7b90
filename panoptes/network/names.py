"""Ids and the grammar of the paths under which units upload.

The network's own form is ``UNIT/CAMERA/SEQUENCE/IMAGE.suffix``:
``PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz``. Older software put a field
name after the unit; exported files carry ``_`` in place of ``/`` or repeat the whole id
in the file name. All of them name the same image and are filed under the same path.
The rules are those of the path patterns in panoptes-utils, panoptes-pipeline (older)
and panoptes-data (newer), read strictly: whole name, real dates, no contradiction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from panoptes.network.errors import BadInput
from panoptes.network.file_types import BY_SUFFIX, FILE_TYPES, FILM, IMAGES, PICTURE, FileType
from panoptes.network.image_types import ImageType, image_type_of_field

SIMULATED = "PANOPTES simulator"
"""`ORIGIN` of simulated headers, and so the `project` of their observations."""
MAX_NAME_BYTES = 1024
"""Cloud Storage's limit on an object name, https://cloud.google.com/storage/docs/objects#naming"""

_MAX_ID = 100
"""Characters of the longest id."""

FIRST_YEAR, LAST_YEAR = 1990, 2100
"""The years that names may speak of: wider than any unit's life, and far from the ends of the
calendar, where a night or the end of an exposure has no date."""


_UNIT = r"(?P<unit>PAN\d{3})"
_TIME = r"\d{8}T\d{6}"
_SEQUENCE = rf"(?P<sequence>{_TIME})"
# Canon: six of its serial; SBIG and FLI: the whole serial; ZWO: 16 digits. None has a "_", so
# they are told from a field's name in exported names, where folders are joined by "_".
_SERIAL = r"(?P<camera>[0-9A-Za-z]{6}|(?=[A-Z]*\d)[0-9A-Z]{7,10}|[0-9a-f]{16})"
# What owners call a ZWO, and simulators anything: it may stand where a folder is the camera's.
# Signs that paths or URLs take for their own are none of it.
_CAMERA_TEXT = re.compile(r"[0-9A-Za-z](?:[ !-$&-.0-\[\]-~]{0,30}[!-$&-.0-\[\]-~])?", re.ASCII)
_EXPORTED = re.compile(  # read without a field wherever that can be
    rf"{_UNIT}(?:[/_]|/(?P<field>[^/]+(?:/[^/]+)?)/|_(?P<name>[^/]+?)_){_SERIAL}[/_]{_SEQUENCE}"
    r"(?:[/_](?P<leaf>[^/]+))?",
    re.ASCII,
)
_FOLDERS = re.compile(
    rf"{_UNIT}/(?:(?P<field>[^/]+(?:/[^/]+)?)/)?(?P<camera>(?!{_TIME}/)[^/]+)"
    rf"/{_SEQUENCE}(?:/(?P<leaf>[^/]+))?",
    re.ASCII,
)
_LEAF = re.compile(
    rf"(?:(?P<unit>PAN\d{{3}})_(?P<camera>.+?)_(?:(?P<sequence>{_TIME})_)?)?(?P<image>{_TIME})",
    re.ASCII,
)
_POINTING = re.compile(rf"pointing\d*(?:_{_TIME})?", re.ASCII)
_OVERLAY = re.compile(
    rf"{_UNIT}/(?P<field>[^/]+)/(?P<camera>[^/]+)-{_SEQUENCE}-(?P<leaf>alignment_overlay)", re.ASCII
)
_SEQUENCE_ID = re.compile(rf"{_UNIT}_(?P<camera>.+)_{_SEQUENCE}", re.ASCII | re.S)
_SUFFIX = re.compile(
    rf"(?P<stem>.+?)\.(?P<suffix>{'|'.join(map(re.escape, BY_SUFFIX))})", re.ASCII | re.I | re.S
)
_BELOW_UNIT = re.compile(rf"{_UNIT}/", re.ASCII)
_HAS_TIME = re.compile(rf"(?<!\d){_TIME}(?!\d)", re.ASCII)
_DAY = re.compile(r"(?:19|20)\d\d[01]\d[0-3]\d(?:T\d{0,5})?", re.ASCII)
"""What stands in the place of the time at which an observation began, and lacks the hour."""
_PACKINGS = ("gz", "bz2", "xz", "z", "zip")
PASSING_SUFFIXES = (".part", ".partial", ".filepart", ".tmp", ".crdownload")
"""Of what is not there yet: an upload is under way."""
_MADE = ".preview-1024.jpg"
"""The longest that is put behind a stem for what is made of a file."""
_IS_MADE = re.compile(r".*\.preview-\d+", re.ASCII | re.S)
_ABOVE_FIELDS = ("images/fields/", "images/", "fields/")
"""Folders of a unit's own disk that some uploads keep in front of the field's."""


def parse_time(text: str) -> datetime:
    """The UTC moment that a compact time such as ``20180216T112430`` names.

    Raises ValueError, with a sentence, when there is no such date or time of day, or none
    in which a unit can have observed: see `FIRST_YEAR`.
    """
    try:
        moment = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{text} is no real date and time") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(
            f"{text} is no time of an observation: its year is not in {FIRST_YEAR} to {LAST_YEAR}"
        )
    return moment


@dataclass(frozen=True)
class ObservationName:
    """One observation: a camera's images during one continuous tracking movement."""

    unit_id: str
    camera_id: str
    sequence_time: str

    @property
    def sequence_id(self) -> str:
        return f"{self.unit_id}_{self.camera_id}_{self.sequence_time}"

    @property
    def folder(self) -> str:
        return f"{self.unit_id}/{self.camera_id}/{self.sequence_time}"

    @property
    def timelapse(self) -> str:
        """The path in `timelapse` of the film that the network makes; no upload is kept there."""
        return f"{self.folder}/{self.sequence_time}.timelapse.mp4"

    @property
    def time(self) -> datetime:
        return parse_time(self.sequence_time)


@dataclass(frozen=True)
class UploadName:
    """What the name of an uploaded file says."""

    name: str
    sequence: ObservationName
    file_type: FileType
    image_time: str | None
    """None where the name has none: of pointing and focus frames, timelapses, other pictures."""
    field_name: str | None
    leaf: str
    """The last part of the path under which the file is kept, without its suffix."""

    @property
    def sequence_id(self) -> str:
        return self.sequence.sequence_id

    @property
    def image_id(self) -> str | None:
        """Of the exposure that it is, or that its time says it is of; None of all else."""
        return self.exposure_id if self.image_time or self.file_type in IMAGES else None

    @property
    def exposure_id(self) -> str:
        """The `image_id` of the exposure that has this name, if there is one."""
        camera = f"{self.sequence.unit_id}_{self.sequence.camera_id}"
        return f"{camera}_{self.image_time or f'{self.sequence.sequence_time}-{self.leaf}'}"

    @property
    def time(self) -> datetime:
        """When the exposure began, or the observation where the name does not say that."""
        return parse_time(self.image_time or self.sequence.sequence_time)

    @property
    def image_type(self) -> ImageType | None:
        """What the exposure is for, if the name says it."""
        if self.file_type in IMAGES and _POINTING.fullmatch(self.leaf):
            return ImageType.POINTING
        return image_type_of_field(self.field_name)

    @property
    def stem(self) -> str:
        """The path under which everything of this image is kept, without a suffix."""
        return f"{self.sequence.folder}/{self.leaf}"


def is_simulated(observation: Mapping[str, object]) -> bool:
    """Whether no telescope saw it, as the fields of its document say."""
    return observation.get("project") == SIMULATED


def parse_sequence_id(text: str) -> ObservationName:
    """Read an id such as ``PAN001_14d3bd_20180216T110623``.

    Raises ValueError, with a sentence, for anything else.
    """
    found = _SEQUENCE_ID.fullmatch(text) if len(text) <= _MAX_ID else None
    if found is None or not _is_camera(found["camera"]):
        raise ValueError(
            f"{text[:100]!r} is not an observation's id: expected UNIT_CAMERA_SEQUENCETIME, "
            "for example PAN001_14d3bd_20180216T110623"
        )
    try:
        parse_time(found["sequence"])
    except ValueError as error:
        raise ValueError(f"{text!r} names no real date and time: {error}") from None
    return ObservationName(found["unit"], found["camera"], found["sequence"])


def _is_camera(text: str) -> bool:
    """Whether a camera may be called so.

    No id has a time in it: so where a camera's name ends in an id is never in doubt.
    """
    return (
        bool(_CAMERA_TEXT.fullmatch(text))
        and not _HAS_TIME.search(text)
        and not text.casefold().endswith(PASSING_SUFFIXES)
        and f"{text}/" not in _ABOVE_FIELDS
    )


def unit_of(name: str) -> str | None:
    """The unit below whose folder a file lies, whatever the rest of its name says."""
    found = _BELOW_UNIT.match(name)
    return found["unit"] if found else None


def parse_upload(name: str) -> UploadName:
    """Read the name of an uploaded file.

    Raises BadInput ``unroutable-name`` or ``unknown-suffix``.
    """
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        raise BadInput("unroutable-name", f"longer than {MAX_NAME_BYTES} bytes")
    if not name.isprintable():
        raise BadInput("unroutable-name", "it holds control characters or broken text")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise BadInput("unroutable-name", "it holds an empty, '.' or '..' part")
    suffixed = _SUFFIX.fullmatch(name)
    if suffixed is None:
        within, _, packing = name.rpartition(".")
        known = _SUFFIX.fullmatch(within)
        advice = ""
        if known and packing.lower() in _PACKINGS:
            advice = f": unpack it and upload the .{known['suffix'].lower()}"
        elif known and packing.lower() == "fz":  # .fit.fz; .fits.fz is a suffix of ours
            advice = ": a FITS file that was compressed by tiles is named .fits.fz"
        raise BadInput("unknown-suffix", f"{name.rsplit('/', 1)[-1][-60:]}{advice}")
    file_type = BY_SUFFIX[suffixed["suffix"].lower()]
    found = _read_stem(suffixed["stem"], suffixed["suffix"])
    sequence = ObservationName(found["unit"], found["camera"], found["sequence"])
    field_name = found.get("field") or found.get("name")
    if (found.get("field") or "").startswith(f"{sequence.camera_id}/"):
        # Observations lie there, which a listing must not have to walk in search of fields.
        raise BadInput(
            "unroutable-name", f"a field's folder lies within the camera's own, {found['camera']}"
        )
    is_focus = image_type_of_field(field_name) is ImageType.FOCUS
    is_film = FILE_TYPES[file_type].kept is FILM
    any_leaf = is_focus or file_type not in IMAGES
    leaf, image_time = _read_leaf(found["leaf"], sequence, is_film=is_film, any_leaf=any_leaf)
    for moment in (sequence.sequence_time, image_time):
        if moment is not None:
            try:
                parse_time(moment)
            except ValueError as error:
                raise BadInput("unroutable-name", str(error)) from None
    return UploadName(
        name=name,
        sequence=sequence,
        file_type=file_type,
        image_time=None if is_film else image_time,
        field_name=field_name,
        leaf=leaf,
    )


def _read_stem(stem: str, suffix: str) -> dict[str, Any]:
    """The parts of a name without its suffix: unit, field or name, camera, sequence, leaf."""
    is_picture = FILE_TYPES[BY_SUFFIX[suffix.lower()]].kept is PICTURE
    overlay = _OVERLAY.fullmatch(stem) if is_picture else None
    if overlay and _is_camera(overlay["camera"]):
        return overlay.groupdict()
    plain = stem
    unit, _, below = stem.partition("/")
    for above in _ABOVE_FIELDS:
        if below.startswith(above):
            plain = f"{unit}/{below.removeprefix(above)}"
            break
    for pattern in (_EXPORTED, _FOLDERS):
        found = pattern.fullmatch(plain)
        if found is None or not _is_camera(found["camera"]):
            continue
        if plain == stem or "/" not in (found["field"] or ""):  # as deep as a listing looks
            return found.groupdict()
    raise BadInput("unroutable-name", _hint(stem, suffix))


def _hint(stem: str, suffix: str) -> str:
    """What to do about a name that says no unit, camera and time.

    It never proposes a unit of which the name does not speak: who follows it would send the
    file to another telescope.
    """
    above, slash, below = stem.partition("/PAN")
    if slash and (_EXPORTED.fullmatch(f"PAN{below}") or _FOLDERS.fullmatch(f"PAN{below}")):
        return f"the unit comes first: the folder to take is {above}"
    if re.match(r"PAN\d{3}(?:[/_]|$)", stem, re.ASCII):
        return ""
    if mistyped := re.match(r"((?i:PAN)(\d*))(?:[/_]|$)", stem, re.ASCII):
        number = mistyped[2].lstrip("0").zfill(3)
        meant = f", such as PAN{number}" if mistyped[2] and len(number) == 3 else ""
        return f"{mistyped[1]} is no unit: PAN and three digits{meant}"
    if not _HAS_TIME.search(stem):
        return ""
    for named in (stem.rpartition("/images/")[2], stem.rpartition("/")[2]):
        if any(form.fullmatch(f"PAN001/{named}") for form in (_EXPORTED, _FOLDERS, _OVERLAY)):
            named = f"PANnnn/{named}.{suffix}"
            return f"it names no unit: put PAN and its three digits in front, {named}"
    return "it names no unit"


def _read_leaf(
    leaf: str | None, sequence: ObservationName, *, is_film: bool, any_leaf: bool
) -> tuple[str, str | None]:
    """The kept leaf and the image's time, from the part after the sequence."""
    camera = f"{sequence.camera_id}_{sequence.sequence_time}"
    if is_film and (leaf is None or leaf == camera or leaf.endswith(f"_{camera}")):
        # UNIT/CAMERA/SEQUENCE.mp4, and make_timelapse's FIELD_CAMERA_SEQUENCE.mp4.
        return sequence.sequence_time, None
    if leaf is None:
        if _DAY.fullmatch(sequence.camera_id):
            said = f"the observation, {sequence.camera_id}, lacks its time: YYYYMMDDTHHMMSS"
            raise BadInput("unroutable-name", said)
        said = "it has one time and needs two, the observation's and the image's"
        raise BadInput("unroutable-name", said)
    if not is_film and _POINTING.fullmatch(leaf):
        return leaf, None
    found = _LEAF.fullmatch(leaf)
    if found is None:
        if not any_leaf or _HAS_TIME.search(leaf) or leaf.startswith("."):
            raise BadInput("unroutable-name", f"{leaf[:60]!r} names no image")
        if _IS_MADE.fullmatch(leaf):
            raise BadInput("unroutable-name", "pictures that the network makes are called so")
        longest = 255 - len(_MADE)  # of a name in a folder
        if len(leaf.encode()) > longest:
            raise BadInput("unroutable-name", f"its last part is longer than {longest} bytes")
        return leaf, None
    for said, meant in (
        (found["unit"], sequence.unit_id),
        (found["camera"], sequence.camera_id),
        (found["sequence"], sequence.sequence_time),
    ):
        if said is not None and said != meant:
            raise BadInput("unroutable-name", f"its folders say {meant}, the file says {said}")
    return found["image"], found["image"]


def document_key(name: str) -> str:
    """The key of a file's ledger entry: its percent-encoded name.

    Firestore refuses keys over 1,500 bytes, ``.``, ``..`` and ``__x__``
    (https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields);
    a longer key is cut and carries the SHA-256 of the name.
    """
    key = quote(name, safe="", errors="surrogateescape")
    if key in (".", ".."):
        key = key.replace(".", "%2E")
    if key.startswith("__"):
        key = f"%5F{key[1:]}"
    if len(key) <= 1400:
        return key
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{key[:1300]}~{digest}"


def quarantine_name(name: str, generation: int, number: int = 1) -> str:
    """Where a quarantined file is kept: ``NAME@GENERATION``.

    ``NAME@GENERATION-2`` and so on, its `number`, where others have other bytes.
    A name that no folder can hold, or that is not clean text, is kept under its ledger
    key in ``unnamed/``, so that every file can be quarantined in every kind of store.
    """
    kept = f"{name}@{generation}" + (f"-{number}" if number > 1 else "")
    parts = kept.split("/")
    clean = (
        name.isprintable()
        and all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts)
        and not any(part.casefold() == ".panoptes" for part in parts)  # a folder's own
        and len(kept.encode()) <= MAX_NAME_BYTES
        and not name.startswith(".")
    )
    if clean:
        return kept
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"unnamed/{document_key(name)[:200]}~{digest}{kept[len(name) :]}"


def display_name(name: str) -> str:
    """The name as clean text: bytes that are no UTF-8 are shown as ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

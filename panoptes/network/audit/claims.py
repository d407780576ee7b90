"""Which object was made of which upload, and whether it is still what was made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.audit.inventory import Inventory
from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import File, Location, Output
from panoptes.network.file_types import FILE_TYPES, FILM, RAWS
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.reading_back import read_back
from panoptes.network.ingest.rebuilding import record_of
from panoptes.network.object_paths import ObjectPath
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectInfo

DERIVED = ("preview", "rgb-r", "rgb-g", "rgb-b")
"""Roles of outputs that can be made again from another output."""

Waits = Callable[[str], bool]
"""Whether the upload of this name lies in `incoming`."""


@dataclass(frozen=True)
class Claim:
    """An upload's ledger entry says that this object was made of it."""

    entry: File
    output: Output


def claims_of(entries: list[File]) -> dict[ObjectPath, list[Claim]]:
    """The claims on each object. A duplicate names another file's object: no claim of its
    own, unless nobody else has one."""
    own: dict[ObjectPath, list[Claim]] = {}
    borrowed: dict[ObjectPath, list[Claim]] = {}
    for entry in entries:
        for output in entry.outputs or ():
            lent = entry.duplicate_of and output.role not in DERIVED
            found = borrowed if lent else own
            found.setdefault(ObjectPath(output.location, output.path), []).append(
                Claim(entry, output)
            )
    return borrowed | own


class ObjectChecks:
    """The objects of one observation against the ledger."""

    def __init__(
        self, site: Site, inventory: Inventory, entries: list[File], *, deep: bool
    ) -> None:
        self._site, self._inventory, self._deep = site, inventory, deep
        self._entries = entries
        self.claims = claims_of(entries)

    def findings(self, waits: Waits) -> list[Finding]:
        claimed = (self._claimed(place, claims, waits) for place, claims in self.claims.items())
        found = [finding for finding in claimed if finding is not None]
        open_stems = {_stem(e.image_id or e.name) for e in self._entries if e.outcome is None}
        # Should the ledger have lost what an image names, that is said of the image.
        ours = (s.fields for s in self._inventory.images if recorded_sources(s.fields))
        named = {place for fields in ours for place in places_of(fields)}
        for place in self._inventory.objects:
            # What a broken run put there is claimed once its upload is taken again.
            is_open = _stem(place[1]) in open_stems
            known = place in self.claims or place in named or self._is_film(place)
            if not known and not is_open:
                found.append(self._orphan(place))
        return found

    def _is_film(self, place: ObjectPath) -> bool:
        """Whether it is our film of the observation, which is made whenever somebody asks."""
        sequence = self._inventory.sequence
        return sequence is not None and place == ObjectPath("timelapse", sequence.timelapse)

    def _claimed(self, place: ObjectPath, claims: list[Claim], waits: Waits) -> Finding | None:
        location, path = place
        info = self._inventory.objects.get(place)
        if info is None:
            info = self._site.stat(location, path)  # under another observation's prefix
        if info is None:
            return self._lost(
                Kind.OBJECT_MISSING, place, claims, waits,
                f"{path} is catalogued, but it is not in {location}.",
            )  # fmt: skip
        if self._is_of_lost_entry(claims):
            return None
        if any(_is(claim.output, info) for claim in claims):
            checksum = read_back(self._site, location, info) if self._deep else None
            if checksum is None or any(claim.output.crc32c == checksum for claim in claims):
                return None
        else:
            checksum = info.crc32c or read_back(self._site, location, info)
            same = [c for c in claims if c.output.crc32c == checksum]
            if same:
                return Finding(
                    Kind.OBJECT_MOVED, location, path,
                    f"{path} in {location} was written anew with the same bytes, perhaps from a "
                    "backup; the ledger still names the former object.",
                    self._inventory.sequence_id, Repair.NOTE, same[0].entry.name,
                )  # fmt: skip
        return self._lost(
            Kind.OBJECT_DAMAGED, place, claims, waits,
            f"The bytes of {path} in {location} are not those that were put there.",
        )  # fmt: skip

    def _is_of_lost_entry(self, claims: list[Claim]) -> bool:
        """Whether it is an image's picture whose FITS file the ledger has lost: said of that."""
        claim = claims[0]
        if claim.output.role != "preview" or any(c.entry.file_type not in RAWS for c in claims):
            return False
        return any(
            stored.key == claim.entry.image_id and "fits" in recorded_sources(stored.fields)
            for stored in self._inventory.images
        )

    def _lost(
        self, kind: Kind, place: ObjectPath, claims: list[Claim], waits: Waits, sentence: str
    ) -> Finding:
        location, path = place
        claim = claims[0]
        repair: Repair | None = None
        for each in claims:
            if waits(each.entry.name):
                claim, repair = each, Repair.INGEST
        if repair is None and claim.output.role in DERIVED:
            for each in sorted(claims, key=lambda c: c.entry.file_type in RAWS):
                if record_of(each.entry) and each.entry.outcome in ("archived", "filed"):
                    claim, repair = each, Repair.REBUILD
                    break
        if repair is None:
            sentence += " Upload the file again from the unit, or restore it from a backup."
        return Finding(
            kind, location, path, sentence, self._inventory.sequence_id, repair, claim.entry.name
        )

    def _orphan(self, place: ObjectPath) -> Finding:
        location, path = place
        returned = uploaded_as(location, path)
        repair = Repair.RETURN if returned and not self._site.settings.keep_incoming else None
        return Finding(
            Kind.OBJECT_ORPHANED, location, path,
            f"{path} lies in {location}, but no uploaded file is known to have become it.",
            self._inventory.sequence_id, repair, returned,
        )  # fmt: skip


def places_of(image: Fields) -> list[ObjectPath]:
    """The objects that an image's document names."""
    planes = image.get("rgb_paths")
    named: list[tuple[Location, object]] = [
        ("images", image.get("bucket_path")),
        ("originals", image.get("original_path")),
        ("previews", image.get("preview_path")),
        *(("rgb", path) for path in (planes.values() if isinstance(planes, dict) else ())),
    ]  # fmt: skip
    return [ObjectPath(location, path) for location, path in named if isinstance(path, str)]


def uploaded_as(location: str, path: str) -> str | None:
    """The name under which an object of record can be uploaded again; None for what we make."""
    above, _, leaf = path.rpartition("/")
    ends = (f".{row.kept_suffix}" for row in FILE_TYPES.values() if row.kept.location == location)
    suffix = next(filter(path.endswith, ends), None)
    if suffix is None or ".preview-" in leaf:
        return None
    # The film of a whole observation is uploaded beside its folder.
    is_whole = location == FILM.location and above.endswith(f"/{leaf.removesuffix(suffix)}")
    return above + suffix if is_whole else path


def _is(output: Output, info: ObjectInfo) -> bool:
    """Whether this is the object, as far as the store's own word goes."""
    if info.crc32c is not None and info.crc32c != output.crc32c:
        return False
    return info.size == output.size and info.generation == output.generation


def _stem(name: str) -> str:
    """The part of a name or id that is the image's time, or else all but its suffix."""
    leaf = name.rpartition("/")[2].partition(".")[0]
    for colour in ("_r", "_g", "_b"):
        leaf = leaf.removesuffix(colour)
    return leaf.rpartition("_")[2]

"""Which object was made of which upload, and whether it is still what was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.audit.inventory import Inventory
from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import File, Location, Output
from panoptes.network.file_types import FILE_TYPES, FILM, RAWS
from panoptes.network.ingest.displaced import is_kept_aside, is_lent
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.reading_back import read_back
from panoptes.network.ingest.rebuilding import record_of
from panoptes.network.names import document_key
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

    @property
    def is_lent(self) -> bool:
        """Whether it is another file's object, which this one was found equal to."""
        return self.entry.duplicate_of is not None and self.output.role not in DERIVED


def claims_of(entries: list[File]) -> dict[ObjectPath, list[Claim]]:
    """The claims on each object."""
    found: dict[ObjectPath, list[Claim]] = {}
    for entry in entries:
        for output in entry.outputs or ():
            found.setdefault(ObjectPath(output.location, output.path), []).append(
                Claim(entry, output)
            )
    return found


class ObjectChecks:
    """The objects of one observation against the ledger."""

    def __init__(
        self, site: Site, inventory: Inventory, entries: list[File], *, deep: bool
    ) -> None:
        self._site, self._inventory, self._deep = site, inventory, deep
        self._entries = entries
        self.claims = claims_of(entries)

    def findings(self, waits: Waits) -> list[Finding]:
        found = [f for place in self.claims for f in self._claimed(place, waits)]
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

    def _claimed(self, place: ObjectPath, waits: Waits) -> Iterator[Finding]:
        """What is wrong with an object, and whose it is no longer."""
        location, path = place
        # A duplicate names another file's object: no claim, unless nobody else has one.
        claims = [c for c in self.claims[place] if not c.is_lent] or self.claims[place]
        claims = sorted(claims, key=lambda c: is_kept_aside(c.entry, c.output))
        info = self._inventory.objects.get(place)
        if info is None:
            info = self._site.stat(location, path)  # under another observation's prefix
        if info is None:
            yield self._lost(
                Kind.OBJECT_MISSING, place, claims, waits,
                f"{path} is catalogued, but it is not in {location}.",
            )  # fmt: skip
            return
        if self._is_of_lost_entry(claims):
            return
        known = next((c.output.crc32c for c in claims if _is(c.output, info)), None)
        checksum = info.crc32c if known is None else known
        if self._deep or checksum is None:
            checksum = read_back(self._site, location, info)
        if checksum is None:
            return  # it has just changed
        same = [c for c in claims if c.output.crc32c == checksum]
        if not same:
            yield self._lost(
                Kind.OBJECT_DAMAGED, place, claims, waits,
                f"The bytes of {path} in {location} are not those that were put there.",
            )  # fmt: skip
            return
        if known is None:
            yield Finding(
                Kind.OBJECT_MOVED, location, path,
                f"{path} in {location} was written anew with the same bytes, perhaps from a "
                "backup; the ledger still names the former object.",
                self._inventory.sequence_id, Repair.NOTE, same[0].entry.name,
            )  # fmt: skip
        for claim in self.claims[place]:
            if claim.output.crc32c != checksum and self._is_displaced(claim, checksum):
                yield self._displaced(claim, same[0].entry, waits)

    def _is_displaced(self, claim: Claim, checksum: str) -> bool:
        """Whether another upload's object stands where the ledger has what was made of this one.

        What can be made again is made of the image's better file. What is open is judged first.
        """
        entry, output = claim.entry, claim.output
        if output.role in DERIVED or entry.outcome in (None, "failed"):
            return False
        lender = next((e for e in self._entries if e.name == entry.duplicate_of), None)
        return not (is_kept_aside(entry, output) or is_lent(entry, output, lender, checksum))

    def _displaced(self, claim: Claim, other: File, waits: Waits) -> Finding:
        name, output = claim.entry.name, claim.output
        return Finding(
            Kind.ENTRY_WRONG, "catalog", f"files/{document_key(name)}",
            f"{name} is said to be {output.path} in {output.location}, and what is there was "
            f"made of {other.name}, and differs. Upload {name} again, from the unit or from "
            "wherever it was moved to: it is kept aside, and both are known.",
            self._inventory.sequence_id, Repair.INGEST if waits(name) else None, name,
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

"""The world against the truth: what was lost, doubled, miscounted or left lying about.

Runs in a child, like everything that opens a store.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from panoptes.network.audit import audit
from panoptes.network.audit.finding import Uploaded
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File, Image, Location
from panoptes.network.file_types import FileType
from panoptes.network.names import UploadName
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound
from tests import sites
from tests.faults.nights import Night, Upload
from tests.faults.steps import recover
from tests.faults.worlds import World
from tests.patience import be_patient

OWN_TO_A_RUN = {
    "arrived", "recorded", "opened", "closed", "last_arrival", "generation",
    "attempts", "returns", "failures", "announced", "taken_on", "taken_bytes",
    "run_made", "run_begun", "derived",
}  # fmt: skip
"""Fields that say when and how often: they differ between any two worlds."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that a world holds, but for what is a run's own."""

    documents: Mapping[str, Any]
    objects: Mapping[str, str]
    """Digests, by location and name; of colour planes, which name their source's generation
    in a card, the size."""


@dataclass
class Verdict:
    """What is wrong, in sentences; all empty where nothing is."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    """From what a faultless run makes of the same files."""
    audit: list[str] = field(default_factory=list)
    """What the network's own auditor finds."""
    waiting: list[str] = field(default_factory=list)
    snapshot: Snapshot | None = None

    @property
    def sentences(self) -> list[str]:
        parts = ("lost", "double", "counters", "stray", "differs", "audit")
        return [f"{part}: {sentence}" for part in parts for sentence in getattr(self, part)]


def judge(
    world: World,
    night: Night,
    like: Snapshot | None = None,
    passing: Mapping[str, tuple[str, ...]] | None = None,
    also: Night | None = None,
) -> Verdict:
    """What is wrong with a world in which `night` was uploaded and nothing more is at work.

    `like` is the snapshot of a faultless run; `passing` names fields, by collection, that
    a fault may change all the same; `also` is what may have been archived, or not.
    """
    be_patient()
    return judge_network(world.open(), night, like, passing, also)


def recover_and_judge(
    world: World,
    night: Night,
    like: Snapshot | None = None,
    passing: Mapping[str, tuple[str, ...]] | None = None,
    also: Night | None = None,
) -> tuple[Verdict, int]:
    """As `judge`, after what the next sweeps do; gives how many of them it took as well."""
    passes = len(recover(world))
    return judge(world, night, like, passing, also), passes


def judge_network(
    site: Site,
    night: Night,
    like: Snapshot | None = None,
    passing: Mapping[str, tuple[str, ...]] | None = None,
    also: Night | None = None,
) -> Verdict:
    found = Verdict(waiting=sites.waiting(site))
    entries = {
        stored.fields["name"]: File.model_validate(stored.fields)
        for stored in site.catalog.query(Query("files"))
    }
    for name, each in night.items():
        found.lost += _lost(site, each, entries.get(name), name in found.waiting)
    found.double += _double(site, night, entries, also or {})
    found.counters += _counters(site)
    found.stray += _stray(site, entries)
    found.audit += _audited(site, night)
    found.snapshot = snapshot(site)
    if like is not None:
        found.differs += differences(like, found.snapshot, passing or {})
    return found


def _lost(site: Site, each: Upload, entry: File | None, is_waiting: bool) -> Iterator[str]:
    if is_waiting:
        return  # it is where its unit put it
    if entry is None:
        yield f"{each.name} is neither in incoming nor in the ledger"
        return
    became, wanted = (entry.outcome, entry.code), (each.sent.fate, each.sent.code)
    if became != wanted:
        yield f"{each.name} became {became}, not {wanted}: {entry.reason}"
        return
    try:
        yield from _wrong_bytes(site, each, entry)
    except NotFound as error:
        yield f"{each.name}: {error}"


def _wrong_bytes(site: Site, each: Upload, entry: File) -> Iterator[str]:
    from panoptes.network.cr2.planes import verify_planes
    from panoptes.network.fits.archive import verify_archive
    from panoptes.network.fits.content import same_image

    def stored(location: Location, path: str) -> bytes:
        return site.store(location).read(path)[0]

    upload, data = each.upload, each.data
    if entry.outcome == "quarantined":
        assert entry.path is not None
        if stored("quarantine", entry.path) != data:
            yield f"the copy of {each.name} in quarantine differs"
        return
    assert upload is not None
    kind = upload.file_type
    if kind is FileType.FITS:
        verify_archive(data, stored("images", f"{upload.stem}.fits.fz"))
    elif kind is FileType.FITS_FZ:
        kept = stored("images", f"{upload.stem}.fits.fz")
        if kept != data and not same_image(data, kept):
            yield f"images/{upload.stem}.fits.fz is not the image of {each.name}"
    elif kind is FileType.CR2:
        if stored("originals", f"{upload.stem}.cr2") != data:
            yield f"originals/{upload.stem}.cr2 differs from what was uploaded"
        planes = {c: stored("rgb", f"{upload.stem}_{c}.fits.fz") for c in ("r", "g", "b")}
        verify_planes(data, planes)  # type: ignore[arg-type]
    else:
        location: Location = "timelapse" if kind is FileType.MP4 else "previews"
        if stored(location, f"{upload.stem}.{kind.value}") != data:
            yield f"{location}/{upload.stem}.{kind.value} differs from what was uploaded"
    yield from _catalogued(site, each, entry, upload)


def _catalogued(site: Site, each: Upload, entry: File, upload: UploadName) -> Iterator[str]:
    """An archived file that is no other's duplicate is a source of its image."""
    if entry.outcome != "archived" or entry.duplicate_of is not None:
        return
    document = site.catalog.get("images", str(upload.image_id))
    if document is None:
        yield f"{each.name} is archived, but {upload.image_id} has no document"
        return
    image = Image.model_validate(document.fields)
    kind = "cr2" if upload.file_type is FileType.CR2 else "fits"
    source = (image.sources or {}).get(kind)
    if source is None or (source.name, source.crc32c) != (each.name, crc32c(each.data)):
        yield f"{upload.image_id} does not say that it came from {each.name}"
    if kind == "fits":
        there = site.store("images").stat(str(image.bucket_path))
        if (there.size, there.crc32c) != (image.size, image.crc32c):
            yield f"{upload.image_id} describes other bytes than images/{image.bucket_path}"


def _double(site: Site, night: Night, entries: Mapping[str, File], also: Night) -> Iterator[str]:
    """As many documents as there are things, not one more."""
    names = Counter(s.fields["name"] for s in site.catalog.query(Query("files")))
    yield from (f"{name} has {count} ledger entries" for name, count in names.items() if count > 1)
    yield from (f"nobody uploaded {name}" for name in entries.keys() - night.keys() - also.keys())
    uploads = [*night.values(), *also.values()]
    taken = [e for e in uploads if e.sent.fate == "archived" and e.name in entries]
    wanted = {
        "images": {str(e.sent.image_id) for e in taken},
        "observations": {str(e.sent.sequence_id) for e in taken},
    }
    for collection, keys in wanted.items():
        there = {stored.key for stored in site.catalog.query(Query(collection))}
        yield from (f"{collection}/{key} belongs to no upload" for key in there - keys)
    for collection in ("units", "cameras"):
        there = {stored.key for stored in site.catalog.query(Query(collection))}
        if len(there) > 1:
            yield f"{collection} {sorted(there)}, where there is one"


def _counters(site: Site) -> Iterator[str]:
    """The counts that documents hold, against the images one by one."""
    images = [s.fields for s in site.catalog.query(Query("images"))]
    observations = list(site.catalog.query(Query("observations")))
    for collection, key_field in (("observations", "sequence_id"), ("units", "unit_id")):
        for stored in site.catalog.query(Query(collection)):
            own = [i for i in images if i[key_field] == stored.key and i["status"] != "metadata"]
            time = round(sum(i.get("exptime") or 0.0 for i in own), 3)
            wanted: dict[str, float] = {"num_images": len(own), "total_exptime": time}
            if collection == "units":
                wanted["num_observations"] = sum(
                    o.fields["unit_id"] == stored.key for o in observations
                )
            for name, value in wanted.items():
                if stored.fields.get(name, 0) != value:
                    said = stored.fields.get(name)
                    yield f"{collection}/{stored.key} says {name} = {said}, and it is {value}"
    leases = [stored.key for stored in site.catalog.query(Query("leases"))]
    yield from (f"the lease of {key} was left behind" for key in leases)


def _stray(site: Site, entries: Mapping[str, File]) -> Iterator[str]:
    """Objects that no ledger entry owns, and no image names."""
    owned: set[tuple[str, str]] = set()
    for entry in entries.values():
        if entry.outcome == "quarantined" and entry.path:
            owned.add(("quarantine", entry.path))
        owned |= {(o.location, o.path) for o in entry.outputs or ()}
    for stored in site.catalog.query(Query("images")):
        image = Image.model_validate(stored.fields)
        owned |= {("images", str(image.bucket_path)), ("previews", str(image.preview_path))}
        owned |= {("originals", str(image.original_path))}
        owned |= {("rgb", path) for path in (image.rgb_paths or {}).values()}
    for location in LOCATIONS:
        store = site.store(location)
        if location != "incoming":
            there = {info.name for info in store.list()}
            own = {path for place, path in owned if place == location}
            yield from (f"{location}/{name} belongs to no file" for name in there - own)
        if (root := Path(getattr(site.settings, location))).is_dir():
            for left in (root.parent / ".panoptes" / root.name / "leaving").glob("*.name"):
                yield f"{left} was left behind by a removal"


def _audited(site: Site, night: Night) -> Iterator[str]:
    """The network's own auditor, told the truth."""
    truth = [Uploaded.from_line(asdict(each.sent)) for each in night.values()]
    for finding in audit(site, deep=True, truth=truth):
        yield f"{finding.kind}: {finding.sentence}"


def snapshot(site: Site) -> Snapshot:
    """Everything that a world holds."""
    documents = {
        f"{collection}/{stored.key}": _steady(stored.fields)
        for collection in sites.COLLECTIONS
        for stored in site.catalog.query(Query(collection))
    }
    objects = {}
    for location in LOCATIONS:
        if location == "incoming":
            continue
        for info in site.store(location).list():
            data, _ = site.store(location).read(info.name)
            name = info.name.rpartition("@")[0] if location == "quarantine" else info.name
            digest = str(len(data)) if location == "rgb" else hashlib.sha256(data).hexdigest()
            key = f"{location}/{name}"
            while key in objects:
                key += " again"
            objects[key] = digest
    return Snapshot(documents, objects)


def differences(
    wanted: Snapshot, found: Snapshot, passing: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    for key in sorted(wanted.objects.keys() | found.objects.keys()):
        mine, theirs = found.objects.get(key), wanted.objects.get(key)
        if mine != theirs:
            yield f"{key} is {mine and mine[:12]}, not {theirs and theirs[:12]}"
    for key in sorted(wanted.documents.keys() | found.documents.keys()):
        allowed = passing.get(key.partition("/")[0], ())
        mine, theirs = found.documents.get(key, {}), wanted.documents.get(key, {})
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name) and name not in allowed:
                yield f"{key} says {name} = {mine.get(name)!r}, not {theirs.get(name)!r}"


def _steady(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        dropped = set(OWN_TO_A_RUN)
        if str(value.get("role", "")).startswith("rgb-"):
            dropped.add("crc32c")
        return {k: _steady(v, k) for k, v in value.items() if k not in dropped and v is not None}
    if isinstance(value, list):
        return [_steady(each) for each in value]
    if name == "path" and isinstance(value, str) and "@" in value:
        return value.rpartition("@")[0]
    return value

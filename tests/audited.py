"""A small night that was ingested whole, on either pair of backends, to be broken and audited."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panoptes.network.audit import audit
from panoptes.network.audit.finding import Finding, Uploaded
from panoptes.network.audit.repair import Result, audit_and_repair
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import Location
from panoptes.network.ingest.take import Calls
from panoptes.network.names import document_key
from panoptes.network.site import Site
from tests.files import IMAGE, LATER, SEQUENCE, jpeg, mp4, tiny_cr2, tiny_fits, tiny_fits_fz
from tests.sites import entry_of, ingest_all

BAD = f"{SEQUENCE}/20180216T113030.fits"
FIELD = "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112830.fits"
STRAY = "PAN001/from the dome.txt"
OTHER = "PAN002/aabbcc/20180220T090000"
OTHER_IMAGE = f"{OTHER}/20180220T090130"
IMAGE_ID = "PAN001_14d3bd_20180216T112430"
LATER_ID = "PAN001_14d3bd_20180216T112630"

NIGHT: dict[str, bytes] = {
    f"{IMAGE}.fits.fz": tiny_fits_fz(),
    f"{IMAGE}.cr2": tiny_cr2(),
    f"{IMAGE}.jpg": jpeg(),
    f"{LATER}.fits": tiny_fits(seed=1),
    f"{SEQUENCE}.mp4": mp4(),
    FIELD: tiny_fits(seed=2),
    BAD: tiny_fits()[:3000],
    STRAY: b"hello",
    f"{OTHER_IMAGE}.fits": tiny_fits(seed=3),
}
FATES = {BAD: "quarantined", STRAY: "quarantined", f"{IMAGE}.jpg": "filed"}
FATES[f"{SEQUENCE}.mp4"] = "filed"


def truth(names: Callable[[str], bool] = bool) -> list[Uploaded]:
    """What was uploaded, and what should become of it."""
    return [
        Uploaded(name, len(data), hashlib.sha256(data).hexdigest(), FATES.get(name, "archived"))
        for name, data in NIGHT.items()
        if names(name)
    ]


def send(site: Site, *names: str) -> None:
    for name in names or NIGHT:
        site.store("incoming").put(name, NIGHT[name])


def ingested(site: Site) -> Site:
    site.check()
    send(site)
    ingest_all(site)
    return site


def found(site: Site, **options: Any) -> set[tuple[str, str]]:
    """What an audit finds: the kind, and the location's or collection's name of it."""
    return {about(finding) for finding in audit(site, **options)}


def about(finding: Finding) -> tuple[str, str]:
    place = finding.name if finding.location == "catalog" else f"{finding.location}/{finding.name}"
    return finding.kind.value, place


def repaired(site: Site, *, deep: bool = False) -> list[Result]:
    findings = audit(site, deep=deep)
    return list(audit_and_repair(site, findings, deep=deep, steps=Calls(site)))


def spoil(site: Site, location: Location, path: str) -> None:
    """Flip a byte in the middle of an object."""
    store = site.store(location)
    data = bytearray(store.read(path)[0])
    data[len(data) // 2] ^= 1
    store.put(path, bytes(data))


def rewrite(site: Site, location: Location, path: str) -> None:
    """Put the same bytes there again, as a restored backup does."""
    store = site.store(location)
    data, _ = store.read(path)
    store.delete(path)
    store.put(path, data)


def forget(site: Site, collection: str, key: str) -> None:
    stored = site.catalog.get(collection, key)
    assert stored is not None
    site.catalog.delete(collection, key, version=stored.version)


def change(site: Site, collection: str, key: str, *without: str, **fields: Any) -> None:
    stored = site.catalog.get(collection, key)
    assert stored is not None
    site.catalog.update(collection, key, fields, version=stored.version, remove=without)


def copy_document(site: Site, collection: str, key: str, to: str) -> None:
    stored = site.catalog.get(collection, key)
    assert stored is not None
    site.catalog.create(collection, to, stored.fields)


def entry_key(name: str) -> str:
    return document_key(name)


def path_of(site: Site, name: str) -> str:
    path = entry_of(site, name).path
    assert path is not None
    return path


def keys(site: Site, collection: str) -> list[str]:
    return [stored.key for stored in site.catalog.query(Query(collection))]


def quietly_spoil(site: Site, location: str, path: str) -> None:
    """Flip a bit of the disk: time and size of the file stay."""
    file = Path(getattr(site.settings, location)) / path
    before = file.stat()
    with file.open("r+b") as stream:
        stream.seek(before.st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(before.st_size // 2)
        stream.write(bytes([byte ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

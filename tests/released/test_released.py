"""What an earlier release wrote works with this one, and nothing of it is lost.

`2026-11-22` is what the release of that day (commit 913bed7) left of one night, on SQLite and on
Firestore: archived, filed and quarantined files, a duplicate, a run that was killed at work, an
upload that nobody had taken up, and one in the middle of being removed from `incoming`, which
that release did in a folder of `incoming` itself.
"""

from __future__ import annotations

import json
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from panoptes.network.adoption import adopt
from panoptes.network.adoption.taken import Done
from panoptes.network.audit import audit
from panoptes.network.audit.finding import Kind
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import SCHEMA_VERSION
from panoptes.network.settings import NetworkSettings
from panoptes.network.site import Site
from tests import audited, sites
from tests.files import IMAGE, SEQUENCE, SEQUENCE_ID, UPLOADED, place

RELEASED = Path(__file__).parent
RELEASES = sorted(path.name for path in RELEASED.iterdir() if path.name[0].isdigit())
FIELD = "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112630.fits"
CUT = f"{SEQUENCE}/20180216T112830.fits"
LEFT = [f"{SEQUENCE}/20180216T{time}.fits" for time in ("113030", "113230", "113430")]
"""Killed at work; never taken up; being removed."""


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="fully_trusted")  # links among the names are the point
    return folder


def on_sqlite(release: Path, folder: Path) -> Site:
    return Site.in_folder(unpacked(release / "on_sqlite.tar.xz", folder), **sites.AT_ONCE)


def on_firestore(release: Path, folder: Path, address: str) -> Site:
    project = f"released-{uuid.uuid4().hex[:12]}"
    root = f"projects/{project}/databases/(default)/documents"
    documents = json.loads((release / "firestore.json").read_text())
    writes = [{"update": {**each, "name": f"{root}/{each['name']}"}} for each in documents]
    answer = httpx.post(
        f"http://{address}/v1/{root}:commit",
        json={"writes": writes},
        headers={"Authorization": "Bearer owner"},
        timeout=60,
    )
    answer.raise_for_status()
    data = unpacked(release / "on_firestore.tar.xz", folder)
    settings = NetworkSettings.in_folder(data, **sites.AT_ONCE)
    return Site(settings.model_copy(update={"catalog": f"firestore://{project}"}))


@pytest.fixture(params=["sqlite", "firestore"])
def restore(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Site]:
    def make(release: str) -> Site:
        if request.param == "sqlite":
            return on_sqlite(RELEASED / release, tmp_path / "data")
        address = request.getfixturevalue("firestore_emulator")
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        return on_firestore(RELEASED / release, tmp_path / "data", address)

    return make


@pytest.mark.xdist_group("emulators")
@pytest.mark.parametrize("release", RELEASES)
def test_what_a_release_left_is_found_and_brought_to_its_end(
    restore: Callable[[str], Site], release: str
) -> None:
    site = restore(release)
    before = sites.objects(site)
    archived = {name: _settled(entry) for name, entry in _files(site).items()}
    site.check()

    results = {result.name: result.became for result in sites.ingest_all(site)}

    assert results == dict.fromkeys(LEFT, "catalogued")
    assert sites.waiting(site) == []
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["num_images"], observation["total_exptime"]) == (5, 5 * 120.125)
    # Nothing that was there is touched, and every file has its one entry.
    after = sites.objects(site)
    assert {name: after.get(name) for name in before} == before
    entries = _files(site)
    assert {n: _settled(e) for n, e in entries.items() if n not in LEFT} == {
        n: e for n, e in archived.items() if n not in LEFT
    }
    assert entries[CUT]["code"] == "truncated-file"
    assert entries[f"{IMAGE}.fits.fz"]["duplicate_of"] == f"{IMAGE}.fits"
    assert entries[FIELD]["path"] == f"{SEQUENCE}/20180216T112630.fits.fz"
    # The folder was copied to get here, which gives its files new generations; no more than
    # that is found, and --repair notes them.
    found = {finding.kind for finding in audit(site, deep=True)}
    assert found == {Kind.OBJECT_MOVED}
    assert all(result.mended for result in audited.repaired(site))
    assert list(audit(site, deep=True)) == []


@pytest.mark.xdist_group("emulators")
@pytest.mark.parametrize("release", RELEASES)
def test_uploads_that_a_release_took_are_known_when_they_come_again(
    restore: Callable[[str], Site], release: str
) -> None:
    site = restore(release)
    site.check()
    sites.ingest_all(site)
    list(audited.repaired(site))  # as above: the folder was copied
    before = sites.objects(site)
    kept = {f"{IMAGE}.cr2": "originals", f"{IMAGE}.jpg": "previews"}
    again = {name: before[f"{location}/{name}"] for name, location in kept.items()}
    for name, data in again.items():
        place(sites.incoming(site), name, data, moment=UPLOADED.replace(year=2026))
    results = {result.name: result.became for result in sites.ingest_all(site)}
    assert results == dict.fromkeys(again, "already")
    assert sites.objects(site) == before
    assert sites.waiting(site) == []


@pytest.mark.xdist_group("emulators")
@pytest.mark.parametrize("release", RELEASES)
def test_documents_of_a_release_get_this_ones_form_and_lose_nothing(
    restore: Callable[[str], Site], release: str
) -> None:
    site = restore(release)
    site.check()
    before = {name: each for name, each in sites.documents(site).items() if _has_form(name)}
    said = [each.name for each in adopt(site, dry_run=True)]
    assert sites.documents(site).items() >= before.items()
    taken = list(adopt(site, dry_run=False))
    assert [each.name for each in taken if each.became is Done.LEFT] == []
    assert set(said) == {each.name for each in taken}
    after = sites.documents(site)
    for name, fields in before.items():
        assert after[name]["schema_version"] == SCHEMA_VERSION
        kept = {k: after[name].get(k) for k in fields.keys() - COUNTED}
        assert kept == {k: v for k, v in fields.items() if k not in COUNTED}, name
        assert after[name].get("image_type") == (None if name.startswith("units/") else "light")
    assert list(adopt(site, dry_run=False)) == []
    # What was in the works is brought to its end as before.
    results = {result.name: result.became for result in sites.ingest_all(site)}
    assert results == dict.fromkeys(LEFT, "catalogued")
    list(audited.repaired(site))  # the folder was copied
    assert list(audit(site, deep=True)) == []


COUNTED = {"schema_version", "num_images", "total_exptime", "num_observations", "status"}
"""Fields that are derived anew."""


def _has_form(name: str) -> bool:
    return name.startswith(("units/", "observations/", "images/"))


def _files(site: Site) -> dict[str, Any]:
    return {each.fields["name"]: each.fields for each in site.catalog.query(Query("files"))}


def _settled(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "generation"}

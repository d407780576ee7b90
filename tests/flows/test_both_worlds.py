"""The same night on folders and SQLite, and on Cloud Storage and Firestore: the same results."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.catalog.catalog import Query
from panoptes.network.settings import LOCATIONS
from panoptes.network.simulator.night import Night, Sent
from panoptes.network.site import Site
from tests import sites
from tests.recording import Recording
from tests.sites import ingest_all

COLLECTIONS = ("units", "cameras", "observations", "images", "files")
OWN_TO_A_RUN = {"arrived", "recorded", "opened", "closed", "last_arrival", "generation"}
OWN_TO_A_RUN |= {"run_made", "run_begun", "derived"}
"""Fields that differ between any two runs: clocks, and the stores' own numbers."""


def documents_of(site: Site) -> dict[str, Any]:
    """Every document, but for what is a run's own."""
    return {
        f"{collection}/{stored.key}": _lasting(stored.fields)
        for collection in COLLECTIONS
        for stored in site.catalog.query(Query(collection))
    }


def objects_of(site: Site) -> dict[str, str]:
    """The digest of every object by location and name, generations left out of the names."""
    found = {}
    for location in LOCATIONS:
        store = site.store(location)
        for info in store.list():
            data, _ = store.read(info.name)
            name = info.name.rpartition("@")[0] if location == "quarantine" else info.name
            # Colour planes name their source's generation in a card.
            found[f"{location}/{name}"] = (
                str(len(data)) if location == "rgb" else hashlib.sha256(data).hexdigest()
            )
    return found


def _lasting(value: Any, name: str = "") -> Any:
    if name in OWN_TO_A_RUN:
        return None
    if isinstance(value, dict):
        role = str(value.get("role", ""))
        return {
            k: _lasting(v, "generation" if role.startswith("rgb-") and k == "crc32c" else k)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_lasting(v) for v in value]
    if name == "path" and isinstance(value, str) and "@" in value:
        return value.rpartition("@")[0]
    return value


@pytest.fixture
def on_folders(tmp_path: Path) -> Site:
    return Site.in_folder(tmp_path, **sites.AT_ONCE)


@pytest.fixture(params=["on_folders", "on_google"])
def site(request: pytest.FixtureRequest) -> Site:
    made: Site = request.getfixturevalue(request.param)
    return made


def send(site: Site, images: int = 2) -> list[Sent]:
    site.check()
    return Night(seed=11, images=images).send(site.store("incoming").put)


def test_every_file_of_a_night_ends_where_it_should(site: Site) -> None:
    sent = send(site)
    ingest_all(site)
    entries = {s.fields["name"]: s.fields for s in site.catalog.query(Query("files"))}
    for upload in sent:
        entry = entries[upload.name]
        assert (entry["outcome"], entry.get("code")) == (upload.fate, upload.code), upload.name
    assert not list(site.store("incoming").list())


def test_a_second_upload_of_the_same_night_changes_no_count_and_no_object(
    site: Site,
) -> None:
    send(site)
    ingest_all(site)
    objects, documents = objects_of(site), documents_of(site)
    send(site)
    ingest_all(site)
    assert objects_of(site) == objects
    again = documents_of(site)
    for key in documents:
        if not key.startswith("files/"):
            assert again[key] == documents[key], key


def test_a_document_from_before_us_is_completed_and_keeps_its_fields(
    site: Site,
) -> None:
    sent = send(site)
    image = next(s for s in sent if s.fate == "archived" and s.image_id)
    assert image.image_id is not None
    assert image.sequence_id is not None
    catalog = site.catalog
    before = {"status": "metadata_received", "weather": {"sky": "clear"}, "airmass": 9.75}
    catalog.create("images", image.image_id, before)
    catalog.create(
        "observations", image.sequence_id, {"status": "metadata_received", "field_name": "Theirs"}
    )
    catalog.create("units", "PAN001", {"name": "Mauna Loa", "telemetry": {"power": 12.5}})
    ingest_all(site)
    stored = catalog.get("images", image.image_id)
    assert stored is not None
    assert stored.fields["weather"] == {"sky": "clear"}
    assert stored.fields["status"] == "uploaded"
    observation = catalog.get("observations", image.sequence_id)
    assert observation is not None
    assert observation.fields["field_name"] == "Theirs"
    assert observation.fields["status"] == "receiving_files"
    assert observation.fields["num_images"] > 0
    unit = catalog.get("units", "PAN001")
    assert unit is not None
    assert unit.fields["name"] == "Mauna Loa"
    assert unit.fields["telemetry"] == {"power": 12.5}


def test_production_has_an_index_for_every_query_of_an_ingest(
    on_folders: Site, tmp_path: Path
) -> None:
    catalog = Recording(tmp_path / "catalog.sqlite")
    on_folders._catalog = catalog
    send(on_folders)
    ingest_all(on_folders)
    send(on_folders)
    ingest_all(on_folders)
    assert catalog.asked
    assert catalog.without_index() == []


def test_both_worlds_hold_the_same_documents_and_objects(on_folders: Site, on_google: Site) -> None:
    worlds = []
    for site in (on_folders, on_google):
        send(site, images=3)
        ingest_all(site)
        worlds.append((documents_of(site), objects_of(site)))
    (documents, objects), (theirs, their_objects) = worlds
    assert documents.keys() == theirs.keys()
    for key, fields in documents.items():
        assert theirs[key] == fields, key
    assert objects == their_objects

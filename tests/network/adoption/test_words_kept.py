"""Other programs' words in documents of ours, and the documents of other releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from panoptes.network.adoption import adopt
from panoptes.network.adoption.taken import Done
from panoptes.network.catalog.catalog import modify
from panoptes.network.documents import SCHEMA_VERSION
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, SEQUENCE_ID, place, tiny_fits

IMAGE_ID = "PAN001_14d3bd_20180216T112430"
THEIRS = {
    "sequence_id": SEQUENCE_ID,
    "moonfrac": "27 %",
    "sources": {"num_detected": 5},
    "notes": "a text of another program",
    "airmass": {"start": 1.1, "end": 1.2},
    "iso": "fast",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


def words(site: Site) -> dict[str, Any]:
    """What the image says now, and what is kept beside it."""
    fields = sites.document(site, "images", IMAGE_ID)
    said: dict[str, Any] = (fields.get("adopted") or {}).get("said", {})
    return fields | said


def ingest(site: Site) -> None:
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    assert [result.became for result in sites.ingest_all(site)] == ["catalogued"]


def test_an_ingest_keeps_what_others_said_of_an_image(site: Site) -> None:
    site.catalog.create("images", IMAGE_ID, THEIRS)
    ingest(site)
    now = words(site)
    assert {name: now[name] for name in THEIRS} == THEIRS
    fields = sites.document(site, "images", IMAGE_ID)
    assert set(fields["sources"]) == {"fits"}
    assert list(adopt(site, dry_run=False)) == []
    assert words(site) == now


@pytest.mark.parametrize("version", [None, "1.0", "2", 3.0, True, 1.5, {}, -1])
def test_taking_over_keeps_every_word_whatever_the_version_says(site: Site, version: Any) -> None:
    theirs = THEIRS | ({} if version is None else {"schema_version": version})
    site.catalog.create("images", IMAGE_ID, theirs)
    list(adopt(site, dry_run=False))
    now = words(site)
    assert {name: now[name] for name in theirs} == theirs
    assert sites.document(site, "images", IMAGE_ID)["schema_version"] == SCHEMA_VERSION


def test_foreign_words_in_a_document_of_an_older_release_cost_only_themselves(site: Site) -> None:
    ingest(site)
    ours = sites.document(site, "images", IMAGE_ID)["sources"]
    added = {"sources": ours | {"num_detected": 12}, "notes": "a text", "schema_version": 1}
    modify(site.catalog, "images", IMAGE_ID, lambda before: added)
    list(adopt(site, dry_run=False))
    fields = sites.document(site, "images", IMAGE_ID)
    assert fields["sources"] == ours
    kept = fields["adopted"]["said"]
    assert (kept["sources"]["num_detected"], kept["notes"]) == (12, "a text")


def test_a_document_of_a_newer_release_is_left_and_keeps_its_version(site: Site) -> None:
    newer = {"schema_version": 99, "sequence_id": SEQUENCE_ID, "exptime": 5.0, "invented": {"a": 1}}
    site.catalog.create("images", IMAGE_ID, newer)
    list(adopt(site, dry_run=False))
    assert sites.document(site, "images", IMAGE_ID) == newer
    ingest(site)
    now = sites.document(site, "images", IMAGE_ID)
    assert (now["schema_version"], now["invented"]) == (99, {"a": 1})


@pytest.mark.parametrize("tail", ["x", "_r", "\n", "_2"])
def test_an_id_with_a_tail_is_no_image(site: Site, tail: str) -> None:
    site.catalog.create("images", f"{IMAGE_ID}{tail}", {"sequence_id": SEQUENCE_ID})
    (left,) = [each for each in adopt(site, dry_run=False) if each.became is Done.LEFT]
    assert "is no image of" in str(left.reason)


@pytest.mark.parametrize(
    ("said", "longitude"),
    [("155.58 W", -155.58), ("155.58 E", 155.58), (-155.58, -155.58), ("204.42", -155.58)],
)
def test_a_letter_says_on_which_side_of_greenwich_a_unit_stands(
    site: Site, said: Any, longitude: float
) -> None:
    site.catalog.create("units", "PAN001", {"latitude": "19.54 S", "longitude": said})
    list(adopt(site, dry_run=False))
    place_of_unit = sites.document(site, "units", "PAN001")["location"]
    assert place_of_unit == pytest.approx((-19.54, longitude))

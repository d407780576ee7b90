"""The original's flat documents, on both catalogues."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from panoptes.network.adoption import adopt
from panoptes.network.adoption.taken import Done
from panoptes.network.audit import audit
from panoptes.network.audit.finding import Kind
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import SCHEMA_VERSION
from panoptes.network.search import Cone, Wanted, all_images, all_observations
from panoptes.network.site import Site
from tests import sites
from tests.network.adoption import earlier

pytestmark = pytest.mark.xdist_group("emulators")


@pytest.fixture(params=["sqlite", "firestore"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "firestore":
        google: Site = request.getfixturevalue("on_google")
        return google
    return sites.drained(tmp_path)


def adopted(site: Site) -> list[str]:
    return [f"{taken.name} {taken.became}" for taken in adopt(site, dry_run=False)]


def test_they_are_found_counted_and_audited_and_lose_nothing(site: Site) -> None:
    before = earlier.write_flat(site, 200)
    assert adopted(site)
    documents = sites.documents(site)

    for path, fields in before.items():
        now = documents[path]
        kept = now | now["adopted"]["said"]
        assert {name: kept.get(name) for name in fields} == fields
        assert now["schema_version"] == SCHEMA_VERSION
    # By time, of which some were texts.
    start = datetime(2018, 2, 16, 8, tzinfo=UTC)
    found = list(all_observations(site.catalog, Wanted(start=start)))
    assert len(found) == 8
    # By place.
    cone = Cone(135.86, 28.44, 0.5)
    assert len(list(all_observations(site.catalog, Wanted(cone=cone)))) == 10
    # By the field's name, in any case.
    named = all_observations(site.catalog, Wanted(field_name="FIELD  3", image_types=None))
    assert [each.fields["field_name"] for each in named] == ["Field 3"]
    # Counted by query, not as they said.
    assert {each.fields["num_images"] for each in found} == {20}
    assert {each.fields["total_exptime"] for each in found} == {20 * 120.0}
    unit = sites.document(site, "units", earlier.OLD)
    assert (unit["num_images"], unit["num_observations"]) == (200, 10)
    image = next(all_images(site.catalog, found[0].key)).fields
    assert image["exptime"] == 120.0
    assert image["night"] == "2018-02-15"
    assert image["uid"] == f"{found[0].key}_{image['image_id'].rpartition('_')[2]}"
    # Their files are in no archive, and the audit says so of each.
    findings = list(audit(site))
    assert {finding.kind for finding in findings} == {Kind.OBJECT_MISSING}
    assert {finding.name for finding in findings} == {
        fields["bucket_path"] for path, fields in before.items() if path.startswith("images/")
    }


def test_once_more_changes_nothing(site: Site) -> None:
    earlier.write_flat(site, 40)
    adopted(site)
    before = {stored.key: stored.version for stored in site.catalog.query(Query("images"))}
    assert adopted(site) == []
    after = {stored.key: stored.version for stored in site.catalog.query(Query("images"))}
    assert after == before


def test_what_an_earlier_release_of_ours_did_not_derive_is_added(site: Site) -> None:
    key = "PAN001_14d3bd_20180216T110623"
    fields = {"sequence_id": key, "time": datetime(2018, 2, 16, 11, 6, 23, tzinfo=UTC)}
    ours = fields | {"schema_version": SCHEMA_VERSION, "field_name": "Wasp 35"}
    site.catalog.create("observations", key, ours)
    site.catalog.create("observations", f"{key[:-1]}4", fields | {"schema_version": 99})
    assert f"observations/{key} completed" in adopted(site)
    assert (
        sites.documents(site)[f"observations/{key}"] | ours | {"field_folded": "wasp 35"}
        == (sites.documents(site)[f"observations/{key}"])
    )
    (found,) = all_observations(site.catalog, Wanted(field_name="wasp 35"))
    assert found.key == key
    assert adopted(site) == []


def test_a_dry_run_says_the_same_and_writes_nothing(site: Site) -> None:
    earlier.write_flat(site, 40)
    earlier.write_archive(site, earlier.OLD, 40, all_but=30)
    before = sites.documents(site)
    planned = {t.name for t in adopt(site, dry_run=True) if t.became is not Done.SETTLED}
    assert sites.documents(site) == before
    done = {t.name for t in adopt(site, dry_run=False) if t.became is not Done.SETTLED}
    assert done == planned


def test_what_is_no_unit_observation_or_image_is_left_with_a_reason(site: Site) -> None:
    site.catalog.create("images", "calibration-frame", {"note": "mine"})
    site.catalog.create("observations", "all-sky", {"note": "mine"})
    site.catalog.create("units", "TEST", {"note": "mine"})
    before = sites.documents(site)
    left = {t.name: t.reason for t in adopt(site, dry_run=False) if t.became is Done.LEFT}
    assert left["images/calibration-frame"] == (
        "images/calibration-frame does not say which observation it belongs to"
    )
    assert set(left) == {"images/calibration-frame", "observations/all-sky", "units/TEST"}
    assert sites.documents(site) == before


def test_an_image_without_its_observation_has_one_afterwards(site: Site) -> None:
    for path, fields in earlier.flat(3):
        if path.startswith("images/"):
            site.catalog.create("images", path.partition("/")[2], fields)
    adopted(site)
    (found,) = all_observations(site.catalog, Wanted(cone=Cone(133.15, 28.33, 0.5)))
    assert (found.fields["num_images"], found.fields["exptime"]) == (3, 120.0)
    assert sites.document(site, "units", earlier.OLD)["num_images"] == 3


def test_statuses_are_found_in_any_case(site: Site) -> None:
    site.catalog.create(
        "observations",
        "PAN001_14d3bd_20180216T110623",
        {"time": datetime(2018, 2, 16, 11, 6, 23, tzinfo=UTC), "status": "PROCESSED"},
    )
    for word in ("processed", "PROCESSED", "Processed"):
        wanted = Wanted(statuses=frozenset({word, "received"}))
        assert len(list(all_observations(site.catalog, wanted))) == 1

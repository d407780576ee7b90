"""Documents since 2021, `units/U/observations/S/images/I`, and those of an archive beside them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from panoptes.network.adoption import adopt
from panoptes.network.adoption.taken import Done, Tally
from panoptes.network.audit import audit
from panoptes.network.audit.finding import Kind
from panoptes.network.search import Cone, Wanted, all_observations
from panoptes.network.site import Site
from tests import sites
from tests.network.adoption import earlier

pytestmark = pytest.mark.xdist_group("emulators")


def project_of(site: Site) -> str:
    return site.settings.catalog.removeprefix("firestore://").partition("/")[0]


def adopted(site: Site) -> str:
    tally = Tally()
    for taken in adopt(site, dry_run=False):
        tally.add(taken)
    return tally.sentence


def test_ours_are_written_beside_them_and_they_stay_as_they_are(on_google: Site) -> None:
    site, project = on_google, project_of(on_google)
    earlier.write_nested(project, 200)
    before = earlier.read_nested(project)
    assert adopted(site) == (
        "200 nested images written beside, 10 nested observations written beside, "
        "10 observations counted, 1 units completed"
    )
    assert earlier.read_nested(project) == before
    assert len(before) == 210

    found = list(all_observations(site.catalog, Wanted(cone=Cone(76.33, -6.23, 0.1))))
    assert len(found) == 10
    assert found[0].fields["status"] == "NOT_ENOUGH_FRAMES"
    assert len(list(all_observations(site.catalog, Wanted(statuses=frozenset({"processed"}))))) == 5
    assert {each.fields["num_images"] for each in found} == {20}
    unit = sites.document(site, "units", earlier.NEW)
    assert (unit["num_images"], unit["total_exptime"]) == (200, 200 * 120.0)
    assert unit["location"].longitude == pytest.approx(-118.1)
    camera = sites.document(site, "cameras", f"{earlier.NEW}_14d3bd")
    assert camera["serial_number"] == "14d3bd123"

    image_id = "PAN002_14d3bd_20180216T060300"
    image = sites.document(site, "images", image_id)
    wanted = {
        "image_id": image_id,
        "sequence_id": "PAN002_14d3bd_20180216T060000",
        "uid": "PAN002_14d3bd_20180216T060000_20180216T060300",
        "time": datetime(2018, 2, 16, 6, 3, tzinfo=UTC),
        "night": "2018-02-15",
        "status": "CALIBRATING",
        "image_type": "light",
        "exptime": 120.0,
        "dateobs": "2018-02-16T06:03:00+00:00",
        "circconf": 0.019,
        "measr": 471,
        "measg2": 1025,
        "measev2": 2.5,
        "camtemp": 11.0,
        "whtlvln": 13000,
        "moonfrac": 0.25,
        "airmass": 1.2,
        "ha_mnt": 2.5,
        "ra_image": 76.5,
        "dec_image": -6.5,
    }
    assert {name: image.get(name) for name in wanted} == wanted
    assert image["adopted"]["document"] == (
        f"units/PAN002/observations/{image['sequence_id']}/images/{image_id}"
    )
    assert {finding.kind for finding in audit(site)} == {Kind.OBJECT_MISSING}
    assert adopted(site) == "nothing to take over"


def test_new_words_of_a_nested_document_follow_and_ours_stay(on_google: Site) -> None:
    from google.cloud import firestore

    site, project = on_google, project_of(on_google)
    earlier.write_nested(project, 3)
    adopted(site)
    client = firestore.Client(project=project)
    sequence = "units/PAN002/observations/PAN002_14d3bd_20180216T060000"
    path = f"{sequence}/images/PAN002_14d3bd_20180216T060100"
    client.document(path).update({"status": "MATCHED", "coordinates.airmass": 1.75})
    key = path.rpartition("/")[2]
    stored = site.catalog.get("images", key)
    assert stored is not None
    site.catalog.update("images", key, {"airmass": 1.5}, version=stored.version)
    assert adopted(site) == "1 nested images written beside"
    image = sites.document(site, "images", key)
    assert (image["status"], image["airmass"]) == ("MATCHED", 1.5)
    client.close()  # type: ignore[no-untyped-call]


def test_one_unit_is_taken_over_by_itself(on_google: Site) -> None:
    site, project = on_google, project_of(on_google)
    earlier.write_flat(site, 3)
    earlier.write_nested(project, 3)
    names = {taken.name for taken in adopt(site, unit=earlier.NEW, dry_run=False)}
    assert names
    assert all(earlier.NEW in name for name in names)
    assert "adopted" not in sites.document(site, "units", earlier.OLD)


def test_files_of_the_archive_become_the_images_files(on_google: Site) -> None:
    site, project = on_google, project_of(on_google)
    earlier.write_flat(site, 40)
    earlier.write_nested(project, 40)
    earlier.write_archive(site, earlier.NEW, 40, all_but=2)
    before = sites.objects(site, "images")
    left = [t for t in adopt(site, dry_run=False) if t.became is Done.LEFT]
    assert left == []
    assert sites.objects(site, "images") == before
    image = sites.document(site, "images", "PAN002_14d3bd_20180216T060300")
    assert image["sources"]["fits"]["name"] == image["bucket_path"]
    assert image["status"] == "CALIBRATING"
    assert image["moonfrac"] == 0.25
    assert site.store("previews").stat(image["preview_path"]).size > 0
    missing = list(audit(site, deep=True))
    assert {finding.kind for finding in missing} == {Kind.OBJECT_MISSING}
    assert len(missing) == 42

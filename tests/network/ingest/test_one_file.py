"""What is made again of one archived file: killed, told wrong, and with others at work."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.file_types import IMAGES
from panoptes.network.ingest.derive import make_rgb, verify
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.one_file import find_upload, held, take_one
from panoptes.network.ingest.rebuilding import CannotMend, archived
from panoptes.network.ingest.record import record_image_file
from panoptes.network.ingest.take import Calls, Watch
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from tests import audited, sites
from tests.files import IMAGE, LATER, SEQUENCE_ID, place, tiny_cr2, tiny_fits

SEQUENCE_OF = parse_sequence_id(SEQUENCE_ID)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A camera raw has been archived."""
    site = sites.drained(tmp_path, lease_seconds=2.0)
    place(sites.incoming(site), f"{IMAGE}.cr2", tiny_cr2())
    sites.run(site)
    return site


def interpolate(site: Site) -> None:
    """What `make-rgb-fits` does with `again` and `interpolated`, by plain calls."""
    site.settings.rawpy_options = {}
    with held(site, SEQUENCE_OF, Calls(site), leave_word=False):
        file = archived(site, f"{IMAGE}.cr2")
        derived = make_rgb(site, file.source)
        verify(site, file.source, derived)
        record_image_file(site, file.source, file.completed(derived))


def test_killed_anywhere_it_loses_nothing_and_a_repair_brings_it_to_an_end(site: Site) -> None:
    raw, before = site.store("originals").stat(f"{IMAGE}.cr2"), sites.objects(site)
    calls: list[str] = []
    interpolate(sites.watched(site.changed(), calls.append))
    changed = sites.objects(site)
    assert {name for name in before if before[name] != changed[name]} == {
        f"rgb/{IMAGE}_{colour}.fits.fz" for colour in "rgb"
    }
    died = 0
    for at in sites.spread(len(calls), 8):
        audited.repaired(site)
        # One of the last may come to its end: what is made already takes fewer calls.
        died += sites.run_and_die(lambda: site.changed(), at, work=interpolate)
        assert site.store("originals").stat(f"{IMAGE}.cr2") == raw
    assert died >= 6
    audited.repaired(site)
    assert list(audit(site, deep=True)) == []
    interpolate(site.changed())
    assert list(audit(site, deep=True)) == []
    assert sites.objects(site) == changed


def test_one_that_is_refused_gives_the_observation_back(site: Site) -> None:
    original = Path(site.settings.originals) / f"{IMAGE}.cr2"
    original.write_bytes(b"damaged")
    with pytest.raises(CannotMend, match="damaged itself"):
        interpolate(site.changed())
    assert site.catalog.get("leases", SEQUENCE_ID) is None


def test_who_asks_for_a_look_meanwhile_gets_it_from_the_next_sweep(site: Site) -> None:
    with held(site, SEQUENCE_OF, Calls(site), leave_word=False):
        assert not Lease(site.catalog, SEQUENCE_ID, 60.0).take()
    lease = site.catalog.get("leases", SEQUENCE_ID)
    assert lease is not None, "it says that the observation is owed"
    assert Lease(site.catalog, SEQUENCE_ID, 60.0).take(), "and keeps nobody out"


def test_a_name_means_what_waits_before_what_was_archived(site: Site) -> None:
    for said in (f"{IMAGE}.cr2", f"originals/{IMAGE}.cr2", "PAN001_14d3bd_20180216T112430"):
        upload = find_upload(site, said, IMAGES)
        assert (upload.name, upload.waits) == (f"{IMAGE}.cr2", False)
    field = IMAGE.replace("PAN001/", "PAN001/M42/")
    place(sites.incoming(site), f"{field}.fits", tiny_fits())
    place(sites.incoming(site), f"{LATER}.fits", tiny_fits(seed=2))
    assert find_upload(site, f"{field}.fits", IMAGES).waits
    assert take_one(site, f"{field}.fits", steps=Calls(site), watch=Watch()).became == "catalogued"
    assert sites.waiting(site) == [f"{LATER}.fits"]
    for said in (f"{field}.fits", f"{IMAGE}.fits.fz", f"images/{IMAGE}.fits.fz"):
        assert find_upload(site, said, IMAGES).name == f"{field}.fits"

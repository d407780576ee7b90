"""The services that take one file, on a real Prefect server: of an upload, and of an archive."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.compress_fits import compress_fits
from flows.make_rgb_fits import make_rgb_fits
from flows.record_image import record_image
from panoptes.network.audit import audit
from panoptes.network.catalog.catalog import modify
from panoptes.network.header import read_header
from panoptes.network.ingest.lease import Lease
from panoptes.network.site import Site
from tests import sites
from tests.files import (
    IMAGE,
    LATER,
    SEQUENCE_ID,
    jpeg,
    place,
    tiny_cr2,
    tiny_fits,
    tiny_fits_fz,
)

IMAGE_ID = "PAN001_14d3bd_20180216T112430"
Service = Callable[..., State[Any]]
pytestmark = pytest.mark.usefixtures("prefect_api")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path, lease_seconds=5.0)


@pytest.fixture
def run(site: Site, prefect_api: LocalStack) -> Service:
    """Runs a service over the site, in this process."""
    name = f"one-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)

    def call(service: Service, path: str, **options: Any) -> State[Any]:
        return service(path, network=name, return_state=True, **options)

    return call


def put(site: Site, name: str, data: bytes) -> None:
    place(sites.incoming(site), name, data)


@pytest.mark.parametrize(
    ("service", "name", "data"),
    [
        (compress_fits, f"{IMAGE}.fits", tiny_fits()),
        (compress_fits, f"{IMAGE}.fits.fz", tiny_fits_fz()),
        (make_rgb_fits, f"{IMAGE}.cr2", tiny_cr2()),
        (record_image, f"{IMAGE}.fits", tiny_fits()),
    ],
    ids=["compress-fits", "compress-fits of a fits.fz", "make-rgb-fits", "record-image"],
)
def test_one_upload_is_taken_to_its_end_and_no_other(
    site: Site, run: Service, service: Service, name: str, data: bytes
) -> None:
    put(site, name, data)
    put(site, f"{LATER}.jpg", jpeg())
    state = run(service, name)
    assert state.is_completed(), state.message
    assert "catalogued, in " in (state.message or "")
    assert sites.waiting(site) == [f"{LATER}.jpg"]
    assert sites.document(site, "observations", SEQUENCE_ID)["num_images"] == 1
    assert {finding.kind.value for finding in audit(site, deep=True)} == {"overdue"}
    assert site.catalog.get("leases", SEQUENCE_ID) is None


def test_a_file_that_is_archived_already_is_left_alone_unless_asked(
    site: Site, run: Service
) -> None:
    put(site, f"{IMAGE}.cr2", tiny_cr2())
    run(make_rgb_fits, f"{IMAGE}.cr2")
    before = sites.documents(site), sites.objects(site)
    state = run(make_rgb_fits, f"originals/{IMAGE}.cr2")
    assert state.is_completed()
    assert "archived already, as originals/" in (state.message or "")
    assert "'again'" in (state.message or "")
    assert (sites.documents(site), sites.objects(site)) == before


def test_planes_are_made_anew_with_interpolation_and_back_and_the_raw_stays(
    site: Site, run: Service
) -> None:
    put(site, f"{IMAGE}.cr2", tiny_cr2())
    run(make_rgb_fits, f"{IMAGE}.cr2")
    raw = site.store("originals").stat(f"{IMAGE}.cr2")
    before = sites.objects(site)
    state = run(make_rgb_fits, f"{IMAGE}.cr2", again=True, interpolated=True)
    assert state.is_completed(), state.message
    interpolated = sites.objects(site)
    changed = {name for name in before if before[name] != interpolated[name]}
    assert changed == {f"rgb/{IMAGE}_{colour}.fits.fz" for colour in "rgb"}
    assert list(audit(site, deep=True)) == []
    # An image's documents are written again without making the planes again.
    assert run(record_image, IMAGE_ID, again=True).is_completed()
    assert sites.objects(site) == interpolated
    assert run(make_rgb_fits, f"{IMAGE}.cr2", again=True, interpolated=False).is_completed()
    assert sites.objects(site, "rgb", "originals", "previews") == before
    assert site.store("originals").stat(f"{IMAGE}.cr2") == raw


@pytest.mark.parametrize("said", [IMAGE_ID, f"{IMAGE}.fits", f"images/{IMAGE}.fits.fz"])
def test_an_image_is_recorded_again_after_a_correction(site: Site, run: Service, said: str) -> None:
    put(site, f"{IMAGE}.fits", tiny_fits())
    run(compress_fits, f"{IMAGE}.fits")
    before = sites.documents(site), sites.objects(site)
    archived = site.store("images").stat(f"{IMAGE}.fits.fz")
    modify(site.catalog, "images", IMAGE_ID, lambda _: {"airmass": 99.0, "exptime": 1.0})
    state = run(record_image, said, again=True)
    assert state.is_completed(), state.message
    assert "made again from images/" in (state.message or "")
    assert (sites.documents(site), sites.objects(site)) == before
    assert site.store("images").stat(f"{IMAGE}.fits.fz") == archived
    assert read_header(site.store("images"), f"{IMAGE}.fits.fz").header.get("AIRMASS") == 1.25


def test_an_archive_that_is_damaged_is_told_of_and_nothing_is_written(
    site: Site, run: Service
) -> None:
    put(site, f"{IMAGE}.fits", tiny_fits())
    run(compress_fits, f"{IMAGE}.fits")
    archive = Path(site.settings.images) / f"{IMAGE}.fits.fz"
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    before = sites.documents(site), sites.objects(site)
    state = run(compress_fits, f"{IMAGE}.fits", again=True)
    assert state.is_failed()
    assert "damaged itself" in (state.message or "")
    assert (sites.documents(site), sites.objects(site)) == before


@pytest.mark.parametrize(
    ("service", "said", "sentence"),
    [
        (compress_fits, "", "the path is empty"),
        (compress_fits, "../x.fits", "'.' or '..'"),
        (compress_fits, f"{LATER}.fits", "there is no"),
        (compress_fits, f"gs://elsewhere/{IMAGE}.fits", "holds none of this network's"),
        (make_rgb_fits, f"{IMAGE}.jpg", "name a .cr2"),
        (record_image, f"{IMAGE}.jpg", "name a .fits or .fits.fz or .cr2"),
        (record_image, "my picture.fits", "does not say which unit, camera and time"),
    ],
)
def test_what_is_wrong_in_the_form_ends_with_a_sentence(
    site: Site, run: Service, service: Service, said: str, sentence: str
) -> None:
    put(site, f"{IMAGE}.jpg", jpeg())
    put(site, "my picture.fits", tiny_fits())
    state = run(service, said)
    assert state.is_failed()
    assert sentence in (state.message or "")
    assert "Traceback" not in (state.message or "")
    assert sites.waiting(site) == [f"{IMAGE}.jpg", "my picture.fits"]


def test_bad_input_goes_to_quarantine_and_the_next_call_says_what_to_do(
    site: Site, run: Service
) -> None:
    put(site, f"{IMAGE}.fits", tiny_fits()[:-3000])
    state = run(compress_fits, f"{IMAGE}.fits")
    assert state.is_completed()
    assert "quarantined" in (state.message or "")
    assert sites.waiting(site) == []
    state = run(compress_fits, f"{IMAGE}.fits", again=True)
    assert state.is_failed()
    assert "panoptes-network quarantine rescue Q" in (state.message or "")


@pytest.mark.parametrize("waits", [True, False])
def test_a_run_that_holds_the_observation_is_left_alone(
    site: Site, run: Service, waits: bool
) -> None:
    put(site, f"{IMAGE}.fits", tiny_fits())
    if not waits:
        run(compress_fits, f"{IMAGE}.fits")
    lease = Lease(site.catalog, SEQUENCE_ID, 60.0)
    assert lease.take()
    before = sites.documents(site), sites.waiting(site)
    state = run(compress_fits, f"{IMAGE}.fits", again=True)
    assert state.is_cancelled()
    assert f"another run is at work on {SEQUENCE_ID}" in (state.message or "")
    assert sites.waiting(site) == before[1]
    # Only where a file waits has its holder to look again.
    assert lease.give_back() is not waits


def test_a_person_runs_it_from_the_form(site: Site, run: Service, prefect_api: LocalStack) -> None:
    put(site, f"{IMAGE}.fits", tiny_fits())
    name = f"form-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)
    asked = {"bucket_path": f"{IMAGE}.fits", "network": name}
    ids = [prefect_api.run_deployment("compress-fits/local", asked)]
    done = prefect_api.await_runs(ids)[0]
    assert done.name == f"compress {IMAGE}.fits"
    assert done.state is not None
    assert done.state.is_completed(), done.state.message
    with prefect_api.client() as client:
        for service in ("compress-fits", "make-rgb-fits", "record-image"):
            form = client.read_deployment_by_name(f"{service}/local").parameter_openapi_schema
            assert form is not None
            assert form["required"] == ["bucket_path"]
            assert all(len(each["description"]) > 20 for each in form["properties"].values())


@pytest.mark.parametrize("text", ["..", ".", "__x__", "x" * 1600, "PAN001_" + "y" * 1600])
def test_a_text_that_can_be_no_file_is_answered_in_a_sentence(run: Service, text: str) -> None:
    state = run(record_image, text)
    assert not state.is_crashed()
    assert "ValueError" not in str(state.message)
    assert text[:20] in str(state.message)

"""A night of today's telescopes through the whole system: flows, services, published client."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from deployments.services.app import create_app
from deployments.services.settings import ServiceSettings
from flows.ingest_observation import ingest_observation
from flows.sweep_incoming import sweep_incoming
from panoptes.network.audit import audit
from panoptes.network.names import parse_upload
from panoptes.network.site import Site
from tests import pocs_night, sites
from tests.files import place
from tests.local_http import serving
from tests.patience import PATIENT_SECONDS
from tests.published_client import read_frame, run, settings_for

LIGHTS_OF = {
    camera: f"PAN042_{camera}_{pocs_night.LIGHTS}" for camera in ("14d3bd", pocs_night.ZWO)
}
EXPECTED = {
    "light": 6, "dark": 4, "bias": 1, "flat": 4, "focus": 8, "alignment": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def site(prefect_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A network that has taken the night in."""
    site = sites.drained(tmp_path_factory.mktemp("night"))
    sent = dict(pocs_night.uploads())
    for name, data in sent.items():
        place(sites.incoming(site), name, data)
    network = f"night-{uuid.uuid4().hex[:8]}"
    routed = [name for name in sent if name not in pocs_night.NO_UNIT]
    with prefect_stack.settings():
        PanoptesNetwork.of(site).save(network, overwrite=True)
        for sequence_id in sorted({parse_upload(name).sequence_id for name in routed}):
            assert ingest_observation(sequence_id, network, return_state=True).is_completed()
        swept = sweep_incoming(network, return_state=True)
    assert swept.is_completed()
    assert swept.message == "2 quarantined (unroutable-name); 0 runs started"
    return site


@pytest.fixture
def url(site: Site) -> Iterator[str]:
    settings = ServiceSettings(files=frozenset({"images", "previews"}))
    with serving(lambda: create_app(site, settings)) as url:
        yield url


def found(url: str, **asked: str) -> list[dict[str, object]]:
    answer = httpx.get(f"{url}/observations", params=asked, timeout=PATIENT_SECONDS)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, object]] = answer.json()["observations"]
    return rows


def test_nothing_is_left_and_only_what_names_no_unit_is_put_aside(site: Site) -> None:
    assert sites.waiting(site) == []
    aside = [name for name in sites.objects(site, "quarantine") if not name.endswith(".json")]
    assert len(aside) == len(pocs_night.NO_UNIT)
    for name in pocs_night.NO_UNIT:
        entry = sites.entry_of(site, name)
        assert (entry.outcome, entry.code) == ("quarantined", "unroutable-name")
        assert any(name in kept for kept in aside)
    assert list(audit(site, deep=True)) == []


def test_everything_is_catalogued_as_what_it_is(site: Site) -> None:
    kinds = Counter(
        fields["image_type"]
        for path, fields in sites.documents(site).items()
        if path.startswith("images/")
    )
    assert kinds == EXPECTED
    assert sites.document(site, "units", "PAN042")["num_images"] == EXPECTED["light"]


def test_a_search_shows_the_lights_and_the_rest_on_demand(url: str) -> None:
    lights = found(url)
    assert {row["sequence_id"]: row["num_images"] for row in lights} == dict.fromkeys(
        LIGHTS_OF.values(), 3
    )
    assert {row["field_name"] for row in lights} == {"HD 189733"}
    assert found(url, tag="tabby_star") == lights
    assert found(url, tag="nobody") == []
    darks = found(url, image_type="dark")
    assert [row["image_type"] for row in darks] == ["dark", "dark"]


def test_the_units_own_pictures_and_films_hang_on_what_they_show(site: Site) -> None:
    for camera, sequence_id in LIGHTS_OF.items():
        film = sites.document(site, "observations", sequence_id)["timelapse_path"]
        assert film.endswith(f"PAN042/{camera}/{pocs_night.LIGHTS}/{pocs_night.LIGHTS}.mp4")
    image = sites.document(site, "images", "PAN042_14d3bd_20260612T083214")
    assert image["picture_path"].endswith(".jpg")


def test_the_published_client_finds_and_reads_the_canons_frames(
    client: Path, url: str, site: Site, tmp_path: Path
) -> None:
    """Of other cameras it knows the observations; it makes frames of six characters only."""
    environment = settings_for(url, tmp_path)
    environment |= {"PANOPTES_IMG_BASE_URL": f"{url}/files/", "PANOPTES_IMG_BUCKET": "images"}
    search = [str(client / "panoptes-data"), "search", "--start-date", "2026-01-01"]
    listed = run(environment, *search, "--ra", "76.3", "--dec", "-6.2")
    assert all(sequence_id in listed for sequence_id in LIGHTS_OF.values())
    program = read_frame(LIGHTS_OF[pocs_night.CANON], 2)
    *frames, image = run(environment, str(client / "python"), "-c", program).splitlines()
    assert len(frames) == 3
    assert image.startswith("(12, 16) HD 189733 ")

"""Counts and status are asked of the catalog, and so are right after whatever happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panoptes.network.documents import SCHEMA_VERSION
from panoptes.network.errors import TransientError
from panoptes.network.ingest import retries
from panoptes.network.ingest.backlog import abandoned, fallen_quiet, survey
from panoptes.network.ingest.ledger import now
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE_ID, jpeg, place, tiny_fits

NEXT_ID = "PAN001_14d3bd_20180216T120000"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path, previews_wanted=False)


@pytest.fixture
def sequence() -> ObservationName:
    return parse_sequence_id(SEQUENCE_ID)


def _arrive(site: Site, stem: str, *, seconds: float, moment: datetime) -> None:
    data = tiny_fits({"EXPTIME": seconds}, seed=len(stem))
    place(sites.incoming(site), f"{stem}.fits", data, moment=moment)
    sites.run(site)


def test_counts_are_those_of_the_images(site: Site) -> None:
    for number in range(10):
        stem = f"PAN001/14d3bd/20180216T110623/20180216T11{10 + number}00"
        _arrive(site, stem, seconds=0.1, moment=now())
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["num_images"], observation["total_exptime"]) == (10, 1.0)
    unit = sites.document(site, "units", "PAN001")
    assert (unit["num_images"], unit["num_observations"], unit["total_exptime"]) == (10, 1, 1.0)


def test_wrong_counts_are_put_right(site: Site, sequence: ObservationName) -> None:
    _arrive(site, IMAGE, seconds=120.0, moment=now())
    for collection, key in (("observations", SEQUENCE_ID), ("units", "PAN001")):
        stored = site.catalog.get(collection, key)
        assert stored is not None
        site.catalog.update(
            collection, key, {"num_images": 99, "total_exptime": -1.0}, version=stored.version
        )
    settle_observation(site, sequence)
    for collection, key in (("observations", SEQUENCE_ID), ("units", "PAN001")):
        document = sites.document(site, collection, key)
        assert (document["num_images"], document["total_exptime"]) == (1, 120.0)


def test_settling_again_changes_nothing(site: Site, sequence: ObservationName) -> None:
    _arrive(site, IMAGE, seconds=120.0, moment=now())
    before = site.catalog.get("observations", SEQUENCE_ID)
    settle_observation(site, sequence)
    assert site.catalog.get("observations", SEQUENCE_ID) == before


def test_an_image_of_which_only_metadata_came_is_not_counted(
    site: Site, sequence: ObservationName
) -> None:
    _arrive(site, IMAGE, seconds=120.0, moment=now())
    site.catalog.create(
        "images",
        "PAN001_14d3bd_20180216T112631",
        {"sequence_id": SEQUENCE_ID, "unit_id": "PAN001", "status": "metadata_received",
         "exptime": 120.0},
    )  # fmt: skip
    assert settle_observation(site, sequence)["num_images"] == 1


def test_an_observation_is_received_after_two_quiet_hours(
    site: Site, sequence: ObservationName
) -> None:
    _arrive(site, IMAGE, seconds=1.0, moment=now() - timedelta(hours=1, minutes=59))
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "receiving_files"
    sooner = site.changed(**{"quiet_hours": 1.98})
    assert settle_observation(sooner, sequence)["status"] == "received"


def test_an_observation_is_received_once_its_camera_begins_the_next(
    site: Site,
) -> None:
    _arrive(site, IMAGE, seconds=1.0, moment=now())
    _arrive(site, "PAN001/14d3bd/20180216T120000/20180216T120100", seconds=1.0, moment=now())
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "received"
    assert sites.document(site, "observations", NEXT_ID)["status"] == "receiving_files"


@pytest.mark.parametrize("future_first", [True, False])
def test_an_observation_dated_in_the_future_ends_none_of_today(
    site: Site, future_first: bool
) -> None:
    future = "PAN001/14d3bd/20990101T000000/20990101T000100"
    for stem in (future, IMAGE) if future_first else (IMAGE, future):
        _arrive(site, stem, seconds=1.0, moment=now())
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "receiving_files"


def test_an_observation_that_comes_late_is_received_at_once(site: Site) -> None:
    _arrive(site, "PAN001/14d3bd/20180216T120000/20180216T120100", seconds=1.0, moment=now())
    _arrive(site, IMAGE, seconds=1.0, moment=now())
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "received"


@pytest.mark.parametrize("other", ["PAN001/ffffff", "PAN002/14d3bd"])
def test_what_another_camera_begins_ends_nothing(site: Site, other: str) -> None:
    _arrive(site, IMAGE, seconds=1.0, moment=now())
    _arrive(site, f"{other}/20180216T120000/20180216T120100", seconds=1.0, moment=now())
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "receiving_files"


def test_a_late_file_is_counted_and_the_status_stays(site: Site) -> None:
    _arrive(site, IMAGE, seconds=1.0, moment=now() - timedelta(days=1))
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "received"
    _arrive(site, LATER, seconds=1.0, moment=now())
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["status"], observation["num_images"]) == ("received", 2)


def test_another_programs_status_is_kept(site: Site, sequence: ObservationName) -> None:
    site.catalog.create("observations", SEQUENCE_ID, {"status": "rejected"})
    _arrive(site, IMAGE, seconds=1.0, moment=datetime(2018, 2, 17, tzinfo=UTC))
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "rejected"


def test_an_observation_of_which_nothing_could_be_taken_gets_no_document(
    site: Site, sequence: ObservationName
) -> None:
    place(sites.incoming(site), f"{IMAGE}.fits", b"junk")
    sites.run(site)
    assert settle_observation(site, sequence) == {}
    assert {key.split("/")[0] for key in sites.documents(site)} == {"files"}


def test_a_unit_that_is_first_heard_of_by_its_counts_is_a_whole_document(
    site: Site,
) -> None:
    site.catalog.create("observations", SEQUENCE_ID, {"status": "metadata_received"})
    place(sites.incoming(site), f"{IMAGE}.jpg", jpeg())
    sites.run(site)
    unit = sites.document(site, "units", "PAN001")
    assert (unit["name"], unit["num_images"]) == ("PAN001", 0)
    assert unit["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize("backend", ["folders", "google"])
@pytest.mark.parametrize("call", ["get", "query", "aggregate", "update"])
def test_counts_that_a_run_could_not_write_are_owed_and_a_later_one_writes_them(
    backend: str,
    call: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sequence: ObservationName,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The files are archived and gone from incoming: nothing is left to list."""
    site: Site = (
        sites.drained(tmp_path, previews_wanted=False)
        if backend == "folders"
        else request.getfixturevalue("on_google")
    )
    site.store("incoming").put(f"{IMAGE}.fits", tiny_fits({"EXPTIME": 120.0}))
    monkeypatch.setattr(retries, "PATIENCE_SECONDS", 0.0)
    ours = site.changed()

    def tell(told: str) -> None:
        if told == f"before catalog.{call}" and not sites.waiting(site):
            raise TransientError("the catalog is away")

    with pytest.raises(TransientError):
        ingest_observation(sites.watched(ours, tell), sequence)
    assert sites.waiting(site) == []
    assert "num_images" not in sites.document(site, "observations", SEQUENCE_ID)
    later = now() + timedelta(seconds=site.settings.lease_seconds)
    # Where not even the lease could be given back it has to run out.
    monkeypatch.setattr("panoptes.network.ingest.lease.now", lambda: later)
    assert abandoned(site) == {SEQUENCE_ID}
    ingest_observation(site, sequence)[0]
    assert abandoned(site) == set()
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert (observation["num_images"], observation["total_exptime"]) == (1, 120.0)
    unit = sites.document(site, "units", "PAN001")
    assert (unit["num_images"], unit["num_observations"], unit["total_exptime"]) == (1, 1, 120.0)


def test_an_observation_that_an_earlier_version_left_unsettled_is_found(
    site: Site, sequence: ObservationName
) -> None:
    _arrive(site, IMAGE, seconds=1.0, moment=now() - timedelta(days=1))
    stored = site.catalog.get("observations", SEQUENCE_ID)
    assert stored is not None
    site.catalog.update(
        "observations",
        SEQUENCE_ID,
        {"status": "receiving_files"},
        version=stored.version,
        remove=["num_images", "total_exptime", "last_arrival"],
    )
    _arrive(site, "PAN001/14d3bd/20180216T120000/20180216T120100", seconds=1.0, moment=now())
    assert not survey(site).observations
    assert fallen_quiet(site, busy=set()) == [sequence]
    settle_observation(site, sequence)
    assert sites.document(site, "observations", SEQUENCE_ID)["status"] == "received"
    assert fallen_quiet(site, busy=set()) == []

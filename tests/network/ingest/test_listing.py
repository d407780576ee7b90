"""What waits, at the cost of what waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.ingest.listing import by_image, everything_waiting, waiting_for
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, SEQUENCE, SEQUENCE_ID, place

OURS = [
    f"{IMAGE}.fits.fz",
    f"{IMAGE}.JPG",
    f"{SEQUENCE}.mp4",
    f"{SEQUENCE}/pointing00.fits",
    "PAN001_14d3bd_20180216T110623_20180216T112430.cr2",
    "PAN001/14d3bd_20180216T110623/20180216T112430.fits",
    "PAN001/Wasp 35/14d3bd/20180216T110623/20180216T112430.fits",
    "PAN001/Wasp 35/14d3bd_20180216T110623_20180216T112630.fits",
    "PAN001/14d3bd/14d3bd/20180216T110623/20180216T112430.fits",
    "PAN001/ffffff/fld/14d3bd/20180216T110623/20180216T112430.fits",
]
OTHERS = [
    "PAN001/14d3bd/20180216T110624/20180216T112430.fits",
    "PAN001/ffffff/20180216T110623/20180216T112430.fits",
    "PAN002/14d3bd/20180216T110623/20180216T112430.fits",
    f"{SEQUENCE}/notes.txt",
    "PAN001/14d3bd/fld/14d3bd/20180216T110623/20180216T112430.fits",
    f"{SEQUENCE}/deep/20180216T112430.fits",
    "elsewhere/a.fits",
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.drained(tmp_path)
    for name in OURS + OTHERS:
        place(sites.incoming(site), name, b"x")
    return site


@pytest.fixture
def sequence() -> ObservationName:
    return parse_sequence_id(SEQUENCE_ID)


def test_every_form_of_name_is_found_for_its_observation_and_nothing_else(
    site: Site, sequence: ObservationName
) -> None:
    assert [s.name for s in waiting_for(site, sequence)] == sorted(OURS)


def test_each_file_waits_for_exactly_one_observation_or_for_the_sweep(
    site: Site,
) -> None:
    waiting = list(everything_waiting(site))
    sequences = {s.upload.sequence for s in waiting if s.upload}
    found = [s.name for each in sequences for s in waiting_for(site, each)]
    found += [s.name for s in waiting if s.upload is None]
    assert sorted(found) == sorted(OURS + OTHERS)


def test_other_observations_of_the_unit_are_not_walked(
    site: Site, sequence: ObservationName
) -> None:
    asked: list[str] = []
    waiting_for(sites.watched(site, asked.append), sequence)
    few = len(asked)
    for day in range(10, 28):
        place(
            sites.incoming(site),
            f"PAN001/14d3bd/201803{day}T110623/201803{day}T112430.fits",
            b"x",
        )
    asked.clear()
    waiting_for(site, sequence)
    assert len(asked) == few


def test_files_of_one_image_go_together_and_the_camera_raw_last(
    site: Site, sequence: ObservationName
) -> None:
    groups = by_image(waiting_for(site, sequence))
    image = next(g for g in groups if g[0].upload and g[0].upload.stem == IMAGE)
    assert [s.upload.file_type.value for s in image if s.upload] == [
        "fits", "fits", "fits", "fits", "fits.fz", "jpg", "cr2",
    ]  # fmt: skip
    assert sum(len(group) for group in groups) == len(OURS)

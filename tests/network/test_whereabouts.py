"""What became of a file, by its name in any spelling, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.documents import Location
from panoptes.network.ingest.case_pages import case_page
from panoptes.network.ingest.cases import find_case
from panoptes.network.ingest.ledger import open_entry
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.object_paths import NotOurs
from panoptes.network.site import Site
from panoptes.network.whereabouts import FileReport, what_became_of
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE, place, tiny_cr2, tiny_fits
from tests.recording import Recording

LAST = LATER.rpartition("/")[2]
WAITING = f"{SEQUENCE}/20180216T113030.fits"
HIDDEN: frozenset[Location] = frozenset({"incoming", "quarantine"})
ODD = "<b>what</b>\\is this.txt"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One archived image with its raw, a damaged one, one of no name, and one that waits."""
    site = sites.drained(tmp_path_factory.mktemp("network"))
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    place(sites.incoming(site), f"{IMAGE}.cr2", tiny_cr2())
    place(sites.incoming(site), f"{LATER}.fits", b"junk")
    place(sites.incoming(site), ODD, b"x")
    sites.run(site)
    place(sites.incoming(site), WAITING, tiny_fits(seed=5))
    return site


def first(site: Site, text: str) -> FileReport:
    return what_became_of(site, text).files[0]


@pytest.mark.parametrize(
    "asked",
    [
        f"{IMAGE}.fits",
        f"  '{IMAGE}.fits' ",
        f"images/{IMAGE}.fits.fz",
        f"incoming/{IMAGE}.fits",
        f"previews/{IMAGE}.preview-1024.jpg",
        f"/var/panoptes/{IMAGE}.fits",
        f"C:\\images\\{IMAGE}.fits".replace("/", "\\"),
        f"https://archive.example.org/files/images/{IMAGE}.fits.fz",
        "PAN001_14d3bd_20180216T110623_20180216T112430.fits",
        f"PAN001/Wasp 35/{IMAGE.partition('/')[2]}.fits",
        IMAGE.rpartition("/")[2] + ".fits",
        "PAN001_14d3bd_20180216T112430.fits",
        f"somewhere/else/{IMAGE.rpartition('/')[2]}.fits",
    ],
)
def test_an_archived_file_is_found_by_any_spelling_of_its_name(site: Site, asked: str) -> None:
    answer = what_became_of(site, asked, files_url="https://archive.example.org/files")
    (report,) = answer.files
    assert (report.file, report.state) == (f"{IMAGE}.fits", "archived")
    assert f"{IMAGE}.fits.fz" in [output.path for output in report.outputs]
    assert report.next_step == ""
    assert report.arrived is not None


@pytest.mark.parametrize(
    "asked", [IMAGE, IMAGE.rpartition("/")[2], "PAN001_14d3bd_20180216T112430"]
)
def test_a_name_without_its_suffix_means_all_files_of_the_image(site: Site, asked: str) -> None:
    files = {report.file for report in what_became_of(site, asked).files}
    assert files == {f"{IMAGE}.fits", f"{IMAGE}.cr2"}


def test_a_bad_file_is_told_of_with_what_to_do_and_to_strangers_without_what_was_seen(
    site: Site,
) -> None:
    report = first(site, f"{LATER}.fits")
    assert (report.state, report.code) == ("quarantined", "not-fits")
    assert "not a FITS file" in report.sentence
    assert "upload" in report.next_step
    assert report.case_id is not None
    stranger = what_became_of(site, f"{LATER}.fits", hidden=HIDDEN).files[0]
    assert (stranger.state, stranger.case_id, stranger.history) == ("quarantined", None, [])
    assert first(site, f"{LAST}.fits").file == f"{LATER}.fits"
    assert what_became_of(site, f"{LAST}.fits", hidden=HIDDEN).files[0].state == "unknown"


def test_a_file_that_nobody_has_taken_up_waits(site: Site) -> None:
    report = first(site, WAITING)
    assert (report.state, report.next_step) == (
        "waiting",
        "Nothing: the network takes it up by itself, usually within minutes.",
    )


def test_a_file_that_may_still_be_arriving_is_found_by_its_last_part(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, incomplete_seconds=600)
    place(sites.incoming(site), WAITING, tiny_fits()[:3000]).touch()
    last = WAITING.rpartition("/")[2]
    just_come = first(site, last)
    assert (just_come.state, "arrived" in just_come.next_step) == ("unknown", False)
    assert "A file that has just come is only found by its whole path" in just_come.next_step
    assert first(site, WAITING).state == "waiting"
    sites.run(site)
    answer = what_became_of(site, last)
    assert [(each.file, each.state) for each in answer.files] == [(WAITING, "in-work")]
    assert "may still be arriving" in answer.files[0].sentence
    assert answer.note == ""
    (stranger,) = what_became_of(site, last, hidden=HIDDEN).files
    assert stranger.state == "unknown"
    assert "Nothing that was archived has this name. Any other file" in stranger.next_step


def test_a_file_that_a_run_has_in_hand_is_found_by_its_last_part(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), WAITING, tiny_fits())
    open_entry(site, sites.source_named(site, WAITING))
    assert first(site, WAITING.rpartition("/")[2]).state == "in-work"


def test_a_whole_path_of_which_nothing_came_is_to_be_looked_for_on_the_unit(site: Site) -> None:
    report = first(site, f"{SEQUENCE}/20180216T113130.fits")
    assert report.next_step.startswith("Nothing of this name has arrived here.")


def test_a_file_over_the_units_daily_limit_is_said_to_wait_for_tomorrow(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, daily_bytes=1)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    sites.run(site)
    place(sites.incoming(site), WAITING, tiny_fits(seed=5))
    assert "midnight UTC" in first(site, WAITING).next_step


def test_an_unknown_name_is_said_to_be_none_and_what_would_be_wrong_with_it(site: Site) -> None:
    report = first(site, "PAN001/lost.xyz")
    assert report.state == "unknown"
    assert "whole path" in report.next_step
    assert "does not take files of this type" in report.next_step
    with pytest.raises(NotOurs):
        what_became_of(site, "gs://somebody-else/PAN001/x.fits")


def test_a_name_of_any_signs_is_found_as_it_is(site: Site, tmp_path: Path) -> None:
    assert (first(site, ODD).file, first(site, ODD).state) == (ODD, "quarantined")


def test_firestore_has_an_index_for_whatever_is_asked(site: Site) -> None:
    recording = Recording(Path(site.settings.catalog.removeprefix("sqlite:///")))
    asking = Site(site.settings)
    asking._catalog = recording
    for asked in (f"{IMAGE}.fits", f"images/{IMAGE}.fits.fz", f"{LAST}.fits", "nothing.fits"):
        what_became_of(asking, asked)
    case_page(asking, unit="PAN001", code="not-fits")
    assert len(recording.asked) > 10
    assert recording.without_index() == []


def test_what_was_put_back_is_said_to_be_judged_again(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{LATER}.fits", b"junk")
    sites.run(site)
    rescue_case(site, find_case(site, f"{LATER}.fits"), by="Ann")
    report = first(site, f"{LATER}.fits")
    assert "judges it again" in report.next_step
    assert report.rescue is not None
    assert report.rescue.by == "Ann"

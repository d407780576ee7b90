"""Two different files of one image: the second takes the place of the first, and both are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.fits.archive import compress_fits
from panoptes.network.ingest.cases import find_case
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.whereabouts import what_became_of
from tests import audited, sites
from tests.audited import found
from tests.files import IMAGE, place, tiny_cr2, tiny_fits, tiny_fits_fz

FITS, PACKED, OTHER = f"{IMAGE}.fits", f"{IMAGE}.fits.fz", f"{IMAGE}.FITS"
ONE, TWO = tiny_fits(), tiny_fits(seed=9)
FILES = {FITS: (ONE, TWO), PACKED: (tiny_fits_fz(ONE), tiny_fits_fz(TWO)), OTHER: (ONE, TWO)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


def _send(site: Site, name: str, number: int) -> None:
    site.store("incoming").put(name, FILES[name][number])
    sites.ingest_all(site)


def _give_way(site: Site, case: str) -> bytes:
    """The archived object is moved away, and the case judged again; gives what was moved."""
    assert sites.entry_of(site, case).code == "conflicts-with-archive"
    moved, _ = site.store("images").read(PACKED)
    site.store("images").delete(PACKED)
    rescue_case(site, find_case(site, case), by="Ann")
    sites.ingest_all(site)
    assert sites.entry_of(site, case).outcome == "archived"
    return moved


def _wrong(*names: str) -> set[tuple[str, str]]:
    return {("entry-wrong", f"files/{document_key(name)}") for name in names}


@pytest.mark.parametrize(("first", "second"), [(FITS, PACKED), (PACKED, FITS)])
def test_a_displaced_image_is_found_until_it_is_uploaded_again_and_kept_aside(
    site: Site, first: str, second: str
) -> None:
    _send(site, first, 0)
    _send(site, second, 1)
    _give_way(site, second)
    assert found(site) == found(site, deep=True) == _wrong(first)
    [finding] = audit(site)
    assert f"made of {second}" in finding.sentence
    assert [r.mended for r in audited.repaired(site)] == [False]
    (report,) = what_became_of(site, first).files
    assert (report.state, report.outputs) == ("gone", [])
    assert "Upload it again" in report.next_step
    assert what_became_of(site, second).files[0].state == "archived"

    _send(site, first, 0)
    assert found(site, deep=True) == set()
    entry = sites.entry_of(site, first)
    assert (entry.code, entry.location) == ("conflicts-with-archive", "quarantine")
    assert site.store("quarantine").read(entry.path or "")[0] == FILES[first][0]
    assert what_became_of(site, first).files[0].state == "quarantined"
    assert what_became_of(site, second).files[0].state == "archived"

    _give_way(site, first)  # and the other way round
    assert found(site) == _wrong(second)


def test_in_a_folder_that_is_only_read_the_uploads_change_places_too(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    place(sites.incoming(site), FITS, ONE)
    sites.run(site)
    place(sites.incoming(site), PACKED, FILES[PACKED][1])
    sites.run(site)
    site.store("images").delete(PACKED)
    (sites.incoming(site) / FITS).unlink()
    rescue_case(site, find_case(site, PACKED), by="Ann")
    assert sites.outcomes(sites.run(site)) == {PACKED: "catalogued"}
    assert found(site) == _wrong(FITS)
    place(sites.incoming(site), FITS, ONE)
    assert sites.outcomes(sites.run(site))[FITS] == "quarantined: conflicts-with-archive"
    assert found(site, deep=True) == set()


def test_a_displaced_image_that_waits_again_is_kept_aside_by_a_repair(site: Site) -> None:
    _send(site, FITS, 0)
    _send(site, PACKED, 1)
    _give_way(site, PACKED)
    site.store("incoming").put(FITS, ONE)
    assert [r.mended for r in audited.repaired(site)] == [True]
    assert found(site, deep=True) == set()


def test_who_was_found_equal_to_a_displaced_image_is_found_too(site: Site) -> None:
    """The newer upload conflicts only since the older archive stands for another file, too."""
    _send(site, PACKED, 0)
    _send(site, FITS, 0)
    assert sites.entry_of(site, FITS).duplicate_of == PACKED
    _send(site, PACKED, 1)
    _give_way(site, PACKED)
    assert found(site) == _wrong(FITS)
    assert what_became_of(site, FITS).files[0].state == "gone"
    _send(site, FITS, 0)
    assert found(site, deep=True) == set()


def test_an_archive_made_anew_of_the_same_image_is_still_its_duplicates(site: Site) -> None:
    _send(site, PACKED, 0)
    _send(site, FITS, 0)
    again = compress_fits(ONE, method="GZIP_2").data
    assert again != FILES[PACKED][0]
    site.store("incoming").put(PACKED, again)
    sites.ingest_all(site)
    assert found(site, deep=True) == set()
    assert {each.state for each in what_became_of(site, IMAGE).files} == {"archived"}


def test_a_restored_archive_is_still_the_files(site: Site) -> None:
    _send(site, FITS, 0)
    audited.rewrite(site, "images", PACKED)
    assert what_became_of(site, FITS).files[0].state == "archived"
    audited.spoil(site, "images", PACKED)
    assert what_became_of(site, FITS).files[0].state == "gone"
    site.store("images").delete(PACKED)
    (report,) = what_became_of(site, FITS).files  # as where images is not mounted
    assert (report.state, "nothing at all can be seen" in report.sentence) == ("gone", True)
    assert report.next_step.startswith("Ask the network's operators before")
    site.store("images").put("PAN002/another.fits.fz", b"x")
    (report,) = what_became_of(site, FITS).files
    assert (report.state, "not there any more" in report.sentence) == ("gone", True)
    assert report.next_step.startswith("Upload it again")


def test_the_picture_that_a_raw_gave_up_to_the_fits_file_is_nobodys_loss(site: Site) -> None:
    site.store("incoming").put(f"{IMAGE}.cr2", tiny_cr2())
    sites.ingest_all(site)
    _send(site, FITS, 1)
    assert found(site, deep=True) == set()
    assert {each.state for each in what_became_of(site, IMAGE).files} == {"archived"}

"""Bad files are kept aside untouched, with a code, a sentence, and their bytes."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput
from panoptes.network.ingest.quarantine import quarantine_file
from panoptes.network.names import quarantine_name
from tests import sites
from tests.audited import quietly_spoil
from tests.files import IMAGE, LATER, UPLOADED, jpeg, mp4, place, tiny_fits, tiny_fits_fz

BAD = {
    f"{IMAGE}.fits": (b"", "empty-file"),
    f"{IMAGE}.FITS": (b"not a FITS file at all", "not-fits"),
    f"{LATER}.fits": (tiny_fits()[:3000], "truncated-file"),
    f"{LATER}.jpg": (b"\xff\xd8\xff", "not-a-picture"),
    f"{LATER}.jpeg": (jpeg(size=(200, 200))[:-300], "truncated-file"),
    f"{LATER}.mp4": (mp4()[:-3], "truncated-file"),
    f"{LATER}.cr2": (b"II*\0" + bytes(100), "not-a-raw"),
    "PAN001/14d3bd/notes.txt": (b"clouds", "unknown-suffix"),
    "PAN001/14d3bd/20180216.fits": (tiny_fits(), "unroutable-name"),
    "hidden.fits": (tiny_fits(), "unroutable-name"),
    "with spaces.fits": (b"x", "unroutable-name"),
    "new\nline.fits": (b"y", "unroutable-name"),
    os.fsdecode(b"latin-\xe9.fits"): (b"z", "unroutable-name"),
}


@pytest.mark.parametrize("keep", [True, False])
def test_every_bad_file_goes_aside_with_its_bytes_and_a_reason(tmp_path: Path, keep: bool) -> None:
    site = (sites.kept if keep else sites.drained)(tmp_path, previews_wanted=False)
    good = "PAN001/14d3bd/20180216T110623/20180216T113030.fits"
    place(sites.incoming(site), good, tiny_fits(seed=3))
    for name, (data, _) in BAD.items():
        place(sites.incoming(site), name, data)
    results = sites.run(site)
    assert results[good].became == "catalogued"
    for name, (data, code) in BAD.items():
        entry = sites.entry_of(site, name)
        assert (entry.outcome, entry.code) == ("quarantined", code), name
        assert entry.reason
        assert entry.next_step
        assert entry.path is not None
        assert site.store("quarantine").read(entry.path)[0] == data
        result = results[entry.name]
        assert (result.became, result.code, result.path) == ("quarantined", code, entry.path)
    assert len(sites.objects(site, "quarantine")) == len(BAD)
    assert sorted(sites.waiting(site)) == (sorted([*BAD, good]) if keep else [])


def test_a_bad_file_is_quarantined_once_however_often_it_is_met(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    place(sites.incoming(site), f"{IMAGE}.fits", b"junk")
    first = sites.run(site)
    before = sites.objects(site), sites.documents(site)
    assert sites.run(site) == first
    assert (sites.objects(site), sites.documents(site)) == before
    assert sites.entry_of(site, f"{IMAGE}.fits").attempts == 1


def test_each_bad_generation_is_kept_beside_the_others(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    for hours, data in enumerate((b"junk", b"more junk")):
        moment = UPLOADED + timedelta(hours=hours)
        place(sites.incoming(site), f"{IMAGE}.fits", data, moment=moment)
        sites.run(site)
    assert sorted(sites.objects(site, "quarantine").values()) == [b"junk", b"more junk"]


def test_a_copy_that_somebody_removed_is_put_back(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    place(sites.incoming(site), f"{IMAGE}.fits", b"junk")
    sites.run(site)
    before = sites.objects(site)
    (copy,) = site.store("quarantine").list()
    site.store("quarantine").delete(copy.name)
    assert sites.outcomes(sites.run(site)) == {f"{IMAGE}.fits": "quarantined: not-fits"}
    assert sites.objects(site) == before


def test_a_file_that_is_too_large_is_quarantined_and_not_loaded(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, max_file_bytes=5000)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    assert sites.outcomes(sites.run(site)) == {f"{IMAGE}.fits": "quarantined: too-large"}
    assert list(sites.objects(site, "quarantine").values()) == [tiny_fits()]


def test_an_image_of_too_many_pixels_is_quarantined_and_not_decoded(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, max_pixels=100)
    place(sites.incoming(site), f"{IMAGE}.fits.fz", tiny_fits_fz())
    place(sites.incoming(site), f"{LATER}.jpg", jpeg())
    assert set(sites.outcomes(sites.run(site)).values()) == {"quarantined: too-large"}


def test_an_image_of_too_many_bytes_once_decoded_is_quarantined(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, max_decoded_bytes=100)
    place(sites.incoming(site), f"{IMAGE}.fits.fz", tiny_fits_fz())
    assert set(sites.outcomes(sites.run(site)).values()) == {"quarantined: too-large"}


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _to_folder(path: Path) -> None:
    path.symlink_to(path.parent)


def _socket(path: Path) -> None:
    here = Path.cwd()
    try:
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("make", [_pipe, _dangling, _loop, _to_folder, _socket])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", [f"{IMAGE}.fits", "stray"])
def test_what_is_no_file_is_reported_and_stays_where_it_is(
    tmp_path: Path, make: object, keep: bool, name: str
) -> None:
    site = (sites.kept if keep else sites.drained)(tmp_path)
    path = sites.incoming(site) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert callable(make)
    make(path)
    code = "not-a-file" if name != "stray" else "unknown-suffix"
    for _ in range(2):
        result = sites.run(site)[name]
        assert (result.became, result.code, result.path) == ("quarantined", code, None)
        assert os.path.lexists(path)
    assert sites.objects(site) == {}


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    site = sites.kept(tmp_path, previews_wanted=False)
    target = place(tmp_path, "elsewhere.fits", tiny_fits())
    path = sites.incoming(site) / f"{IMAGE}.fits"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    assert sites.outcomes(sites.run(site)) == {f"{IMAGE}.fits": "catalogued"}


@pytest.mark.parametrize("name", [f"{IMAGE}.fits", os.fsdecode(b"latin-\xe9.fits")])
def test_other_bytes_of_the_same_length_in_quarantine_are_not_taken_for_the_copy(
    tmp_path: Path, name: str
) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), name, b"junk")
    source = sites.source_named(site, name)
    taken = quarantine_name(name, source.generation)
    site.store("quarantine").put(taken, b"else")
    sites.run(site)
    assert sites.waiting(site) == []
    entry = sites.entry_of(site, name)
    assert entry.path == quarantine_name(name, source.generation) + "-2"
    assert site.store("quarantine").read(entry.path)[0] == b"junk"
    assert site.store("quarantine").read(taken)[0] == b"else"


def test_an_upload_is_not_removed_for_a_copy_of_which_the_disk_lost_a_bit(tmp_path: Path) -> None:
    """The run that judged it was killed before it took the upload away."""
    site = sites.drained(tmp_path)
    name, data = f"{IMAGE}.fits", b"junk of some length"
    place(sites.incoming(site), name, data)
    source = sites.source_named(site, name)

    def tell(told: str) -> None:
        if told == "before incoming.delete":
            raise KeyboardInterrupt

    killed = sites.watched(site.changed(), tell)
    with pytest.raises(KeyboardInterrupt):
        quarantine_file(killed, source, BadInput("not-fits"))
    copy = sites.entry_of(site, name).path
    assert copy is not None
    quietly_spoil(site, "quarantine", copy)
    for _ in range(2):
        sites.run(site)
    assert sites.waiting(site) == []
    entry = sites.entry_of(site, name)
    assert entry.path is not None
    assert site.store("quarantine").read(entry.path)[0] == data


def test_a_damaged_upload_is_kept_as_it_is_and_not_as_something_of_its_length(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path)
    name = f"{IMAGE}.fits"
    site.store("incoming").put(name, b"pixels")
    quietly_spoil(site, "incoming", name)
    data = (sites.incoming(site) / name).read_bytes()
    assert data != b"pixels"
    source = sites.source_named(site, name)
    site.store("quarantine").put(quarantine_name(name, source.generation), b"others")
    assert sites.outcomes(sites.run(site)) == {name: "quarantined: transfer-damage"}
    entry = sites.entry_of(site, name)
    assert entry.path is not None
    assert site.store("quarantine").read(entry.path)[0] == data
    assert sites.waiting(site) == []

"""What would not fit into memory is refused with a reason, and never loaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import format_card
from panoptes.network.header import read_headers
from panoptes.network.storage.folder import FolderStore
from tests import sites
from tests.files import SEQUENCE, jpeg, place, tiny_fits, tiny_fits_fz

MEGABYTE = 1 << 20
RUN = """
import json, resource, sys
from pathlib import Path
from tests import sites
policies = {"previews_wanted": False, "workers": 2} | json.loads(sys.argv[2])
results = sites.run(sites.drained(Path(sys.argv[1]), **policies))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"codes": {r.name: r.code or r.became for r in results.values()}, "peak": peak}))
"""


def ingest(folder: Path, **policies: Any) -> tuple[dict[str, str], float]:
    """Take everything in a process of its own: what became of each, and its peak in MB."""
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), json.dumps(policies)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    return said["codes"], said["peak"]


def incoming(folder: Path) -> Path:
    return folder / "data" / "incoming"


def frame(number: int, suffix: str = "fits") -> str:
    minute, second = divmod(number, 60)
    return f"{SEQUENCE}/20180216T11{minute:02}{second:02}.{suffix}"


@pytest.fixture(scope="module")
def modest(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The peak, MB, of a run that meets but one small file of each kind."""
    folder = tmp_path_factory.mktemp("modest")
    place(incoming(folder), frame(0), tiny_fits())
    place(incoming(folder), frame(1, "fits.fz"), tiny_fits_fz())
    place(incoming(folder), frame(2, "jpg"), jpeg())
    codes, peak = ingest(folder)
    assert set(codes.values()) == {"catalogued", "filed"}
    return peak


def header(*axes: int, first: bytes = format_card("SIMPLE", True), comments: int = 0) -> bytes:
    """A header of an image, with so many bytes of comments."""
    cards = [
        first,
        format_card("BITPIX", 16),
        format_card("NAXIS", len(axes)),
        *(format_card(f"NAXIS{n}", axis) for n, axis in enumerate(axes, 1)),
        *([b"COMMENT".ljust(80)] * (comments // 80)),
        b"END".ljust(80),
    ]
    raw = b"".join(cards)
    return raw.ljust(-(-len(raw) // 2880) * 2880)


def of_pixels(fz: bytes, side: int) -> bytes:
    """A compressed image that claims to have `side` x `side` pixels."""
    for axis in (1, 2):
        fz = re.sub(
            rb"ZNAXIS%d +=  +\d+ " % axis,
            lambda found: found[0][:10] + b"%20d" % side + b" " * (len(found[0]) - 30),
            fz,
        )
    # Without checksums, which would tell of the change before anything else is looked at.
    return fz.replace(b"CHECKSUM=", b"XHECKSUM=").replace(b"DATASUM =", b"XATASUM =")


def jpeg_of(width: int, height: int) -> bytes:
    """A small picture that claims to be a large one (ITU-T T.81, section B.2.2)."""
    data = bytearray(jpeg())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


_EXTENSION = header(0, first=format_card("XTENSION", "IMAGE"), comments=10_000)
CLAIMS = {
    frame(0): (header(31_623, 31_623) + bytes(2880), "truncated-file"),
    frame(1, "fits.fz"): (of_pixels(tiny_fits_fz(), 31_623), "too-large"),
    frame(2, "jpg"): (jpeg_of(31_623, 31_623), "too-large"),
    frame(3): (header(16, 16, comments=10 * MEGABYTE) + bytes(2880), "too-large"),
    frame(4, "fits.fz"): (header(16, 16, comments=10 * MEGABYTE) + bytes(2880), "too-large"),
    frame(5): (header(0, comments=10_000) + 1000 * _EXTENSION, "too-large"),
}


def test_what_claims_a_billion_pixels_or_has_a_header_of_megabytes_is_refused_and_not_loaded(
    tmp_path: Path, modest: float
) -> None:
    for name, (data, _) in CLAIMS.items():
        place(incoming(tmp_path), name, data)
    codes, peak = ingest(tmp_path)
    assert codes == {name: code for name, (_, code) in CLAIMS.items()}
    # The files themselves, two at a time, and what a copy of one takes; never what they claim.
    assert peak < modest + 64


def test_a_huge_file_of_any_type_is_set_aside_without_being_loaded(
    tmp_path: Path, modest: float
) -> None:
    names = [frame(0), frame(1, "fits.fz"), frame(2, "cr2"), frame(3, "jpg"), frame(4, "mp4")]
    for name in names:
        os.truncate(place(incoming(tmp_path), name, b""), 128 * MEGABYTE)
    codes, peak = ingest(tmp_path, max_file_bytes=100 * MEGABYTE)
    assert codes == dict.fromkeys(names, "too-large")
    assert peak < modest + 64
    site = sites.drained(tmp_path)
    assert [info.size for info in site.store("quarantine").list()] == [128 * MEGABYTE] * 5


def test_two_gigabytes_are_beyond_the_limit_that_a_network_begins_with(tmp_path: Path) -> None:
    assert sites.drained(tmp_path).settings.max_file_bytes < 2 << 30


def test_a_thousand_frames_take_no_more_memory_than_fifty(tmp_path: Path) -> None:
    peaks = []
    for count in (50, 1000):
        folder = tmp_path / str(count)
        for number in range(count):
            place(incoming(folder), frame(number), tiny_fits(seed=number % 50))
        codes, peak = ingest(folder)
        assert list(codes.values()) == ["catalogued"] * count
        peaks.append(peak)
    few, many = peaks
    print(f"{few:.0f} MB for 50 frames, {many:.0f} MB for 1,000")
    assert many <= 1.2 * few, f"{few:.0f} MB for 50 frames, {many:.0f} MB for 1,000"


def test_the_headers_of_one_file_are_read_up_to_eight_megabytes_together(tmp_path: Path) -> None:
    one = header(0, first=format_card("XTENSION", "IMAGE"), comments=MEGABYTE)
    store = FolderStore(tmp_path)
    for count, fits in ((6, True), (9, False)):
        store.put(f"{count}.fits", header(0) + count * one)
        if fits:
            assert len(read_headers(store, f"{count}.fits")) == count + 1
        else:
            with pytest.raises(BadInput, match="too-large"):
                read_headers(store, f"{count}.fits")

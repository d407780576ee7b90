"""astrometry.net as the last resort: what it finds, and what is not believed of it."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from panoptes.network.plate_solving import astrometry_net
from panoptes.network.plate_solving.detection import Found, find_stars
from panoptes.network.plate_solving.solving import Unsolved, solve
from panoptes.network.simulator.headers import Target
from panoptes.network.simulator.observed_sky import ObservedSky, TrueFrame
from tests.patience import PATIENT_SECONDS

WHEN = datetime(2026, 1, 15, 6, tzinfo=UTC)
SMALL = ObservedSky(
    seed=5, frame_size="medium", frames=2, target=Target("field", 301.6, 44.5), faintest=11.5
)
FAR_OFF = [(120.0, -30.0)]
INDICES = Path("/usr/share/astrometry")
is_installed = pytest.mark.skipif(
    shutil.which("solve-field") is None or not list(INDICES.glob("index-tycho2-10*")),
    reason="needs the packages astrometry.net and astrometry-data-tycho2-10-19",
)


@pytest.fixture(scope="module")
def frame() -> TrueFrame:
    return SMALL.expose(0)


@pytest.fixture(scope="module")
def found(frame: TrueFrame) -> Found:
    return find_stars(frame.pixels)


@is_installed
def test_a_small_frame_is_found_that_is_far_from_where_it_should_be(
    frame: TrueFrame, found: Found
) -> None:
    with pytest.raises(Unsolved, match=r"not recognised near where its mount points$"):
        solve(found.stars, found.shape, WHEN, hints=FAR_OFF, ask_others=False)
    solution = solve(found.stars, found.shape, WHEN, hints=FAR_OFF)
    assert (solution.way, solution.solver) == ("blind", "astrometry.net")
    stars = solution.stars
    true_x, true_y = frame.optics.to_pixels(stars.ra, stars.dec)
    x, y = solution.wcs.to_pixels(stars.ra, stars.dec)
    assert np.sqrt(np.mean((x - true_x) ** 2 + (y - true_y) ** 2)) * 10.3 < 0.5, "arcseconds"
    assert len(stars) > 50


@is_installed
def test_what_shows_no_sky_it_does_not_find_either(found: Found) -> None:
    rng = np.random.default_rng(2)
    made = replace(
        found.stars,
        x=rng.uniform(0, found.shape[1], len(found.stars)),
        y=rng.uniform(0, found.shape[0], len(found.stars)),
    )
    with pytest.raises(Unsolved, match=r"nor by astrometry\.net"):
        solve(made, found.shape, WHEN, hints=[])


def program(folder: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lines` of a shell are what solve-field is."""
    path = folder / "bin" / "solve-field"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")


def test_one_that_hangs_is_ended_with_what_it_started(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait", monkeypatch)
    monkeypatch.setattr(astrometry_net, "SECONDS", 1.0)
    with pytest.raises(Unsolved, match=r"nor by astrometry\.net"):
        solve(found.stars, found.shape, WHEN, hints=FAR_OFF)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + PATIENT_SECONDS
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Nothing may have waited for it: a zombie runs no more."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("kind", ["another place", "another scale", "no map"])
def test_what_it_says_is_believed_only_where_the_stars_are_there(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    true = solve(found.stars, found.shape, WHEN, hints=[(301.6, 44.5)])
    cards = true.wcs.header_cards()
    if kind == "another place":
        cards["CRVAL1"] += 30.0
    elif kind == "another scale":
        cards |= {name: 1.2 * value for name, value in cards.items() if name.startswith("CD")}
    header = fits.Header(cards)
    answer = tmp_path / "answer.wcs"
    fits.PrimaryHDU(header=header).writeto(answer)
    if kind == "no map":
        answer.write_bytes(b"no FITS file")
    wanted = 'while [ "$1" != --wcs ]; do shift; done'
    program(tmp_path, f'{wanted}; cp {answer} "$2"', monkeypatch)
    with pytest.raises(Unsolved, match=r"nor by astrometry\.net"):
        solve(found.stars, found.shape, WHEN, hints=FAR_OFF)


def test_one_that_tells_the_truth_is_checked_and_believed(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = solve(found.stars, found.shape, WHEN, hints=[(301.6, 44.5)])
    answer = tmp_path / "answer.wcs"
    fits.PrimaryHDU(header=fits.Header(true.wcs.header_cards())).writeto(answer)
    wanted = 'while [ "$1" != --wcs ]; do shift; done'
    program(tmp_path, f'{wanted}; cp {answer} "$2"', monkeypatch)
    solution = solve(found.stars, found.shape, WHEN, hints=FAR_OFF)
    assert solution.solver == "astrometry.net"
    assert solution.wcs.crval == pytest.approx(true.wcs.crval, abs=1e-4)


def test_where_it_is_not_installed_it_is_not_asked(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unsolved, match=r"not recognised near where its mount points$"):
        solve(found.stars, found.shape, WHEN, hints=FAR_OFF)

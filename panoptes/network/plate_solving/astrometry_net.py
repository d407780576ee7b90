"""Recognising a field by astrometry.net (Lang et al. 2010, AJ 139, 1782), where it is installed.

Its program is found on PATH, or nothing of it is used. It knows smaller fields than our triangles
do. What it says is a candidate like others: the stars are matched, and judged, by us.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from panoptes.network.plate_solving.detection import Detections
from panoptes.network.plate_solving.triangles import Pairs
from panoptes.network.plate_solving.wcs import from_plane
from panoptes.network.safe_text import safe_log

PROGRAM = "solve-field"
SOLVER = "astrometry.net"
CPU_SECONDS = 2
"""After which it gives up: a field that it knows takes less than half of one."""
SECONDS = 10.0
"""After which it is ended."""
_STARS = 100
"""The brightest that it gets, and that are followed up."""
_REFERENCE = ("CRPIX", "CRVAL")
"""Its map is a plane that touches the sky there."""

log = safe_log(__name__)


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


def recognised(
    detections: Detections, shape: tuple[int, int], scale: float, scale_off: float
) -> Pairs | None:
    """The frame's brightest stars with their places by its map; None where it has none.

    `scale` is known to the share `scale_off`, in arcseconds a pixel. It takes `SECONDS` at most.
    """
    import numpy as np
    from astropy.io import fits

    seen = np.arange(min(_STARS, len(detections)))
    with tempfile.TemporaryDirectory(prefix="panoptes-astrometry-") as folder:
        stars, answer = Path(folder) / "stars.fits", Path(folder) / "answer.wcs"
        _write(stars, detections.of(seen))
        command = [PROGRAM, "--no-plots", "--overwrite", "--dir", folder, "--temp-dir", folder]
        for name in ("new-fits", "solved", "match", "rdls", "corr", "index-xyls"):
            command += [f"--{name}", "none"]
        # What these take away is no trouble of ours, and they need more programs.
        command += ["--no-remove-lines", "--uniformize", "0", "--no-tweak"]
        command += ["--width", str(shape[1]), "--height", str(shape[0])]
        command += ["--x-column", "X", "--y-column", "Y", "--sort-column", "FLUX"]
        command += ["--scale-units", "arcsecperpix"]
        command += ["--scale-low", f"{scale * (1 - scale_off):.4f}"]
        command += ["--scale-high", f"{scale * (1 + scale_off):.4f}"]
        command += ["--cpulimit", str(CPU_SECONDS), "--wcs", str(answer), str(stars)]
        if not _ran(command, folder) or not answer.exists():
            return None
        try:
            cards = fits.getheader(answer)
            cd = np.array([[float(cards[f"CD{i}_{j}"]) for j in (1, 2)] for i in (1, 2)])
            crpix, crval = ([float(cards[f"{name}{i}"]) for i in (1, 2)] for name in _REFERENCE)
        except (OSError, KeyError, ValueError) as error:
            log.warning("%s gave no map that can be read: %s", PROGRAM, error)
            return None
    x, y = detections.x[seen] + 1 - crpix[0], detections.y[seen] + 1 - crpix[1]
    xi, eta = cd @ np.stack([x, y])
    ra, dec = from_plane(xi, eta, (crval[0], crval[1]))
    if not (np.isfinite(ra) & np.isfinite(dec)).all():
        return None
    return Pairs(seen, ra, dec, votes=0)


def _write(path: Path, stars: Detections) -> None:
    """As a table of places, the first pixel being 1."""
    from astropy.io import fits

    columns = [
        fits.Column(name, "D", array=array)
        for name, array in (("X", stars.x + 1), ("Y", stars.y + 1), ("FLUX", stars.flux))
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path)


def _ran(command: list[str], folder: str) -> bool:
    """Whether it came to an end by itself; it and what it started are ended after `SECONDS`."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        log.warning("%s does not start: %s", PROGRAM, error.strerror)
        return False
    with process:
        try:
            _, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            log.info("%s was ended: it took more than %g seconds", PROGRAM, SECONDS)
            return False
    if process.returncode:
        last = "".join(errors.decode(errors="replace").strip().splitlines()[-1:])
        log.warning("%s failed with %d: %s", PROGRAM, process.returncode, last[:200])
    return process.returncode == 0

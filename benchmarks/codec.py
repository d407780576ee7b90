"""Compression: `.fits` files to `.fits.fz` files, against fpack, fitsio and astropy."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.frames import Frame
from benchmarks.measure import Medians, require
from benchmarks.report import Report

if TYPE_CHECKING:
    from panoptes.network.fits.tiles import Method


def run(report: Report, frames: tuple[Frame, Frame], folder: Path, repeats: int) -> None:
    dark, _ = frames
    for key, size in _sizes(report, frames, folder).items():
        report.number(key, size)
    ours = {
        "ours, Rice": partial(_compress, dark.fits, folder / "rice.fz", "RICE_1"),
        "ours, Rice, verified": partial(
            _compress, dark.fits, folder / "rice.fz", "RICE_1", verified=True
        ),
        "ours, default": partial(_compress, dark.fits, folder / "gzip.fz", "GZIP_2"),
        "ours, default, verified": partial(
            _compress, dark.fits, folder / "gzip.fz", "GZIP_2", verified=True
        ),
    }
    peer = partial(fpack, dark.fits, folder / "peer.fz")
    took = Medians({"fpack -r": peer, **ours}, repeats)
    report.number("rice_cpu", took.cpu_ratio("ours, Rice", "fpack -r"))
    report.number("rice_verified_cpu", took.cpu_ratio("ours, Rice, verified", "fpack -r"))
    report.number("archive_cpu", took.cpu_ratio("ours, default", "fpack -r"))
    others = Medians(
        {
            "fpack -r": peer,
            "fitsio, Rice": partial(_fitsio, dark.fits, folder / "other.fz"),
            "astropy, Rice": partial(_astropy, dark.fits, folder / "other.fz", "RICE_1"),
            "astropy, GZIP_2": partial(_astropy, dark.fits, folder / "other.fz", "GZIP_2"),
        },
        min(repeats, 3),
    )
    rows = [
        (name, f"{medians.cpu(name):.3f}", f"{medians.cpu_ratio(name, 'fpack -r'):.2f}")
        for medians, names in ((took, took.costs), (others, list(others.costs)[1:]))
        for name in names
    ]
    report.table(
        "Compression of the dark frame", ("what", "CPU seconds", "CPU, fpack -r = 1"), rows
    )


def fpack(fits: Path, packed: Path) -> None:
    """The peer: the program that the original service called. It writes checksums, too."""
    packed.unlink(missing_ok=True)
    subprocess.run(["fpack", "-r", "-O", str(packed), str(fits)], check=True, capture_output=True)


def _compress(fits: Path, packed: Path, method: Method, *, verified: bool = False) -> None:
    """What the task does between the stores; `verified`: and what its verification does."""
    from panoptes.network.fits.archive import compress_fits, verify_archive

    source = fits.read_bytes()
    packed.write_bytes(compress_fits(source, method=method).data)
    if verified:
        verify_archive(source, packed.read_bytes())


def _sizes(report: Report, frames: tuple[Frame, Frame], folder: Path) -> dict[str, float]:
    """Sizes, and that other readers get the source back from each file that is timed."""
    sizes: dict[str, float] = {}
    for frame in frames:
        peer, rice, gzip = (folder / f"{frame.name}.{kind}.fz" for kind in ("peer", "rice", "gzip"))
        fpack(frame.fits, peer)
        _compress(frame.fits, rice, "RICE_1")
        _compress(frame.fits, gzip, "GZIP_2")
        require(_heap(rice) == _heap(peer), f"Rice tiles of {frame.name} differ from fpack's")
        for packed in (rice, gzip):
            restores(packed, frame.fits)
        sizes[f"archive_size_{frame.name}"] = gzip.stat().st_size / peer.stat().st_size
    report.note("The Rice tiles are fpack's to the byte; funpack gives back each source file.")
    return sizes


def restores(packed: Path, fits: Path) -> None:
    """funpack gives back the very file, and astropy finds every checksum right."""
    from astropy.io import fits as astropy_fits

    back = packed.with_suffix(".funpacked")
    back.unlink(missing_ok=True)
    subprocess.run(["funpack", "-O", str(back), str(packed)], check=True, capture_output=True)
    require(back.read_bytes() == fits.read_bytes(), f"funpack restores another file from {packed}")
    back.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with astropy_fits.open(packed, checksum=True, disable_image_compression=True) as hdus:
            require(len(hdus) == 2, f"{packed} holds {len(hdus)} HDUs")


def _heap(packed: Path) -> bytes:
    """The coded tiles and their descriptors, as they lie in the file."""
    from astropy.io import fits as astropy_fits

    with astropy_fits.open(packed, disable_image_compression=True) as hdus:
        start = hdus[1].fileinfo()["datLoc"]
        size = hdus[1].header["NAXIS1"] * hdus[1].header["NAXIS2"] + hdus[1].header["PCOUNT"]
    return packed.read_bytes()[start : start + size]


def _fitsio(fits: Path, packed: Path) -> None:
    import fitsio

    packed.unlink(missing_ok=True)
    with fitsio.FITS(str(fits)) as source, fitsio.FITS(str(packed), "rw") as made:
        made.write(source[0].read(), header=source[0].read_header(), compress="rice")
        made[-1].write_checksum()


def _astropy(fits: Path, packed: Path, method: str) -> None:
    from astropy.io import fits as astropy_fits

    with astropy_fits.open(io.BytesIO(fits.read_bytes())) as hdus:
        made = astropy_fits.CompImageHDU(
            hdus[0].data, hdus[0].header.copy(strip=True), compression_type=method
        )
        made.writeto(packed, overwrite=True, checksum=True)


def missing_peers() -> list[str]:
    """Programs that have to be installed before anything can be compared with them."""
    return [name for name in ("fpack", "funpack") if shutil.which(name) is None]

"""Colour planes: `.cr2` to R, G and B files, against the original service's call."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.frames import Frame
from benchmarks.measure import Medians, require
from benchmarks.report import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.fits.tiles import Method


def run(report: Report, frames: tuple[Frame, Frame], folder: Path, repeats: int) -> None:
    dark, _ = frames
    for frame in frames:
        ours(frame.cr2, folder)
        _check(frame.cr2, folder)
    took = Medians(
        {
            "the original's call, plain files": partial(original, dark.cr2, folder),
            "ours, plain files": partial(ours, dark.cr2, folder, verified=False),
            "ours, plain files, verified": partial(ours, dark.cr2, folder),
            "ours, Rice, verified": partial(ours, dark.cr2, folder, method="RICE_1"),
            "ours, GZIP_2, verified": partial(ours, dark.cr2, folder, method="GZIP_2"),
        },
        repeats,
    )
    peer = "the original's call, plain files"
    report.number("rgb_cpu", took.cpu_ratio("ours, plain files, verified", peer))
    rows = [
        (name, f"{took.cpu(name):.3f}", f"{took.cpu_ratio(name, peer):.2f}") for name in took.costs
    ]
    report.table("Colour planes of the dark frame", ("what", "CPU seconds", "original = 1"), rows)
    report.note("Every plane was compared with LibRaw's own samples (rawpy, raw_image_visible).")


def original(cr2: Path, folder: Path) -> None:
    """The original service's options, and three plain FITS files."""
    import numpy as np
    import rawpy
    from astropy.io import fits

    with rawpy.imread(str(cr2)) as raw:
        rgb = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AAHD,
            half_size=True,
            no_auto_bright=True,
            output_bps=16,
            gamma=(1, 1),
        )
    for index, colour in enumerate("rgb"):
        plane = np.ascontiguousarray(rgb[:, :, index])
        fits.PrimaryHDU(plane).writeto(folder / f"original_{colour}.fits", overwrite=True)


def ours(cr2: Path, folder: Path, *, verified: bool = True, method: Method | None = None) -> None:
    """What the two tasks do between the stores; `method` None: without compressing the planes."""
    from panoptes.network.cr2.frame import read_raw
    from panoptes.network.cr2.planes import RawOrigin, plane_fits, verify_planes
    from panoptes.network.fits.archive import compress_fits

    data = cr2.read_bytes()
    frame = read_raw(data)
    planes = plane_fits(frame, RawOrigin(source=cr2.name))
    for colour, plane in planes.items():
        if method is not None:
            plane = compress_fits(plane, method=method).data
        (folder / f"ours_{colour}.fits").write_bytes(plane)
    if verified:
        verify_planes(frame, {c: (folder / f"ours_{c}.fits").read_bytes() for c in planes})


def _check(cr2: Path, folder: Path) -> None:
    """The planes hold LibRaw's samples, read by astropy."""
    import numpy as np
    import rawpy
    from astropy.io import fits

    with rawpy.imread(str(cr2)) as raw:
        samples = raw.raw_image_visible.astype(np.int64)
        colours = raw.raw_colors_visible[:2, :2]

    def plane(row: int, column: int) -> NDArray[np.int64]:
        return samples[row::2, column::2]

    found = {}
    for colour in "rgb":
        with fits.open(folder / f"ours_{colour}.fits", checksum=True) as hdus:
            found[colour] = [hdu.data.astype(np.int64) for hdu in hdus]
    (red,), (blue,) = np.argwhere(colours == 0), np.argwhere(colours == 2)
    require(np.array_equal(found["r"][0], plane(*red)), f"red of {cr2} differs")
    require(np.array_equal(found["b"][0], plane(*blue)), f"blue of {cr2} differs")
    one, two = plane(red[0], 1 - red[1]), plane(1 - red[0], red[1])
    require(np.array_equal(found["g"][0], one + two), f"green of {cr2} differs")
    second = two if red[0] == 0 else one
    require(np.array_equal(found["g"][1], second), f"the second green of {cr2} differs")

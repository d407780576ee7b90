"""Pictures of a full frame: its preview, a thumbnail, and cutouts from a store that answers after
30 ms."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.headers import LATENCY
from benchmarks.measure import Medians, require
from benchmarks.report import Report

if TYPE_CHECKING:
    from benchmarks.frames import Frame
    from panoptes.network.storage.store import ObjectInfo, ObjectStore

SIDES = (256, 1024)


class Distant:
    """What a cutout asks of a store, each after a while; and how much it reads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store, self.read, self.asked = store, 0, 0

    def stat(self, name: str) -> ObjectInfo:
        self.asked += 1
        time.sleep(LATENCY)
        return self._store.stat(name)

    def read_range(self, name: str, start: int, end: int) -> bytes:
        self.asked += 1
        time.sleep(LATENCY)
        part = self._store.read_range(name, start, end)
        self.read += len(part)
        return part


def run(report: Report, frame: Frame, scratch: Path, repeats: int) -> None:
    import io

    from PIL import Image

    from panoptes.network.cutout import Cutout, Pixel, cutout
    from panoptes.network.fits.archive import compress_fits
    from panoptes.network.fits.content import check_source
    from panoptes.network.pictures import preview, thumbnail
    from panoptes.network.storage.folder import FolderStore

    content = check_source(frame.fits.read_bytes())
    rows, columns = content.shape
    folder = scratch / "pictures"
    folder.mkdir()
    (folder / "frame.fits.fz").write_bytes(compress_fits(frame.fits.read_bytes()).data)
    size = (folder / "frame.fits.fz").stat().st_size
    distant = Distant(FolderStore(folder, read_only=True))
    make = partial(
        preview, content.stored, pattern="GBRG", bottom_up=True, physical=content.physical
    )
    shown = make()
    shares: dict[str, tuple[str, str]] = {}
    contenders = {"preview": make, "thumbnail of it": partial(thumbnail, shown)}
    for side in SIDES:
        wanted = Cutout(Pixel(columns // 2, rows // 2), side, side)
        part = partial(cutout, cast("ObjectStore", distant), "frame.fits.fz", wanted)
        distant.read = distant.asked = 0
        with Image.open(io.BytesIO(part())) as picture:
            require(picture.size == (side, side), "the cutout has another size")
        name = f"cutout of {side} x {side}"
        shares[name] = str(distant.asked), f"{100 * distant.read / size:.0f} %"
        contenders[name] = part
    took = Medians(contenders, repeats)
    report.number("cutout_ms", 1000 * took.wall(f"cutout of {SIDES[-1]} x {SIDES[-1]}"))
    report.table(
        f"Pictures of {columns} x {rows} pixels, the archived file at 30 ms",
        ("what", "requests", "of the file", "wall, ms", "CPU, ms"),
        [
            (
                name,
                *shares.get(name, ("", "")),
                f"{1000 * took.wall(name):.0f}",
                f"{1000 * took.cpu(name):.1f}",
            )
            for name in contenders
        ],
    )

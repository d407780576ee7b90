"""A timelapse of an observation, of the previews of its images.

It lies in `timelapse` beside the films that units upload, under a name that none of those can
have, and is made anew when there are other previews than it was made of.
"""

from __future__ import annotations

import io
import math
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.pictures import LONG_SIDE, decoded_small
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, ObjectInfo, PreconditionFailed

if TYPE_CHECKING:
    from PIL import Image

MOST_FRAMES = 400
"""Of longer observations, every so many images are shown."""
LEAST_FRAMES = 2
FRAME_SIDE = 800
"""Pixels, of the longer side."""
SECONDS = 15
"""That a timelapse takes, where four to 24 images a second allow it."""
_QUALITY = "25"
"""x264's constant rate factor: a megabyte for each 30 images of a noisy sky."""
_PREVIEW = re.compile(rf"\d{{8}}T\d{{6}}\.preview-{LONG_SIDE}\.jpg", re.ASCII)
_LOOKED_AT = 25
"""Frames, evenly spread, that tell which shape most of them have."""
_MOST_BYTES = 1 << 25
"""Of a preview; ours are a hundredth of it."""
_encoder = threading.Lock()


class NoEncoder(ConfigurationError):
    """PyAV is not installed; the message says how to."""


class TooFewImages(LookupError):
    """An observation has no previews, or one alone."""


@dataclass(frozen=True)
class Timelapse:
    """A film of an observation: H.264 in MP4, with its index in front."""

    data: bytes
    frames: int
    kept: ObjectInfo | None
    """What the store says of it; None where it could not be kept."""


def timelapse(site: Site, sequence_id: str, *, wait: bool = True) -> Timelapse:
    """The timelapse of an observation: the one that is kept if it shows what there is, else a new
    one, which is kept.

    One is encoded at a time in a process, on one processor: 400 images take about ten seconds.
    With `wait` unset TransientError is raised where another is being made. Raises ValueError for
    what is no observation's id, TooFewImages, NoEncoder, and TransientError.
    """
    sequence = parse_sequence_id(sequence_id)
    previews = _previews(site, sequence)
    if (kept := kept_timelapse(site, sequence_id, previews)) is not None:
        with suppress(NotFound):
            data, kept = site.store("timelapse").read(kept.name, generation=kept.generation)
            return Timelapse(data, len(_chosen(previews)), kept)
    if len(previews) < LEAST_FRAMES:
        raise TooFewImages(
            f"a timelapse takes {LEAST_FRAMES} images; of {sequence_id} there are previews of "
            f"{len(previews)}"
        )
    _require_encoder()
    if not _encoder.acquire(blocking=wait):
        raise TransientError("another timelapse is being made: come again in half a minute")
    try:
        data, frames = _film(site, _chosen(previews))
    finally:
        _encoder.release()
    unchanged = _previews(site, sequence) == previews
    return Timelapse(data, frames, _keep(site, sequence, data) if unchanged else None)


def kept_timelapse(
    site: Site, sequence_id: str, previews: list[ObjectInfo] | None = None
) -> ObjectInfo | None:
    """The timelapse that is kept, if it was made later than each of the observation's previews.

    `previews` are those, where the caller has them. Raises ValueError for what is no id.
    """
    sequence = parse_sequence_id(sequence_id)
    film = site.stat("timelapse", sequence.timelapse)
    if film is None:
        return None
    shown = _previews(site, sequence) if previews is None else previews
    return film if all(each.updated < film.updated for each in shown) else None


def _previews(site: Site, sequence: ObservationName) -> list[ObjectInfo]:
    """In the order of time."""
    listed = site.store("previews").list(f"{sequence.folder}/")
    return [info for info in listed if _PREVIEW.fullmatch(info.name.rpartition("/")[2])]


def _chosen(previews: list[ObjectInfo]) -> list[ObjectInfo]:
    """At most `MOST_FRAMES`, evenly spread, the first and the last among them."""
    if len(previews) <= MOST_FRAMES:
        return previews
    step = (len(previews) - 1) / (MOST_FRAMES - 1)
    return [previews[round(step * n)] for n in range(MOST_FRAMES)]


def _keep(site: Site, sequence: ObservationName, data: bytes) -> ObjectInfo | None:
    before = site.stat("timelapse", sequence.timelapse)
    try:
        return site.store("timelapse").put(
            sequence.timelapse, data, if_generation=before.generation if before else 0
        )
    except PreconditionFailed:
        return None  # another process has made one meanwhile
    except (ConfigurationError, OSError):
        return None  # whoever may only read is shown it all the same


def _film(site: Site, chosen: list[ObjectInfo]) -> tuple[bytes, int]:
    store = site.store("previews")

    def frames(infos: list[ObjectInfo]) -> Iterable[bytes]:
        for info in infos:
            if info.size <= _MOST_BYTES:
                with suppress(NotFound):
                    yield store.read(info.name)[0]

    shape = usual_shape(frames(chosen[:: -(-len(chosen) // _LOOKED_AT)]))
    rate = min(24, max(4, round(len(chosen) / SECONDS)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timelapse.mp4"
        count = encode(frames(chosen), path, rate=rate, shape=shape)
        return path.read_bytes(), count


def usual_shape(frames: Iterable[bytes]) -> tuple[int, int] | None:
    """Width and height of most of the JPEGs, of the largest where none is most; None where none
    can be read."""
    from PIL import Image

    found: Counter[tuple[int, int]] = Counter()
    for jpeg in frames:
        with (
            suppress(OSError, SyntaxError, Image.DecompressionBombError),
            Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as opened,
        ):
            found[opened.size] += 1
    return max(found, key=lambda size: (found[size], math.prod(size)), default=None)


def encode(
    frames: Iterable[bytes], path: Path, *, rate: int, shape: tuple[int, int] | None = None
) -> int:
    """Write JPEGs as an MP4 of `rate` a second; gives how many.

    The picture has this `shape`, or that of the first frame, and `FRAME_SIDE` pixels at most;
    frames of another shape are shown whole in it. What is no picture is left out. Raises
    NoEncoder, and TooFewImages where none is left.
    """
    _require_encoder()
    import av
    import numpy as np

    count = 0
    size = _size(shape) if shape else None
    is_open = False
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as film:
        stream = film.add_stream(
            "libx264", rate=rate, options={"crf": _QUALITY, "preset": "veryfast"}
        )
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for jpeg in frames:
            try:
                picture = decoded_small(jpeg, FRAME_SIDE).convert("RGB")
            except ValueError:
                continue
            size = size or _size(picture.size)
            if not is_open:
                stream.width, stream.height = size
                is_open = True
            frame = av.VideoFrame.from_ndarray(np.asarray(_fitted(picture, size)), format="rgb24")
            film.mux(stream.encode(frame))
            count += 1
        if not count:
            raise TooFewImages("none of the observation's previews can be read")
        film.mux(stream.encode())
    return count


def _size(shape: tuple[int, int]) -> tuple[int, int]:
    """Even numbers, as colours are kept for each two by two pixels."""
    scale = min(1.0, FRAME_SIDE / max(shape))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in shape)
    return width, height


def _fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageOps

    if abs(picture.width * size[1] - picture.height * size[0]) < 4 * max(picture.size):
        return picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    return ImageOps.pad(picture, size)


def has_encoder() -> bool:
    """Whether timelapses can be made here."""
    return find_spec("av") is not None


def _require_encoder() -> None:
    if not has_encoder():
        raise NoEncoder(
            "timelapses are encoded by PyAV, which is not installed: "
            "pip install 'panoptes-network[timelapse]'"
        )

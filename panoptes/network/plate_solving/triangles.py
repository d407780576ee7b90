"""Recognising a field by its triangles of stars, of which the scale is known.

Stars of the sky and of the frame are taken evenly: so many of the brightest of each patch of the
sky. Each with its nearest neighbours makes triangles; those of like sides tell where the frame
looks, how it is turned, and whether it is mirrored. What most of them agree on is a candidate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from panoptes.network.stars.catalog import unit_vectors, whole_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_NSIDE = 32
"""HEALPix cells of 1.83 degrees: the patches."""
PATCH_DEGREES = math.sqrt(41252.96 / (12 * _NSIDE**2))
_NEIGHBOURS = 6
_WANTED = 36
"""Stars of a frame that triangles are made of."""
_MOST_BLIND = 8
"""Stars of a patch, of the whole sky: more take seconds."""
_TOLERANCE = 0.008
"""Of the ratios of sides; four times as much of the scale."""
_SAME_POSE = 0.008
"""Radians within which two triangles agree."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Stars of the frame and of the sky that may be the same."""

    detected: Indices
    ra: Floats
    dec: Floats
    votes: int
    """Triangles that agree."""


@dataclass(frozen=True, eq=False)
class _Triangles:
    corners: Indices
    """(triangles, 3), opposite the shortest side, the middle and the longest."""
    features: Floats
    """(triangles, 3)."""


def stars_of_a_patch(degrees: tuple[float, float]) -> int:
    """So many make enough of a frame of so many degrees."""
    return max(1, math.ceil(_WANTED * PATCH_DEGREES**2 / (degrees[0] * degrees[1])))


def near(ra: float, dec: float, radius: float, of_a_patch: int) -> tuple[Floats, Floats]:
    """Places of the brightest of each patch, within `radius` degrees."""
    import numpy as np

    stars = whole_catalog()
    centre = unit_vectors(np.array([ra]), np.array([dec]))[0]
    close = np.flatnonzero(stars.vectors @ centre >= math.cos(math.radians(radius)))
    chosen = close[
        _brightest(
            stars.rows["ra"][close], stars.rows["dec"][close], stars.rows["g"][close], of_a_patch
        )
    ]
    return stars.rows["ra"][chosen], stars.rows["dec"][chosen]


def _brightest(ra: Floats, dec: Floats, g: Floats, of_a_patch: int) -> Indices:
    import hpgeom
    import numpy as np

    cell = hpgeom.angle_to_pixel(_NSIDE, ra % 360.0, dec, nest=True)
    order = np.lexsort((g, cell))
    ordered = cell[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    chosen: Indices = order[rank < of_a_patch]
    return chosen


def candidates(
    x: Floats,
    y: Floats,
    *,
    shape: tuple[int, int],
    scale: float,
    of_a_patch: int,
    sky: tuple[Floats, Floats] | None,
) -> Iterator[Pairs]:
    """What the frame may show, the likeliest first.

    `x`, `y` are detections in pixels, the brightest first; `scale` is in arcseconds a pixel.
    `sky` are places that it may show; None: all of it.
    """
    import numpy as np
    from scipy.spatial import cKDTree

    chosen = _evenly(x, y, shape, PATCH_DEGREES * 3600 / scale, of_a_patch)
    if len(chosen) < 5:
        return
    ahead = np.ones(len(chosen))
    radians = math.radians(scale / 3600)
    seen = np.stack(
        [
            (x[chosen] - (shape[1] - 1) / 2) * radians,
            (y[chosen] - (shape[0] - 1) / 2) * radians,
            ahead,
        ],
        axis=1,
    )
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    if sky is None:
        known, catalogued, tree = _whole_sky(min(of_a_patch, _MOST_BLIND))
    else:
        known = unit_vectors(*sky)
        if len(known) < 5:
            return
        catalogued = _triangles(known)
        tree = cKDTree(catalogued.features)
    found = _triangles(seen)
    near_ones = cKDTree(found.features).sparse_distance_matrix(
        tree, _TOLERANCE, output_type="ndarray"
    )
    if not len(near_ones):
        return
    of_frame = found.corners[near_ones["i"]]
    of_sky = catalogued.corners[near_ones["j"]]
    pose, is_mirrored = _poses(seen[of_frame], known[of_sky])
    keys = np.concatenate([pose, 10.0 * is_mirrored[:, None]], axis=1)
    poses = cKDTree(keys)
    votes = poses.query_ball_point(keys, _SAME_POSE, return_length=True)
    left = votes.copy()
    for _ in range(8):
        best = int(np.argmax(left))
        if left[best] < 2:
            return
        agreed = np.array(poses.query_ball_point(keys[best], _SAME_POSE))
        pairs, count = np.unique(
            np.stack([of_frame[agreed].ravel(), of_sky[agreed].ravel()], axis=1),
            axis=0,
            return_counts=True,
        )
        pairs = pairs[np.argsort(-count, kind="stable")]
        pairs = pairs[np.unique(pairs[:, 0], return_index=True)[1]]
        vectors = known[pairs[:, 1]]
        yield Pairs(
            chosen[pairs[:, 0]],
            np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360.0,
            np.degrees(np.arcsin(np.clip(vectors[:, 2], -1, 1))),
            len(agreed),
        )
        left[agreed] = 0


def _evenly(x: Floats, y: Floats, shape: tuple[int, int], side: float, of_a_patch: int) -> Indices:
    """Of each patch of the frame so many of the brightest, fewer of one that is cut."""
    import numpy as np

    blocks = [max(1, round(size / side)) for size in shape]
    height, width = shape[0] / blocks[0], shape[1] / blocks[1]
    wanted = max(1, math.ceil(of_a_patch * height * width / side**2))
    block = np.clip(y / height, 0, blocks[0] - 1).astype(int) * blocks[1]
    block += np.clip(x / width, 0, blocks[1] - 1).astype(int)
    order = np.argsort(block, kind="stable")
    ordered = block[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    chosen: Indices = np.sort(order[rank < wanted])
    return chosen


def _triangles(vectors: Floats) -> _Triangles:
    import numpy as np
    from scipy.spatial import cKDTree

    neighbours = min(_NEIGHBOURS, len(vectors) - 1)
    around = cKDTree(vectors).query(vectors, neighbours + 1)[1]
    pairs = np.array(list(combinations(range(1, neighbours + 1), 2)))
    own = np.repeat(around[:, :1], len(pairs), axis=1)
    corners = np.stack([own, around[:, pairs[:, 0]], around[:, pairs[:, 1]]], axis=2)
    corners = np.sort(corners.reshape(-1, 3), axis=1)
    count = len(vectors)
    code = np.unique((corners[:, 0] * count + corners[:, 1]) * count + corners[:, 2])
    corners = np.stack([code // count**2, code // count % count, code % count], axis=1)
    points = vectors[corners]
    sides = np.linalg.norm(points[:, [1, 2, 0]] - points[:, [2, 0, 1]], axis=2)
    order = np.argsort(sides, axis=1)
    sides = np.take_along_axis(sides, order, axis=1)
    corners = np.take_along_axis(corners, order, axis=1)
    longest = np.maximum(sides[:, 2], 1e-9)
    features = np.stack([np.log(longest) / 4, sides[:, 1] / longest, sides[:, 0] / longest], axis=1)
    # Thin ones and such whose corners cannot be told apart say little.
    clear = (sides[:, 0] > 0.15 * longest) & (sides[:, 0] + sides[:, 1] > 1.02 * longest)
    return _Triangles(corners[clear], features[clear])


@lru_cache(maxsize=2)
def _whole_sky(of_a_patch: int) -> tuple[Floats, _Triangles, object]:
    from scipy.spatial import cKDTree

    stars = whole_catalog()
    rows = stars.rows
    chosen = _brightest(rows["ra"], rows["dec"], rows["g"], of_a_patch)
    known = stars.vectors[chosen]
    made = _triangles(known)
    return known, made, cKDTree(made.features)


def _poses(seen: Floats, known: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(n, 6): where on the sky the frame's middle and its x axis point; and what is mirrored.

    `seen` and `known` are triangles of unit vectors, (n, 3, 3).
    """
    import numpy as np

    is_mirrored = np.sign(np.linalg.det(seen)) != np.sign(np.linalg.det(known))
    seen = seen.copy()
    seen[is_mirrored, :, 0] *= -1

    def triad(points: Floats) -> Floats:
        ahead = points.sum(axis=1)
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        along = points[:, 1] - points[:, 0]
        along = along - (along * ahead).sum(axis=1, keepdims=True) * ahead
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        return np.stack([ahead, along, np.cross(ahead, along)], axis=2)

    turn = triad(known) @ triad(seen).transpose(0, 2, 1)
    return np.concatenate([turn[:, :, 2], turn[:, :, 0]], axis=1), is_mirrored

"""Forced photometry: one frame's stars fitted at known places with the frame's own shape.

The shape is learnt from bright stars whose light is known (their mean over the observation):
left free, the scale of the shape at each place inside the pixel could not be told from the
star's light, since under the mask one colour sees most of a star only now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from panoptes.network.photometry.measurements import (
    CLIPPED,
    EDGE,
    UNMEASURED,
    VARIANCE_PER_ADU,
)
from panoptes.network.photometry.response import CELLS, SIDE, Edges, design, model, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Single = NDArray[np.float32]

COLOURS = "RGB"
_LEARNT_FROM = 450
"""Stars at most."""
_ROUGHLY_FROM = 150
_AT_ONCE = 32
_BENT = tuple(
    i for i, (number, up, across) in enumerate(terms()) if number == 0 and up + across <= 2
)
"""Terms that vary over the frame and with the star's colour."""
_MODEL_ERROR = 0.02
"""Of a pixel's light: of the shape, and of the response of pixels."""
_PLACE_ERROR = 0.006
"""Pixels by which a star may stand beside its place in one frame."""


@dataclass(eq=False)
class Known:
    """What is known of the stars before a frame is fitted."""

    light: Floats
    """(stars, 3): of R, G and B, that of a green star of G 10 being one."""
    moved: Floats
    """(stars, 2): pixels in x and y between a star and its place in the catalogue."""
    colour: Floats
    """(stars,): of the order of one, blue above zero."""
    slack: float
    """Share by which the light may be wrong."""


@dataclass(eq=False)
class Fitted:
    """One frame; arrays of stars in the order of the catalogue's."""

    x: Floats
    y: Floats
    factor: Floats
    """(stars, 4): light over that foretold, in R, G, B and all."""
    error: Floats
    light: Floats
    """(stars, 3): ADU foretold."""
    flag: NDArray[np.int32]
    aside: Floats
    """(stars, 4): pixels in x and y beside the place used, with no prior, and their errors."""
    sky: Floats


class Planes:
    """The four cells of a frame, padded, without the sky."""

    def __init__(self, pixels: NDArray[np.uint16], pattern: str) -> None:
        import numpy as np
        import sep

        self.rows, self.columns = pixels.shape
        highest = int(pixels.max())
        # A level that many pixels share and none is above is where the camera clips.
        clipped = np.count_nonzero(pixels == highest) >= 4
        self.ceiling = highest - 0.005 * highest if clipped else np.inf
        self.light: list[Single] = []
        self.usable: list[Single] = []
        self.sky: list[Single] = []
        self.variance: list[float] = []
        for row, column in CELLS:
            raw = np.ascontiguousarray(pixels[row::2, column::2], np.float32)
            back = sep.Background(raw, bw=64, bh=64)
            sky = back.back()
            half = SIDE // 2
            self.light.append(np.pad(raw - sky, half))
            self.usable.append(np.pad((raw < self.ceiling).astype(np.float32), half))
            self.sky.append(np.pad(sky, half, mode="edge"))
            self.variance.append(float(back.globalrms) ** 2)
        self.colour = [COLOURS.index(name) for name in pattern]


class Squares:
    """Where the stars' squares lie: first cell's row and column of each star's (padded)."""

    def __init__(self, planes: Planes, x: Floats, y: Floats) -> None:
        import numpy as np

        half = SIDE // 2
        self.column = 2 * np.floor((x - half + 1.5) / 2).astype(np.int64)
        self.row = 2 * np.floor((y - half + 1.5) / 2).astype(np.int64)
        steps = np.arange(half)
        height, width = planes.light[0].shape
        self.shape = (height, width)
        rows = np.clip(self.row[:, None] // 2 + half + steps, 0, height - 1)
        columns = np.clip(self.column[:, None] // 2 + half + steps, 0, width - 1)
        self.flat = (rows[:, :, None] * width + columns[:, None, :]).reshape(len(x), -1)

    def __call__(self, plane: Single) -> Single:
        taken: Single = plane.ravel()[self.flat]
        return taken

    def add(self, light: Single) -> Single:
        """The stars' light on a whole plane."""
        import numpy as np

        height, width = self.shape
        total = np.bincount(self.flat.ravel(), light.ravel(), height * width)
        return total.astype(np.float32).reshape(height, width)


class FrameFit:
    """The fit of one frame, step by step."""

    def __init__(
        self, pixels: NDArray[np.uint16], pattern: str, x: Floats, y: Floats, known: Known
    ) -> None:
        import numpy as np

        # Cells of the mask are whole: of an odd number of rows the last is not used.
        rows, columns = (2 * (length // 2) for length in pixels.shape)
        self.planes = Planes(pixels[:rows, :columns], pattern)
        self.known = known
        self.x, self.y = x + known.moved[:, 0], y + known.moved[:, 1]
        far = SIDE
        self.seen = (
            (self.x > -far) & (self.x < columns + far) & (self.y > -far) & (self.y < rows + far)
        ).nonzero()[0]
        near = 4.0
        on_frame = (self.x > near) & (self.x < columns - 1 - near)
        self.on_frame = on_frame & (self.y > near) & (self.y < rows - 1 - near)
        self.across_frame = (x / columns - 0.5) * 2, (y / rows - 0.5) * 2
        light = known.light[:, 1]
        whole = self.on_frame[self.seen] & (light[self.seen] < 16)
        order = np.argsort(-light[self.seen][whole])[:_LEARNT_FROM]
        self.bright = whole.nonzero()[0][order]
        self.squares = Squares(self.planes, self.x[self.seen], self.y[self.seen])
        self.data = [self.squares(plane) for plane in self.planes.light]
        self.usable = [self.squares(plane) for plane in self.planes.usable]
        self.skies = [self.squares(plane) for plane in self.planes.sky]
        self.coefficients: list[Floats] | None = None

    def edges(self, chosen: NDArray[np.intp] | None = None) -> tuple[Edges, Edges]:
        inside_x = self.x[self.seen] - self.squares.column
        inside_y = self.y[self.seen] - self.squares.row
        if chosen is not None:
            inside_x, inside_y = inside_x[chosen], inside_y[chosen]
        return Edges.at(inside_x), Edges.at(inside_y)

    def modulation(self) -> Floats:
        """(stars seen, 4): what the shape may vary with."""
        import numpy as np

        x, y = (part[self.seen] for part in self.across_frame)
        return np.stack([x, y, x * x + y * y - 0.67, self.known.colour[self.seen]], axis=1)

    def weights(self, colour: int) -> Single:
        """(stars seen, terms): coefficients of each star's shape, times its known light."""
        import numpy as np

        assert self.coefficients is not None
        values = self.coefficients[colour]
        count = len(terms())
        weights = np.repeat(values[None, :count], len(self.seen), axis=0)
        bent = values[count : count + 4 * len(_BENT)].reshape(4, len(_BENT))
        weights[:, _BENT] += self.modulation() @ bent
        weights *= self.known.light[self.seen, colour][:, None]
        return weights.astype(np.float32)

    def foretell(self, *, slopes: bool) -> list[tuple[Single, Single | None, Single | None]]:
        across, up = self.edges()
        weights = [self.weights(colour) for colour in range(3)]
        return [
            model(across, up, row, column, weights[colour], slopes=slopes)
            for (row, column), colour in zip(CELLS, self.planes.colour, strict=True)
        ]

    def alone(self, foretold: list[tuple[Single, Single | None, Single | None]]) -> list[Single]:
        """The stars' squares without the light of their neighbours."""
        return [
            data - self.squares(self.squares.add(own[0])) + own[0]
            for data, own in zip(self.data, foretold, strict=True)
        ]

    def learn(self, most: int = _LEARNT_FROM) -> None:
        """The shape by colour, from at most so many bright stars of known light."""
        import numpy as np

        if self.coefficients is None:
            data, expected = self.data, None
        else:
            foretold = self.foretell(slopes=False)
            data, expected = self.alone(foretold), [own[0] for own in foretold]
        bright = self.bright[:: max(1, -(-len(self.bright) // most))]
        across, up = self.edges(bright)
        count, bent = len(terms()), len(_BENT)
        size = count + 4 * bent + 1
        modulation = self.modulation()[bright].astype(np.float32)
        learnt = []
        for colour in range(3):
            normal, right = np.zeros((size, size)), np.zeros(size)
            light = self.known.light[self.seen, colour][bright].astype(np.float32)
            for cell, (row, column) in enumerate(CELLS):
                if self.planes.colour[cell] != colour:
                    continue
                values = data[cell][bright]
                own = np.maximum(values if expected is None else expected[cell][bright], 0)
                slack = self.known.slack**2 + _MODEL_ERROR**2 + (0.2**2 if expected is None else 0)
                variance = self.planes.variance[cell] + VARIANCE_PER_ADU * own + slack * own * own
                weight = self.usable[cell][bright] / variance
                if expected is not None:
                    away = np.abs(values - own) > 6 * np.sqrt(variance + (0.1 * own) ** 2)
                    weight = np.where(away, 0, weight)
                root = np.sqrt(weight)
                brightness, target = root * light[:, None], values * root
                # Some stars at a time, which the processor's cache holds.
                for first in range(0, len(bright), _AT_ONCE):
                    some = slice(first, first + _AT_ONCE)
                    plain = design(across[some], up[some], row, column)
                    plain *= brightness[some, :, None]
                    shapes = np.empty((*plain.shape[:2], size), np.float32)
                    shapes[:, :, :count] = plain
                    varied = plain[:, :, _BENT]
                    for index in range(4):
                        place = count + index * bent
                        shapes[:, :, place : place + bent] = (
                            varied * modulation[some, index, None, None]
                        )
                    shapes[:, :, -1] = root[some]
                    flat = shapes.reshape(-1, size)
                    normal += flat.T @ flat
                    right += flat.T @ target[some].ravel()
            scale = np.sqrt(np.diag(normal)) + 1e-9
            normal /= scale[:, None] * scale
            normal[np.diag_indices(size)] += 1e-6
            learnt.append(np.linalg.solve(normal, right / scale) / scale)
        self.coefficients = learnt

    def solve(self, prior: float) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Factors of light and steps aside of all stars seen, with errors; `prior` in pixels.

        Gives (stars, 4) factors and errors, (stars, 2) steps and errors, and the share of the
        star's light that is on usable pixels.
        """
        import numpy as np

        foretold = self.foretell(slopes=True)
        alone = self.alone(foretold)
        assert self.coefficients is not None
        count = len(self.seen)
        scale = np.ones(count, np.float32)
        for rejecting in (False, True):
            normal, right = np.zeros((count, 5, 5)), np.zeros((count, 5))
            used, offered = np.zeros(count), np.zeros(count)
            for cell, colour in enumerate(self.planes.colour):
                own, by_x, by_y = foretold[cell]
                assert by_x is not None
                assert by_y is not None
                scaled = own * scale[:, None]
                values = alone[cell] - np.float32(self.coefficients[colour][-1])
                bright = np.maximum(scaled, 0)
                variance = self.planes.variance[cell] + VARIANCE_PER_ADU * bright
                variance += (_MODEL_ERROR * bright) ** 2
                weight = self.usable[cell] / variance
                # A pixel that noise alone may clip would tell of its faint moments only.
                near = bright + self.skies[cell] > self.planes.ceiling - 3 * np.sqrt(variance)
                weight[near] = 0
                offered += bright.sum(1)
                used += np.where(weight > 0, bright, 0).sum(1)
                if rejecting:
                    away = np.abs(values - scaled) > 6 * np.sqrt(variance + (0.1 * bright) ** 2)
                    weight[away] = 0
                columns = (own, by_x, by_y)
                weighted = [weight * part for part in columns]
                places = (colour, 3, 4)
                for i, first in enumerate(places):
                    right[:, first] += np.einsum("ij,ij->i", weighted[i], values)
                    for j in range(i, 3):
                        value = np.einsum("ij,ij->i", weighted[i], columns[j])
                        normal[:, first, places[j]] += value
                        if j > i:
                            normal[:, places[j], first] += value
            # Steps are of a star as bright as foretold; taken at its true light.
            free = normal.copy()
            for place in (3, 4):
                normal[:, place, place] += 1 / prior**2
                free[:, place, place] += 1 / 0.5**2
            for matrix in (normal, free):
                matrix[:, (0, 1, 2), (0, 1, 2)] += 1e-9
            joined = np.zeros((5, 3))
            joined[:3, 0] = joined[3, 1] = joined[4, 2] = 1
            together = joined.T @ normal @ joined
            covariance = np.linalg.inv(together)
            all_of = np.einsum("nij,nj->ni", covariance, right @ joined)
            scale = np.clip(all_of[:, 0], 0.2, 5).astype(np.float32)
        inverse = np.linalg.inv(normal)
        found = np.einsum("nij,nj->ni", inverse, right)
        factor = np.concatenate([found[:, :3], all_of[:, :1]], axis=1)
        error = np.sqrt(
            np.concatenate(
                [np.diagonal(inverse, axis1=1, axis2=2)[:, :3], covariance[:, :1, 0]], axis=1
            )
        )
        loose = np.linalg.inv(joined.T @ free @ joined)
        aside = np.einsum("nij,nj->ni", loose, right @ joined)[:, 1:] / scale[:, None]
        aside_error = np.sqrt(np.diagonal(loose, axis1=1, axis2=2)[:, 1:]) / scale[:, None]
        return factor, error, aside, aside_error, used / np.maximum(offered, 1e-9)

    def place(self) -> None:
        """All places moved by what the bright stars say: a cubic over the frame."""
        import numpy as np

        _, _, aside, aside_error, share = self.solve(0.3)
        chosen = self.bright[share[self.bright] > 0.5]
        x, y = self.across_frame
        powers = [(i, j) for i in range(4) for j in range(4 - i)]
        everywhere = np.stack([x**i * y**j for i, j in powers], axis=1)
        some = everywhere[self.seen[chosen]]
        for axis, places in enumerate((self.x, self.y)):
            weight = 1 / (aside_error[chosen, axis] ** 2 + 0.01**2)
            values = aside[chosen, axis]
            for _ in range(3):
                root = np.sqrt(weight)
                ridge = 1e-3 * np.sqrt(weight.max()) * np.eye(len(powers))
                matrix = np.concatenate([some * root[:, None], ridge])
                target = np.concatenate([values * root, np.zeros(len(powers))])
                solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
                away = np.abs(values - some @ solution)
                weight = np.where(
                    away > 5 * (np.median(away) + 1e-4),
                    0,
                    1 / (aside_error[chosen, axis] ** 2 + 0.01**2),
                )
            places += np.clip(everywhere @ solution, -1, 1)

    def run(self) -> Fitted:
        """Shape and places in turn, the first times roughly; then all stars."""
        import numpy as np

        for _ in range(2):
            self.learn(_ROUGHLY_FROM)
        self.place()
        self.learn()
        factor, error, aside, aside_error, share = self.solve(_PLACE_ERROR)
        assert self.coefficients is not None
        count = len(self.x)
        whole = np.full((count, 4), np.nan)
        errors, beside = whole.copy(), whole.copy()
        light = np.full((count, 3), np.nan)
        flag = np.full(count, EDGE, np.int32)
        seen = self.seen
        whole[seen], errors[seen] = factor, error
        beside[seen] = np.concatenate([aside, aside_error], axis=1)
        flag[self.on_frame] = 0
        little = np.zeros(count, bool)
        little[seen] = share < 0.3
        flag[little & self.on_frame] |= CLIPPED
        totals = [i for i, (_, up, across) in enumerate(terms()) if up == across == 0]
        for colour in range(3):
            light[seen, colour] = self.weights(colour)[:, totals].sum(1)
        flag[~(whole[:, 3] > 0) & self.on_frame] |= UNMEASURED
        sky = np.full(3, np.nan)
        for colour in set(self.planes.colour):
            cells = [i for i in range(4) if self.planes.colour[i] == colour]
            sky[colour] = np.mean([np.median(self.planes.sky[i]) for i in cells])
        return Fitted(self.x, self.y, whole, errors, light, flag, beside, sky)

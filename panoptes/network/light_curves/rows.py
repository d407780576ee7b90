"""A star's light curves as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from panoptes.network.light_curves.table import LightCurve
from panoptes.network.safe_text import csv_cell

POINT_COLUMNS = (
    *("time", "channel", "mag", "error", "flag", "mag_epd", "mag_protected"),
    *("x", "y", "airmass", "image_id"),
)


def points(curve: LightCurve) -> Iterator[dict[str, Any]]:
    """Each measurement; what is not known is None. `time` is BJD_TDB in days."""
    for at, image_id in enumerate(curve.image_id):
        point: dict[str, Any] = {"channel": curve.channel, "image_id": image_id}
        for name in POINT_COLUMNS:
            if name not in point:
                value = getattr(curve, name)[at].item()
                point[name] = value if math.isfinite(value) else None
        yield {name: point[name] for name in POINT_COLUMNS}


def csv_text(curves: Sequence[LightCurve]) -> Iterator[str]:
    """Lines of a table, the head line first."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")

    def written(cells: Sequence[object]) -> str:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue()

    yield written(("star_id", *POINT_COLUMNS))
    for curve in curves:
        for point in points(curve):
            cells = [csv_cell(each) if isinstance(each, str) else each for each in point.values()]
            yield written([csv_cell(curve.star_id), *cells])


def curve_json(curve: LightCurve) -> dict[str, Any]:
    """A light curve: columns as lists, None where nothing is known."""
    found = list(points(curve))
    columns = [name for name in POINT_COLUMNS if name != "channel"]
    return {
        "channel": curve.channel,
        **{name: [each[name] for each in found] for name in columns},
    }

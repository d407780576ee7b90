"""How often the sky was observed, and where that is drawn."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from panoptes.network.documents import healpix_of
from panoptes.network.sky import chart
from panoptes.network.sky.counts import SkyCounts, count_sky
from tests.recording import Recording

PLACES = [(83.8, -5.4)] * 3 + [(180.0, 40.0), (179.9, 40.0), (0.0, 90.0), (10.7, -90.0)]


def counted(folder: Path, places: list[tuple[float, float]]) -> tuple[SkyCounts, Recording]:
    catalog = Recording(folder / "catalog.sqlite")
    for number, place in enumerate(places):
        said = {"image_type": "light"} if number % 2 else {}  # as earlier releases wrote it
        fields = {"healpix": healpix_of(*place), **said}
        catalog.create("observations", f"o{number}", fields)
    for number, kind in enumerate(("dark", "flat")):
        there = {"healpix": healpix_of(*places[0]) + number, "image_type": kind}
        catalog.create("observations", kind, there)
    catalog.create("observations", "nowhere", {"image_type": "light"})
    return count_sky(catalog), catalog


def test_each_light_is_counted_in_its_cell_by_a_few_queries(tmp_path: Path) -> None:
    counts, catalog = counted(tmp_path, PLACES)
    assert counts.total == len(PLACES)
    assert sorted(counts.cells.values()) == [1, 1, 2, 3]
    assert len(catalog.asked) < 200
    assert catalog.without_index() == []


def test_a_sky_full_of_observations_is_told_in_larger_cells(tmp_path: Path) -> None:
    draw = random.Random(1)
    places = [(draw.uniform(0, 360), draw.uniform(-90, 90)) for _ in range(1_500)]
    counts, _ = counted(tmp_path, places)
    assert (counts.nside, counts.total) == (8, 1_500)
    assert len(counts.cells) <= chart.WIDTH


def test_cells_are_drawn_around_their_places_and_at_both_edges_where_they_cross(
    tmp_path: Path,
) -> None:
    counts, _ = counted(tmp_path, PLACES)
    cells = {cell.count: cell for cell in chart.cells_drawn(counts)}
    orion = cells[3]
    x, y = chart.project(83.8, -5.4)
    corners = [tuple(map(float, each)) for each in re.findall(r"(-?\d+) (-?\d+)", orion.outline)]
    assert min(a for a, _ in corners) <= x <= max(a for a, _ in corners)
    assert min(b for _, b in corners) <= y <= max(b for _, b in corners)
    assert (orion.shade, cells[1].shade) == (chart.SHADES, 1)
    seam = cells[2]
    assert seam.outline.count("M") == 2


def test_east_is_to_the_left_and_north_is_up() -> None:
    middle = chart.WIDTH / 2, chart.HEIGHT / 2
    assert chart.project(0, 0) == pytest.approx(middle)
    assert chart.project(30, 0)[0] < middle[0] < chart.project(330, 0)[0]
    assert chart.project(0, 90) == pytest.approx((middle[0], 0))
    assert chart.project(180, 0)[0] in (0.0, chart.WIDTH)


def test_the_table_beside_holds_every_observation(tmp_path: Path) -> None:
    counts, _ = counted(tmp_path, PLACES)
    bands = chart.bands(counts)
    assert sum(sum(band.counts) for band in bands) == len(PLACES)
    (orion,) = (band for band in bands if (band.south, band.north) == (-15, 0))
    assert orion.counts[2] == 3

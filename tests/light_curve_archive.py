"""A small archive, of one observation of which there are light curves, written by the library."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from panoptes.network.catalog.catalog import modify
from panoptes.network.light_curves.table import LightCurveTable, write_table
from panoptes.network.site import Site
from tests.archives import SEQUENCE_ID, small_archive

STARS, FRAMES = 150, 24
STAR = "3017364032845124352"
"""The brightest, at G 8: it is dimmed by 0.02 magnitudes for a third of the time."""
STAR_KEY = f"gaia_dr3:{STAR}"
LIGHT_CURVES = f"/observations/{SEQUENCE_ID}/light-curves"
PROCESSED = datetime(2018, 2, 17, 18, 30, tzinfo=UTC)


def measured_archive(folder: Path) -> Site:
    """`small_archive`, with 150 stars of G 8 to 11 in M42's observation."""
    site = small_archive(folder)
    store = site.measurements
    assert store is not None
    store.check()
    path = "PAN001/14d3bd/20180216T110623/20180217T183000000000.parquet"
    file = io.BytesIO()
    write_table(_table(), file)
    store.put(path, file.getvalue(), if_generation=0)
    said = {"measurements_path": path, "processed": PROCESSED}
    modify(site.catalog, "observations", SEQUENCE_ID, lambda _: said)
    star = {"star_id": STAR, "ra": 83.8, "dec": -5.4, "g": 8.0}
    site.catalog.create("stars", STAR_KEY, star)
    for hours in (0, 1):  # processed twice
        processed = PROCESSED - timedelta(hours=hours)
        curve = {
            "star": STAR_KEY,
            "star_id": STAR,
            "sequence_id": SEQUENCE_ID,
            "unit_id": "PAN001",
            "time": datetime(2018, 2, 16, 11, 6, 23, tzinfo=UTC),
            "processed": processed,
            "channels": {"all": {"points": 23, "mag": 8.005, "scatter": 0.009, "error": 0.005}},
        }
        site.catalog.create("lightcurves", f"{STAR_KEY}_{processed:%Y%m%dT%H%M%S%f}", curve)
    return site


def _table() -> LightCurveTable:
    rng = np.random.default_rng(17)
    channels = ("R", "G", "B", "all")
    cube = (FRAMES, STARS, len(channels))
    g = np.linspace(8, 11, STARS)
    noise = 0.005 * 10 ** (0.2 * (g - 8))[None, :, None] * np.ones(cube)
    mag = g[None, :, None] + noise * rng.standard_normal(cube)
    mag[8:16, 0] += 0.02
    flag = np.zeros(cube, np.int32)
    flag[5, 0] = 4
    return LightCurveTable(
        star_id=[STAR, *(str(3_017_000_000_000_000_000 + 7 * n) for n in range(1, STARS))],
        ra=rng.uniform(80, 88, STARS),
        dec=rng.uniform(-9, -2, STARS),
        g=g,
        image_id=[f"PAN001_14d3bd_20180216T{112430 + 200 * n}" for n in range(FRAMES)],
        airmass=np.linspace(1.2, 1.5, FRAMES),
        time=2458165.97 + np.arange(FRAMES)[:, None] / 720 + np.zeros((1, STARS)),
        x=rng.uniform(0, 5208, (FRAMES, STARS)),
        y=rng.uniform(0, 3476, (FRAMES, STARS)),
        channels=channels,
        mag=mag,
        error=noise,
        flag=flag,
        mag_epd=mag + 0.001,
        mag_protected=mag - 0.001,
        about={"sequence_id": SEQUENCE_ID},
    )

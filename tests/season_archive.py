"""A network whose unit looked at the same few stars in 14 nights; one of them has a planet.

In a last night it looked for an hour."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from panoptes.network.light_curves.table import LightCurveTable, write_table
from panoptes.network.site import Site

Floats = NDArray[np.float64]

NIGHTS, STARS, FRAMES = 14, 40, 100
SHORT = 14
"""The night after them, of which an hour was observed."""
STAR = "3017364032845124352"
STAR_KEY = f"gaia_dr3:{STAR}"
PERIOD, EPOCH, HOURS, DEPTH = 2.0137, 0.15, 2.6, 0.015
"""Days, days since the first night began, hours, magnitudes."""
BEGAN = datetime(2026, 2, 3, 3, tzinfo=UTC)
JD = 2461074.625
"""Of `BEGAN`."""


def sequence_id(night: int) -> str:
    return f"PAN001_14d3bd_{BEGAN + timedelta(days=night):%Y%m%dT%H%M%S}"


def dimming(days: Floats) -> Floats:
    """Magnitudes, at days since the first night began."""
    away = np.abs((days - EPOCH + PERIOD / 2) % PERIOD - PERIOD / 2) * 24
    return np.asarray(DEPTH * np.clip((0.5 - away / HOURS) / 0.12, 0, 1))


def transit_nights() -> list[int]:
    """In which a whole transit was observed."""
    middles = EPOCH + PERIOD * np.arange(NIGHTS)
    inside = (middles % 1 > HOURS / 48) & (middles % 1 < 7 / 24 - HOURS / 48)
    return [int(each) for each in middles[inside & (middles < NIGHTS)]]


def season_archive(folder: Path) -> Site:
    """Every night has light curves in its Parquet file, and an observation's document."""
    folder.mkdir()
    site = Site.in_folder(folder)
    store = site.measurements
    assert store is not None
    store.check()
    site.catalog.create("stars", STAR_KEY, {"star_id": STAR, "ra": 80.0, "dec": -5.0, "g": 8.0})
    for night in (*range(NIGHTS), SHORT):
        key, time = sequence_id(night), BEGAN + timedelta(days=night)
        path = f"PAN001/14d3bd/{time:%Y%m%dT%H%M%S}/{night}.parquet"
        file = io.BytesIO()
        write_table(_table(night), file)
        store.put(path, file.getvalue(), if_generation=0)
        said = {"unit_id": "PAN001", "time": time}
        processed = {"measurements_path": path, "processed": time + timedelta(hours=9)}
        site.catalog.create("observations", key, said | processed)
        curve = {"star": STAR_KEY, "star_id": STAR, "sequence_id": key, "channels": {}}
        site.catalog.create("lightcurves", f"{STAR_KEY}_{night}", curve | said)
    return site


def _table(night: int) -> LightCurveTable:
    rng = np.random.default_rng([4, night])
    channels = ("R", "G", "B", "all")
    cube = (FRAMES, STARS, len(channels))
    g = np.linspace(8, 9.5, STARS)
    noise = 0.005 * np.ones(cube)
    mag = g[None, :, None] + noise * rng.standard_normal(cube)
    # What lasts for hours, too.
    days = night + np.linspace(0, (1 if night == SHORT else 7) / 24, FRAMES)
    mag += 0.001 * np.sin(20 * (days[:, None] + rng.uniform(0, 1, STARS)))[:, :, None]
    mag[:, 0] += dimming(days)[:, None]
    ra = 80 + 0.5 * np.arange(STARS, dtype=np.float64)
    ra[1] = ra[0] + 40 / 3600
    return LightCurveTable(
        star_id=[STAR, *(str(3_017_000_000_000_000_000 + 7 * n) for n in range(1, STARS))],
        ra=ra,
        dec=np.full(STARS, -5.0),
        g=g,
        image_id=[f"{sequence_id(night)}_{n}" for n in range(FRAMES)],
        airmass=np.linspace(1.2, 1.5, FRAMES),
        time=(JD + days)[:, None] + np.zeros((1, STARS)),
        x=np.zeros((FRAMES, STARS)),
        y=np.zeros((FRAMES, STARS)),
        channels=channels,
        mag=mag,
        error=noise,
        flag=np.zeros(cube, np.int32),
        mag_epd=mag,
        mag_protected=mag,
        about={"sequence_id": sequence_id(night)},
    )

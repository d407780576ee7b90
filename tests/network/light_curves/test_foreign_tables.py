"""Parquet files that others wrote, or that are damaged: read, or refused, and nothing else."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from panoptes.network.light_curves.aavso import (
    Reporter,
    Transit,
    Unreportable,
    exoplanet_report,
    extended_report,
)
from panoptes.network.light_curves.lightkurve import fits_file
from panoptes.network.light_curves.plots import light_curve_plot, scatter_plot
from panoptes.network.light_curves.summaries import summaries
from panoptes.network.light_curves.table import (
    COLUMNS,
    MOST_ROWS_A_GROUP,
    LightCurveFile,
    NotTheNetworks,
)
from panoptes.network.processing.stored_curves import StoredCurves
from panoptes.network.processing.transit_search import search_observation

STAR = "3017364032845124352"
FRAMES = 60
HOSTILE = (math.nan, math.inf, -math.inf, 1e308, -1e308, 1e-308, -1.0, 0.0)


def columns(**changed: Any) -> dict[str, pyarrow.Array]:
    """Three stars in one channel, over three hours."""
    stars, count = 3, 3 * FRAMES
    rng = np.random.default_rng(31)
    told: dict[str, Any] = {
        "star_id": np.repeat([STAR, f"{STAR[:-1]}3", f"{STAR[:-1]}4"], FRAMES),
        "ra": np.full(count, 83.8),
        "dec": np.full(count, -5.4),
        "g": np.full(count, 8.0),
        "healpix": np.zeros(count, np.int64),
        "time": np.tile(2458165.9 + np.arange(FRAMES) / 480, stars),
        "image_id": np.tile([f"PAN001_14d3bd_20180216T{110000 + n}" for n in range(FRAMES)], 3),
        "channel": np.full(count, "all"),
        "mag": rng.normal(8, 0.005, count),
        "error": np.full(count, 0.005),
        "flag": np.zeros(count, np.int32),
        "mag_epd": np.full(count, 8.0),
        "mag_protected": np.full(count, np.nan),
        "x": np.zeros(count, np.float32),
        "y": np.zeros(count, np.float32),
        "airmass": np.ones(count, np.float32),
    }
    return {name: pyarrow.array(values) for name, values in {**told, **changed}.items()}


def opened(table: pyarrow.Table, **options: Any) -> LightCurveFile:
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return LightCurveFile(file)


def everything(file: LightCurveFile) -> int:
    """What pages and programs make of a file; gives how many light curves its star has."""
    stars = summaries(file)
    scatter_plot(stars)
    search_observation(StoredCurves("PAN001_14d3bd_20180216T110623", {}, None, "x", 1, file))
    curves = file.star(STAR)
    for curve in curves:
        light_curve_plot(curve)
    reporter = Reporter("ABC", "x")
    reports: list[Callable[[], Any]] = [lambda: extended_report(curves, reporter)]
    reports += [lambda: exoplanet_report(curves[0], reporter, Transit("b", 10.0))] if curves else []
    for report in reports:
        with suppress(Unreportable):
            list(report())
    if curves:
        fits_file(curves, software="x")
    return len(curves)


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_numbers_that_can_not_be_are_read_as_not_known(share: float) -> None:
    rng = np.random.default_rng(7)
    for name in sorted(set(COLUMNS) - {"star_id", "image_id", "channel"}):
        values = columns()[name].to_numpy().copy()
        hostile = HOSTILE if values.dtype.kind == "f" else (2**31 - 1, -(2**31), 0)
        with np.errstate(all="ignore"):
            chosen = rng.choice(np.asarray(hostile, values.dtype), len(values))
        values = np.where(rng.random(len(values)) < share, chosen, values)
        file = opened(pyarrow.table(columns(**{name: values})))
        assert everything(file) == 1
        for curve in file.star(STAR):
            for number in (curve.mag, curve.time, curve.error):
                assert not np.isinf(number).any()


def test_columns_may_stand_in_any_order_beside_others() -> None:
    told = columns()
    nested = pyarrow.array([{"a": "zzz", "b": "0"}] * (3 * FRAMES))
    turned = {"nested": nested, "word": pyarrow.array(["m"] * (3 * FRAMES))}
    turned |= {name: told[name] for name in reversed(told)}
    assert everything(opened(pyarrow.table(turned))) == 1


def test_what_a_file_may_not_have_is_said() -> None:
    told = columns()
    twice = pyarrow.Table.from_arrays([*told.values(), told["mag"]], [*told, "mag"])
    with pytest.raises(NotTheNetworks, match="more than one column mag"):
        opened(twice)
    many = columns(channel=[f"c{n}" for n in range(3 * FRAMES)])
    with pytest.raises(NotTheNetworks, match="channels"):
        opened(pyarrow.table(many)).star(STAR)


def test_a_channel_that_nobody_knows_is_shown_and_not_reported() -> None:
    file = opened(pyarrow.table(columns(channel=["\N{GREEK SMALL LETTER ALPHA}"] * (3 * FRAMES))))
    (curve,) = file.star(STAR)
    fits_file([curve], software="x")
    with pytest.raises(Unreportable, match="no filter"):
        list(exoplanet_report(curve, Reporter("ABC", "x"), Transit("b", 10.0)))


def test_a_small_file_of_millions_of_equal_rows_is_not_unpacked() -> None:
    count = MOST_ROWS_A_GROUP + 1
    one = {name: each[:1] for name, each in columns().items()}
    same = {
        name: pyarrow.DictionaryArray.from_arrays(np.zeros(count, np.int32), values)
        if pyarrow.types.is_string(values.type)
        else pyarrow.array(np.full(count, values[0].as_py(), values.type.to_pandas_dtype()))
        for name, values in one.items()
    }
    plain = pyarrow.table(same).cast(pyarrow.schema([(name, one[name].type) for name in same]))
    file = opened(plain, row_group_size=count, compression="zstd")
    for read in (lambda: file.star(STAR), lambda: summaries(file)):
        with pytest.raises(NotTheNetworks, match="belong together"):
            read()

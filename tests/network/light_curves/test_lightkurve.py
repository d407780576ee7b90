"""A light curve for lightkurve, read by it; and as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from panoptes.network.light_curves.lightkurve import fits_file
from panoptes.network.light_curves.rows import csv_text, curve_json
from tests.network.light_curves.curves import a_curve


def test_lightkurve_reads_the_combined_curve_with_its_times_and_quality(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a package that it can do without
        import lightkurve

    curve, green = a_curve(), a_curve("G", mag=np.full(60, 9.5))
    path = tmp_path / "star.fits"
    path.write_bytes(fits_file([green, curve], software="panoptes-network 1"))
    read = lightkurve.read(path)
    assert len(read) == 60
    assert np.abs(read.time.jd - curve.time).max() * 86400 < 0.001
    assert read.time.scale == "tdb"
    assert read.quality.tolist() == curve.flag.tolist()
    good = curve.flag == 0
    assert np.median(np.asarray(read.flux)[good]) == pytest.approx(1, abs=1e-4)
    assert np.asarray(read.flux_err)[0] == pytest.approx(0.0092, abs=2e-4)
    assert np.asarray(read["mag"])[5] == pytest.approx(curve.mag[5])
    assert read.label == "Gaia DR3 3017364032845124352"
    second = lightkurve.read(path, ext="lightcurve_g")
    assert np.asarray(second["mag"])[0] == 9.5


def test_a_table_has_a_row_a_measurement_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(csv_text([a_curve(star_id="=1+1")])))))
    assert len(rows) == 60
    assert rows[0]["star_id"] == "'=1+1"
    assert float(rows[0]["time"]) == pytest.approx(2458165.9)
    assert rows[3]["flag"] == "4"
    assert rows[0]["mag_protected"] == ""


def test_json_has_null_for_what_is_not_known() -> None:
    told = json.loads(json.dumps(curve_json(a_curve("B")), allow_nan=False))
    assert told["channel"] == "B"
    assert told["mag_protected"] == [None] * 60
    assert told["flag"][3] == 4
    assert len(told["time"]) == 60

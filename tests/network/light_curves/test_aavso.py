"""Reports to the AAVSO: no field longer than it may be, whatever stands in a light curve."""

from __future__ import annotations

import math

import numpy as np
import pytest

from panoptes.network.light_curves.aavso import (
    LENGTHS,
    Reporter,
    Transit,
    Unreportable,
    exoplanet_report,
    extended_report,
)
from tests.network.light_curves.curves import a_curve, lines

REPORTER = Reporter("TST01", "panoptes-network 1")
HOSTILE = (math.nan, math.inf, -math.inf, 1e308, -1e9, 99.99999, -98.99999, 0.0, 1e-9, 8.99999, 100)


def test_each_colour_is_reported_under_the_filter_of_the_mask() -> None:
    written = lines(extended_report, [a_curve("all"), a_curve("R"), a_curve("G"), a_curve("B")],
                    REPORTER)  # fmt: skip
    assert written[:6] == [
        "#TYPE=Extended", "#OBSCODE=TST01", "#SOFTWARE=panoptes-network 1", "#DELIM=,",
        "#DATE=JD", "#OBSTYPE=DSLR",
    ]  # fmt: skip
    rows = [line.split(",") for line in written if not line.startswith("#")]
    assert len(rows) == 3 * 59  # one of sixty is marked as bad
    assert {row[4] for row in rows} == {"TR", "TG", "TB"}
    assert rows[0][0] == "Gaia DR3 3017364032845124352"
    assert rows[0][12] == rows[1][12] == rows[2][12] != rows[3][12]  # an image is a group


def test_no_field_is_longer_than_published_in_ten_thousand_rows() -> None:
    rng = np.random.default_rng(23)

    def spoilt(values: np.ndarray, share: float = 0.3) -> np.ndarray:
        return np.where(rng.random(len(values)) < share, rng.choice(HOSTILE, len(values)), values)

    count = 0
    points = 8000
    curves = [
        a_curve(
            channel,
            points,
            mag=spoilt(rng.uniform(-20, 30, points)),
            error=spoilt(rng.uniform(1e-5, 9.5, points)),
            airmass=spoilt(rng.uniform(0.5, 120, points)),
            time=spoilt(2458165.9 + np.arange(points) / 720, 0.1),
        )
        for channel in ("R", "G", "B")
    ]
    with np.errstate(all="ignore"):
        written = lines(extended_report, curves, REPORTER)
    for line in written:
        if line.startswith("#"):
            continue
        count += 1
        fields = line.split(",")
        assert len(fields) == len(LENGTHS)
        for (name, most), value in zip(LENGTHS.items(), fields, strict=True):
            assert 0 < len(value) <= most, (name, value)
        assert "." in fields[2]
        assert 0 <= float(fields[3]) < 10
        assert line.isascii()
    assert count >= 10_000


@pytest.mark.parametrize("name", ["a,b", "a|b", "#OBSCODE=X", "x" * 31, "a\nb", "V Sge\u202e", " "])
def test_a_name_that_no_field_can_hold_is_refused_and_not_cut(name: str) -> None:
    with pytest.raises(Unreportable, match="the star's name"):
        extended_report([a_curve("G")], REPORTER, name=name)
    with pytest.raises(Unreportable):
        Reporter(name, "x")


def test_a_transit_is_reported_as_flux_with_barycentric_dates() -> None:
    mag = np.where(np.arange(60) >= 40, 9.01, 9.0)
    transit = Transit("WASP-1 b", 120.0, priors="Period=2.5199454 +/- 0.0000005,a/R*=5.64")
    curve = a_curve(mag=mag)
    written = lines(exoplanet_report, curve, REPORTER, transit)
    header = dict(line[1:].split("=", 1) for line in written if "=" in line)
    assert header["TYPE"] == "EXOPLANET"
    assert header["DATE_TYPE"] == "BJD_TDB"
    assert header["OBSCODE"] == "TST01"
    assert header["FILTER"] == "CV"
    assert header["EXOPLANET_NAME"] == "WASP-1 b"
    assert header["EXPOSURE_TIME"] == "120"
    rows = [[float(x) for x in line.split(",")] for line in written if not line.startswith("#")]
    assert len(rows) == 59
    assert rows[0][0] == pytest.approx(curve.time[0], abs=1e-8)
    assert rows[0][1] == pytest.approx(1)
    assert rows[-1][1] == pytest.approx(10**-0.004, abs=1e-6)
    assert rows[0][2] == pytest.approx(0.00921, abs=1e-5)


def test_a_report_of_nothing_is_refused() -> None:
    with pytest.raises(Unreportable, match="red, green or blue"):
        extended_report([a_curve("all")], REPORTER)
    bad = a_curve(flag=np.ones(60, np.int32))
    with pytest.raises(Unreportable, match="no good measurement"):
        exoplanet_report(bad, REPORTER, Transit("WASP-1 b", 120.0))
    with pytest.raises(Unreportable, match="in seconds"):
        exoplanet_report(a_curve(), REPORTER, Transit("WASP-1 b", math.nan))


def test_reports_of_a_simulated_star_say_that_it_is_one() -> None:
    reporter = Reporter("TST01", "panoptes-network 1", is_simulated=True)
    written = lines(extended_report, [a_curve("G")], reporter)
    rows = [line.split(",") for line in written if line[0] != "#"]
    assert len(rows) == 59
    assert {len(row) for row in rows} == {len(LENGTHS)}
    assert all("SIMULATED" in row[14] for row in rows)
    assert all(len(row[14]) <= LENGTHS["NOTES"] for row in rows)
    transit = Transit("HD 189733 b", 120.0, notes="clouds")
    written = lines(exoplanet_report, a_curve(), reporter, transit)
    (notes,) = (line for line in written if line.startswith("#NOTES="))
    assert "SIMULATED" in notes
    assert notes.endswith("clouds")

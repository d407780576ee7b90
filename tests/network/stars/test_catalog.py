"""Stars of a field, without a network."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.units import deg

from panoptes.network.errors import ConfigurationError
from panoptes.network.stars.catalog import Stars, stars_in
from panoptes.network.stars.given import extra_stars, picids

THEN = datetime(2026, 1, 15, 6, tzinfo=UTC)


def test_a_field_has_its_stars_the_brightest_first() -> None:
    stars = stars_in(301.56, 44.46, 9.0, THEN)
    assert 5000 < len(stars) < 9000
    assert (np.diff(stars.g) >= 0).all()
    apart = SkyCoord(stars.ra, stars.dec, unit=deg).separation(SkyCoord(301.56, 44.46, unit=deg))
    assert apart.deg.max() <= 9.0
    assert (stars_in(301.56, 44.46, 9.0, THEN, faintest=7.0).g <= 7.0).all()


def test_the_pole_is_a_field_like_others() -> None:
    stars = stars_in(0.0, 90.0, 5.0, THEN)
    assert stars.dec.min() >= 85.0
    assert np.ptp(stars.ra) > 300
    assert "HIP32349" in stars_in(101.3, -16.7, 0.5, THEN).star_id, "Sirius is not in Gaia"


def test_an_operator_adds_stars(tmp_path: Path) -> None:
    path = tmp_path / "extra.csv"
    known = stars_in(301.56, 44.46, 0.5, THEN).star_id[0]
    path.write_text(f"source_id,ra,dec,g\n{known},301.56,44.46,3\n12,301.57,44.45,12.5\n")
    stars = stars_in(301.56, 44.46, 0.5, THEN, extra=extra_stars(path))
    assert stars.star_id[-1] == "12", "the faintest"
    assert list(stars.star_id).count(known) == 1
    assert 3.0 not in stars.g


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("x,1,2,3", "line 2: source_id must be a whole number, and not 'x'"),
        ("1,361,2,3", "line 2: ra must be a number from 0 to 360"),
        ("1,1,nan,3", "line 2: dec must be a number from -90 to 90"),
        ("1,1,2", "line 2: 3 values in place of 4"),
        ("1,1,2,3\n1,1,2,3", "line 3: 1 is there twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, row: str, told: str) -> None:
    path = tmp_path / "extra.csv"
    path.write_text(f"source_id,ra,dec,g\n{row}\n")
    with pytest.raises(ConfigurationError, match=told):
        extra_stars(path)


def test_columns_may_stand_in_any_order_and_hipparcos_numbers_are_known(tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_text("g,bp,dec,ra,source_id\n1.5,1.6,20,10,-71683\n")
    stars = extra_stars(path)
    assert stars.star_id.tolist() == ["HIP71683"]
    assert (stars.ra[0], stars.dec[0], stars.g[0]) == (10.0, 20.0, 1.5)


def test_a_star_that_the_operator_calls_otherwise_is_there_once() -> None:
    found = stars_in(301.6, 44.5, 1.0, THEN)
    first = found.of(slice(0, 1))
    own = Stars(np.array(["4711"]), first.ra + 1e-4, first.dec, first.g + 0.1)
    both = stars_in(301.6, 44.5, 1.0, THEN, own)
    assert len(both) == len(found)
    assert "4711" in both.star_id
    assert first.star_id[0] not in both.star_id
    faint = Stars(own.star_id, own.ra, own.dec, own.g + 2)
    assert len(stars_in(301.6, 44.5, 1.0, THEN, faint)) == len(found) + 1, "a companion"


def test_tic_ids_are_the_operators(tmp_path: Path) -> None:
    path = tmp_path / "picid.csv"
    path.write_text("source_id,picid\n2081900940499099136,185336364\n")
    assert picids(path) == {"2081900940499099136": "185336364"}
    path.write_text("gaia,picid\n")
    with pytest.raises(ConfigurationError, match="first line must be source_id,picid"):
        picids(path)

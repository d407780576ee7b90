"""The map between pixels and sky, compared with astropy's."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from panoptes.network.plate_solving.wcs import Wcs, fit
from panoptes.network.simulator.optics import FULL, Optics


@pytest.fixture(scope="module")
def wcs() -> Wcs:
    """Of a full frame with the distortion of a lens, near the pole."""
    rng = np.random.default_rng(3)
    optics = Optics(ra=40.0, dec=86.0, centre=(2603.5, 1737.5), angle=33.0)
    x, y = rng.uniform(0, FULL[1], 900), rng.uniform(0, FULL[0], 900)
    plain = Wcs((40.0, 86.0), (2603.5, 1737.5), _turned(33.0), np.zeros((2, 2)), np.zeros((2, 2)))
    ra, dec = plain.to_sky(x, y)
    x, y = optics.to_pixels(ra, dec)
    return fit(x, y, ra, dec, shape=FULL, order=5, near=(40.0, 86.0))


def _turned(angle: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return np.array([[-cosine, sine], [sine, cosine]]) * 10.3 / 3600


def test_a_lens_is_fitted(wcs: Wcs) -> None:
    optics = Optics(ra=40.0, dec=86.0, centre=(2603.5, 1737.5), angle=33.0)
    x, y = np.array([10.0, 2600.0, 5200.0]), np.array([3470.0, 1700.0, 5.0])
    ra, dec = wcs.to_sky(x, y)
    assert np.allclose(optics.to_pixels(ra, dec), (x, y), atol=0.01)
    assert wcs.scale == pytest.approx(10.3, abs=0.001)
    assert np.allclose(wcs.to_pixels(ra, dec), (x, y), atol=1e-6)


def test_other_programs_read_it_from_a_header(wcs: Wcs) -> None:
    header = fits.Header(list(wcs.header_cards().items()))
    theirs = WCS(header)
    x, y = np.array([10.0, 2600.0, 5200.0]), np.array([3470.0, 1700.0, 5.0])
    assert np.allclose(theirs.all_pix2world(x, y, 0), wcs.to_sky(x, y), atol=1e-8)
    away = theirs.sip_foc2pix(theirs.sip_pix2foc(np.stack([x, y], axis=1), 0), 0)
    assert np.allclose(away, np.stack([x, y], axis=1), atol=0.05), "by the inverse polynomials"


def test_a_document_has_all_of_it(wcs: Wcs) -> None:
    again = Wcs.from_cards(wcs.cards())
    x, y = np.array([10.0, 5200.0]), np.array([3470.0, 5.0])
    assert np.allclose(again.to_sky(x, y), wcs.to_sky(x, y), atol=1e-12)


def test_the_other_side_of_the_sky_is_not_on_it(wcs: Wcs) -> None:
    assert np.isnan(wcs.to_pixels(np.array([220.0]), np.array([-80.0]))).all()

"""A small archive of two observations, ingested for real, for what reads archives."""

from __future__ import annotations

from pathlib import Path

from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE_ID, jpeg, place, tiny_fits, tiny_fits_fz

OTHER = "PAN012_358d0f_20180822T035809"
OTHER_IMAGE = "PAN012/358d0f/20180822T035809/20180822T040013"

__all__ = ["IMAGE", "LATER", "OTHER", "OTHER_IMAGE", "SEQUENCE_ID", "small_archive"]


def small_archive(folder: Path) -> Site:
    """Two images and a picture of M42 by PAN001, one image at the south pole by PAN012."""
    site = sites.kept(folder)
    incoming = sites.incoming(site)
    m42: dict[str, str | int | float | None] = {"FIELD": "M42", "RA-MNT": 83.8, "DEC-MNT": -5.4}
    place(incoming, f"{IMAGE}.fits.fz", tiny_fits_fz(tiny_fits(m42)))
    place(incoming, f"{LATER}.fits", tiny_fits({**m42, "CAMTEMP": "11 C"}, seed=2))
    place(incoming, f"{LATER}.jpg", jpeg())
    pole = tiny_fits({"FIELD": "South pole", "RA-MNT": 359.9, "DEC-MNT": -89.5}, seed=3)
    place(incoming, f"{OTHER_IMAGE}.fits", pole)
    results = sites.run(site)
    assert {r.code for r in results.values()} == {None}, results
    return site

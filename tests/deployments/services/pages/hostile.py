"""A network with a bit of everything that pages show, some of it named by an enemy."""

from __future__ import annotations

from pathlib import Path

from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE, jpeg, place, tiny_fits

JUNK = f"{LATER}.fits"
SCRIPT = "<script>alert('x')</script>"
NASTY = f"PAN001/{SCRIPT.replace('/', '')}\"'&.txt"
FIELD = f"M42 {SCRIPT}"


def hostile_network(folder: Path) -> Site:
    """One image of a field with a nasty name, two files in quarantine, one of a nasty name."""
    site = sites.drained(folder)
    m42: dict[str, str | int | float | None] = {"FIELD": FIELD, "RA-MNT": 83.8, "DEC-MNT": -5.4}
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits(m42))
    place(sites.incoming(site), JUNK, b"junk")
    place(sites.incoming(site), NASTY, b"x")
    place(sites.incoming(site), f"{SEQUENCE}/20180216T112830.jpg", jpeg())
    sites.run(site)
    return site

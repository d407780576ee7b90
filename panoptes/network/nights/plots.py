"""A night's plots, drawn as SVG that can be put into a page as it is.

Each is one ``<svg role="img">`` with a title and a description for who cannot see it. It holds
no style sheet, no script and no address, so that any content security policy takes it, and its
ids are its own.
"""

from __future__ import annotations

from panoptes.network.nights.unit_night import UnitNight


def timeline(night: UnitNight) -> str:
    """Exposures by camera against time, with twilight, long gaps and quarantined files."""
    raise NotImplementedError


def sky_plot(night: UnitNight) -> str:
    """Airmass, and distance from the Moon, against time."""
    raise NotImplementedError


def lag_plot(night: UnitNight) -> str:
    """How long files took from arrival to the catalogue, by stage."""
    raise NotImplementedError

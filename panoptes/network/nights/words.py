"""A night in words: what people read first, on a page, in an artifact and at a terminal."""

from __future__ import annotations

from panoptes.network.nights.unit_night import UnitNight


def duration(seconds: float) -> str:
    """Such as 0.4 s, 12 s, 5 min or 3.2 h: two figures are enough to look at."""
    if abs(seconds) < 9.95:
        return f"{seconds:.1f} s"
    if abs(seconds) < 119.5:
        return f"{seconds:.0f} s"
    if abs(seconds) < 7170:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def summary(night: UnitNight) -> str:
    """One sentence without its unit: how many images there are, and how many should be."""
    if not night.lights:
        return f"nothing observed: {'; '.join(night.reasons)}"
    said = f"{night.lights} images"
    if night.expected is not None:
        said += f" of {night.expected} expected"
    if night.quarantined:
        said += f", {night.quarantined} files in quarantine"
    if night.waiting or night.failed:
        said += f", {night.waiting + night.failed} files not taken yet"
    return said

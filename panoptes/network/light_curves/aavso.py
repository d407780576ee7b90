"""Light curves as the AAVSO takes them: the exoplanet report and the extended file format.

https://www.aavso.org/aavso-extended-file-format and
https://www.aavso.org/aavso-exoplanet-report-file-format. Only good measurements are given
(`flag` 0). One that a field of the format cannot hold is left out, never cut: a cut number is
another number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panoptes.network.light_curves.barycentre import julian_dates
from panoptes.network.light_curves.table import COMBINED, LightCurve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LENGTHS = {
    "NAME": 30, "DATE": 16, "MAG": 8, "MERR": 6, "FILT": 5, "TRANS": 3, "MTYPE": 3,
    "CNAME": 20, "CMAG": 8, "KNAME": 20, "KMAG": 8, "AMASS": 7, "GROUP": 5, "CHART": 20,
    "NOTES": 100,
}  # fmt: skip
"""Characters that a field of the extended format may have, in the order of the fields. Notes may
have some thousands; ours are short."""
SOFTWARE_LENGTH = 255
FILTERS = {"R": "TR", "G": "TG", "B": "TB"}
"""What the AAVSO calls the colours of a camera's mask."""
UNFILTERED = "CV"
NOTES = "fitted under the Bayer mask; zero point of Gaia DR3 G from the field's stars"
SIMULATED_NOTES = "SIMULATED - not observed: not for the AAVSO's database"
"""Like every field, without the comma that parts the fields."""
_CODE = re.compile(r"[A-Z0-9]{2,5}")
_NAME = re.compile(r"[ -~]+")
_ABSENT = "na"


class Unreportable(ValueError):
    """What was given cannot stand in a report: the message says what, and what can."""


@dataclass(frozen=True)
class Reporter:
    """Who reports. Raises Unreportable for what is no observer code."""

    observer: str
    """The code that the AAVSO gave the observer."""
    software: str
    is_simulated: bool = False
    """Whether no telescope saw the star: each report says so."""

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.observer):
            raise Unreportable(
                f"{self.observer[:40]!r} is no observer code of the AAVSO: give the two to five "
                "capitals or digits that it assigned to you"
            )
        _checked("the software's name", self.software, SOFTWARE_LENGTH)


def star_name(star_id: str, name: str | None = None) -> str:
    """What the star is called in a report: `name`, or Gaia's. Raises Unreportable."""
    called = name or (f"Gaia DR3 {star_id}" if star_id.isdecimal() else star_id)
    return _checked("the star's name", called, LENGTHS["NAME"])


def extended_report(
    curves: Sequence[LightCurve], reporter: Reporter, *, name: str | None = None
) -> Iterator[str]:
    """Lines of the extended format: the colours of one star, in the order of time.

    Dates are JD (UTC) at the centre of the Earth. The channel of all colours is left out, which
    is no filter of the AAVSO's. Raises Unreportable before the first line.
    """
    colours = [each for each in curves if each.channel in FILTERS]
    if not colours:
        raise Unreportable("the star was not measured in red, green or blue")
    return _extended(colours, reporter, star_name(colours[0].star_id, name))


def _extended(curves: Sequence[LightCurve], reporter: Reporter, name: str) -> Iterator[str]:
    import numpy as np

    yield "#TYPE=Extended\n"
    yield f"#OBSCODE={reporter.observer}\n"
    yield f"#SOFTWARE={reporter.software}\n"
    yield "#DELIM=,\n#DATE=JD\n#OBSTYPE=DSLR\n"
    yield f"#{','.join(LENGTHS)}\n"
    rows = []
    for curve in curves:
        days = julian_dates(curve.time, curve.ra, curve.dec)
        for at in np.flatnonzero(_is_good(curve)):
            rows.append((days[at], curve.channel, at, curve))
    groups = _Groups()
    for day, channel, at, curve in sorted(rows, key=lambda row: row[:2]):
        group = groups.of(day, curve.image_id[at])
        fields = {
            "NAME": name,
            "DATE": f"{day:.6f}",
            "MAG": f"{curve.mag[at]:.4f}",
            "MERR": f"{curve.error[at]:.4f}",
            "FILT": FILTERS[channel],
            "TRANS": "NO",
            "MTYPE": "STD",
            "CNAME": "ENSEMBLE",
            "CMAG": _ABSENT,
            "KNAME": _ABSENT,
            "KMAG": _ABSENT,
            "AMASS": _airmass(curve.airmass[at], LENGTHS["AMASS"]),
            "GROUP": str(group),
            "CHART": "Gaia DR3",
            "NOTES": SIMULATED_NOTES if reporter.is_simulated else NOTES,
        }
        if all(len(value) <= LENGTHS[key] for key, value in fields.items()):
            yield f"{','.join(fields.values())}\n"


class _Groups:
    """A number for the measurements of an image, from 1, of no other image of a Julian day."""

    def __init__(self) -> None:
        self._day, self._known = 0, dict[str, int]()

    def of(self, day: float, image_id: str) -> int:
        if math.floor(day) != self._day:
            self._day, self._known = math.floor(day), {}
        return self._known.setdefault(image_id, len(self._known) + 1)


@dataclass(frozen=True)
class Transit:
    """What a report of a transit says beside the measurements."""

    planet: str
    exposure_seconds: float
    star: str | None = None
    """By default Gaia's name."""
    priors: str = ""
    """What is known of the planet, as ``Period=2.2185733 +/- 0.0000015,a/R*=8.84``."""
    notes: str = ""


def exoplanet_report(curve: LightCurve, reporter: Reporter, transit: Transit) -> Iterator[str]:
    """Lines of the exoplanet report: one star in one channel, as flux over its median.

    Dates are BJD_TDB, and `DETREND_1` is the airmass, with which the magnitudes are not
    detrended. Raises Unreportable before the first line.
    """
    star = star_name(curve.star_id, transit.star)
    planet = _checked("the planet's name", transit.planet, LENGTHS["NAME"])
    for what, words in (("priors", transit.priors), ("notes", transit.notes)):
        if words and not _NAME.fullmatch(words):
            raise Unreportable(f"the {what} hold what is no ASCII on one line: write them anew")
    if not 0 < transit.exposure_seconds < 86400:
        raise Unreportable("the exposure time is to be given in seconds, above 0")
    if curve.channel not in (COMBINED, *FILTERS):
        raise Unreportable("the AAVSO knows no filter for this channel")
    good = _is_good(curve)
    if not good.any():
        raise Unreportable("the star has no good measurement in this channel")
    return _exoplanet(curve, good, reporter, (star, planet), transit)


def _exoplanet(
    curve: LightCurve,
    good: NDArray[np.bool_],
    reporter: Reporter,
    names: tuple[str, str],
    transit: Transit,
) -> Iterator[str]:
    import numpy as np

    simulated = SIMULATED_NOTES if reporter.is_simulated else ""
    header = {
        "TYPE": "EXOPLANET",
        "OBSCODE": reporter.observer,
        "SECONDARY_OBSCODES": "",
        "SOFTWARE": reporter.software,
        "DELIM": ",",
        "DATE_TYPE": "BJD_TDB",
        "OBSTYPE": "DSLR",
        "STAR_NAME": names[0],
        "EXOPLANET_NAME": names[1],
        "BINNING": "1x1",
        "EXPOSURE_TIME": f"{transit.exposure_seconds:g}",
        "FILTER": UNFILTERED if curve.channel == COMBINED else FILTERS[curve.channel],
        "DETREND_PARAMETERS": "AIRMASS",
        "MEASUREMENT_TYPE": "Rnflux",
        "NOTES": "; ".join(filter(None, (simulated, transit.notes))),
        "PRIORS": transit.priors,
        "RESULTS": "",
    }
    for key, value in header.items():
        yield f"#{key}={value}\n"
    yield "#DATE,DIFF,ERR,DETREND_1\n"
    flux, error = curve.relative_flux()
    for at in np.flatnonzero(good):
        fields = (
            f"{curve.time[at]:.8f}",
            f"{flux[at]:.7f}",
            f"{error[at]:.7f}",
            _airmass(curve.airmass[at], LENGTHS["AMASS"]),
        )
        if len(fields[0]) <= LENGTHS["DATE"] and 0.01 < flux[at] < 100 and error[at] < 100:
            yield f"{','.join(fields)}\n"


def _is_good(curve: LightCurve) -> NDArray[np.bool_]:
    """Which measurements can be reported."""
    import numpy as np

    # JD 2400000 is 1858; after 2500000, which is 2132, nobody has observed.
    when = (curve.time > 2_400_000) & (curve.time < 2_500_000)
    return np.asarray(
        (curve.flag == 0) & when & (np.abs(curve.mag) < 99) & (curve.error > 0) & (curve.error < 9)
    )


def _airmass(value: float, most: int) -> str:
    return f"{value:.4f}"[:most] if 1 <= value < 99 else _ABSENT


def _checked(what: str, words: str, most: int) -> str:
    """Raises Unreportable for what no field of a report can hold."""
    words = words.strip()
    if len(words) > most or not _NAME.fullmatch(words) or set(words) & set(",|#"):
        raise Unreportable(
            f"{what}, {words[:60]!r}, cannot stand in a report: give another, of at most {most} "
            "letters, digits and signs of ASCII without comma, bar and hash"
        )
    return words

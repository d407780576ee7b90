"""A night in words: what people read first, on a page, in an artifact and at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from panoptes.network.amounts import counted, duration
from panoptes.network.nights.unit_night import Measured, UnitNight

STAGE_WORDS = {
    "run made": "noticed",
    "run begun": "work begun",
    "taken up": "its turn come",
    "derived": "compressed",
    "recorded": "catalogued",
}
"""What has happened at the end of each of `ingest.lag.STAGES`, for people."""


def summary(night: UnitNight) -> str:
    """One sentence without its unit: how many images there are, and how many should be."""
    if not night.lights:
        return f"nothing observed: {'; '.join(night.reasons)}"
    said = counted(night.lights, "image")
    if night.expected is not None:
        said += f" of {night.expected} expected"
    if night.quarantined:
        said += f", {counted(night.quarantined, 'file')} in quarantine"
    if left := night.waiting + night.failed:
        said += f", {counted(left, 'file')} not taken yet"
    return said


def facts(night: UnitNight) -> Iterator[tuple[str, str]]:
    """What is known of a night beyond its counts, each with what it is of.

    Text of units (clouds) is within: make it safe for where it is shown.
    """
    if night.location is None:
        yield "dark", "not known: the unit has no place yet"
    elif night.dark is None:
        yield "dark", "never: the Sun stays above -18 degrees"
    else:
        hours = f"{night.dark.start:%H:%M} to {night.dark.end:%H:%M} UTC"
        yield "dark", f"{hours}, {duration(night.dark.seconds)}"
    yield "expected", _expected(night)
    if night.open_shutter is not None:
        share = f"{100 * night.open_shutter:.0f} % of the dark hours"
        yield "shutter open", f"{share}; {duration(night.exptime)} in all"
    if night.mean_gap is not None and night.median_gap is not None:
        gaps = f"{duration(night.mean_gap)} on average, {duration(night.median_gap)} at the median"
        if night.gaps:
            longest = max(gap.seconds for gap in night.gaps)
            gaps += f"; {len(night.gaps)} long, up to {duration(longest)}"
        yield "between exposures", gaps
    if night.first_exposure is not None:
        yield "first exposure", _first(night)
    if sky := "; ".join(_sky(night)):
        yield "sky", sky
    yield from _instrument(night)


def _expected(night: UnitNight) -> str:
    if night.possible is None or night.cadence is None:
        return "not known: there is too little to go by"
    possible = f"{night.possible} possible at one in {duration(night.cadence)}"
    if night.expected is None or night.usual_share is None:
        return f"not known: no earlier nights; {possible}"
    return (
        f"{night.expected}: {possible}, of which it usually brings {100 * night.usual_share:.0f} %"
    )


def _first(night: UnitNight) -> str:
    said = f"{night.first_exposure:%H:%M} UTC"
    if night.minutes_to_first is None:
        return said
    when = "after" if night.minutes_to_first >= 0 else "before"
    return f"{said}, {abs(night.minutes_to_first):.0f} min {when} the end of twilight"


def _sky(night: UnitNight) -> Iterator[str]:
    sky = night.sky
    if sky.cloud is not None:
        yield f"clouds: {sky.cloud}"
    if sky.airmass is not None:
        yield f"airmass {_range(sky.airmass, '.2f')}"
    if sky.moonfrac is not None:
        yield f"Moon {100 * sky.moonfrac.median:.0f} % lit"
    if sky.moonsep is not None:
        yield f"{_range(sky.moonsep, '.0f')} degrees from the Moon"
    if sky.measev is not None:
        yield f"brightness {_range(sky.measev, '.1f')} EV"
    if sky.level is not None:
        yield f"sky {_range(sky.level, '.0f')} ADU"
    if sky.seeing is not None:
        yield f"stars {_range(sky.seeing, '.1f')}″ wide"
    if sky.lost is not None:
        yield (
            f"{sky.lost.median:.2f} mag of light lost at the median, {sky.lost.most:.2f} at most"
        )


def _instrument(night: UnitNight) -> Iterator[tuple[str, str]]:
    instrument = night.instrument
    if instrument.focpos is not None:
        yield "focuser", f"at {_range(instrument.focpos, '.0f')}"
    if instrument.pointing is not None:
        middle, most = 60 * instrument.pointing.median, 60 * instrument.pointing.most
        of = f"of {counted(instrument.pointing.images, 'solved image')}"
        yield "pointing", f"off by {middle:.1f}′ at the median, {most:.1f}′ at most, {of}"
    if instrument.camtemp is not None:
        yield "camera", f"{_range(instrument.camtemp, '.0f')} °C"
    if instrument.bad:
        yield "called bad", f"{counted(instrument.bad, 'image')}, by the unit itself"


def _range(measured: Measured, form: str) -> str:
    return ranged(measured.least, measured.most, form)


def ranged(least: float, most: float, form: str) -> str:
    """Such as 1.05 to 1.24; where the two are written alike, one of them."""
    one, other = f"{least:{form}}", f"{most:{form}}"
    return one if one == other else f"{one} to {other}"

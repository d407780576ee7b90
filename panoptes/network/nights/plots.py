"""A night's plots, drawn as SVG that can be put into a page as it is.

Each is one ``<svg role="img">`` with a title and a description for who cannot see it. It holds
no style sheet, no script and no address, so that any content security policy takes it; its ids
are its own, its ink is the colour of the text around it, and it is as wide as its place (below
600 pixels its writing gets small: let it scroll).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from panoptes.network.amounts import counted, duration
from panoptes.network.ingest.lag import IN_ALL, STAGES
from panoptes.network.nights.unit_night import Exposure, Measured, Span, UnitNight
from panoptes.network.nights.words import STAGE_WORDS, ranged
from panoptes.network.safe_text import one_line
from panoptes.network.svg import INK, WIDTH, figure, svg, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#2f7fc1", "#c8741a", "#3a9a5c", "#9a63c4")
"""Of cameras, one after the other; each stands out from white and from black."""
_TROUBLE = "#d8403a"
_AROUND = timedelta(minutes=30)
_LEAST_LAG = 0.01
_LONGEST_NAME = 18
_LETTER = 8.5
"""Points that a letter of a camera's name takes."""


def timeline(night: UnitNight) -> str:
    """Exposures by camera against time, with twilight, long gaps and quarantined files."""
    cameras = sorted({e.camera_id for e in night.exposures} | {c.camera_id for c in night.cases})
    rows = {camera_id: len(cameras) - 1 - row for row, camera_id in enumerate(cameras)}
    span = _span(night)
    pixel = span.seconds / WIDTH
    names = [_short(camera_id) for camera_id in cameras]
    left = 12 + _LETTER * max(map(len, names), default=0)
    with figure(80 + 34 * max(1, len(cameras)), left=left) as axes:
        _time_axis(axes, night, span)
        for camera_id, row in rows.items():
            mine = [each for each in night.exposures if each.camera_id == camera_id]
            lights = [each for each in mine if each.image_type == "light"]
            others = [each for each in mine if each.image_type != "light"]
            for exposures, thick, colour in (
                (lights, 15, _COLOURS[row % len(_COLOURS)]),
                (others, 6, INK),
            ):
                hours, at = _bars(night, exposures, row, pixel)
                axes.plot(hours, at, color=colour, lw=thick, solid_capstyle="butt")
        for gap in night.gaps:
            if gap.camera_id not in rows:
                continue
            row, begin, end = rows[gap.camera_id], _hour(night, gap.start), _hour(night, gap.end)
            axes.plot([begin, end], [row, row], color=_TROUBLE, lw=1.5, ls=(0, (4, 2)))
            if gap.seconds > 45 * pixel:
                axes.annotate(
                    duration(gap.seconds), ((begin + end) / 2, row), (0, 3), fontsize=10,
                    textcoords="offset points", ha="center", va="bottom",
                )  # fmt: skip
        # To the half minute: a broken unit's thousands are as many crosses as can be told apart.
        aside = {(round(_hour(night, c.time), 2), rows[c.camera_id]) for c in night.cases if c.time}
        axes.plot(
            [hour for hour, _ in sorted(aside)], [row for _, row in sorted(aside)],
            linestyle="", marker="X", ms=9, mfc=_TROUBLE, mec="white", mew=0.8,
        )  # fmt: skip
        if not cameras:
            why = f"Nothing observed: {'; '.join(night.reasons)}"
            axes.text(
                0.5, 0.5, one_line(why, most=90), transform=axes.transAxes, ha="center", va="center"
            )
        axes.set_ylim(-0.6, max(0.6, len(cameras) - 0.4))
        axes.set_yticks(list(rows.values()), names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return svg(axes, _key("timeline", night), _title("Exposures", night), _told(night))


def sky_plot(night: UnitNight) -> str:
    """Airmass, and distance from the Moon, against time; empty where no header says either."""
    lights = [each for each in night.exposures if each.image_type == "light"]
    airmass, moonsep = night.sky.airmass, night.sky.moonsep
    if airmass is None and moonsep is None:
        return ""
    told = []
    with figure(200, left=60, right=60) as axes:
        _time_axis(axes, night, _span(night))
        if airmass is not None:
            axes.plot(*thinned(*_curve(night, lights, "airmass")), color=_COLOURS[0], lw=2.5)
            axes.set_ylabel("airmass", color=_COLOURS[0])
            axes.set_ylim(*reversed(_room(airmass, 0.5)))
            told.append(f"Airmass {ranged(airmass.least, airmass.most, '.2f')}.")
        else:
            axes.set_yticks([])
        if moonsep is not None:
            right = axes.twinx()
            right.xaxis.set_visible(False)
            right.plot(
                *thinned(*_curve(night, lights, "moonsep")),
                color=_COLOURS[1],
                lw=2.5,
                ls=(0, (3, 1.5)),
            )
            right.set_ylabel("° from the Moon", color=_COLOURS[1])
            right.set_ylim(*_room(moonsep, 10.0))
            told.append(f"{ranged(moonsep.least, moonsep.most, '.0f')} degrees from the Moon.")
        if night.sky.moonfrac is not None:
            told.append(f"{100 * night.sky.moonfrac.median:.0f} % of the Moon is lit.")
        title = _title("Airmass and Moon", night)
        return svg(axes, _key("sky", night), title, " ".join(told))


def lag_plot(night: UnitNight) -> str:
    """How long files took from arrival to the catalogue, by stage; empty where nobody knows."""
    stages = [stage for stage in (IN_ALL, *reversed(STAGES)) if stage in night.lag]
    if not stages:
        return ""
    told = []
    with figure(60 + 26 * len(stages), left=100) as axes:
        for row, stage in enumerate(stages):
            lag = night.lag[stage]
            p50, p95, p99 = map(_decades, (lag.p50, lag.p95, lag.p99))
            colour = INK if stage == IN_ALL else _COLOURS[0]
            axes.plot([p50, p99], [row, row], color=colour, lw=2)
            axes.plot([p50], [row], marker="o", ms=8, color=colour)
            axes.plot([p95, p99], [row, row], ls="", marker="|", ms=12, mew=2, color=colour)
            told.append(
                f"{STAGE_WORDS.get(stage, stage)}: half within {duration(lag.p50)}, "
                f"95 % within {duration(lag.p95)}, 99 % within {duration(lag.p99)}."
            )
        most = max(_LEAST_LAG, *(night.lag[stage].p99 for stage in stages))
        ticks = [0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 864000.0, 8640000.0]
        shown = [tick for tick in ticks if tick < 10 * most] or ticks[:2]
        axes.set_xlim(_decades(_LEAST_LAG) - 0.15, _decades(max(shown[-1], most)) + 0.1)
        axes.set_xticks([_decades(tick) for tick in shown], [_tick(tick) for tick in shown])
        axes.set_xlabel("time that half of the files took (dot), 95 % and 99 % (bars)")
        axes.set_yticks(range(len(stages)), [STAGE_WORDS.get(each, each) for each in stages])
        axes.set_ylim(-0.6, len(stages) - 0.4)
        axes.grid(axis="x", color=INK, alpha=0.15)
        title = _title("From arrival to the catalogue", night)
        return svg(axes, _key("lag", night), title, " ".join(reversed(told)))


def _decades(seconds: float) -> float:
    """Where it stands on an axis of powers of ten."""
    return math.log10(max(_LEAST_LAG, seconds))


def _tick(seconds: float) -> str:
    if seconds >= 86400:
        return f"{seconds / 86400:.0f} d"
    return duration(seconds).replace(".0 s", " s") if seconds >= 1 else f"{seconds:g} s"


def _span(night: UnitNight) -> Span:
    """The hours to show: from sunset to sunrise, and whatever was exposed outside of them."""
    begins = [night.sunset - _AROUND] if night.sunset else []
    ends = [night.sunrise + _AROUND] if night.sunrise else []
    if not begins or not ends:
        return Span(night.start, night.end)
    begins += [each.time - _AROUND for each in night.exposures[:1]]
    ends += [each.time + _AROUND for each in night.exposures[-1:]]
    return Span(max(night.start, min(begins)), min(night.end, max(ends)))


def _time_axis(axes: Axes, night: UnitNight, span: Span) -> None:
    for dark in filter(None, (night.nautical, night.dark)):
        begin, end = _hour(night, dark.start), _hour(night, dark.end)
        axes.axvspan(begin, end, color=INK, alpha=0.09, lw=0)
    for moment in filter(None, (night.sunset, night.sunrise)):
        axes.axvline(_hour(night, moment), color=INK, lw=0.8, ls=":")
    first, last = _hour(night, span.start), _hour(night, span.end)
    hours = range(math.ceil(first), math.floor(last) + 1, 2 if last - first > 14 else 1)
    axes.set_xlim(first, last)
    axes.set_xticks(hours, [f"{hour % 24:02d}" for hour in hours])
    axes.set_xlabel("hours UTC; shaded: nautical and astronomical night")


def _hour(night: UnitNight, moment: datetime) -> float:
    """Hours since the midnight, UTC, before the night began."""
    midnight = night.start.replace(hour=0, minute=0, second=0, microsecond=0)
    return (moment - midnight).total_seconds() / 3600


def _bars(
    night: UnitNight, exposures: Iterable[Exposure], row: int, pixel: float
) -> tuple[list[float], list[float]]:
    """One broken line: exposures as strokes; what is nearer than a pixel (s) is one stroke."""
    hours: list[float] = []
    for each in exposures:
        begin = _hour(night, each.time)
        end = begin + max(each.exptime or 0.0, pixel) / 3600
        if hours and begin - hours[-1] < pixel / 3600:
            hours[-1] = max(hours[-1], end)
        else:
            hours += [math.nan, begin, end]
    return hours, [math.nan if math.isnan(hour) else float(row) for hour in hours]


def _curve(
    night: UnitNight, exposures: Sequence[Exposure], name: str
) -> tuple[list[float], list[float]]:
    """One line over the time, broken where cameras or fields change or nothing was exposed."""
    hours: list[float] = []
    values: list[float] = []
    for camera_id in sorted({each.camera_id for each in exposures}):
        before: Exposure | None = None
        for each in exposures:
            value = getattr(each, name)
            if each.camera_id != camera_id or value is None:
                continue
            if before is None or _is_apart(before, each, name):
                hours.append(math.nan)
                values.append(math.nan)
            begin = _hour(night, each.time)
            hours += [begin, begin + (each.exptime or 30.0) / 3600]
            values += [value, value]
            before = each
    return hours, values


def _room(measured: Measured, least: float) -> tuple[float, float]:
    """The values to show: all there are, some air, and no less than `least` from end to end."""
    middle, span = (measured.least + measured.most) / 2, measured.most - measured.least
    half = max(1.1 * span, least) / 2
    return middle - half, middle + half


def _is_apart(one: Exposure, other: Exposure, name: str) -> bool:
    """Whether another field, or a time without exposures, lies between the two."""
    idle = (other.time - one.time).total_seconds() - (one.exptime or 0.0)
    jump = abs(getattr(other, name) - getattr(one, name))
    return idle > 600.0 or jump > (0.2 if name == "airmass" else 3.0)


def _told(night: UnitNight) -> str:
    """The timeline in words."""
    return " ".join(_sentences(night))


def _sentences(night: UnitNight) -> Iterator[str]:
    if night.dark is not None:
        yield f"It is dark from {night.dark.start:%H:%M} to {night.dark.end:%H:%M} UTC."
    if not night.exposures:
        yield f"Nothing observed: {'; '.join(night.reasons)}."
    for camera_id in sorted({each.camera_id for each in night.exposures}):
        mine = [each for each in night.exposures if each.camera_id == camera_id]
        between = f"from {mine[0].time:%H:%M} to {mine[-1].time:%H:%M} UTC"
        yield f"Camera {camera_id}: {counted(len(mine), 'exposure')} {between}."
    if night.gaps:
        longest = duration(max(gap.seconds for gap in night.gaps))
        yield f"{counted(len(night.gaps), 'long gap')}, up to {longest}."
    if night.cases:
        yield f"{counted(len(night.cases), 'file')} in quarantine, shown as crosses."


def _title(what: str, night: UnitNight) -> str:
    return f"{what}, {night.unit_id}, night of {night.night}"


def _key(plot: str, night: UnitNight) -> str:
    return f"{plot}-{night.unit_id}-{night.night}"


def _short(camera_id: str) -> str:
    return one_line(camera_id, most=_LONGEST_NAME)

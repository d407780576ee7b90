"""What a night's report shows in the Prefect UI, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flows.artifacts.markdown_parts import linked, picture, table
from panoptes.network.amounts import duration
from panoptes.network.ingest.lag import IN_ALL, STAGES
from panoptes.network.nights import UnitNight
from panoptes.network.nights.plots import lag_plot, sky_plot, timeline
from panoptes.network.nights.words import facts, summary
from panoptes.network.safe_text import markdown
from panoptes.network.site import Site

MOST_ROWS = 100
COUNTS = ("expected", "arrived", "catalogued", "lights", "quarantined", "missing")


def night_markdown(site: Site, night: UnitNight) -> str:
    """A unit's night: counts, why nothing was observed, plots and tables."""
    return "\n\n".join(_parts(site, night)) + "\n"


def summary_row(night: UnitNight) -> dict[str, object]:
    """A row of the table of all units."""
    counts = {name: _shown(getattr(night, name)) for name in COUNTS}
    said = markdown("; ".join(night.reasons))
    return {"unit": night.unit_id, "night": night.night, **counts, "nothing because": said}


def _parts(site: Site, night: UnitNight) -> Iterator[str]:
    title = linked(site, f"nights/{night.night}", night.unit_id, night.unit_id)
    name = f" ({markdown(night.unit_name)})" if night.unit_name else ""
    yield f"# {title}{name}, night of {night.night}"
    said = summary(night)
    yield f"{markdown(said[:1].upper() + said[1:])}."
    for plot in (timeline(night), sky_plot(night), lag_plot(night)):
        if plot:
            yield picture(plot)
    counts = [_shown(getattr(night, each)) for each in COUNTS]
    yield table("Exposures", COUNTS, [counts])
    if night.files:
        yield (
            f"They came in {night.files} files: the camera's raw, the FITS file made of it, and a "
            "picture are one image. *quarantined* counts files."
        )
    rows = [(what, markdown(said)) for what, said in facts(night)]
    yield table("The night", ("", ""), rows)
    if night.said:
        told = [
            (markdown(each.what), f"{each.first:%H:%M}", f"{each.last:%H:%M}", str(each.times))
            for each in night.said
        ]
        yield table("What the unit said", ("", "first, UTC", "last, UTC", "times"), told)
    if night.observations:
        yield _observations(site, night)
    if night.cases:
        cases = [
            (markdown(each.name), markdown(each.reason or ""), markdown(each.next_step or ""))
            for each in night.cases[:MOST_ROWS]
        ]
        yield table("In quarantine", ("file", "why", "what to do"), cases)
    if night.lag:
        yield table("From arrival to the catalogue", ("until", "half", "95 %", "99 %"), _lag(night))


def _observations(site: Site, night: UnitNight) -> str:
    rows = [
        (
            linked(site, "observations", each.sequence_id, f"{each.time:%H:%M}"),
            markdown(each.camera_id),
            markdown(each.field_name or ""),
            markdown(each.image_type),
            str(each.images),
            duration(each.exptime),
            str(each.quarantined),
        )
        for each in night.observations[:MOST_ROWS]
    ]
    head = ("time, UTC", "camera", "field", "for", "images", "exposed", "quarantined files")
    return table("Observations", head, rows)


def _lag(night: UnitNight) -> Sequence[tuple[str, ...]]:
    known = [(stage, night.lag[stage]) for stage in (*STAGES, IN_ALL) if stage in night.lag]
    return [(stage, *map(duration, (lag.p50, lag.p95, lag.p99))) for stage, lag in known]


def _shown(count: int | None) -> str:
    return "not known" if count is None else str(count)

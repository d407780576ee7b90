"""What each unit's night brought, every morning and by hand.

1. Which units and which night: of each unit the last one that is over, unless one is named.
2. Each unit: count, compare with what was expected, say why nothing was observed where anybody
   knows it; leave an artifact with plots and tables.
3. A table of all units, and all reports as JSON: the run's result.
4. A film of each of the night's observations, where there is an encoder.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.network import PanoptesNetwork, load_network
from flows.artifacts.night import night_markdown, summary_row
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.watchdog import ended_when_stalled, progressing
from panoptes.network.nights import (
    UnitNight,
    checked_night,
    last_whole_night,
    night_json,
    unit_ids,
)
from panoptes.network.nights.words import summary
from panoptes.network.safe_text import markdown, one_line
from panoptes.network.storage.store import NotFound
from panoptes.network.timelapse import has_encoder
from tasks.make_timelapse import make_timelapse
from tasks.report_night import report_night

NOTHING = "Nothing observed"


@flow(name="night-report", flow_run_name="night report", persist_result=True)
def night_report(
    network: str = "default",
    night: str | None = None,
    units: list[str] | None = None,
    timelapses: bool = True,
) -> State[Any]:
    """Report a night, unit by unit: what was expected, what came, and why nothing did.

    Writes films alone, and is safe to run at any time, for any night. The reports are the run's
    result, as JSON. A night of which no unit brought a light is *Nothing observed*.

    Args:
        network: Name of the 'PANOPTES network' block whose units are reported.
        night: The date of its evening, 2018-02-15; empty: of each unit the last night that is
            over, from noon to noon at its place.
        units: Only these, such as PAN001; empty: all that the catalogue knows.
        timelapses: Make a film of each observation's previews, or renew it where there are others
            by now. It needs the extra `timelapse` of the package.
    """
    try:
        block = load_network(network)
        date = checked_night(night).isoformat() if night else None
        with ended_when_stalled(block.stall_seconds):
            block.site.catalog.check()
            reports = _reports(block, date, units or unit_ids(block.site))
    except (ValueError, NotFound, ConfigurationError, TransientError) as error:
        return Failed(message=one_line(error))
    if not reports:
        return Completed(name=NOTHING, message="the catalogue knows no unit", data=[])
    create_table_artifact(
        [summary_row(each) for each in reports],
        key="nights",
        description="The last reports of every unit's night",
    )
    observed = [each for each in reports if each.lights]
    if timelapses and has_encoder():
        try:
            with ended_when_stalled(block.stall_seconds):
                _make_timelapses(block, observed)
        except (ConfigurationError, TransientError) as error:
            return Failed(message=f"the nights are reported, but not filmed: {one_line(error)}")
    lights = sum(each.lights for each in observed)
    units_in_all = counted(len(reports), "unit")
    message = f"{len(observed)} of {units_in_all} observed, {counted(lights, 'image')}"
    if silent := [each.unit_id for each in reports if not each.lights]:
        message += f"; nothing of {', '.join(silent)}"
    data = [night_json(each) for each in reports]
    return Completed(name=None if observed else NOTHING, message=message, data=data)


def _make_timelapses(block: PanoptesNetwork, nights: list[UnitNight]) -> None:
    """One after the other: nobody waits for them."""
    observations = [each for night in nights for each in night.observations]
    for each in progressing(observations):
        make_timelapse(block, each.sequence_id)


def _reports(block: PanoptesNetwork, night: str | None, units: list[str]) -> list[UnitNight]:
    """Each unit's, with an artifact of its own; the newest of a unit is shown first."""
    reports = []
    for unit_id in progressing(units):
        report = report_night(block, unit_id, night or last_whole_night(block.site, unit_id))
        create_markdown_artifact(
            night_markdown(block.site, report),
            key=f"night-{unit_id.lower()}",
            description=markdown(f"{unit_id}, night of {report.night}: {summary(report)}"),
        )
        reports.append(report)
    return reports

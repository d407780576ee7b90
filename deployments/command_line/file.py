"""`panoptes-network file`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson, Data, Network, choose_network
from deployments.command_line.telling import NOT_ALL, OK, complaining, print_json, tell_rows
from panoptes.network.object_paths import BadPath, NotOurs
from panoptes.network.whereabouts import FileReport, what_became_of

app = typer.Typer()


@app.command()
@complaining("file", failed=(BadPath, NotOurs))
def file(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="As it was uploaded, as it is archived, or its address; the last part may do.",
        ),
    ],
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Say what became of a file. Exits with 3 if it is not known here."""
    with choose_network(data, network) as site:
        answer = what_became_of(site, name)
    if as_json:
        print_json(answer.model_dump(mode="json"))
    else:
        for report in answer.files:
            _show(report)
        more = "there are more: give more of the path\n" if answer.more else ""
        sys.stderr.write(f"{more}{answer.note}\n" if answer.note else more)
    return NOT_ALL if answer.files[0].state == "unknown" else OK


def _show(report: FileReport) -> None:
    tell_rows(
        [
            ("file", report.file),
            ("became", report.state),
            ("in words", report.sentence),
            ("what to do", report.next_step),
            ("arrived", f"{report.arrived:%Y-%m-%d %H:%M:%S} UTC" if report.arrived else ""),
            ("recorded", f"{report.closed:%Y-%m-%d %H:%M:%S} UTC" if report.closed else ""),
            ("observation", report.sequence_id),
            ("case", report.case_id),
            *(("made of it", f"{each.location}/{each.path}") for each in report.outputs),
        ]
    )

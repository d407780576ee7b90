"""`panoptes-network report-problem`."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.choosing import DATA, AsJson, Data, Network, choose_network
from deployments.command_line.telling import OK, complaining, print_json, write_file
from deployments.local_stack.sign_in_token import SIGN_IN_TOKEN
from deployments.problem import report_problem
from panoptes.network.errors import ConfigurationError
from panoptes.network.problem_report.collecting import Log
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site

app = typer.Typer()

_MOST_LOGS = 20


@app.command("report-problem")
@complaining("report-problem")
def report_problem_(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.zip", dir_okay=False, help="To write.")
    ] = Path("panoptes-problem.zip"),
    log: Annotated[
        list[Path] | None,
        typer.Option(
            dir_okay=False, help="A log to put in as well; may be repeated. Those of `make up` are."
        ),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Write a zip for the developers: versions, settings, health, recent logs, and no secret.

    What goes in is chosen for its form; the zip's README says what stands there.
    """
    site, why_not = _site(data, network)
    logs = [_read(path) for path in log or ()]
    root = (data or DATA).expanduser()
    usual = sorted(root.glob("prefect/logs/*.log"))
    logs += [_read(path) for path in usual[:_MOST_LOGS]]
    written = io.BytesIO()
    names = report_problem(written, site=site, logs=logs, secret_files=[root / SIGN_IN_TOKEN])
    write_file(output, written.getvalue())
    if as_json:
        print_json({"written": str(output), "holds": names, "no_network": why_not or None})
        return OK
    sys.stdout.write(f"{one_line(output)}: {', '.join(map(one_line, names))}\n")
    if why_not:
        sys.stderr.write(f"It tells nothing of a network: {one_line(why_not)}\n")
    return OK


def _site(data: Path | None, network: str | None) -> tuple[Site | None, str]:
    """The network, or why there is none: that may be the very problem."""
    try:
        return choose_network(data, network), ""
    except ConfigurationError as error:
        return None, str(error)


def _read(path: Path) -> Log:
    try:
        return Log.read(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None

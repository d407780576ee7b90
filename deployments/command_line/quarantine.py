"""`panoptes-network quarantine list`, `show` and `rescue`."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.command_line import completing
from deployments.command_line.choosing import (
    AsJson,
    Data,
    Network,
    Night,
    Unit,
    as_night,
    choose_network,
)
from deployments.command_line.telling import (
    NOT_ALL,
    OK,
    complain,
    complaining,
    print_json,
    tell_rows,
)
from deployments.command_line.terminal import cell
from panoptes.network.amounts import counted
from panoptes.network.documents import Rescue
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.cases import (
    CODES,
    CaseReport,
    Found,
    NoSuchCase,
    cases,
    find_case,
    kept_at,
)
from panoptes.network.ingest.rescue import CannotRescue, Rescued, rescue_case
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site


def _known_code(code: str | None) -> str | None:
    """Raises BadParameter for what is no code: none could ever be found, which says nothing."""
    if code is None or code in CODES:
        return code
    close = get_close_matches(code, CODES, n=1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(CODES)}"
    raise typer.BadParameter(f"there is no code {code[:60]!r}: {meant}")


Code = Annotated[
    str | None,
    typer.Option(
        help="Only with this code: truncated-file.",
        autocompletion=completing.codes,
        callback=_known_code,
    ),
]

app = typer.Typer(
    name="quarantine",
    help="Files that could not be taken: what is wrong with each, and what to do.",
    no_args_is_help=True,
)


@app.command("list")
@complaining("quarantine list")
def list_(
    unit: Unit = None,
    night: Night = None,
    code: Code = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """List the files that wait for somebody: quarantined, or failed too often."""
    with choose_network(data, network) as site:
        reports = [each.report for each in _cases(site, unit, night, code)]
    reports.sort(key=lambda report: (report.night, report.file))
    if as_json:
        print_json({"cases": [report.model_dump(mode="json") for report in reports]})
    else:
        _show_list(reports, chosen=bool(unit or night or code))
    return OK


@app.command()
@complaining("quarantine show", nothing=(NoSuchCase,))
def show(
    case: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A case's id, or the file's name.",
            autocompletion=completing.cases,
        ),
    ],
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Say everything about one case, with its history. Exits with 3 if there is none."""
    with choose_network(data, network) as site:
        report = find_case(site, case).report
        place = kept_at(site, report)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report, place)
    return OK


@app.command()
@complaining("quarantine rescue")
def rescue(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Ids, or the files' names.",
            autocompletion=completing.cases,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All cases, or those of the unit, night and code.")
    ] = False,
    unit: Unit = None,
    night: Night = None,
    code: Code = None,
    by: Annotated[
        str | None, typer.Option(help="Who asks for it; you on this machine by default.")
    ] = None,
    incoming: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Your own folder, where `panoptes-network ingest FOLDER` took the files from.",
            file_okay=False,
        ),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Have files judged again: put them back into incoming, where the next run takes them up.

    The copy in quarantine stays, and the file's history says who asked for it and when. Safe
    to repeat. Exits with 3 if some could not be put back.
    """
    if bool(wanted) == every:
        raise ConfigurationError("name the cases, or say --all")
    if wanted and (unit or night or code):
        raise ConfigurationError("--unit, --night and --code choose among --all")
    site = choose_network(data, network, incoming=incoming)
    _require_incoming(site)
    with site:
        # The whole list first: what is rescued changes what is listed.
        found: list[Found | NoSuchCase] = (
            [_find(site, each) for each in wanted]
            if wanted
            else list(_cases(site, unit, night, code))
        )
        done, left = _rescue(site, found, by or _myself(), tell=not as_json)
    if as_json:
        print_json({"rescued": [asdict(each) for each in done], "left": left})
    else:
        sys.stdout.write(f"{len(done)} put back to be judged again, {len(left)} not\n")
    return NOT_ALL if left else OK


def _cases(site: Site, unit: str | None, night: str | None, code: str | None) -> Iterable[Found]:
    return cases(site, unit=unit, night=as_night(night) if night else None, code=code)


def _require_incoming(site: Site) -> None:
    """Raises ConfigurationError where nothing would ever take up what is put back."""
    if not site.settings.incoming.startswith("gs:") and not Path(site.settings.incoming).is_dir():
        raise ConfigurationError(
            "these files came from a folder of your own: name it with --incoming FOLDER, and "
            "ingest it again afterwards"
        )


def _rescue(
    site: Site, found: Iterable[Found | NoSuchCase], by: str, *, tell: bool
) -> tuple[list[Rescued], list[str]]:
    done: list[Rescued] = []
    left: list[str] = []
    for each in found:
        try:
            if isinstance(each, NoSuchCase):
                raise each
            rescued = rescue_case(site, each, by=by)
        except (NoSuchCase, CannotRescue, TransientError) as error:
            left.append(str(error))
            if tell:
                complain("quarantine rescue", error)
            continue
        done.append(rescued)
        if tell:
            told = one_line(f"{rescued.id} {rescued.file}: {rescued.sentence}")
            sys.stdout.write(f"{told}\n")
    return done, left


def _find(site: Site, wanted: str) -> Found | NoSuchCase:
    try:
        return find_case(site, wanted)
    except NoSuchCase as error:
        return error


def _myself() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _show_list(reports: Sequence[CaseReport], *, chosen: bool) -> None:
    if not reports:
        no_case = "no case in quarantine is like that" if chosen else "nothing waits in quarantine"
        sys.stderr.write(f"{no_case}\n")
        return
    table = Table(header_style="bold", box=None, caption_justify="left")
    table.add_column("case, night, code", no_wrap=True)
    table.add_column("file, what is wrong, and what to do", overflow="fold")
    for report in reports:
        told = [f"{report.sentence} {report.next_step}", *_told_of(report.rescue)]
        case = (cell(report.id, "bold"), cell(report.night), cell(report.code or ""))
        file = (cell(report.file, "bold"), *map(cell, told))
        table.add_row(*(Text("\n").join(lines) for lines in (case, file)))
    table.caption = counted(len(reports), "case")
    Console().print(table)


def _told_of(rescue: Rescue | None) -> list[str]:
    return [f"Put back {rescue.at:%Y-%m-%d %H:%M} UTC by {rescue.by}."] if rescue else []


def _show(report: CaseReport, place: str | None) -> None:
    tell_rows(
        [
            ("case", report.id),
            ("file", report.file),
            ("became", report.kind),
            ("code", report.code),
            ("what is wrong", report.sentence),
            ("what to do", report.next_step),
            ("unit", report.unit_id),
            ("observation", report.sequence_id),
            ("night", report.night),
            ("arrived", f"{report.arrived:%Y-%m-%d %H:%M:%S} UTC"),
            ("bytes", f"{report.size:,}"),
            ("kept as", place),
            ("rescue", "".join(_told_of(report.rescue))),
        ]
    )
    for number, past in enumerate(report.history, 1):
        closed = f"{past.closed:%Y-%m-%d %H:%M} UTC" if past.closed else "?"
        judged = f"{past.outcome} {closed}: {past.code}: {past.reason}"
        after = _told_of(past.rescued) or ["A new upload took its place."]
        tell_rows([(f"history {number}", judged), *(("", told) for told in after)])

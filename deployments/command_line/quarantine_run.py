"""What the commands of `deployments.command_line.quarantine` do. Each gives the exit code."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.command_line.choosing import as_night, choose_network
from deployments.command_line.exit_codes import FAILED, NOT_ALL, OK
from deployments.command_line.tables import cell
from panoptes.network.documents import Rescue
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.cases import CaseReport, Found, NoSuchCase, cases, find_case
from panoptes.network.ingest.rescue import CannotRescue, Rescued, rescue_case
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site


def run_list(
    data: Path | None,
    network: str | None,
    *,
    unit: str | None,
    night: str | None,
    code: str | None,
    as_json: bool,
) -> int:
    """`panoptes-network quarantine list`."""
    try:
        chosen = choose_network(data, network)
        with closing(chosen.catalog):
            found = cases(chosen, unit=unit, night=as_night(night) if night else None, code=code)
            reports = sorted((each.report for each in found), key=_newest_first)
    except (ConfigurationError, TransientError) as error:
        return _complain("list", str(error), as_json=as_json)
    if as_json:
        _print_json({"cases": [report.model_dump(mode="json") for report in reports]})
    else:
        _show_list(reports, chosen=bool(unit or night or code))
    return OK


def run_show(case: str, data: Path | None, network: str | None, *, as_json: bool) -> int:
    """`panoptes-network quarantine show`."""
    try:
        chosen = choose_network(data, network)
        with closing(chosen.catalog):
            report = find_case(chosen, case).report
    except NoSuchCase as error:
        _complain("show", str(error), as_json=as_json)
        return NOT_ALL
    except (ConfigurationError, TransientError) as error:
        return _complain("show", str(error), as_json=as_json)
    if as_json:
        _print_json(report.model_dump(mode="json"))
    else:
        _show(report)
    return OK


def run_rescue(
    wanted: Sequence[str],
    data: Path | None,
    network: str | None,
    *,
    every: bool,
    unit: str | None,
    night: str | None,
    code: str | None,
    by: str | None,
    incoming: Path | None,
    as_json: bool,
) -> int:
    """`panoptes-network quarantine rescue`."""
    try:
        if bool(wanted) == every:
            raise ConfigurationError("name the cases, or say --all")
        if wanted and (unit or night or code):
            raise ConfigurationError("--unit, --night and --code choose among --all")
        chosen = choose_network(data, network, incoming=incoming)
        _require_incoming(chosen)
        with closing(chosen.catalog):
            # The whole list first: what is rescued changes what is listed.
            found: list[Found | NoSuchCase] = (
                list(cases(chosen, unit=unit, night=as_night(night) if night else None, code=code))
                if every
                else [_find(chosen, each) for each in wanted]
            )
            done, left = _rescue(chosen, found, by or _myself(), tell=not as_json)
    except (ConfigurationError, TransientError) as error:
        return _complain("rescue", str(error), as_json=as_json)
    if as_json:
        _print_json({"rescued": [asdict(each) for each in done], "left": left})
    else:
        sys.stdout.write(f"{len(done)} rescued, {len(left)} not\n")
    return NOT_ALL if left else OK


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
                sys.stderr.write(f"panoptes-network quarantine rescue: {one_line(error)}\n")
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


def _newest_first(report: CaseReport) -> tuple[str, str]:
    return report.night, report.file


def _show_list(reports: Sequence[CaseReport], *, chosen: bool) -> None:
    if not reports:
        no_case = "no case in quarantine is like that" if chosen else "nothing waits in quarantine"
        sys.stderr.write(f"{no_case}\n")
        return
    table = Table(header_style="bold", box=None, caption_justify="left")
    for title in ("case", "night", "code"):
        table.add_column(title, no_wrap=True)
    for title in ("file", "what is wrong, and what to do"):
        table.add_column(title, overflow="fold")
    for report in reports:
        told = [f"{report.sentence} {report.next_step}", *_told_of(report.rescue)]
        cells = map(cell, (report.id, report.night, report.code or "", report.file))
        table.add_row(*cells, Text("\n").join(map(cell, told)))
    table.caption = "1 case" if len(reports) == 1 else f"{len(reports)} cases"
    Console().print(table)


def _told_of(rescue: Rescue | None) -> list[str]:
    return [f"Put back {rescue.at:%Y-%m-%d %H:%M} UTC by {rescue.by}."] if rescue else []


def _show(report: CaseReport) -> None:
    rows = {
        "case": report.id,
        "file": report.file,
        "became": report.kind,
        "code": report.code,
        "what is wrong": report.sentence,
        "what to do": report.next_step,
        "unit": report.unit_id,
        "observation": report.sequence_id,
        "night": report.night,
        "arrived": f"{report.arrived:%Y-%m-%d %H:%M:%S} UTC",
        "bytes": f"{report.size:,}",
        "kept as": report.kept_as,
        "rescue": "".join(_told_of(report.rescue)),
    }
    for name, value in rows.items():
        if value:
            sys.stdout.write(f"{name:14} {one_line(value)}\n")
    for number, past in enumerate(report.history, 1):
        closed = f"{past.closed:%Y-%m-%d %H:%M} UTC" if past.closed else "?"
        judged = one_line(f"{past.outcome} {closed}: {past.code}: {past.reason}")
        sys.stdout.write(f"history {number:<6} {judged}\n")
        for told in _told_of(past.rescued) or ["A new upload took its place."]:
            sys.stdout.write(f"{'':14} {one_line(told)}\n")


def _print_json(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


def _complain(command: str, sentence: str, *, as_json: bool) -> int:
    if as_json:
        _print_json({"success": False, "message": sentence})
    sys.stderr.write(f"panoptes-network quarantine {command}: {one_line(sentence)}\n")
    return FAILED

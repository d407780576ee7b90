"""`panoptes-network ingest`: progress, summary and exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deployments.command_line.exit_codes import FAILED, NOT_ALL, OK
from deployments.command_line.tables import files_table
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.folder import files_in, foresee, ingest_folder
from panoptes.network.ingest.observation import AnotherRun
from panoptes.network.ingest.outcome import Became, FileResult, count_outcomes, summary
from panoptes.network.ingest.take import Watch
from panoptes.network.safe_text import one_line
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site


def run(
    folder: Path,
    data: Path,
    *,
    compression: str,
    workers: int,
    rest: float,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Ingest `folder` into `data`, tell the user, and give the exit code."""
    try:
        if folder.expanduser().is_file():
            raise ConfigurationError(f"{folder} is a file: name the folder that holds your files")
        if not folder.expanduser().is_dir():
            raise ConfigurationError(f"there is no folder {folder}: name one that holds your files")
        if folder.expanduser().resolve() == data.expanduser().resolve():
            raise ConfigurationError(
                f"{folder} cannot hold both your files and the archive: "
                "give --data a folder of its own"
            )
        site = _site(folder, data, compression, workers, rest)
        if dry_run:
            results = _foresee(site, data)
        else:
            site.check()
            sources = files_in(site, data)
            with closing(site.catalog), _progress(quiet=as_json) as bar:
                watch = _Bar(bar, len(sources), quiet=as_json)
                results = ingest_folder(site, sources, watch=watch)
    except ConfigurationError as error:
        return _complain(str(error), as_json=as_json)
    except TransientError as error:
        return _complain(f"{error}: run it again", as_json=as_json)
    except AnotherRun:
        return _complain(
            "another run has been at work on these files for an hour: wait for it, or end it",
            as_json=as_json,
        )
    if as_json:
        report = {"files": [_row(r) for r in results], "counts": count_outcomes(results)}
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        _tell(results, site, data, dry_run=dry_run)
    return _exit_code(results)


def _site(folder: Path, data: Path, compression: str, workers: int, rest: float) -> Site:
    try:
        return Site.in_folder(
            data,
            incoming=folder,
            compression=compression.upper(),
            workers=workers,
            rest_seconds=rest,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"--{where} {first['input']}: {first['msg']}") from None


def _foresee(site: Site, data: Path) -> list[FileResult]:
    """Look without touching: where there is no catalogue yet, none is made."""
    if (data.expanduser() / "catalog.sqlite").exists():
        with closing(site.catalog):
            return foresee(site, files_in(site, data))
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="panoptes-dry-run-") as nothing:
        empty = Site.in_folder(Path(nothing), incoming=Path(site.settings.incoming))
        empty.check()
        results = foresee(empty, files_in(empty, data))
        empty.catalog.close()
    return results


def _exit_code(results: list[FileResult]) -> int:
    outcomes = {result.became for result in results}
    if Became.FAILED in outcomes:
        return FAILED
    return NOT_ALL if outcomes & {Became.QUARANTINED, Became.WAITING} else OK


def _row(result: FileResult) -> dict[str, str | None]:
    row = {"name": result.name, "outcome": result.became.value} | asdict(result)
    del row["became"], row["next_step"]  # the step is for people; the ledger has it
    return row


def _complain(sentence: str, *, as_json: bool) -> int:
    if as_json:
        report = {"files": [], "counts": count_outcomes([]), "error": sentence}
        sys.stdout.write(json.dumps(report) + "\n")
    sys.stderr.write(f"panoptes-network ingest: {one_line(sentence)}\n")
    return FAILED


def _tell(results: list[FileResult], site: Site, data: Path, *, dry_run: bool) -> None:
    console = Console()
    console.print(files_table(results))
    if dry_run:
        console.print(f"Nothing was written. It would be: {summary(results)}.", markup=False)
        return
    console.print(summary(results), style="bold", markup=False)
    folders = ", ".join(name for name in LOCATIONS if name != "incoming")
    console.print(f"Folders in {data}: {folders}; catalogue: {data}/catalog.sqlite", markup=False)
    if any(result.became is Became.QUARANTINED for result in results):
        console.print(
            f"Your own files are untouched; copies of the bad ones: {site.settings.quarantine}",
            markup=False,
        )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        yield bar


class _Bar(Watch):
    """The progress bar, as one who watches files being taken."""

    def __init__(self, bar: Progress, files: int, *, quiet: bool) -> None:
        self._bar, self._quiet = bar, quiet
        self._task = bar.add_task("ingesting", total=files)

    def planned(self, files: int) -> None:
        """The number of files was known before."""

    def taken(self, result: FileResult) -> None:
        self._bar.update(self._task, advance=1, description=result.became.value)

    def resting(self, files: int, seconds: float) -> None:
        if not self._quiet:
            self._bar.console.print(
                f"{files} {'file has' if files == 1 else 'files have'} just changed and may not "
                f"be whole yet: looking again in {seconds:.0f} seconds."
            )

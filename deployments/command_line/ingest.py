"""`panoptes-network ingest`: progress, summary and exit code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from deployments.command_line.choosing import DATA, AsJson, DataFolder, has_catalogue
from deployments.command_line.telling import FAILED, NOT_ALL, OK, complain, print_json
from deployments.command_line.terminal import files_table, progress
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.folder import files_in, foresee, ingest_folder
from panoptes.network.ingest.observation import AnotherRun
from panoptes.network.ingest.outcome import (
    Became,
    FileResult,
    count_outcomes,
    images_of,
    summary,
)
from panoptes.network.ingest.take import Watch
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site

app = typer.Typer()


@app.command()
def ingest(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Your files, named UNIT/CAMERA/SEQUENCE/IMAGE.suffix; read, and left as they are.",
        ),
    ],
    data: DataFolder = DATA,
    compression: Annotated[
        str, typer.Option(help="GZIP_2 (smaller) or RICE_1 (as fpack); both without loss.")
    ] = "GZIP_2",
    workers: Annotated[int, typer.Option(min=0, help="Images at once; 0: one a core.")] = 0,
    rest: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds for which a file must not have changed; waited for once."
        ),
    ] = 10.0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would become of each file by its name and size; write nothing.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Archive and catalogue a folder of your own files.

    Exits with 0 when every file is archived, 3 when some were quarantined or are still being
    written, 1 when something failed.
    """
    try:
        site = _site(folder, data, compression, workers, rest)
        if dry_run:
            results = _foresee(site, data)
        else:
            site.check()
            sources = files_in(site, data)
            with site, progress(quiet=as_json) as bar:
                watch = _Bar(bar, len(sources), quiet=as_json)
                results = ingest_folder(site, sources, watch=watch)
    except (ConfigurationError, TransientError, AnotherRun) as error:
        sentence = str(error)
        if isinstance(error, TransientError):
            sentence += ": run it again"
        elif isinstance(error, AnotherRun):
            sentence = (
                "another run has been at work on these files for an hour: wait for it, or end it"
            )
        if as_json:
            nothing = {"files": [], "counts": count_outcomes([])}
            print_json({"message": sentence, **nothing}, success=False)
        complain("ingest", sentence)
        return FAILED
    outcomes = {result.became for result in results}
    if as_json:
        report = {"files": [_row(r) for r in results], "counts": count_outcomes(results)}
        print_json(report, success=Became.FAILED not in outcomes, indent=1)
    else:
        _tell(results, site, data, dry_run=dry_run)
    if Became.FAILED in outcomes:
        return FAILED
    return NOT_ALL if outcomes & {Became.QUARANTINED, Became.WAITING} else OK


def _site(folder: Path, data: Path, compression: str, workers: int, rest: float) -> Site:
    own = folder.expanduser()
    if own.is_file():
        raise ConfigurationError(f"{folder} is a file: name the folder that holds your files")
    if not own.is_dir():
        raise ConfigurationError(f"there is no folder {folder}: name one that holds your files")
    if own.resolve() == data.expanduser().resolve():
        raise ConfigurationError(
            f"{folder} cannot hold both your files and the archive: give --data a folder of its own"
        )
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
    if has_catalogue(data):
        with site:
            return foresee(site, files_in(site, data))
    with (
        TemporaryDirectory(prefix="panoptes-dry-run-") as nothing,
        Site.in_folder(Path(nothing), incoming=Path(site.settings.incoming)) as empty,
    ):
        empty.check()
        return foresee(empty, files_in(empty, data))


def _row(result: FileResult) -> dict[str, str | None]:
    row = {"name": result.name, "outcome": result.became.value} | asdict(result)
    # What to do next is for people, and where the time went is of the ledger.
    del row["became"], row["next_step"], row["lag"]
    return row


def _tell(results: list[FileResult], site: Site, data: Path, *, dry_run: bool) -> None:
    console = Console()
    console.print(files_table(results))
    if dry_run:
        console.print(f"Nothing was written. It would be: {summary(results)}.", markup=False)
        return
    console.print(summary(results), style="bold", markup=False)
    if told := images_of(results):
        console.print(told, markup=False)
    folders = ", ".join(name for name in LOCATIONS if name != "incoming")
    console.print(f"Folders in {data}: {folders}", markup=False)
    console.print(f"Catalogue: {data}/catalog.sqlite", markup=False, soft_wrap=True)
    if any(result.became is Became.QUARANTINED for result in results):
        console.print(
            f"Your own files are untouched; copies of the bad ones: {site.settings.quarantine}",
            markup=False,
        )


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

"""`make demo`: a simulated night through the whole stack on this machine, start to finish."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from deployments.command_line.choosing import AsJson
from deployments.command_line.telling import FAILED, OK, print_json
from deployments.command_line.terminal import MOST_ROWS, files_table, observations_table, progress
from deployments.local_stack.claims import StackError
from deployments.local_stack.stack import LocalStack
from flows.runs import INGEST, PROCESS, SWEEP
from panoptes.network.amounts import counted
from panoptes.network.catalog.catalog import Query
from panoptes.network.document_json import document_json
from panoptes.network.documents import File
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.outcome import FileResult, count_outcomes, images_of, summary
from panoptes.network.processing.stored_curves import open_curves, stars_of
from panoptes.network.safe_text import one_line
from panoptes.network.settings import LOCATIONS
from panoptes.network.simulator.night import Night, Sent
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

MARK = ".panoptes-demo"
"""A file that says: this folder was made by a demo, and the next one may replace it."""
TIMEOUT_SECONDS = 900.0
NIGHT = Night(images=12, frame_size="medium", pause=660.0, dip=0.03)
"""A few frames over three hours, so that a transit fits in."""
_BRIGHT = 3
"""Stars of each observation whose light curves are among the pages."""


def in_folders(root: Path) -> AbstractContextManager[Site]:
    """An empty network on folders and SQLite."""
    # Its uploads are whole when they have their names.
    return nullcontext(Site.in_folder(root, rest_seconds=0, incomplete_seconds=0))


app = typer.Typer()


@app.command()
def demo(
    folder: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Made anew by every demo.", file_okay=False),
    ] = Path("demo-data"),
    as_json: AsJson = False,
) -> int:
    """Run a simulated night through the whole stack on this machine, and show what became of it."""
    return run(folder, as_json=as_json)


def run(
    folder: Path,
    *,
    network_in: Callable[[Path], AbstractContextManager[Site]] = in_folders,
    as_json: bool = False,
) -> int:
    """Everything from an empty folder to a table of what became of each file; 0 if all is well.

    `network_in` gives an empty network, whose own files lie in the folder that it is given.
    With `as_json`, standard output holds one JSON object, and standard error what people read.
    """
    console = Console(stderr=as_json)
    try:
        root = _fresh(folder)
        with network_in(root) as site:
            site.check()
            return _show(console, site, root, as_json=as_json)
    except (ConfigurationError, StackError) as error:
        if as_json:
            print_json({"message": str(error)}, success=False)
        for line in f"The demo could not go on: {error}".splitlines():
            console.print(Text(one_line(line), "red"), soft_wrap=True)
        return FAILED


def _fresh(folder: Path) -> Path:
    """An empty folder; an earlier demo's is replaced, anybody else's is not touched."""
    root = folder.expanduser().resolve()
    if root.exists() and any(root.iterdir()):
        if not (root / MARK).exists():
            raise ConfigurationError(f"{root} holds files of yours: name another folder")
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / MARK).touch()
    return root


def _show(console: Console, site: Site, root: Path, *, as_json: bool) -> int:
    sent: list[Sent] = []

    def upload(stack: LocalStack) -> None:
        console.print(f"Prefect's user interface, until the demo ends: {stack.url}")
        sent.extend(NIGHT.send(site.store("incoming").put))
        told = f"{len(sent)} simulated uploads lie in {site.settings.incoming}"
        console.print(told, soft_wrap=True)

    console.print("Starting a Prefect server and a worker ...")
    with LocalStack(root / "prefect", site=site, ui=True, while_starting=upload) as stack:
        runs = _ingest(console, stack, site, sent)
        runs += _measure(console, stack, sent)
        console.print("Stopping the worker and the server ...")
    return _report(console, site, root, sent, runs, as_json=as_json)


def _ingest(console: Console, stack: LocalStack, site: Site, sent: Sequence[Sent]) -> list[FlowRun]:
    """One work-pool job for each observation, and one for what belongs to none."""
    ids = [stack.run_deployment(INGEST, {"sequence_id": name}) for name in _observations(sent)]
    ids.append(stack.run_deployment(SWEEP, {"start_runs": False}))
    with progress(console=console) as bar:
        task = bar.add_task("files", total=len(sent))

        def look(runs: Sequence[FlowRun]) -> None:
            closed = sum(e.outcome is not None for e in _entries(site))
            running = [run.name for run in runs if run.state and run.state.is_running()]
            bar.update(
                task, completed=closed, description=(running or ["waiting for the worker"])[0]
            )

        runs = stack.await_runs(ids, look, timeout=TIMEOUT_SECONDS)
        bar.update(task, completed=len(sent), description="done")
    _tell(console, runs)
    return runs


def _observations(sent: Sequence[Sent]) -> list[str]:
    return sorted({s.sequence_id for s in sent if s.sequence_id})


def _measure(console: Console, stack: LocalStack, sent: Sequence[Sent]) -> list[FlowRun]:
    """Light curves now: a network makes them once nothing has come for two hours."""
    console.print("Measuring the stars of every image ...")
    ids = [stack.run_deployment(PROCESS, {"sequence_id": name}) for name in _observations(sent)]
    runs = stack.await_runs(ids, timeout=TIMEOUT_SECONDS)
    _tell(console, runs)
    return runs


def _tell(console: Console, runs: Sequence[FlowRun]) -> None:
    for run in runs:
        message = run.state.message if run.state else None
        told = one_line(f"{run.name}: {run.state_name}: {message or ''}")
        console.print(f"  {told}", highlight=False, markup=False)


def _entries(site: Site) -> list[File]:
    stored = site.catalog.query(Query("files", order_by=[("name", "asc")]))
    return [File.model_validate(document.fields) for document in stored]


def _report(
    console: Console,
    site: Site,
    root: Path,
    sent: Sequence[Sent],
    runs: Sequence[FlowRun],
    *,
    as_json: bool,
) -> int:
    """Tell what became of every file, and hold it against what was sent."""
    entries = _entries(site)
    results = [FileResult.from_entry(entry) for entry in entries]
    console.print(files_table(results))
    newest = Query("observations", order_by=[("time", "desc")], limit=MOST_ROWS)
    found = list(site.catalog.query(newest))
    observations = [document_json(each, "sequence_id") for each in found]
    console.print()
    console.print(observations_table(found, quiet_hours=site.settings.quiet_hours))
    console.print()
    told = f"{counted(len(results), 'file')}: {summary(results)}."
    console.print(told, style="bold", markup=False)
    console.print(images_of(results), markup=False)
    console.print("Where to look:")
    places = places_of(site, root)
    for name, place in places.items():
        console.print(f"  {name:<12} {place}", highlight=False, soft_wrap=True)
    first = _pages(site, root, sent)
    observation = first.parent / "observations" / _observations(sent)[0]
    pages, light_curves, transits = (
        path.as_uri()
        for path in (
            first,
            observation / "light-curves" / "index.html",
            observation / "transits" / "index.html",
        )
    )
    console.print("Pages that need no server: the site, light curves, and a transit among them:")
    for link in (pages, light_curves, transits):
        console.print(link, soft_wrap=True)
    console.print(
        "`make up` starts the same and stays, with Prefect's user interface and the site, on a "
        "folder of its own that is empty at first."
    )
    wrong = _unexpected(entries, sent)
    wrong += [
        f"{run.name} ended as {run.state_name}"
        for run in runs
        if run.state is None or not run.state.is_completed()
    ]
    for sentence in wrong:
        console.print(Text(one_line(sentence), "red"))
    if as_json:
        report = {
            "counts": count_outcomes(results),
            "observations": observations,
            "light_curves": light_curves,
            "pages": pages,
            "places": {name: str(place) for name, place in places.items()},
            "runs": {run.name: run.state_name for run in runs},
            "transits": transits,
            "unexpected": wrong,
        }
        print_json(report, success=not wrong)
    return FAILED if wrong else OK


def places_of(site: Site, root: Path) -> dict[str, object]:
    """Where everything lies that a demo has made, by its name for people."""
    kept = (*LOCATIONS, "measurements")
    places = {name: place for name in kept if (place := getattr(site.settings, name)) is not None}
    return places | {"catalogue": site.settings.catalog, "logs": root / "prefect" / "logs"}


def _pages(site: Site, root: Path, sent: Sequence[Sent]) -> Path:
    """A copy of the site, and its first page; of most stars without their light curves."""
    from deployments.services.app import create_app
    from deployments.services.pages.copying import copy_pages
    from deployments.services.settings import ServiceSettings

    stars = {NIGHT.dipping()}
    for name in _observations(sent):
        with suppress(NotFound):
            stars |= {each.star_id for each in stars_of(open_curves(site, name))[:_BRIGHT]}

    def wanted(path: str) -> bool:
        _, is_star, rest = path.partition("/light-curves/")
        return not is_star or rest.partition("/")[0] in stars

    app = create_app(site, ServiceSettings(open=True, files="archive"))
    return copy_pages(app, root / "pages", wanted=wanted)


def _unexpected(entries: Iterable[File], sent: Iterable[Sent]) -> list[str]:
    """What differs between what was sent and what became of it."""
    became = {entry.name: entry for entry in entries}
    wrong = []
    for upload in sent:
        entry = became.get(upload.name)
        outcome = entry.outcome if entry else "nowhere"
        if outcome != upload.fate or (entry and entry.code != upload.code):
            wrong.append(f"{upload.name} became {outcome}, but should be {upload.fate}")
    return wrong

"""`panoptes-network`: the command line."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line import audit as audit_commands
from deployments.command_line import backfill as backfill_commands
from deployments.command_line import deploy as deploy_commands
from deployments.command_line import events as event_commands
from deployments.command_line import quarantine as quarantine_commands
from deployments.command_line import services as service_commands

app = typer.Typer(
    name="panoptes-network",
    help="Ties the units of the PANOPTES network together.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DataFolder = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where the archive, its other locations and the catalogue are kept.",
    ),
]


@app.command()
def ingest(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Your files, named UNIT/CAMERA/SEQUENCE/IMAGE.suffix; read, and left as they are.",
        ),
    ],
    data: DataFolder = Path("panoptes-data"),
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Archive and catalogue a folder of your own files.

    Exits with 0 when every file is archived, 3 when some were quarantined or are still being
    written, 1 when something failed.
    """
    from deployments.command_line.ingest import run

    sys.exit(
        run(
            folder,
            data,
            compression=compression,
            workers=workers,
            rest=rest,
            dry_run=dry_run,
            as_json=as_json,
        )
    )


@app.command()
def demo(
    folder: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="Made anew by every demo.", file_okay=False),
    ] = Path("demo-data"),
) -> None:
    """Run a simulated night through the whole stack on this machine, and show what became of it."""
    from deployments.command_line.demo import run

    sys.exit(run(folder))


@app.command()
def up(
    data: DataFolder = Path("panoptes-data"),
    port: Annotated[int, typer.Option(help="Of Prefect's server, on 127.0.0.1.")] = 4200,
    receiver_port: Annotated[int, typer.Option(help="Of the receiver, on 127.0.0.1.")] = 8400,
    window: Annotated[
        float, typer.Option(min=10, help="Seconds from an observation's first file to its run.")
    ] = 60.0,
) -> None:
    """Start the whole stack on this machine and stay until Ctrl-C."""
    from deployments.local_stack.up import run

    sys.exit(run(data, port=port, receiver_port=receiver_port, window=window))


@app.command()
def simulate(
    to: Annotated[str, typer.Argument(metavar="WHERE", help="A folder, or gs://BUCKET/PREFIX.")],
    seed: Annotated[int, typer.Option(help="The same seed uploads the same bytes.")] = 1,
    units: Annotated[int, typer.Option(min=1, help="Units, each with its cameras.")] = 1,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras of a unit.")] = 2,
    observations: Annotated[int, typer.Option(min=1, help="Observations of a camera.")] = 1,
    images: Annotated[int, typer.Option(min=1, help="Images of an observation.")] = 3,
    full: Annotated[bool, typer.Option("--full", help="Frames of full size.")] = False,
    keywords: Annotated[
        str, typer.Option(help="old, new, or both: every second unit writes the older ones.")
    ] = "both",
    pace: Annotated[
        float, typer.Option(min=0, help="Files a second; 0: as fast as possible.")
    ] = 0.0,
    oddities: Annotated[
        bool, typer.Option(help="Also an older path, a truncated file and an unroutable name.")
    ] = True,
    truth: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write here what was sent, a line of JSON a file."),
    ] = None,
) -> None:
    """Upload the nights of simulated units, with what the network should make of each file."""
    from deployments.command_line.simulate import GENERATIONS, run
    from panoptes.network.simulator.night import Night

    if keywords not in GENERATIONS:
        raise typer.BadParameter(f"{keywords!r} is none of {', '.join(GENERATIONS)}")
    night = Night(
        seed=seed,
        units=units,
        cameras=cameras,
        observations=observations,
        images=images,
        frame_size="full" if full else "small",
        generation=GENERATIONS[keywords],
        oddities=oddities,
    )
    sys.exit(run(to, night, files_per_second=pace, truth=truth))


backfill_commands.add_to(app)
audit_commands.add_to(app)
deploy_commands.add_to(app)
event_commands.add_to(app)
quarantine_commands.add_to(app)
service_commands.add_to(app)


def run() -> None:
    """The command, with a sentence for a name that no file system takes."""
    try:
        app()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        sys.exit("panoptes-network: that name is longer than any file's on this machine")


if __name__ == "__main__":
    run()

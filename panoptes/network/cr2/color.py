"""White balance and levels in Canon's ColorData, whose layout depends on the camera.

The layouts are those of ExifTool's tables ColorData1 to ColorData8
(https://exiftool.org/TagNames/Canon.html), told apart by length and version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from panoptes.network.cr2.tiff import Ifd

Four: TypeAlias = tuple[int, int, int, int]


def four_at(values: tuple[int, ...], index: int) -> Four | None:
    four = values[index : index + 4]
    return (four[0], four[1], four[2], four[3]) if len(four) == 4 and any(four) else None


@dataclass(frozen=True, slots=True)
class ColorData:
    wb_rggb: Four | None = None
    temperature: int | None = None
    black_levels: Four | None = None
    normal_white: int | None = None
    specular_white: int | None = None


_COLOR_COUNTS: dict[int, tuple[int, str]] = {
    582: (0x19, "1"),
    653: (0x22, "2"),
    796: (0x3F, "3"),
    **dict.fromkeys((674, 692, 702, 1227, 1250, 1251, 1337, 1338, 1346), (0x3F, "4")),
    **dict.fromkeys((1273, 1275), (0x3F, "6")),
    **dict.fromkeys((1312, 1313, 1316, 1506), (0x3F, "7")),
    **dict.fromkeys((1353, 1560, 1592, 1602), (0x3F, "8")),
}
"""Length of tag 0x4001 -> where the as-shot balance begins, and the layout's number."""

_COLOR_LEVELS: dict[tuple[str, int], tuple[int, int | None, int | None]] = {
    ("3", 1): (0xC4, None, None),
    **dict.fromkeys((("4", 4), ("4", 5)), (0x2B4, 0x2B8, 0x2B9)),
    **dict.fromkeys((("4", 6), ("4", 7)), (0x2CB, 0x2CF, 0x2D0)),
    ("4", 9): (0x2CF, 0x2D3, 0x2D4),
    ("6", 10): (0x1DF, 0x1E3, 0x1E4),
    ("7", 10): (0x1F8, 0x1FC, 0x1FD),
    ("7", 11): (0x2D8, 0x2DC, 0x2DD),
    ("8", 14): (0x22C, 0x230, 0x231),
    **dict.fromkeys((("8", 12), ("8", 13), ("8", 15)), (0x30A, 0x30E, 0x30F)),
}
"""Layout and version -> where black, normal white and specular white levels are."""


def color_data(note: Ifd) -> ColorData:
    """The parts of Canon's ColorData (0x4001) whose place is known for this length."""
    values = note.shorts(0x4001)
    known = _COLOR_COUNTS.get(len(values))
    if known is None:
        return ColorData()
    balance, layout = known
    black, normal, specular = _COLOR_LEVELS.get((layout, values[0]), (None, None, None))
    return ColorData(
        wb_rggb=four_at(values, balance),
        temperature=values[balance + 4] or None,
        black_levels=None if black is None else four_at(values, black),
        normal_white=(values[normal] or None) if normal is not None else None,
        specular_white=(values[specular] or None) if specular is not None else None,
    )

"""Amounts in words: how many, and how long."""

from __future__ import annotations


def counted(number: int, noun: str, verb: str = "") -> str:
    """Such as 1 file, 2 files; with a verb, 1 file waits, 2 files wait."""
    one = number == 1
    said = f"{number} {noun}" if one else f"{number} {noun}s"
    return said if not verb else f"{said} {verb}s" if one else f"{said} {verb}"


def duration(seconds: float) -> str:
    """Such as 0.4 s, 128 s, 12 min or 3.2 h: so much is enough to look at."""
    if abs(seconds) < 9.95:
        return f"{seconds:.1f} s"
    if abs(seconds) < 299.5:
        return f"{seconds:.0f} s"
    if abs(seconds) < 7170:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

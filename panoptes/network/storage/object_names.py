"""Which names an object may have, so that it can be kept in a folder and in a bucket alike."""

from __future__ import annotations

import os

from panoptes.network.names import MAX_NAME_BYTES, PASSING_SUFFIXES

PRIVATE = ".panoptes"
"""The folder for a store's own files; never part of a name, in any case of letters."""


def is_passing(name: str) -> bool:
    """Whether a name says that what bears it is not there yet: an upload is under way.

    rsync writes ``.NAME.XXXXXX``, others ``NAME.part``, and rename it when it is whole. Of
    folders it holds as well.
    """
    return any(
        part.startswith(".") or part.casefold().endswith(PASSING_SUFFIXES)
        for part in name.split("/")
    )


def require_new_name(name: str) -> None:
    """Raises ValueError, with a sentence, unless an object may be written under this name."""
    valid_parts(name)
    if "\r" in name or "\n" in name:
        raise ValueError(f"{shown(name)} has a line break, which buckets refuse")
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise ValueError(f"{shown(name)} is longer than {MAX_NAME_BYTES} bytes")


def shown(name: str) -> str:
    """The name for a message, quoted and not too long."""
    return repr(name if len(name) <= 100 else f"{name[:100]}...")


def valid_parts(name: str) -> tuple[str, ...]:
    """The parts of an object's name. Raises ValueError, with a sentence, for no legal name."""
    if not name:
        raise ValueError("an object's name is empty")
    if "\0" in name:
        raise ValueError(f"{shown(name)} contains a NUL byte")
    if name.startswith("/"):
        raise ValueError(f"{shown(name)} is absolute; names are relative to the store's folder")
    parts = tuple(name.split("/"))
    for part in parts:
        if part in ("", ".", ".."):
            raise ValueError(f"{shown(name)} has an empty, '.' or '..' part")
        if part.casefold() == PRIVATE:
            raise ValueError(f"{shown(name)} lies in {PRIVATE}, which belongs to the store")
        if len(os.fsencode(part)) > 255:
            raise ValueError(f"{shown(name)} has a part of more than 255 bytes")
    return parts

"""The words that programs have for what they say: those of their own source text.

What a person chose (a password, a name) is none of them, with a little luck of the choice;
what was drawn by chance is none at all.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HUMPS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""The words of a name such as ``TransientError``."""


@cache
def vocabulary(packages: tuple[str, ...]) -> frozenset[str]:
    """All words of packages' modules, in lower case; a second for a large package.

    A package that is not installed has none.
    """
    found = {word.lower() for path in _sources(packages) for word in _words(path)}
    system = " ".join(map(os.strerror, errno.errorcode))
    return frozenset(found | {word.lower() for word in HUMPS.findall(system)})


def _sources(packages: tuple[str, ...]) -> Iterator[Path]:
    for name in packages:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        for folder in (spec and spec.submodule_search_locations) or ():
            yield from Path(folder).rglob("*.py")


def _words(path: Path) -> list[str]:
    try:
        return HUMPS.findall(path.read_text("utf-8", "replace"))
    except OSError:
        return []

"""A decoder that one file brings down, as a hostile file or a defect of a library would."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from dataclasses import replace
from typing import Literal, TypeAlias

import cloudpickle

from panoptes.network.file_types import FileType
from panoptes.network.ingest import isolation
from panoptes.network.ingest.derive import DERIVATIONS
from panoptes.network.ingest.derive import compress as compress_fits_file
from panoptes.network.ingest.outcome import Derived
from panoptes.network.site import Site
from panoptes.network.upload import Source

Way: TypeAlias = Literal["crashes", "eats memory", "hangs"]

MARK = b"POISON"
"""Files that hold this bring the decoder down."""
CHILD_SECONDS = 4.0


def install(way: Way) -> None:
    """Decode FITS files in this way, in this process and the children that it starts."""
    # Children are new interpreters, and know nothing of this module.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    decode = functools.wraps(compress_fits_file)(functools.partial(_decode, way))
    decode.__wrapped__ = functools.partial(_decode, way)
    made = replace(DERIVATIONS[FileType.FITS], make=isolation.guarded(decode))
    DERIVATIONS[FileType.FITS] = made
    isolation.call_in_child = functools.partial(isolation.call_in_child, seconds=CHILD_SECONDS)


def _decode(way: Way, site: Site, source: Source) -> Derived:
    if MARK in site.read(source):
        _suffer(way, is_in_child=source.guarded)
    derive: isolation.Derivation = compress_fits_file.__wrapped__  # type: ignore[attr-defined]
    return derive(site, source)


def _suffer(way: Way, *, is_in_child: bool) -> None:
    if way == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if way == "eats memory":
        if is_in_child:
            bytearray(64 << 30)
        os.kill(os.getpid(), signal.SIGKILL)  # by the kernel, where memory has run out
    time.sleep(600)

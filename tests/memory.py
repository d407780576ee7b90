"""What a piece of work allocates."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def peak_of(work: Callable[[], object]) -> int:
    """Bytes that Python allocated at most during the work, beyond what it had before.

    The least of five times: the other threads of this process allocate now and then, and so
    does the collector's garbage of tests before.
    """
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(5):
            gc.collect()
            tracemalloc.reset_peak()
            before, _peak = tracemalloc.get_traced_memory()
            work()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return min(peaks)

"""How numpy does sums of small matrices: in the thread that asks for them.

Its libraries share even small products out to a thread for each processor, which then wait for
each other: a frame's solution costs twice the processor's time, and more on a machine that has
other work. Here it is runs, frames and workers that go side by side.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Linear algebra of this process uses one thread meanwhile."""
    limit: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limit


@cache
def _libraries() -> ThreadpoolController:
    """Looks through what is loaded, once: milliseconds."""
    import numpy as np  # noqa: F401 - brings the library
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

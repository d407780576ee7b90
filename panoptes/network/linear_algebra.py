"""How numpy does sums of small matrices: in the thread that asks for them.

Its libraries share even small products out to a thread for each processor, which then wait for
each other: a frame's solution costs twice the processor's time, and more on a machine that has
other work. Here it is runs, frames and workers that go side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_one_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Linear algebra of this process uses one thread while the function is at work."""

    @wraps(function)
    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        with _libraries().limit(limits=1, user_api="blas"):
            return function(*arguments, **named)

    return call


@cache
def _libraries() -> ThreadpoolController:
    """Looks through what is loaded, once: milliseconds."""
    import numpy as np  # noqa: F401 - brings the library
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

"""Bad input is an answer of a task, not its failure: nothing is red that is nobody's fault."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import State
from prefect.states import Completed
from prefect.transactions import get_transaction

from panoptes.network.errors import BadInput

P = ParamSpec("P")
R = TypeVar("R")


def refusing(function: Callable[P, R]) -> Callable[P, R | State[BadInput]]:
    """For a task's function: bad input ends it as *Bad input*, which is a kind of completed.

    Such an answer is never cached: a file may be rescued, and an archive that it could not
    stand beside may be moved away.
    """

    @functools.wraps(function)
    def answer(*arguments: P.args, **options: P.kwargs) -> R | State[BadInput]:
        try:
            return function(*arguments, **options)
        except BadInput as bad:
            if (present := get_transaction()) is not None:
                present.write_on_commit = False
            return Completed(name="Bad input", message=str(bad), data=bad)

    return answer


def unless_refused(answer: R | State[BadInput]) -> R:
    """What a task of `refusing` gave; raises the BadInput that it was refused for."""
    if isinstance(answer, State):
        raise answer.result()
    return answer

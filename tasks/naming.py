"""What runs are called where Prefect shows them: one line, whatever came from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from panoptes.network.safe_text import one_line

if TYPE_CHECKING:
    from prefect.tasks import TaskRunNameCallbackWithParameters

MOST = 200
"""Characters."""


def flow_run_named(template: str) -> Callable[[], str]:
    """For `flow_run_name`: the template with the run's parameters."""

    def name() -> str:
        from prefect.runtime import flow_run

        return one_line(template.format(**flow_run.parameters), most=MOST)

    return name


def task_run_named(template: str) -> TaskRunNameCallbackWithParameters:
    """For `task_run_name`: the template with the task's arguments."""

    def name(parameters: dict[str, Any]) -> str:
        return one_line(template.format(**parameters), most=MOST)

    return cast("TaskRunNameCallbackWithParameters", name)

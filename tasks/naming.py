"""What runs are called where Prefect shows them: one line, whatever came from outside."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from panoptes.network.safe_text import one_line

if TYPE_CHECKING:
    from prefect.tasks import TaskRunNameCallbackWithParameters

MOST = 200
"""Characters."""


def artifact_key(sequence_id: str) -> str:
    """Of letters, digits and dashes, as Prefect has it; no two observations share one."""
    plain = sequence_id.lower().replace("_", "-")
    key = re.sub(r"[^a-z0-9]+", "-", plain)
    # A camera may be called anything: what is told apart by other signs gets a digest.
    if re.fullmatch(r"pan\d{3}-[0-9a-z]+-\d{8}t\d{6}", plain):
        return key
    return f"{key}-{hashlib.sha256(sequence_id.encode()).hexdigest()[:8]}"


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

"""What runs are called where Prefect shows them."""

from __future__ import annotations

from collections.abc import Callable

from panoptes.network.safe_text import one_line

MOST = 200
"""Characters."""


def named(template: str) -> Callable[[], str]:
    """For `flow_run_name`: the template with the run's parameters, in one line.

    Parameters come from outside, and the name goes into every log of the run.
    """

    def name() -> str:
        from prefect.runtime import flow_run

        return one_line(template.format(**flow_run.parameters), most=MOST)

    return name

"""The window for which files of an observation are gathered, set on what is deployed.

It is the trade between lag and cost: a run starts that long after an observation's first
file, and each run costs CPU before it does anything: half a second where workers are warm, two
to three seconds elsewhere. prefect.yaml holds the longer; this changes it on a server, until the
next deployment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from deployments.work_pools.deploy import WORK_POOL
from deployments.work_pools.pool_types import WARM
from flows.runs import INGEST, SWEEP

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

WARM_SECONDS = 15.0
"""Where a run is forked (`deployments.work_pools.forks`)."""
LEAST_SWEEP_SECONDS = 60.0
"""A sweep is a run by itself, however short the window."""


def choose_window(client: SyncPrefectClient) -> timedelta | None:
    """Set the short window where the work pool's workers are warm; gives it, or None.

    Raises LookupError where the automation or the schedule is not deployed.
    """
    if client.read_work_pool(WORK_POOL).type != WARM:
        return None
    window = timedelta(seconds=WARM_SECONDS)
    set_window(client, window)
    return window


def set_window(
    client: SyncPrefectClient,
    window: timedelta,
    *,
    margin: timedelta = timedelta(seconds=10),
) -> None:
    """Gather files for `window`; runs are due `margin` later, by which clocks may differ.

    Also has the sweep run every window, and switches its schedule on. Raises LookupError
    where the automation or the schedule is not deployed.
    """
    from prefect.client.schemas.schedules import IntervalSchedule
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    deployment = client.read_deployment_by_name(INGEST)
    related = client.read_resource_related_automations(f"prefect.deployment.{deployment.id}")
    changed = 0
    for automation in related:
        trigger, actions = automation.trigger, automation.actions
        if not isinstance(trigger, EventTrigger) or not isinstance(actions[0], RunDeployment):
            continue
        trigger.within = window
        actions[0].schedule_after = window + margin
        client.update_automation(
            automation.id,
            AutomationCore.model_validate(automation.model_dump(exclude={"id", "owner_resource"})),
        )
        changed += 1
    sweeping = client.read_deployment_by_name(SWEEP)
    schedules = client.read_deployment_schedules(sweeping.id)
    if not changed or not schedules:
        raise LookupError(f"{INGEST} has no automation, or {SWEEP} no schedule: deploy first")
    every = max(window, timedelta(seconds=LEAST_SWEEP_SECONDS))
    for schedule in schedules:
        client.update_deployment_schedule(
            sweeping.id,
            schedule.id,
            active=True,
            schedule=IntervalSchedule(interval=every),
            # What is not said again would be lost.
            parameters=schedule.parameters,
            slug=schedule.slug,
        )

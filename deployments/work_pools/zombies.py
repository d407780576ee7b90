"""The automation that marks runs whose process is gone; Prefect is silent about them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

ZOMBIES = "panoptes: runs that fell silent"
ZOMBIE_MESSAGE = "No heartbeat: the process of this run is gone."
HEARTBEAT_SECONDS = 180
"""Prefect's own default; PREFECT_FLOWS_HEARTBEAT_FREQUENCY of the workers."""


def make_zombie_automation(
    client: SyncPrefectClient, *, heartbeat_seconds: int = HEARTBEAT_SECONDS
) -> None:
    """Mark runs Crashed whose heartbeat stops; three of them may be missed.

    `heartbeat_seconds` is that of the workers: with less than theirs, living runs would be
    marked. What a wrongly marked run still does is harmless, by its lease and preconditions.
    Makes the automation, or brings the one of this name up to date.
    """
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    beat = "prefect.flow-run.heartbeat"
    ends = {f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed")}
    automation = AutomationCore(
        name=ZOMBIES,
        description="Marks a run as crashed when its heartbeat stops.",
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            after={beat},
            expect={beat, *ends},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * heartbeat_seconds + 30),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=ZOMBIE_MESSAGE)],
    )
    existing = client.read_automations_by_name(ZOMBIES)
    for found in existing[:1]:
        client.update_automation(found.id, automation)
    if not existing:
        client.create_automation(automation)

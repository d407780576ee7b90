"""The automations that mark runs whose process is gone, or never came; Prefect is silent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

ZOMBIES = "panoptes: runs that fell silent"
ZOMBIE_MESSAGE = "No heartbeat: the process of this run is gone."
HEARTBEAT_SECONDS = 180
"""Prefect's own default; PREFECT_FLOWS_HEARTBEAT_FREQUENCY of the workers."""
UNBORN = "panoptes: runs that never began"
UNBORN_MESSAGE = "Nothing was heard of this run after it was given to its worker."
BEGINNING_SECONDS = 3600
"""For a cluster to find a machine and to pull the image."""
TAKEN = ("Pending", "Submitting", "InfrastructurePending")
"""What Prefect calls a run that a worker has taken, until it begins."""
GIVEN_BACK = ("Scheduled", "AwaitingConcurrencySlot", "Paused", "Cancelling")
_ENDS = {f"prefect.flow-run.{end}" for end in ("Completed", "Failed", "Cancelled", "Crashed")}


def make_zombie_automation(
    client: SyncPrefectClient, *, heartbeat_seconds: int = HEARTBEAT_SECONDS
) -> None:
    """Mark runs Crashed whose heartbeat stops; three of them may be missed.

    `heartbeat_seconds` is that of the workers: with less than theirs, living runs would be
    marked. What a wrongly marked run still does is harmless, by its lease and preconditions.
    Makes the automation, or brings the one of this name up to date.
    """
    beat = "prefect.flow-run.heartbeat"
    _mark_crashed(
        client,
        ZOMBIES,
        "Marks a run as crashed when its heartbeat stops.",
        after={beat},
        expect={beat, *_ENDS},
        within=timedelta(seconds=3 * heartbeat_seconds + 30),
        message=ZOMBIE_MESSAGE,
    )


def make_unborn_automation(
    client: SyncPrefectClient, *, beginning_seconds: int = BEGINNING_SECONDS
) -> None:
    """Mark runs Crashed that a worker took and that have not begun after so long.

    Its worker died in between, or no machine was found for its container. One that begins
    later does its work all the same, and is Running again; its lease keeps others away.
    Makes the automation, or brings the one of this name up to date.
    """
    taken = {f"prefect.flow-run.{each}" for each in TAKEN}
    given_back = {f"prefect.flow-run.{each}" for each in GIVEN_BACK}
    _mark_crashed(
        client,
        UNBORN,
        "Marks a run as crashed that has been taken by a worker, and does not begin.",
        after=taken,
        expect={"prefect.flow-run.Running", *taken, *given_back, *_ENDS},
        within=timedelta(seconds=beginning_seconds),
        message=UNBORN_MESSAGE,
    )


def _mark_crashed(
    client: SyncPrefectClient,
    name: str,
    description: str,
    *,
    after: set[str],
    expect: set[str],
    within: timedelta,
    message: str,
) -> None:
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    automation = AutomationCore(
        name=name,
        description=description,
        trigger=EventTrigger(
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            after=after,
            expect=expect,
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )
    existing = client.read_automations_by_name(name)
    for found in existing[:1]:
        client.update_automation(found.id, automation)
    if not existing:
        client.create_automation(automation)

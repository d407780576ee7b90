"""What Prefect is silent about is noticed, said once, and said to be over."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.local_stack.stack import LocalStack
from deployments.receiver.health_monitor import (
    CONCERN,
    LATE_RUNS,
    NEARLY_FULL,
    SETTLED,
    SILENT,
    Concern,
    HealthMonitor,
)
from deployments.receiver.prefect_api import Prefect, PrefectAway
from deployments.work_pools.window import set_window
from deployments.work_pools.zombies import (
    UNBORN_MESSAGE,
    ZOMBIE_MESSAGE,
    ZOMBIES,
    make_zombie_automation,
)
from panoptes.network.ingest.backlog import SWEPT, Backlog, is_growing
from panoptes.network.units.health import Health
from tests.patience import PATIENT_SECONDS

INGEST = "ingest-observation/local"


def counted(*overdue: int) -> list[Backlog]:
    return [Backlog(files=n, observations=1, overdue=n, oldest_seconds=60) for n in overdue]


@pytest.mark.parametrize("overdue", [(), (9,), (9, 8), (5, 5, 5), (5, 6, 4), (1, 2, 3), (0, 0, 0)])
def test_a_backlog_that_does_not_grow_three_times_is_none(overdue: tuple[int, ...]) -> None:
    assert not is_growing(counted(*overdue))


def test_a_backlog_that_grows_from_sweep_to_sweep_is_noticed() -> None:
    assert is_growing(counted(9, 5, 1, 50))
    assert "9 files wait (of 1 observation), 9 of them overdue" in counted(9)[0].sentence


class PatientPrefect(Prefect):
    """Gives a busy server the time that it needs."""

    async def call(self, method: str, path: str, *, seconds: float = 0, **arguments: Any) -> Any:
        return await super().call(method, path, seconds=PATIENT_SECONDS, **arguments)


@asynccontextmanager
async def looking(stack: LocalStack, deployment: str = INGEST) -> AsyncIterator[HealthMonitor]:
    from prefect.client.orchestration import get_client

    with stack.settings():
        async with get_client() as client:
            yield HealthMonitor(PatientPrefect(client, deployment))


def look(stack: LocalStack, until: Callable[[dict[str, Concern]], bool]) -> dict[str, Concern]:
    """What is wrong, once it is as expected; or at last, after a while."""

    async def watch() -> dict[str, Concern]:
        async with looking(stack) as health_monitor:
            deadline = time.monotonic() + PATIENT_SECONDS
            while True:
                found = {each.kind: each for each in await health_monitor.look()}
                if until(found) or time.monotonic() > deadline:
                    return found
                await asyncio.sleep(0.2)

    return asyncio.run(watch())


def post(stack: LocalStack, event: str, **more: Any) -> None:
    document = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": event,
        "resource": {"prefect.resource.id": "panoptes.test"},
    } | more
    with stack.client() as client:
        client.request("POST", "/events", json=[document])


@contextmanager
def automation(stack: LocalStack, event: str) -> Iterator[None]:
    """One that asks for a run with parameters that the event cannot give."""
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    with stack.client() as client:
        made = client.create_automation(
            AutomationCore(
                name=f"fails on {event}",
                trigger=EventTrigger(
                    expect={event}, posture=Posture.Reactive, threshold=1, within=timedelta(0)
                ),
                actions=[
                    RunDeployment(
                        deployment_id=client.read_deployment_by_name(INGEST).id,
                        parameters={"sequence_id": "{{ event.payload.absent.deeper }}"},
                    )
                ],
            )
        )
        try:
            yield
        finally:
            client.delete_automation(made)


def test_an_action_of_an_automation_that_failed_is_noticed(prefect_stack: LocalStack) -> None:
    event = f"panoptes.test.{uuid.uuid4().hex}"
    with automation(prefect_stack, event):

        def provoked(found: dict[str, Concern]) -> bool:
            if "action-failed" not in found:
                # An automation is known to the server's triggers only after a moment.
                post(prefect_stack, event)
            return "action-failed" in found

        found = look(prefect_stack, provoked)
    assert "until the next sweep" in found["action-failed"].sentence


def test_a_failed_action_that_hurts_no_run_is_told_apart(prefect_stack: LocalStack) -> None:
    def failed(**payload: str) -> None:
        post(prefect_stack, "prefect.automation.action.failed", payload=payload)

    failed(action_type="change-flow-run-state", reason="Run is already in terminal state FAILED.")
    failed(action_type="send-notification", reason="no such block")
    found = look(prefect_stack, lambda found: "other-action-failed" in found)
    assert "failed once" in found["other-action-failed"].sentence
    assert "no such block" in found["other-action-failed"].sentence


@pytest.mark.parametrize(
    ("message", "kind", "what"),
    [
        (ZOMBIE_MESSAGE, "zombie-run", "fell silent"),
        (UNBORN_MESSAGE, "unborn-run", "never began"),
    ],
)
def test_a_run_that_fell_silent_or_never_began_is_noticed(
    prefect_stack: LocalStack, message: str, kind: str, what: str
) -> None:
    from prefect.states import Crashed

    run_id = prefect_stack.run_deployment(
        INGEST, {"sequence_id": "PAN009_ffffff_20180216T110623", "network": "absent"}
    )
    with prefect_stack.client() as client:
        client.set_flow_run_state(run_id, Crashed(message=message), force=True)
    found = look(prefect_stack, lambda found: kind in found)
    assert what in found[kind].sentence


def test_a_growing_backlog_is_noticed_said_once_and_said_to_be_over(
    prefect_stack: LocalStack,
) -> None:
    def swept(overdue: int) -> None:
        post(prefect_stack, SWEPT, payload=counted(overdue)[0].model_dump())

    async def watch() -> list[bool]:
        seen = []
        async with looking(prefect_stack) as health_monitor:
            for overdue in (1_001, 1_002, 1_003, 0):
                swept(overdue)
                wanted = overdue == 1_003
                for _ in range(1000):
                    kinds = {each.kind for each in await health_monitor.look()}
                    if ("backlog" in kinds) == wanted:
                        break
                    await asyncio.sleep(0.1)
                seen.append("backlog" in kinds)
                await health_monitor.look()
        return seen

    assert asyncio.run(watch()) == [False, False, True, False]
    query = {"filter": {"event": {"name": [CONCERN, SETTLED]}}, "limit": 50}
    with prefect_stack.client() as client:
        deadline = time.monotonic() + PATIENT_SECONDS
        while time.monotonic() < deadline:
            page = client.request("POST", "/events/filter", json=query).json()["events"]
            said = [
                event["event"]
                for event in page
                if event["resource"]["prefect.resource.id"] == "panoptes.concern.backlog"
            ]
            if len(said) >= 2:
                break
    assert said == [SETTLED, CONCERN]


def test_silent_units_and_full_disks_that_a_sweep_saw_are_noticed_until_a_later_one_sees_none(
    prefect_stack: LocalStack,
) -> None:
    silent, full = "PAN042 was last heard of long ago", "the disk of images has 3 % free"

    def swept(health: Health) -> None:
        payload = counted(0)[0].model_dump() | health.model_dump()
        post(prefect_stack, SWEPT, payload=payload)

    kinds = {f"{SILENT}PAN042": silent, NEARLY_FULL: full}
    swept(Health(silent={"PAN042": silent}, nearly_full=[full]))
    found = look(prefect_stack, lambda found: kinds.keys() <= found.keys())
    assert {kind: found[kind].sentence for kind in kinds} == kinds
    swept(Health())
    assert not kinds.keys() & look(prefect_stack, lambda found: not kinds.keys() & found).keys()


def test_a_sweep_that_is_not_scheduled_is_noticed(prefect_stack: LocalStack) -> None:
    with prefect_stack.client() as client:
        sweep = client.read_deployment_by_name("sweep-incoming/local")
        (schedule,) = client.read_deployment_schedules(sweep.id)
        kept = schedule.parameters  # what is not said again is lost
        client.update_deployment_schedule(sweep.id, schedule.id, active=False, parameters=kept)
        try:
            found = look(prefect_stack, lambda found: "no-sweep" in found)
            assert "not scheduled" in found["no-sweep"].sentence
        finally:
            client.update_deployment_schedule(sweep.id, schedule.id, active=True, parameters=kept)
    assert "no-sweep" not in look(prefect_stack, lambda found: "no-sweep" not in found)


def test_runs_that_nobody_takes_are_noticed(prefect_stack: LocalStack) -> None:
    from prefect import flow
    from prefect.states import Scheduled

    @flow(name="nobody-takes")
    def nobody_takes() -> None:
        """Its deployment has no work pool."""

    with prefect_stack.client() as client:
        deployment = client.create_deployment(client.create_flow(nobody_takes), "local")

        def owe(due: datetime) -> None:
            for _ in range(LATE_RUNS):
                client.create_flow_run_from_deployment(
                    deployment, state=Scheduled(scheduled_time=due)
                )

        async def noticed() -> tuple[set[str], dict[str, int]]:
            async with looking(prefect_stack, "nobody-takes/local") as health_monitor:
                kinds = {each.kind for each in await health_monitor.look()}
                return kinds, health_monitor.runs

        owe(datetime.now(UTC) + timedelta(minutes=5))
        kinds, runs = asyncio.run(noticed())
        assert ("late-runs" in kinds, runs) == (False, {"overdue": 0, "at work": 0})
        owe(datetime.now(UTC) - timedelta(minutes=5))
        kinds, runs = asyncio.run(noticed())
        assert ("late-runs" in kinds, runs) == (True, {"overdue": LATE_RUNS, "at work": 0})
        client.delete_deployment(deployment)


def test_a_schedule_of_which_nothing_comes_is_noticed(prefect_stack: LocalStack) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    @flow(name="never-swept")
    def never() -> None:
        """Prefect schedules a hundred days ahead at most."""

    far_off = (datetime.now(UTC) + timedelta(days=200)).strftime("0 0 1 %-m *")
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron=far_off), active=True)
    with prefect_stack.client() as sync_client:
        made = sync_client.create_flow(never)
        sync_client.create_deployment(made, "local", schedules=[schedule])

    async def watch() -> list[bool]:
        seen = []
        with prefect_stack.settings():
            async with get_client() as client:
                health_monitor = HealthMonitor(
                    Prefect(client, INGEST),
                    sweep="never-swept/local",
                    look_seconds=100,
                )
                for _ in range(2):
                    seen.append("no-sweep" in {each.kind for each in await health_monitor.look()})
        return seen

    assert asyncio.run(watch()) == [False, True]


def test_looking_at_a_server_that_is_away_says_so(prefect_stack: LocalStack) -> None:
    async def watch() -> None:
        async with looking(prefect_stack, "ingest-observation/absent") as health_monitor:
            with pytest.raises(PrefectAway, match="404"):
                await health_monitor.look()

    asyncio.run(watch())


def test_the_automation_for_silent_runs_is_made_once_and_kept_up_to_date(
    prefect_stack: LocalStack,
) -> None:
    with prefect_stack.client() as client:
        for heartbeat in (180, 30):
            make_zombie_automation(client, heartbeat_seconds=heartbeat)
        (made,) = client.read_automations_by_name(ZOMBIES)
        assert made.enabled
        assert made.trigger.model_dump()["within"] == timedelta(seconds=120)


def test_the_window_is_set_on_the_automation_and_the_sweep(prefect_stack: LocalStack) -> None:
    def present() -> tuple[timedelta, timedelta, timedelta, bool, dict[str, Any]]:
        ingest = client.read_deployment_by_name(INGEST)
        resource = f"prefect.deployment.{ingest.id}"
        (made,) = client.read_resource_related_automations(resource)
        sweep = client.read_deployment_by_name("sweep-incoming/local")
        (schedule,) = client.read_deployment_schedules(sweep.id)
        return (
            made.trigger.model_dump()["within"],
            made.actions[0].model_dump()["schedule_after"],
            schedule.schedule.model_dump()["interval"],
            schedule.active,
            schedule.parameters,
        )

    with prefect_stack.client() as client:
        window = timedelta(minutes=5)
        before = present()
        set_window(client, timedelta(seconds=3), margin=timedelta(seconds=1))
        try:
            assert present() == (
                timedelta(seconds=3),
                timedelta(seconds=4),
                timedelta(seconds=60),
                True,
                {},
            )
        finally:
            set_window(client, window)
        assert present() == before

"""What goes wrong in Prefect without a word from it, noticed and said aloud.

Prefect does not tell anyone that an automation's action failed, that runs pile up, or that
a run stopped without an end. The receiver looks, says it in its log and under ``/readyz``,
and sends an event on which an operator can set a notification.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.receiver.announcements import LABELS
from deployments.receiver.prefect_api import Prefect, PrefectAway
from deployments.work_pools.zombies import UNBORN_MESSAGE, ZOMBIE_MESSAGE
from flows.events import prefect_event
from flows.runs import SWEEP
from panoptes.network.ingest.backlog import SWEPT, Backlog, is_growing
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.units.health import Health

CONCERN = "panoptes.concern.noticed"
SETTLED = "panoptes.concern.settled"
SILENT, NEARLY_FULL = "unit-silent.", "disk-nearly-full"
"""Kinds of concerns that a sweep sees; the first goes on with the unit's id."""
PAST = timedelta(hours=1)
"""For so long a single failure is held up."""
OVERDUE = timedelta(seconds=30)
LATE_RUNS = 20
"""So many runs of the deployment that are overdue are a concern by themselves."""
FRESH_SECONDS = 2.0
READY_SECONDS = 3.0
SCHEDULER_SECONDS = 180.0
RUNS = "run-deployment"
"""The type of action that the network's files depend on."""

log = safe_log(__name__)


@dataclass(frozen=True)
class Concern:
    """One thing that is wrong; `kind` stays the same while it lasts."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Report:
    """What ``/readyz`` says."""

    obstacle: str | None
    """Why an event sent now would start no run."""
    concerns: tuple[Concern, ...]

    @property
    def is_ready(self) -> bool:
        return self.obstacle is None

    def as_json(self) -> dict[str, Any]:
        return {"ready": self.is_ready, **asdict(self)}


class HealthMonitor:
    """Looks at Prefect now and then, and remembers what was wrong."""

    def __init__(self, prefect: Prefect, *, sweep: str = SWEEP, look_seconds: float = 30.0) -> None:
        self._prefect = prefect
        self._sweep, self._look_seconds, self._without_sweep = sweep, look_seconds, 0
        self._concerns: dict[str, Concern] = {}
        self._told: dict[str, Concern] = {}
        self._health = Health()
        self.backlog: Backlog | None = None
        """What the last sweep counted."""
        self.runs: dict[str, int] = {}
        """The deployment's runs that are overdue, and that are at work."""
        self._blind: Concern | None = None
        self._obstacle: str | None = None
        self._checked = -float("inf")
        self._lock = asyncio.Lock()

    async def keep(self) -> None:
        """Look, say what is new, and again every `look_seconds`, until cancelled."""
        while True:
            try:
                await self.look()
                self._blind = None
            except PrefectAway as away:
                log.warning("%s", away)
            except Exception as error:
                log.exception("what Prefect does could not be looked at")
                sentence = f"the receiver cannot tell what Prefect does: {error}"
                self._blind = Concern("blind", sentence)
            await asyncio.sleep(self._look_seconds)

    async def report(self) -> Report:
        """The present state; asks Prefect at most every two seconds."""
        async with self._lock:
            if time.monotonic() - self._checked >= FRESH_SECONDS:
                self._obstacle = await self._find_obstacle()
                self._checked = time.monotonic()
        concerns = [*self._concerns.values(), *([self._blind] if self._blind else [])]
        return Report(self._obstacle, tuple(concerns))

    async def look(self) -> Sequence[Concern]:
        """Everything that is wrong now; what is new or over is logged and sent as an event.

        Raises PrefectAway.
        """
        found = {
            each.kind: each
            for noticed in (self._failures(), self._backlog(), self._no_sweep())
            async for each in noticed
        }
        for each in _only_in(found, self._concerns):
            log.error("%s", each.sentence)
        for each in _only_in(self._concerns, found):
            log.warning("no longer: %s", each.sentence)
        self._concerns = found
        events = [_event(CONCERN, each) for each in _only_in(found, self._told)]
        events += [_event(SETTLED, each) for each in _only_in(self._told, found)]
        if events:
            await self._prefect.post_events(events)
        self._told = found
        return list(found.values())

    async def _find_obstacle(self) -> str | None:
        try:
            name = self._prefect.deployment
            found = await self._prefect.read_deployment(name, seconds=READY_SECONDS)
            path = f"/automations/related-to/prefect.deployment.{found['id']}"
            automations = await self._prefect.call("GET", path, seconds=READY_SECONDS)
        except PrefectAway as away:
            return str(away)
        if any(each["enabled"] and _can_match(each["trigger"]) for each in automations):
            return None
        return (
            f"no automation starts {self._prefect.deployment}: it is switched off, or this "
            "version's prefect.yaml was not deployed"
        )

    async def _failures(self) -> AsyncIterator[Concern]:
        failed = await self._events("prefect.automation.action.failed")
        failed = [event for event in failed if not _came_too_late(event)]
        no_runs = [each for each in failed if each["payload"].get("action_type") == RUNS]
        if no_runs:
            yield Concern(
                "action-failed",
                f"an automation could not make a run {_times(no_runs)} in the last hour, so "
                f"runs are missing until the next sweep; the latest: {_reason(no_runs[0])}",
            )
        others = [each for each in failed if each not in no_runs]
        if others:
            yield Concern(
                "other-action-failed",
                f"the action of an automation failed {_times(others)} in the last hour, the "
                f"latest that of {_name(others[0])}: {_reason(others[0])}",
            )
        crashed = await self._events("prefect.flow-run.Crashed")
        said = "prefect.state-message"
        marked = (("zombie-run", ZOMBIE_MESSAGE, "fell silent"),
                  ("unborn-run", UNBORN_MESSAGE, "was taken and never began"))  # fmt: skip
        for kind, message, what in marked:
            if runs := [each for each in crashed if each["resource"].get(said) == message]:
                yield Concern(
                    kind,
                    f"a run {what} {_times(runs)} in the last hour, the latest: "
                    f"{_name(runs[0])}; the sweep takes up what it left",
                )

    async def _backlog(self) -> AsyncIterator[Concern]:
        deployment = await self._prefect.read_deployment(self._prefect.deployment)
        # By their times: a server on SQLite does without the service that names them Late.
        before = {"before_": (datetime.now(UTC) - OVERDUE).isoformat()}
        late = await self._count_runs(
            deployment["id"], state=_of("SCHEDULED"), expected_start_time=before
        )
        running = await self._count_runs(deployment["id"], state=_of("PENDING", "RUNNING"))
        self.runs = {"overdue": late, "at work": running}
        if late >= LATE_RUNS:
            yield Concern(
                "late-runs",
                f"{late} runs of {self._prefect.deployment} are overdue: there are too few "
                "workers, or none",
            )
        sweeps = await self._events(SWEPT, limit=5)
        if sweeps:  # what the last one saw holds until the next
            self._health = Health.model_validate(sweeps[0]["payload"])
        reports = [Backlog.model_validate(event["payload"]) for event in sweeps]
        self.backlog = reports[0] if reports else self.backlog
        if is_growing(reports):
            yield Concern("backlog", reports[0].sentence)
        for unit_id, sentence in self._health.silent.items():
            yield Concern(f"{SILENT}{unit_id}", sentence)
        if self._health.nearly_full:
            yield Concern(NEARLY_FULL, "; ".join(self._health.nearly_full))

    async def _no_sweep(self) -> AsyncIterator[Concern]:
        """Its schedule is off; or is on, and nothing comes of it, as when Prefect's own
        scheduler fails."""
        deployment = await self._prefect.read_deployment(self._sweep)
        if deployment["paused"] or not any(each["active"] for each in deployment["schedules"]):
            why = "is not scheduled"
        elif await self._count_runs(deployment["id"], state=_of("SCHEDULED", "PENDING", "RUNNING")):
            self._without_sweep = 0
            return
        else:
            # A new deployment's first run is scheduled within a minute.
            self._without_sweep += 1
            if self._without_sweep * self._look_seconds <= SCHEDULER_SECONDS:
                return
            why = "has a schedule, but no run comes of it: see the log of Prefect's server"
        sentence = f"{self._sweep} {why}; files whose event was lost wait for ever"
        yield Concern("no-sweep", sentence)

    async def _count_runs(self, deployment_id: str, **wanted: Any) -> int:
        """Runs of a deployment, by a filter for flow runs of Prefect's API."""
        query = {"deployments": {"id": {"any_": [deployment_id]}}, "flow_runs": wanted}
        return int(await self._prefect.call("POST", "/flow_runs/count", json=query))

    async def _events(self, name: str, *, limit: int = 50) -> list[dict[str, Any]]:
        """The last events of a name, newest first."""
        since = (datetime.now(UTC) - PAST).isoformat()
        wanted = {"event": {"name": [name]}, "occurred": {"since": since}, "order": "DESC"}
        query = {"filter": wanted, "limit": limit}
        page = await self._prefect.call("POST", "/events/filter", json=query)
        return list(page["events"])


def _can_match(trigger: dict[str, Any]) -> bool:
    """Whether it asks for no label of ours that arrivals lack: another version's had others."""
    ours = {label for label in trigger.get("match", ()) if label.startswith("panoptes.")}
    return ours <= LABELS


def _of(*types: str) -> dict[str, Any]:
    """Prefect's filter for states of these types."""
    return {"type": {"any_": types}}


def _only_in(these: dict[str, Concern], others: dict[str, Concern]) -> list[Concern]:
    return [each for kind, each in these.items() if kind not in others]


def _name(event: dict[str, Any]) -> str:
    return one_line(event["resource"].get("prefect.resource.name", ""))


def _reason(failed: dict[str, Any]) -> str:
    return one_line(failed["payload"].get("reason") or failed["payload"], most=300)


def _came_too_late(failed: dict[str, Any]) -> bool:
    """Whether a run was to be ended that had ended by itself: its last heartbeat can be heard
    after its end, and then there is no end to wait for."""
    return "already in terminal state" in _reason(failed)


def _times(events: Sequence[Any]) -> str:
    return "once" if len(events) == 1 else f"{len(events)} times"


def _event(name: str, concern: Concern) -> dict[str, Any]:
    resource = {
        "prefect.resource.id": f"panoptes.concern.{concern.kind}",
        "prefect.resource.name": concern.kind,
    }
    return prefect_event(name, resource, {"sentence": concern.sentence})

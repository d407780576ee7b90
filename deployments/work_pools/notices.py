"""Automations that tell people: made with every deployment, switched off, until a way is chosen.

``python -m deployments.work_pools.notices TYPE/NAME`` sends them by the notification block of
this type and name, and switches them on; docs/notices.md has the ways.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_CONCERN = "panoptes.concern.noticed"
_SENTENCE = "{{ event.payload.sentence }}"
_HALF_A_DAY = timedelta(hours=12)
"""Within which the same is told once."""


@dataclass(frozen=True)
class Notice:
    """An automation for people; `trigger` is of Prefect's `EventTrigger`."""

    name: str
    subject: str
    body: str
    trigger: dict[str, Any] = field(hash=False)


def _concern(*kinds: str) -> dict[str, Any]:
    """Once in half a day for each concern of the receiver's health monitor."""
    return {
        "expect": {_CONCERN},
        "match": {"prefect.resource.id": [f"panoptes.concern.{kind}" for kind in kinds]},
        "for_each": {"prefect.resource.id"},
        "posture": "Reactive",
        "threshold": 1,
        "within": _HALF_A_DAY,
    }


NOTICES = (
    Notice(
        "panoptes: a unit fell silent",
        "PANOPTES: a unit fell silent",
        _SENTENCE,
        _concern("unit-silent.*"),
    ),
    Notice(
        "panoptes: many files in quarantine",
        "PANOPTES: many files of {{ event.payload.unit or 'an unknown unit' }} are in quarantine",
        "Twenty within an hour. The last: {{ event.payload.file }}: {{ event.payload.reason }} "
        "All of them: panoptes-network quarantine list",
        {
            "expect": {"panoptes.file.quarantined"},
            "for_each": {"panoptes.unit.id"},
            "posture": "Reactive",
            "threshold": 20,
            "within": timedelta(hours=1),
        },
    ),
    Notice(
        "panoptes: a disk is nearly full",
        "PANOPTES: a disk is nearly full",
        _SENTENCE,
        _concern("disk-nearly-full"),
    ),
    Notice(
        "panoptes: the network stands still",
        "PANOPTES: the network stands still",
        _SENTENCE,
        _concern("late-runs", "no-sweep", "backlog", "action-failed"),
    ),
    Notice(
        "panoptes: nothing was swept for an hour",
        "PANOPTES: nothing was swept for an hour",
        "Neither a worker nor a sweep has told of itself: look at the workers and at the server.",
        {
            "expect": {"panoptes.incoming.swept"},
            "posture": "Proactive",
            "threshold": 1,
            "within": timedelta(hours=1),
        },
    ),
)


def make_notices(client: SyncPrefectClient) -> None:
    """Make those that are missing, switched off; those that are there stay as they are set."""
    from prefect.events.actions import DoNothing

    for notice in NOTICES:
        if not client.read_automations_by_name(notice.name):
            client.create_automation(_automation(notice, DoNothing(), enabled=False))


def send_notices(client: SyncPrefectClient, block: str) -> None:
    """Send all of them by a notification block, TYPE/NAME, and switch them on.

    Raises prefect.exceptions.ObjectNotFound where there is no such block.
    """
    from prefect.events.actions import SendNotification

    kind, _, name = block.partition("/")
    document = client.read_block_document_by_name(name, kind)
    make_notices(client)
    for notice in NOTICES:
        action = SendNotification(
            block_document_id=document.id, subject=notice.subject, body=notice.body
        )
        for found in client.read_automations_by_name(notice.name):
            client.update_automation(found.id, _automation(notice, action, enabled=True))


def _automation(notice: Notice, action: Any, *, enabled: bool) -> Any:
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    return AutomationCore(
        name=notice.name,
        description=f"{notice.subject}. Who is told, and how: docs/notices.md.",
        enabled=enabled,
        trigger=EventTrigger.model_validate(notice.trigger),
        actions=[action],
    )


def main() -> None:
    """``python -m deployments.work_pools.notices TYPE/NAME``, on PREFECT_API_URL's server."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    if len(sys.argv) != 2 or "/" not in sys.argv[1]:
        sys.exit("name a notification block as TYPE/NAME, for example slack-webhook/team")
    with get_client(sync_client=True) as client:
        try:
            send_notices(client, sys.argv[1])
        except ObjectNotFound:
            sys.exit(f"there is no block {sys.argv[1]}: make it in the user interface under Blocks")
    sys.stdout.write(f"{len(NOTICES)} automations send by {sys.argv[1]}\n")


if __name__ == "__main__":
    main()

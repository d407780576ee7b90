"""Periods of Prefect's history: ``python -m tests.deployments.history DAYS_AGO KEEP_DAYS VACUUM``.

In the database of PREFECT_SERVER_DATABASE_CONNECTION_URL, writes what a period brings that ended
so many days ago; has the server's own vacuum forget what is older than KEEP_DAYS (of runs, if
VACUUM is ``runs``; of events in any case); prints the database's size.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

PERIOD_DAYS = 30
RUNS, TASK_RUNS, LOGS, EVENTS = 400, 6, 20, 4
"""Of a period; the others of each run."""


async def main(days_ago: float, keep_days: int, *, runs: bool) -> int:
    """The size after all of it, bytes."""
    import sqlalchemy as sa
    from prefect.server.database import provide_database_interface
    from prefect.server.services import db_vacuum
    from prefect.settings import get_current_settings

    db = provide_database_interface()
    async with db.session_context(begin_transaction=True) as session:
        for number in range(RUNS):
            age = timedelta(days=days_ago + PERIOD_DAYS * number / RUNS)
            session.add_all(await _run(session, db, datetime.now(UTC) - age))
    services = get_current_settings().server.services.db_vacuum
    services.retention_period = timedelta(days=keep_days)
    get_current_settings().server.events.retention_period = timedelta(days=keep_days)
    if runs:
        await db_vacuum.vacuum_old_flow_runs(db=db)
    await db_vacuum.vacuum_old_events(db=db)
    engine = await db.engine()
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(sa.text("VACUUM"))  # which autovacuum does by and by
        size = await connection.scalar(sa.text("SELECT pg_database_size(current_database())"))
        left = await connection.scalar(sa.text("SELECT count(*) FROM flow_run"))
    sys.stdout.write(json.dumps({"bytes": size, "runs": left}) + "\n")
    return int(size)


async def _run(session: Any, db: Any, ended: datetime) -> list[Any]:
    from prefect.server import models, schemas

    create: Any = models.flows.create_flow
    flow = await create(session=session, flow=schemas.actions.FlowCreate(name="ingest-observation"))
    run = db.FlowRun(
        flow_id=flow.id, name=f"ingest {uuid4()}", start_time=ended, end_time=ended,
        state_type="COMPLETED", state_name="Completed", run_count=1, parameters={"a": "b" * 200},
    )  # fmt: skip
    session.add(run)
    await session.flush()
    made: list[Any] = [
        db.FlowRunState(
            flow_run_id=run.id,
            type=type_,
            name=type_.capitalize(),
            message="x",
            timestamp=ended - timedelta(seconds=before),
        )
        for before, type_ in enumerate(("COMPLETED", "RUNNING", "PENDING", "SCHEDULED"))
    ]
    made += [
        db.TaskRun(
            flow_run_id=run.id, name=f"compress {n}", task_key="compress", dynamic_key=str(uuid4()),
            state_type="COMPLETED", state_name="Completed", end_time=ended,
        )
        for n in range(TASK_RUNS)
    ]  # fmt: skip
    made += [
        db.Log(flow_run_id=run.id, name="prefect", level=20, message="y" * 120, timestamp=ended)
        for _ in range(LOGS)
    ]
    made.append(db.Artifact(flow_run_id=run.id, type="table", data={"rows": "z" * 2000}))
    for _ in range(EVENTS):
        event = uuid4()
        made.append(
            db.Event(
                id=event, occurred=ended, received=ended, recorded=ended, event="panoptes.x",
                resource_id="panoptes.observation.x", resource={}, related=[],
                payload={"a": "b" * 200}, related_resource_ids=[],
            )
        )  # fmt: skip
        made.append(
            db.EventResource(
                occurred=ended, resource_id="panoptes.observation.x", resource_role="",
                resource={"prefect.resource.id": "panoptes.observation.x"}, event_id=event,
            )
        )  # fmt: skip
    return made


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]), runs=sys.argv[3] == "runs"))

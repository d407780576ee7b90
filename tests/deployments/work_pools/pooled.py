"""Work pools of other types on a stack that is there, with real workers, for a test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from prefect.client.schemas.objects import FlowRun, State

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.pool_types import container_template
from flows.sweep_incoming import sweep_incoming
from panoptes.network.audit import audit
from panoptes.network.ingest.backlog import held
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE_ID, place, tiny_fits
from tests.patience import PATIENT_SECONDS

CONTAINER_IMAGE = "registry.example.org/panoptes/network:1"
FIRST, SECOND = f"{IMAGE}.fits", f"{LATER}.fits"
LEASE_SECONDS = 3
Found = TypeVar("Found")


def awaited(
    look: Callable[[], Found | None], what: str, *, patience: float = PATIENT_SECONDS
) -> Found:
    """What `look` finds at last."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
    return found


def small_site(folder: Path) -> Site:
    """A network whose runs are few seconds of work, and whose dead are noticed soon."""
    return sites.drained(folder, previews_wanted=False, workers=1, lease_seconds=LEASE_SECONDS)


@dataclass
class Pool:
    """A pool whose runs are containers, and `ingest-observation` deployed to it."""

    stack: LocalStack
    kind: str
    name: str

    @property
    def deployment(self) -> str:
        return f"ingest-observation/{self.name}"

    def save(self, site: Site) -> None:
        """As the block that runs of this pool are given."""
        with self.stack.settings():
            PanoptesNetwork.of(site).save(self.name, overwrite=True)

    def start(self) -> uuid.UUID:
        parameters = {"sequence_id": SEQUENCE_ID, "network": self.name}
        return self.stack.run_deployment(self.deployment, parameters)

    def state(self, run: uuid.UUID) -> State:
        with self.stack.client() as client:
            state = client.read_flow_run(run).state
        assert state is not None
        return state

    def runs(self) -> list[FlowRun]:
        """All that there have been, the youngest first."""
        from prefect.client.schemas.filters import WorkPoolFilter
        from prefect.client.schemas.sorting import FlowRunSort

        wanted = WorkPoolFilter.model_validate({"name": {"any_": [self.name]}})
        with self.stack.client() as client:
            return client.read_flow_runs(
                work_pool_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC
            )

    def await_state(self, run: uuid.UUID, name: str, *, patience: float = PATIENT_SECONDS) -> State:
        """Its state once it has this one; another in which it would end is none."""

        def look() -> State | None:
            state = self.state(run)
            assert not state.is_final() or state.name == name, state
            return state if state.name == name else None

        return awaited(look, f"a run that is {name}", patience=patience)

    def outlast_a_lease(self, run: uuid.UUID) -> None:
        """Until a run that is still in its state counts as dead where nothing speaks for it."""
        since = self.state(run).timestamp
        awaited(lambda: (datetime.now(UTC) - since).total_seconds() > LEASE_SECONDS, "time")

    def said(self, folder: Path) -> str:
        """What the worker of this folder has said."""
        return (folder / "worker.log").read_text(errors="replace")

    def sweep(self) -> None:
        with self.stack.settings():
            sweep_incoming(network=self.name, deployment=self.deployment, backfill=self.deployment)

    @contextmanager
    def worker(
        self, folder: Path, settings: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A worker of the pool, which ends with the block; what it says is in folder/worker.log."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", self.name]
        with (folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--type", self.kind], cwd=folder, stdout=log, stderr=log,
                env={**os.environ, **self.stack.environment, **settings},
            )  # fmt: skip
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def pool_on(stack: LocalStack, kind: str) -> Iterator[Pool]:
    """The pool as `panoptes-network deploy --pool KIND` makes it, under a name of its own."""
    from prefect.client.schemas.actions import WorkPoolCreate

    pool = Pool(stack, kind, f"{kind}-{uuid.uuid4().hex[:8]}")
    with stack.client() as client:
        template = container_template(kind, CONTAINER_IMAGE)
        client.create_work_pool(
            WorkPoolCreate(name=pool.name, type=kind, base_job_template=template)
        )
        ingest = client.read_deployment_by_name("ingest-observation/local")
        made = client.create_deployment(
            flow_id=ingest.flow_id,
            name=pool.name,
            entrypoint=ingest.entrypoint,
            pull_steps=ingest.pull_steps,
            path=ingest.path,
            work_pool_name=pool.name,
            parameter_openapi_schema=ingest.parameter_openapi_schema,
        )
    try:
        yield pool
    finally:
        with stack.client() as client:
            client.delete_deployment(made)
            client.delete_work_pool(pool.name)


def half_done(pool: Pool, site: Site, *, rest_seconds: float = 3600) -> uuid.UUID:
    """Start a run, which has taken one file by now and waits for another to come to rest."""
    site.store("incoming").put(FIRST, tiny_fits(seed=1))  # at rest at once
    place(sites.incoming(site), SECOND, tiny_fits(seed=2))
    pool.save(site.changed(rest_seconds=rest_seconds))
    run = pool.start()
    awaited(lambda: sites.waiting(site) == [SECOND], "the first file's archive")
    assert pool.state(run).is_running()
    return run


def two_files(site: Site) -> None:
    for seed, name in enumerate((FIRST, SECOND)):
        site.store("incoming").put(name, tiny_fits(seed=seed))


def swept_up(pool: Pool, site: Site) -> None:
    """The next sweep has all that waits ingested, by a run on the same pool."""
    pool.save(site)
    awaited(lambda: not held(site), "the end of the dead run's lease")
    before = {run.id for run in pool.runs()}
    pool.sweep()
    (made,) = [run.id for run in pool.runs() if run.id not in before]
    pool.await_state(made, "Completed")
    all_is_archived(site)


def all_is_archived(site: Site) -> None:
    """Each file once, and the auditor finds nothing."""
    assert sites.waiting(site) == []
    for name in (FIRST, SECOND):
        assert sites.entry_of(site, name).outcome == "archived"
    assert list(audit(site)) == []

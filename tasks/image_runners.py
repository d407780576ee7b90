"""Where the images of a run are worked on: threads of its own process, or the machines of a
cluster of Dask or Ray, as the network's `task_runner` says.

The flow keeps its own runner of threads, whatever the images have: Prefect opens a flow's runner
anew around each task of another process, which would be one more client of the cluster an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

from prefect.context import FlowRunContext
from prefect.task_runners import TaskRunner

from blocks.network import PanoptesNetwork
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.take import images_in_flight
from panoptes.network.ingest.watchdog import ended_when_stalled
from panoptes.network.safe_text import one_line

CONNECT_SECONDS = 30
TRIES = 4
"""So often a cluster gives an image to a worker, if each dies of it: Dask's ``allowed-failures``
and Ray's ``max_retries`` are three."""


class ImageRunner(NamedTuple):
    """Where to submit the images of a run."""

    runner: TaskRunner[Any]
    at_once: int
    """How many images are in the works at once."""


@contextmanager
def image_runner(network: PanoptesNetwork) -> Iterator[ImageRunner]:
    """The network's, open for the length of the context.

    Raises ConfigurationError where this machine lacks what it needs, and TransientError where
    nobody answers at its address.
    """
    kind, _, address = network.task_runner.partition("://")
    if kind == "threads":
        flow_run = FlowRunContext.get()
        assert flow_run is not None
        yield ImageRunner(flow_run.task_runner, images_in_flight(network.workers))
        return
    with ExitStack() as opened:
        product = kind.partition("+")[0]
        try:
            runner, slots = CLUSTERS[kind](address, opened)
        except ImportError as missing:
            raise ConfigurationError(
                f"the network's `task_runner` is {network.task_runner}, and prefect-{product} "
                f"is not installed where this run is: pip install 'panoptes-network[{product}]'"
            ) from missing
        except Exception as error:
            raise TransientError(
                f"no {product.title()} cluster answers at {network.task_runner}, the network's "
                f"`task_runner`: {one_line(error)}"
            ) from error
        # Each worker that hangs ends itself first, and the run goes on.
        opened.enter_context(ended_when_stalled((TRIES + 1) * network.stall_seconds))
        yield ImageRunner(runner, network.workers or max(1, slots))


def _dask(protocol: str, address: str, opened: ExitStack) -> tuple[TaskRunner[Any], int]:
    from prefect_dask.task_runners import DaskTaskRunner

    options = {"timeout": CONNECT_SECONDS}
    runner = DaskTaskRunner(address=f"{protocol}://{address}", client_kwargs=options)
    opened.enter_context(runner)
    threads: dict[str, int] = runner.client.nthreads()  # type: ignore[no-untyped-call]
    return runner, sum(threads.values())


def _ray(address: str, opened: ExitStack) -> tuple[TaskRunner[Any], int]:
    import ray
    from prefect_ray import RayTaskRunner

    runner: RayTaskRunner[Any] = RayTaskRunner(
        address=f"ray://{address}", init_kwargs={"logging_level": "warning"}
    )
    opened.enter_context(runner)
    return runner, int(ray.cluster_resources().get("CPU", 0))


CLUSTERS: dict[str, Callable[[str, ExitStack], tuple[TaskRunner[Any], int]]] = {
    "dask": partial(_dask, "tcp"),
    "dask+tls": partial(_dask, "tls"),  # certificates are Dask's own settings
    "ray": _ray,
}


def ended_when_stalled_elsewhere(seconds: float) -> AbstractContextManager[None]:
    """Of a cluster's worker: end its process once no image was taken there for so long.

    The run's own process has a timer already, and a longer one while images are elsewhere. A
    cluster starts the worker, and the image, again.
    """
    flow_run = FlowRunContext.get()
    is_elsewhere = flow_run is not None and flow_run.detached
    return ended_when_stalled(seconds) if is_elsewhere else nullcontext()

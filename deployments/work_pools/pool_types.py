"""The kinds of work pools that runs of the network may go to, each as data.

A process pool's runs are processes of its worker's machine. The others start a container of
one image for each run, which has this project installed: nothing of the deployer's folder is
needed there. Prefect's own templates are taken as they are, with other defaults.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from panoptes.network.errors import ConfigurationError

WARM, PROCESS = "warm-process", "process"
"""Of `deployments.work_pools.warm_worker`, and Prefect's own."""
MOST_SECONDS = 3600
"""Of one run, in a container that a provider starts."""
CPUS, MEMORY_MB = 2, 4096
"""Of a container for one run: two images in the works, of up to a gigabyte each while read."""
WRITTEN = {"PREFECT_HOME": "/tmp/prefect", "PREFECT_LOCAL_STORAGE_PATH": "/tmp/prefect/storage"}
"""Where a run may write; else a worker hands on the folders of its own machine."""
COMMAND = "python -m prefect.engine"
"""One process, which imports Prefect once; Prefect's default is three."""


@dataclass(frozen=True)
class ContainerPool:
    """A type of work pool whose runs are containers."""

    kind: str
    worker: str
    """``MODULE:CLASS`` of the worker, whose template it is."""
    install: str
    """What has to be installed beside this project, for pip."""
    defaults: Mapping[str, Any]
    """Of the template's variables, `image` and `command` besides."""
    job: Mapping[str, Any] = field(default_factory=dict)
    """What a Kubernetes job's specification has besides."""
    pod: Mapping[str, Any] = field(default_factory=dict)
    """What its pod has besides."""


CONTAINER_POOLS = {
    each.kind: each
    for each in (
        ContainerPool(
            "docker",
            "prefect_docker.worker:DockerWorker",
            "panoptes-network[docker]",
            {
                # A container that removes itself takes its exit code along, and with it what
                # Prefect knows of a run that was killed.
                "auto_remove": False,
                "image_pull_policy": "IfNotPresent",
                "mem_limit": f"{MEMORY_MB}m",
                "container_create_kwargs": {
                    "read_only": True,
                    "tmpfs": {"/tmp": "mode=1777"},
                    "cap_drop": ["ALL"],
                    "security_opt": ["no-new-privileges"],
                },
            },
        ),
        ContainerPool(
            "kubernetes",
            "prefect_kubernetes:KubernetesWorker",
            "panoptes-network[kubernetes]",
            {
                # An evicted pod is the run's end, which Prefect sees: the sweep goes on.
                "backoff_limit": 0,
                "finished_job_ttl": 3600,
                "cpu_request": "1",
                "cpu_limit": str(CPUS),
                "memory_request": f"{MEMORY_MB // 2}Mi",
                "memory_limit": f"{MEMORY_MB}Mi",
            },
            # Else a pod that finds no machine, or no image, waits without end, and so does its
            # run: Prefect's worker does not look after it.
            job={"activeDeadlineSeconds": MOST_SECONDS},
            pod={
                "securityContext": {"runAsNonRoot": True, "runAsUser": 65532},
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        ),
        ContainerPool(
            "cloud-run-v2",
            "prefect_gcp.workers.cloud_run_v2:CloudRunWorkerV2",
            "panoptes-network",
            {
                "launch_stage": "GA",
                "max_retries": 0,
                "cpu": f"{CPUS}000m",
                "memory": f"{MEMORY_MB}Mi",
                "timeout": MOST_SECONDS,
            },
        ),
    )
}
KINDS = (WARM, PROCESS, *CONTAINER_POOLS)


def own_kind() -> str:
    """Of a pool whose runs start fastest on this machine."""
    return WARM if sys.platform == "linux" else PROCESS


def container_template(kind: str, image: str) -> dict[str, Any]:
    """The job template of a pool of containers. Raises ConfigurationError."""
    pool = CONTAINER_POOLS[kind]
    module, _, name = pool.worker.partition(":")
    try:
        worker = getattr(import_module(module), name)
    except ImportError as error:
        raise ConfigurationError(
            f"work pools of the type {kind} need another package: pip install '{pool.install}'"
        ) from error
    template: dict[str, Any] = worker.get_default_base_job_template()
    variables = template["variables"]["properties"]
    ours = {"image": image, "command": COMMAND, "env": WRITTEN}
    for variable, value in {**pool.defaults, **ours}.items():
        variables[variable]["default"] = value
    if pool.pod:
        manifest = template["job_configuration"]["job_manifest"]
        manifest["spec"] |= pool.job
        spec = manifest["spec"]["template"]["spec"]
        spec |= pool.pod
        spec["containers"][0] |= {
            "securityContext": {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
    return template

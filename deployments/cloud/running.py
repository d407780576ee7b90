"""What runs: the image's repository, secrets, receiver, services and workers."""

from __future__ import annotations

from typing import Any

from deployments.cloud.decisions import ACCOUNTS, PAGES, PUSHER, RECEIVER, WORKER, Cloud, email_of
from deployments.cloud.resource import Resource
from panoptes.network.settings import LOCATIONS

SECRETS = ("prefect-api-auth", "services-token")


def accounts(cloud: Cloud) -> list[Resource]:
    return [
        Resource(
            "google_service_account",
            account,
            {"account_id": f"panoptes-{account}", "display_name": f"PANOPTES: {does}"},
            describe=("iam", "service-accounts", "describe", cloud.email(account)),
            create=("iam", "service-accounts", "create", f"panoptes-{account}",
                    f"--display-name=PANOPTES: {does}"),
            delete=("iam", "service-accounts", "delete", cloud.email(account), "--quiet"),
            follows=("google_project_service.iam",),
        )
        for account, does in ACCOUNTS.items()
    ]  # fmt: skip


def secrets(cloud: Cloud) -> list[Resource]:
    """Their values are put there by hand, and are nowhere else."""
    return [
        Resource(
            "google_secret_manager_secret",
            secret.replace("-", "_"),
            {"secret_id": f"panoptes-{secret}", "replication": {"auto": {}}},
            describe=("secrets", "describe", f"panoptes-{secret}"),
            create=("secrets", "create", f"panoptes-{secret}", "--replication-policy=automatic"),
            delete=("secrets", "delete", f"panoptes-{secret}", "--quiet"),
            follows=("google_project_service.secretmanager",),
        )
        for secret in SECRETS
    ]


def repository(cloud: Cloud) -> Resource:
    place = f"--location={cloud.region}"
    return Resource(
        "google_artifact_registry_repository",
        "images",
        {"repository_id": "panoptes", "location": cloud.region, "format": "DOCKER"},
        describe=("artifacts", "repositories", "describe", "panoptes", place),
        create=("artifacts", "repositories", "create", "panoptes", place,
                "--repository-format=docker"),
        delete=("artifacts", "repositories", "delete", "panoptes", place, "--quiet"),
        follows=("google_project_service.artifactregistry",),
    )  # fmt: skip


def network_variables(cloud: Cloud) -> dict[str, str]:
    """The settings of a network, for programs that take them from the environment."""
    places = {
        f"PANOPTES_{location.upper()}": f"gs://{cloud.bucket(location)}" for location in LOCATIONS
    }
    return places | {"PANOPTES_CATALOG": f"firestore://{cloud.project}"}


def programs(cloud: Cloud) -> list[Resource]:
    logs = {
        "PANOPTES_LOG_FORMAT": "json",
        "PREFECT_LOGGING_CONFIG_PATH": "/opt/panoptes/logging.yml",  # of our image
    }
    prefect = {"PREFECT_API_URL": cloud.prefect_api} | logs
    receiver = {
        "PANOPTES_RECEIVER_AUDIENCE": cloud.events_url,
        "PANOPTES_RECEIVER_SERVICE_ACCOUNTS": cloud.email(PUSHER),
        "PANOPTES_RECEIVER_INCOMING": f"gs://{cloud.bucket('incoming')}",
    }
    auth = {"PREFECT_API_AUTH_STRING": "panoptes-prefect-api-auth"}
    token = {"PANOPTES_SERVICES_TOKEN": "panoptes-services-token"}
    served = network_variables(cloud) | {
        "PANOPTES_LOG_FORMAT": "json",
        "PANOPTES_SERVICES_NETWORK": "environment",
        "PANOPTES_SERVICES_FILES": "archive",
    }
    return [
        _service(cloud, RECEIVER, "receiver", prefect | receiver, auth, memory="512Mi"),
        _service(cloud, PAGES, "serve", served, token, memory="1Gi"),
        _workers(cloud, prefect | network_variables(cloud), auth),
    ]


def _service(
    cloud: Cloud,
    account: str,
    command: str,
    variables: dict[str, str],
    secrets: dict[str, str],
    *,
    memory: str,
) -> Resource:
    """A Cloud Run service. Who may call it is its own matter, and Google's front lets all in:
    Pub/Sub's tokens and the services' token are checked by the programs themselves."""
    name, place = f"panoptes-{account}", f"--region={cloud.region}"
    arguments = [command, "--host", "0.0.0.0", "--port", "8080"]
    container = {
        "image": cloud.image,
        "command": ["panoptes-network"],
        "args": arguments,
        "ports": {"container_port": 8080},
        "resources": {"limits": {"cpu": "1", "memory": memory}},
        "env": _variables(variables, secrets),
    }
    settings = (
        f"--image={cloud.image}", place, f"--service-account={cloud.email(account)}",
        "--command=panoptes-network", f"--args={','.join(arguments)}", "--port=8080",
        f"--memory={memory}", "--cpu=1",
        "--min-instances=1", "--max-instances=4", "--no-cpu-throttling", "--allow-unauthenticated",
        *_flags(variables, secrets),
    )  # fmt: skip
    return Resource(
        "google_cloud_run_v2_service",
        account,
        {
            "name": name,
            "location": cloud.region,
            "ingress": "INGRESS_TRAFFIC_ALL",
            "deletion_protection": False,
            "template": {
                "service_account": email_of(account),
                "scaling": {"min_instance_count": 1, "max_instance_count": 4},
                "containers": [container],
            },
        },
        create=("run", "deploy", name, *settings, "--quiet"),
        delete=("run", "services", "delete", name, place, "--quiet"),
        follows=("google_project_service.run", *_secret_addresses(secrets)),
    )


def _workers(cloud: Cloud, variables: dict[str, str], secrets: dict[str, str]) -> Resource:
    """Warm workers, which fork their runs: always on, each takes two runs at once."""
    name, place = "panoptes-worker", f"--region={cloud.region}"
    arguments = ["worker", "start", "--pool", "panoptes", "--limit", "2"]
    return Resource(
        "google_cloud_run_v2_worker_pool",
        WORKER,
        {
            "name": name,
            "location": cloud.region,
            "deletion_protection": False,
            "scaling": {"manual_instance_count": 1},
            "template": {
                "service_account": email_of(WORKER),
                "containers": [
                    {
                        "image": cloud.image,
                        "command": ["prefect"],
                        "args": arguments,
                        "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
                        "env": _variables(variables, secrets),
                    }
                ],
            },
        },
        create=("beta", "run", "worker-pools", "deploy", name, f"--image={cloud.image}", place,
                f"--service-account={cloud.email(WORKER)}", "--command=prefect",
                f"--args={','.join(arguments)}", "--cpu=2", "--memory=4Gi", "--scaling=1",
                *_flags(variables, secrets), "--quiet"),
        delete=("beta", "run", "worker-pools", "delete", name, place, "--quiet"),
        follows=("google_project_service.run", *_secret_addresses(secrets)),
    )  # fmt: skip


def _variables(variables: dict[str, str], secrets: dict[str, str]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in variables.items()
    ]
    hidden = [
        {
            "name": name,
            "value_source": {"secret_key_ref": {"secret": secret, "version": "latest"}},
        }
        for name, secret in secrets.items()
    ]
    return plain + hidden


def _flags(variables: dict[str, str], secrets: dict[str, str]) -> tuple[str, str]:
    plain = ",".join(f"{name}={value}" for name, value in variables.items())
    hidden = ",".join(f"{name}={secret}:latest" for name, secret in secrets.items())
    return f"--set-env-vars={plain}", f"--set-secrets={hidden}"


def _secret_addresses(secrets: dict[str, str]) -> tuple[str, ...]:
    names = (each.removeprefix("panoptes-").replace("-", "_") for each in secrets.values())
    return tuple(f"google_secret_manager_secret.{name}" for name in names)

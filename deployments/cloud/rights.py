"""What each service account may do, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.cloud.decisions import PAGES, PUSHER, RECEIVER, WORKER, Cloud, email_of
from deployments.cloud.resource import Resource
from panoptes.network.settings import LOCATIONS

MOVED_BY_HAND = ("incoming", "quarantine")
"""Where an operator's rescue moves files, from the services' pages."""
PROJECT = "google_project_iam_member"
BUCKET = "google_storage_bucket_iam_member"
SECRET = "google_secret_manager_secret_iam_member"


@dataclass(frozen=True)
class Rights:
    """Roles of an account on the project and on locations' buckets, and secrets it reads."""

    project: tuple[str, ...] = ()
    buckets: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


_VIEWED = dict.fromkeys(LOCATIONS, "roles/storage.objectViewer")
RIGHTS: Mapping[str, Rights] = {
    WORKER: Rights(
        project=("roles/datastore.user",),
        buckets=dict.fromkeys(LOCATIONS, "roles/storage.objectUser"),
        secrets=("prefect-api-auth",),
    ),
    RECEIVER: Rights(secrets=("prefect-api-auth",)),
    PAGES: Rights(
        project=("roles/datastore.user",),
        buckets=_VIEWED | dict.fromkeys(MOVED_BY_HAND, "roles/storage.objectUser"),
        secrets=("services-token",),
    ),
    PUSHER: Rights(),
}
"""What each account may do; `deployments.cloud.permissions` says what each of our calls needs."""


def rights(cloud: Cloud) -> list[Resource]:
    found: list[Resource] = []
    for account, allowed in RIGHTS.items():
        found += [_right(cloud, account, PROJECT, cloud.project, role) for role in allowed.project]
        for location, role in allowed.buckets.items():
            found.append(_right(cloud, account, BUCKET, location, role))
        for secret in allowed.secrets:
            role = "roles/secretmanager.secretAccessor"
            found.append(_right(cloud, account, SECRET, secret, role))
    return found


def _right(cloud: Cloud, account: str, kind: str, name: str, role: str) -> Resource:
    label = name.replace("-", "_")
    group, at, reference = {
        PROJECT: (("projects",), cloud.project, {"project": cloud.project}),
        BUCKET: (
            ("storage", "buckets"),
            f"gs://{cloud.bucket(name)}",
            {"bucket": f"${{google_storage_bucket.{label}.name}}"},
        ),
        SECRET: (
            ("secrets",),
            f"panoptes-{name}",
            {"secret_id": f"${{google_secret_manager_secret.{label}.id}}"},
        ),
    }[kind]
    flags = [at, f"--member=serviceAccount:{cloud.email(account)}", f"--role={role}"]
    if kind == PROJECT:
        flags.append("--condition=None")
        label = role.rpartition("/")[2].replace(".", "_")
    member = f"serviceAccount:{email_of(account)}"
    return Resource(
        kind,
        f"{account}_{label}",
        reference | {"role": role, "member": member},
        create=(*group, "add-iam-policy-binding", *flags),
        delete=(*group, "remove-iam-policy-binding", *flags),
    )

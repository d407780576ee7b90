"""The whole Google Cloud side of a network, as data.

Units upload into the bucket `incoming`; it notifies a topic; a push subscription with signed
tokens tells the receiver on Cloud Run; workers take what has arrived; services answer people.
`gcloud_script` and `terraform_json` (in modules of these names) say it to Google's tools.
"""

from __future__ import annotations

from deployments.cloud.decisions import Cloud
from deployments.cloud.resource import Resource
from deployments.cloud.rights import rights
from deployments.cloud.running import accounts, programs, repository, secrets
from deployments.cloud.storing import buckets, database
from deployments.cloud.telling import events

SERVICES = ("run", "storage", "firestore", "pubsub", "artifactregistry", "secretmanager", "iam")
"""Google's, which a new project has switched off; each is ``NAME.googleapis.com``."""


def plan(cloud: Cloud) -> list[Resource]:
    """Everything, in an order in which it can be made."""
    return [
        *_switched_on(cloud),
        *accounts(cloud),
        *buckets(cloud),
        *database(cloud),
        *secrets(cloud),
        repository(cloud),
        *rights(cloud),
        *programs(cloud),
        *events(cloud),
        *_budget(cloud),
    ]


def _switched_on(cloud: Cloud) -> list[Resource]:
    return [
        Resource(
            "google_project_service",
            service,
            {"service": f"{service}.googleapis.com", "disable_on_destroy": False},
            create=("services", "enable", f"{service}.googleapis.com"),
        )
        for service in SERVICES
    ]


def _budget(cloud: Cloud) -> list[Resource]:
    if cloud.billing_account is None:
        return []
    shares = (0.5, 0.9, 1.0)
    return [
        Resource(
            "google_billing_budget",
            "network",
            {
                "billing_account": cloud.billing_account,
                "display_name": "PANOPTES network",
                "budget_filter": {"projects": [f"projects/{cloud.number}"]},
                "amount": {"specified_amount": {"units": str(cloud.monthly_budget)}},
                "threshold_rules": [{"threshold_percent": share} for share in shares],
            },
            describe=("billing", "budgets", "list", f"--billing-account={cloud.billing_account}",
                      "--filter=displayName='PANOPTES network'", "--format=value(name)"),
            create=("billing", "budgets", "create", f"--billing-account={cloud.billing_account}",
                    "--display-name=PANOPTES network", f"--budget-amount={cloud.monthly_budget}",
                    f"--filter-projects=projects/{cloud.number}",
                    *(f"--threshold-rule=percent={share}" for share in shares)),
        )
    ]  # fmt: skip

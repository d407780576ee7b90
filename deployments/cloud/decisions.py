"""What an operator decides of the Google Cloud side, and the names that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from panoptes.network.errors import ConfigurationError

WORKER, RECEIVER, PAGES, PUSHER = "worker", "receiver", "services", "pusher"
ACCOUNTS = {
    WORKER: "runs flows",
    RECEIVER: "tells Prefect of uploads",
    PAGES: "answers people and shows them the archive",
    PUSHER: "signs what Pub/Sub pushes to the receiver",
}
"""The service accounts, and what each does."""
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]{2,20}-[a-z]{2,20}[0-9]{1,2}")


@dataclass(frozen=True)
class Cloud:
    """What an operator decides. Raises ConfigurationError for names that Google does not take."""

    project: str
    number: str
    """The project's, which its service agents are named after: `gcloud projects describe`."""
    region: str
    prefect_api: str
    """Where Prefect's API is, for workers and receiver."""
    cool_days: int = 60
    """After so many days images and raws move to storage that costs less to keep."""
    billing_account: str | None = None
    monthly_budget: int = 100
    """In the account's currency; told of at half, nine tenths and all of it."""

    def __post_init__(self) -> None:
        for value, pattern, what in (
            (self.project, _PROJECT, "a project's id"),
            (self.number, re.compile("[0-9]{6,20}"), "a project's number"),
            (self.region, _REGION, "a region, such as us-central1"),
            (self.prefect_api, re.compile(r"https?://[^\s'\"$`\\]+/api"), "the address of an API"),
            (self.billing_account or "0-0-0", re.compile("[0-9A-F]+(-[0-9A-F]+){2}"), "an account"),
        ):
            if not pattern.fullmatch(value):
                raise ConfigurationError(f"{value!r} is not {what}")

    @property
    def image(self) -> str:
        """The container image that every service runs."""
        return f"{self.region}-docker.pkg.dev/{self.project}/panoptes/network:latest"

    @property
    def events_url(self) -> str:
        """Where uploads are told of, which is the audience of the pushes' tokens, too."""
        return f"https://panoptes-receiver-{self.number}.{self.region}.run.app/events"

    def bucket(self, location: str) -> str:
        return f"{self.project}-{location}"

    def email(self, account: str) -> str:
        return f"panoptes-{account}@{self.project}.iam.gserviceaccount.com"

    def agent(self, service: str) -> str:
        """A service agent, which Google makes in each project."""
        return f"service-{self.number}@gcp-sa-{service}.iam.gserviceaccount.com"

    @property
    def storage_agent(self) -> str:
        return f"service-{self.number}@gs-project-accounts.iam.gserviceaccount.com"


def email_of(account: str) -> str:
    """Terraform's reference to a service account's address."""
    return f"${{google_service_account.{account}.email}}"

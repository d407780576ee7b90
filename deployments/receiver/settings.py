"""What an operator sets of the receiver, by environment variables or the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from deployments.environment import EnvironmentSettings, separated
from deployments.receiver.authentication import choose_guard
from deployments.receiver.certificates import Certificates
from deployments.web.guards import Guard
from flows.runs import INGEST, SWEEP


class ReceiverSettings(EnvironmentSettings):
    """Each is read from ``PANOPTES_RECEIVER_NAME`` where it is not given."""

    model_config = SettingsConfigDict(env_prefix="PANOPTES_RECEIVER_")

    port: int = Field(8400, ge=0, le=65535, description="The port; 0 takes a free one.")
    audience: str | None = Field(
        None,
        description="The audience of Google's tokens: the URL that the push subscription or "
        "the Eventarc trigger names.",
    )
    service_accounts: Annotated[frozenset[str], NoDecode, BeforeValidator(separated)] = Field(
        frozenset(), description="E-mail addresses of the service accounts that may push."
    )
    secret: SecretStr | None = Field(
        None, description="What other senders put into Authorization: Bearer SECRET."
    )
    open: bool = Field(False, description="Let every program on this machine tell of files.")
    incoming: str | None = Field(
        None,
        description="The network's incoming, gs://BUCKET/PREFIX or the watched folder; events "
        "of other places are passed over. Empty: whatever the senders tell of.",
    )
    deployment: str = Field(INGEST, description="The deployment that ingests, FLOW/DEPLOYMENT.")
    sweep: str = Field(SWEEP, description="The deployment that sweeps, FLOW/DEPLOYMENT.")
    live_nights: int = Field(
        3,
        ge=0,
        description="Files of observations that began more days ago are left to the sweep, which "
        "has them ingested behind the others; as in the network's block.",
    )
    max_body_bytes: int = Field(
        262_144, gt=0, description="Larger requests are refused; a notification has a few KB."
    )
    look_seconds: float = Field(
        30,
        gt=0,
        le=3_600,
        description="How often Prefect is looked at for what it does not say itself.",
    )

    def guard(self) -> Guard:
        """Raises ConfigurationError for settings that would accept everyone, or nobody."""
        return choose_guard(
            audience=self.audience,
            service_accounts=self.service_accounts,
            secret=self.secret.get_secret_value() if self.secret else None,
            open_on=self.host if self.open else None,
            certificates=Certificates(),
        )

"""What an operator sets of the services, by environment variables or the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from deployments.environment import EnvironmentSettings, separated
from deployments.services.access import Everyone, OwnPrograms
from deployments.web.guards import Guard, SharedSecret, is_loopback
from panoptes.network.documents import Location
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site

ARCHIVE: tuple[Location, ...] = ("images", "originals", "rgb", "previews", "timelapse")
"""What ``PANOPTES_SERVICES_FILES=archive`` opens."""
GUARDED: frozenset[Location] = frozenset({"incoming", "quarantine"})
"""What only callers with a token are shown anything of: nobody has looked at these files yet."""


def _with_archive(names: object) -> object:
    if not isinstance(names, list):
        return names
    return [x for each in names for x in (ARCHIVE if each == "archive" else (each,))]


class ServiceSettings(EnvironmentSettings):
    """Each is read from ``PANOPTES_SERVICES_NAME`` where it is not given."""

    model_config = SettingsConfigDict(env_prefix="PANOPTES_SERVICES_")

    port: int = Field(8500, ge=0, le=65535, description="The port; 0 takes a free one.")
    data: Path | None = Field(
        None, description="A network in a folder of this machine, as `ingest` makes it."
    )
    network: str = Field(
        "default", description="The 'PANOPTES network' block to serve, where no folder is given."
    )
    token: SecretStr | None = Field(
        None, description="What callers put into Authorization: Bearer TOKEN."
    )
    open: bool = Field(False, description="Let everyone read who can reach the services.")
    files: Annotated[
        frozenset[Location], NoDecode, BeforeValidator(_with_archive), BeforeValidator(separated)
    ] = Field(
        frozenset(),
        description="The locations whose files are served, separated by commas; 'archive' for "
        "all but incoming and quarantine. Empty: none.",
    )
    origins: Annotated[frozenset[str], NoDecode, BeforeValidator(separated)] = Field(
        frozenset(),
        description="Origins of web pages that may read, separated by commas; * for all. "
        "Empty: none but the services' own.",
    )
    public_url: str | None = Field(
        None, description="Where callers find the services, if not where they say themselves."
    )
    keys: Path | None = Field(
        None,
        description="The folder of the upload keys that wait to be given to units, UNIT.json. "
        "Empty: none are given.",
    )
    max_body_bytes: int = Field(65_536, gt=0, description="Larger requests are refused.")

    @field_validator("public_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must begin with http:// or https://")
        return value

    @model_validator(mode="after")
    def _guarded_need_a_token(self) -> Self:
        if self.token is None and (named := sorted(self.files & GUARDED)):
            raise ValueError(f"{' and '.join(named)} are only served to callers with a token")
        return self

    @property
    def hidden(self) -> frozenset[Location]:
        """Locations that callers are shown nothing of."""
        return GUARDED if self.token is None else frozenset()

    def guard(self) -> Guard:
        """Who may read. Raises ConfigurationError for settings that do not say so.

        On its own machine's address a service without a token is open to its user's own
        programs; anywhere else, and behind a proxy, open reads must be asked for.
        """
        if self.token is not None and self.open:
            raise ConfigurationError(
                "services that are open to everyone need no token: set PANOPTES_SERVICES_TOKEN "
                "or PANOPTES_SERVICES_OPEN, not both"
            )
        if self.token is not None:
            return SharedSecret(self.token.get_secret_value())
        if self.open:
            return Everyone()
        if is_loopback(self.host):
            name = urlsplit(self.public_url or "http://localhost").hostname or ""
            if not is_loopback(name):
                raise ConfigurationError(
                    f"services that others find at {name[:80]} are behind a proxy: set "
                    "PANOPTES_SERVICES_TOKEN, or PANOPTES_SERVICES_OPEN=true to let everyone read"
                )
            return OwnPrograms(self.origins)
        raise ConfigurationError(
            f"nobody may use the services on {self.host} yet: set PANOPTES_SERVICES_TOKEN, or "
            "PANOPTES_SERVICES_OPEN=true to let everyone read"
        )

    def open_network(self) -> Site:
        """The network to serve, looked at. Raises ConfigurationError."""
        if self.data is None:
            from blocks.network import load_network

            site = load_network(self.network).site
        else:
            if not (self.data.expanduser() / "catalog.sqlite").exists():
                raise ConfigurationError(
                    f"there is no catalogue in {self.data}: name the folder that "
                    "`panoptes-network ingest --data` filled"
                )
            site = Site.in_folder(self.data)
        site.catalog.check()
        for location in LOCATIONS:
            store = site.store(location)
            if getattr(site.settings, location).startswith("gs://"):
                store.check()  # a folder's would make what is missing, and we only read
        return site

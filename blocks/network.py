"""The network as an operator sets it up in the Prefect UI."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache, partial
from typing import Any, Self

from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from prefect.blocks.core import Block
from prefect_gcp.credentials import GcpCredentials
from pydantic import Field, PrivateAttr, ValidationError, field_validator

from panoptes.network.errors import ConfigurationError, first_fault
from panoptes.network.settings import NetworkSettings
from panoptes.network.site import Site


class PanoptesNetwork(NetworkSettings, Block):
    """Where the network's files and documents are kept, and how they are treated."""

    _block_type_name = "PANOPTES network"
    _block_type_slug = "panoptes-network"
    _description = "Where the network's files and documents are kept, and how they are treated."

    gcp_credentials: GcpCredentials | None = Field(
        None,
        title="Google credentials",
        description="A GcpCredentials block; empty: the machine's own (application-default) "
        "credentials.",
    )

    task_runner: str = Field(
        "threads",
        title="Task runner",
        description="Where the images of a run are worked on: threads, in the run's own process; "
        "or the machines of a cluster, dask://HOST:8786, dask+tls://HOST:8786 or "
        "ray://HOST:10001.",
    )

    _site: Site | None = PrivateAttr(None)

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """Made once: Prefect asks for it twice for each field that it saves, 1 s of the CPU."""
        return deepcopy(cls._json_schema(*args, **options))

    @classmethod
    @cache
    def _json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        return super().model_json_schema(*args, **options)

    @classmethod
    def of(cls, site: Site) -> Self:
        """A block with the settings of `site`."""
        return cls(**site.settings.model_dump())

    def changed(self, **policies: Any) -> Self:
        """The same network under other settings, opened anew."""
        changed = self.model_copy(update=policies)
        changed._site = None
        return changed

    @field_validator("task_runner")
    @classmethod
    def _is_threads_or_a_cluster(cls, value: str) -> str:
        address = re.fullmatch(
            r"(?:dask(?:\+tls)?|ray)://[A-Za-z0-9][A-Za-z0-9.-]{0,253}:(\d{1,5})", value
        )
        if value != "threads" and (address is None or not 0 < int(address[1]) < 65536):
            raise ValueError(
                "it must be threads, or a cluster's address such as dask://scheduler:8786 or "
                "ray://head:10001"
            )
        return value

    @field_validator("gcp_credentials", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """Blocks that were saved before the field was a block hold the name of one."""
        if not isinstance(value, str):
            return value
        try:
            return GcpCredentials.load(value) if value else None
        except (ValueError, RuntimeError, GoogleAuthError) as error:
            raise ValueError(
                f"the 'GCP Credentials' block {value!r} cannot be used: {_first_line(error)}"
            ) from error

    @property
    def site(self) -> Site:
        """The network opened, once in this process."""
        if self._site is None:
            settings = NetworkSettings.model_construct(
                **{name: getattr(self, name) for name in NetworkSettings.model_fields}
            )
            given = self.gcp_credentials
            credentials = None if given is None else partial(credentials_of, given)
            self._site = Site(settings, credentials=credentials)
        return self._site


def credentials_of(block: GcpCredentials) -> Credentials:
    """Those that the block holds. Raises ConfigurationError."""
    try:
        credentials: Credentials = block.get_credentials_from_service_account()
    except (ValueError, GoogleAuthError) as error:
        raise ConfigurationError(
            f"the Google credentials of the network cannot be used: {_first_line(error)}; "
            "mend them in the Prefect UI under Blocks, or leave the field empty to use the "
            "machine's own credentials"
        ) from error
    return credentials


def load_network(name: str) -> PanoptesNetwork:
    """The network block of this name; ``environment`` is what the environment describes.

    Raises ConfigurationError if there is none.
    """
    if name == "environment":
        return PanoptesNetwork.from_environment()
    try:
        network = PanoptesNetwork.load(name)
    except RuntimeError as error:
        raise ConfigurationError(
            f"the 'PANOPTES network' block {name!r} is not valid: {_first_line(error)}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"there is no 'PANOPTES network' block named {name!r}: make one in the Prefect UI "
            "under Blocks, or give the name of another"
        ) from error
    assert isinstance(network, PanoptesNetwork)
    return network


def _first_line(error: BaseException) -> str:
    """What an error says, for a sentence: of a validation its first complaint."""
    cause = error.__cause__ if isinstance(error.__cause__, ValidationError) else error
    if isinstance(cause, ValidationError):
        return first_fault(cause)
    return str(error).strip().partition("\n")[0]

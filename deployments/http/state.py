"""What one process of the services holds while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from blocks.network import PanoptesNetwork
from deployments.events.authentication import Guard
from deployments.http.settings import ServiceSettings
from models.documents import Location
from tasks.lookup.known_names import KnownNames
from tasks.lookup.sesame import Sesame


@dataclass(frozen=True)
class Services:
    """The network that is served, and how."""

    network: PanoptesNetwork
    settings: ServiceSettings
    guard: Guard
    sesame: Sesame
    known: KnownNames

    def files_url(self, request: Request, location: Location | None = None) -> str | None:
        """Where files are served, if they are (those of `location`, if one is named)."""
        opened = self.settings.files
        if not opened or (location is not None and location not in opened):
            return None
        base = self.settings.public_url or str(request.base_url)
        return f"{base.rstrip('/')}/files"

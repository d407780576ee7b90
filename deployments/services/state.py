"""What one process of the services holds while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from deployments.services.settings import ServiceSettings
from panoptes.network.documents import Location
from panoptes.network.lookup.known_names import KnownNames
from panoptes.network.lookup.sesame import Sesame
from panoptes.network.object_paths import ObjectPath, public_url
from panoptes.network.site import Site


@dataclass(frozen=True)
class Services:
    """The network that is served, and how."""

    site: Site
    settings: ServiceSettings
    sesame: Sesame
    known: KnownNames

    def files_url(self, request: Request, location: Location | None = None) -> str | None:
        """Where files are served, if they are (those of `location`, if one is named)."""
        opened = self.settings.files
        if not opened or (location is not None and location not in opened):
            return None
        base = self.settings.public_url or str(request.base_url)
        return f"{base.rstrip('/')}/files"

    def image_urls(self, request: Request) -> Callable[[str], str | None]:
        """Where the archived files of images can be fetched, by their path; None where not."""
        files_url = self.files_url(request, "images")

        def url_of(path: str) -> str | None:
            url = public_url(self.site, ObjectPath("images", path), files_url=files_url)
            return url if "://" in url else None

        return url_of

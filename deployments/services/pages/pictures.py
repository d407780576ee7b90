"""Where a page's pictures and files are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.services.pages.pages import Pages
from deployments.services.state import Services
from panoptes.network.catalog.catalog import Fields, Stored
from panoptes.network.documents import Location
from panoptes.network.object_paths import ObjectPath, public_url
from panoptes.network.timelapse import LEAST_FRAMES, has_encoder


@dataclass(frozen=True)
class Links:
    """Addresses of what is stored, for who may fetch it there."""

    services: Services
    pages: Pages

    def file(self, location: Location, path: object) -> str | None:
        """Of a stored file; None where none leads to it."""
        if not isinstance(path, str) or not path:
            return None
        if location in self.services.settings.files:
            return self.pages.url(f"/files/{location}/{path}")
        url = public_url(self.services.site, ObjectPath(location, path))
        return url if "://" in url else None

    def preview(self, image: Fields) -> str | None:
        """Of an image's picture; None where it has none."""
        return self._picture(image, "preview")

    def thumbnail(self, image: Fields) -> str | None:
        """Of a small picture of an image."""
        return self._picture(image, "thumbnail")

    def film(self, sequence_id: str, images: Sequence[Stored]) -> str | None:
        """Of an observation, made of its pictures; None where there are too few, or no encoder."""
        pictures = sum(self.preview(each.fields) is not None for each in images)
        if pictures < LEAST_FRAMES or not has_encoder():
            return None
        return self.pages.url(f"/observations/{sequence_id}/timelapse.mp4")

    def _picture(self, image: Fields, what: str) -> str | None:
        image_id = image.get("image_id")
        has_one = image.get("preview_path") or image.get("picture_path")
        if not has_one or not isinstance(image_id, str):
            return None
        return self.pages.url(f"/images/{image_id}/{what}")

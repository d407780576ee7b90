"""The style sheet and the script: small, our own, and kept by browsers for as long as they like.

An address names what the file holds, ``/static/site.1f0c29ab03de.css``, so a new one is
fetched at once.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from panoptes.network.storage.store import NotFound

STATIC = "/static/"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_YEAR = 365 * 86400


class StaticFiles:
    """What lies in ``static``, read once."""

    def __init__(self) -> None:
        self._by_address: dict[str, tuple[str, bytes]] = {}
        self._addresses: dict[str, str] = {}
        for each in files(__package__).joinpath("static").iterdir():
            stem, _, suffix = each.name.rpartition(".")
            if suffix in _TYPES:
                data = each.read_bytes()
                address = f"{stem}.{hashlib.sha256(data).hexdigest()[:12]}.{suffix}"
                self._addresses[each.name] = f"{STATIC}{address}"
                self._by_address[address] = _TYPES[suffix], data

    def address(self, name: str) -> str:
        """Where a file of ``static`` is served. Raises KeyError."""
        return self._addresses[name]

    def router(self) -> APIRouter:
        """``/static/{address}``."""
        router = APIRouter(include_in_schema=False)

        @router.get("/static/{address}")
        def static(address: str) -> Response:
            if address not in self._by_address:
                raise NotFound(f"there is no {address[:80]!r}")
            kind, data = self._by_address[address]
            headers = {"Cache-Control": f"public, max-age={_YEAR}, immutable"}
            return Response(data, media_type=kind, headers=headers)

        return router

"""Whole networks that may be broken: on folders, and on emulators of Google's services.

A world is a description and can be sent to another process. Nothing in the process of the
tests opens a store or the catalog: that is for children, which may be killed.
"""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site
from tests import sites
from tests.faults.nights import Night
from tests.patience import PATIENT_SECONDS

Backend = Literal["folder", "google"]


@dataclass(frozen=True)
class World:
    """The settings of a network, and what reaches it."""

    backend: Backend
    settings: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    storage: str = ""
    """The emulator itself, for uploads that no fault must touch."""

    def open(self, **policies: Any) -> Site:
        """For a process of its own: changes the environment for good."""
        os.environ.update(self.environment)
        return Site(NetworkSettings.model_validate({**self.settings, **policies}))

    def reached_by(self, **environment: str) -> World:
        """The same world behind other addresses."""
        return replace(self, environment={**self.environment, **environment})

    def send(self, name: str, data: bytes) -> None:
        """Upload a file as a unit does: whole, at once, over what is there."""
        incoming = self.settings["incoming"]
        if self.backend == "folder":
            # Beside it and then in its place, as a finished upload comes.
            hidden = Path(incoming).parent / "sending" / uuid.uuid4().hex
            target = Path(incoming, name)
            for path in (hidden, target):
                path.parent.mkdir(parents=True, exist_ok=True)
            hidden.write_bytes(data)
            hidden.replace(target)
            return
        parts = urlsplit(incoming)
        object_name = quote(f"{parts.path.strip('/')}/{name}", safe="")
        _post(
            f"{self.storage}/upload/storage/v1/b/{parts.netloc}/o"
            f"?uploadType=media&name={object_name}",
            data,
            "application/octet-stream",
        )

    def send_all(self, night: Night) -> None:
        for name, each in night.items():
            self.send(name, each.data)

    def set_faults(self, faults: list[Any]) -> None:
        """What becomes of the next requests, see `tests.emulators.preconditions`."""
        _post(f"{self.storage}/faults", json.dumps(faults).encode())

    def take_requests(self) -> list[str]:
        """The requests about objects since this was last asked."""
        with urllib.request.urlopen(f"{self.storage}/requests", timeout=PATIENT_SECONDS) as answer:
            requests: list[str] = json.load(answer)
            return requests


def folder_world(root: Path, **policies: Any) -> World:
    places: dict[str, Any] = {location: str(root / location) for location in LOCATIONS}
    root.mkdir(parents=True, exist_ok=True)
    settings = {**places, **sites.AT_ONCE, "catalog": f"sqlite:///{root}/catalog.sqlite"}
    return World("folder", settings | policies)


def google_world(storage: str, firestore: str, **policies: Any) -> World:
    """An empty world on running emulators: a bucket and a project of its own."""
    name = f"world-{uuid.uuid4().hex[:16]}"
    _post(f"{storage}/storage/v1/b?project=test", json.dumps({"name": name}).encode())
    places: dict[str, Any] = {location: f"gs://{name}/{location}" for location in LOCATIONS}
    environment = {"STORAGE_EMULATOR_HOST": storage, "FIRESTORE_EMULATOR_HOST": firestore}
    settings = {**places, "catalog": f"firestore://{name}", **policies}
    return World("google", settings, environment, storage)


def _post(url: str, body: bytes, kind: str = "application/json") -> None:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=PATIENT_SECONDS):
        pass

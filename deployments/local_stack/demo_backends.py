"""Where a demo keeps its files and documents: folders and SQLite, or Google's emulators."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx

from deployments.emulators.servers import EmulatorError, Emulators, NotInstalled
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site

Backend = Literal["local", "gcp"]
Upload = Callable[[str, bytes], object]


@contextmanager
def network_on(backend: Backend, root: Path) -> Iterator[Site]:
    """An empty network, ready for use, while the context lasts.

    ``gcp`` starts emulators of Cloud Storage and Firestore, which keep everything in memory,
    and points this process and its children at them. Raises ConfigurationError.
    """
    if backend == "local":
        # Its uploads are whole when they have their names.
        yield Site.in_folder(root, rest_seconds=0, incomplete_seconds=0)
        return
    try:
        with Emulators(root / "emulators") as emulators:
            emulators.firestore()
            storage = emulators.storage()
            with _environment(emulators.environment):
                yield emulated_network(storage)
    except (NotInstalled, EmulatorError) as error:
        raise ConfigurationError(str(error)) from error


def emulated_network(storage: str) -> Site:
    """A network of new buckets and an empty database on emulators that are running."""
    name = f"panoptes-{uuid.uuid4().hex[:12]}"
    buckets: dict[str, str] = {location: f"{name}-{location}" for location in LOCATIONS}
    for bucket in buckets.values():
        made = httpx.post(f"{storage}/storage/v1/b?project={name}", json={"name": bucket})
        made.raise_for_status()
    addresses = {location: f"gs://{bucket}" for location, bucket in buckets.items()}
    return Site(NetworkSettings.model_validate(addresses | {"catalog": f"firestore://{name}"}))


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def uploader(site: Site) -> Upload:
    """What writes a file into `incoming` as a unit would."""
    store = site.store("incoming")
    return lambda name, data: store.put(name, data)

"""``make demo BACKEND=gcp``: the demo's night on emulators of Google's services."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deployments.command_line.demo import run
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site
from tests.emulators.servers import EmulatorError, Emulators, NotInstalled
from tests.patience import PATIENT_SECONDS


@contextmanager
def on_emulators(root: Path) -> Iterator[Site]:
    """An empty network, ready for use, while the context lasts.

    Starts emulators of Cloud Storage and Firestore, which keep everything in memory, and
    points this process and its children at them. Raises ConfigurationError.
    """
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
    places = (*LOCATIONS, "measurements")
    addresses: dict[str, str] = {
        place: f"gs://{emulated_bucket(storage, f'{name}-{place}')}" for place in places
    }
    return Site(NetworkSettings.model_validate(addresses | {"catalog": f"firestore://{name}"}))


def emulated_bucket(storage: str, name: str) -> str:
    """Make a bucket of this name; gives it back."""
    made = httpx.post(
        f"{storage}/storage/v1/b?project=any", json={"name": name}, timeout=PATIENT_SECONDS
    )
    made.raise_for_status()
    return name


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make demo BACKEND=gcp", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("demo-data"), metavar="DIR")
    sys.exit(run(parser.parse_args().data, network_in=on_emulators))

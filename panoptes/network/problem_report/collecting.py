"""The zip: versions, settings, health, counts and the last lines of logs.

Only what is named here goes in, and all of it passes `words.Harmless`; then it is searched for
every secret that is known, in all spellings, before it is written.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from panoptes.network.addresses import place_of
from panoptes.network.catalog.catalog import Query
from panoptes.network.errors import ADVICE
from panoptes.network.ingest.ledger import code_version
from panoptes.network.problem_report.vocabulary import vocabulary
from panoptes.network.problem_report.words import MARK, Harmless
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.site import Site
from panoptes.network.units.health import health_of

MOST_LOG_BYTES = 512 * 1024
"""Of the end of each log."""
_PACKAGES = (
    "prefect", "prefect-gcp", "google-cloud-storage", "google-cloud-firestore", "astropy",
    "imagecodecs", "isal", "rawpy", "numpy", "pillow", "pydantic", "fastapi", "starlette",
    "uvicorn", "httpx", "sqlalchemy", "watchdog", "hpgeom", "orjson",
)  # fmt: skip
_SPEAKING = (
    "panoptes.network", "asyncio", "concurrent", "json", "logging", "httpx", "httpcore",
    "google.api_core", "google.cloud.storage", "google.auth", "pydantic_settings", "tenacity",
)  # fmt: skip
"""Packages whose words may stand in logs."""
_COLLECTIONS = ("units", "cameras", "observations", "images", "files")
_OURS = ("PANOPTES_", "PREFECT_", "GOOGLE_", "CLOUDSDK_")
_MOST_UNITS = 200
_READ_ME = """What this holds, for the developers of panoptes-network:

report.json   versions, this machine, the network's settings, its health, counts of outcomes
logs/         the last lines of logs; [...] stands where something was left out

Of environment variables only the names are told. Names of files and units are told. Read it
before you send it: words are those of the programs that wrote the logs, and all was searched
for the secrets of this machine.
"""


@dataclass(frozen=True)
class Log:
    """Lines of a log, under the name that it gets in the zip."""

    name: str
    lines: Sequence[str]

    @classmethod
    def read(cls, path: Path) -> Log:
        """The end of a file. Raises OSError."""
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - MOST_LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
        return cls(f"{path.stem}.log", text.splitlines())


def write_report(
    to: IO[bytes],
    *,
    site: Site | None,
    logs: Iterable[Log],
    secrets: Collection[str],
    more: Mapping[str, Any] | None = None,
    packages: tuple[str, ...] = (),
) -> list[str]:
    """Write the zip; gives the names in it.

    `more` are sections of the caller's own, `packages` those whose words may stand in logs,
    besides the library's.
    """
    harmless = Harmless(vocabulary(_SPEAKING + packages))
    members = {"README.txt": _READ_ME}
    report = {**_collected(site), **(more or {})}
    members["report.json"] = json.dumps(harmless.json(report), indent=1, ensure_ascii=False)
    for log in logs:
        name = harmless.line(log.name).replace("/", "_").replace(MARK, "other")
        while f"logs/{name}" in members:
            name = f"x{name}"
        members[f"logs/{name}"] = "\n".join(harmless.lines(log.lines)) + "\n"
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, without(text, secrets))
    return list(members)


def without(text: str, secrets: Collection[str]) -> str:
    """The text with a mark in place of each secret, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MARK)
    return text


def _collected(site: Site | None) -> dict[str, Any]:
    sections: dict[str, Callable[[], Any]] = {
        "made": lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions,
        "machine": _machine,
        "environment": lambda: {n: "set" for n in sorted(os.environ) if n.startswith(_OURS)},
    }
    if site is not None:
        sections |= {
            "settings": lambda: shown_settings(site.settings),
            "disks": lambda: _disks(site.settings),
            "documents": lambda: {c: _count(site, Query(c)) for c in _COLLECTIONS},
            "outcomes": lambda: _outcomes(site),
            "health": lambda: _health(site),
        }
    return {name: _or_why_not(section) for name, section in sections.items()}


def _or_why_not(section: Callable[[], Any]) -> Any:
    """A report of a broken network tells what it can."""
    try:
        return section()
    except Exception as error:  # noqa: BLE001 - whatever is broken is what the report is about
        return f"{type(error).__name__}: {error}"


def _versions() -> dict[str, str]:
    found = {"panoptes-network": code_version(), "python": sys.version.split()[0]}
    found["sqlite"] = sqlite3.sqlite_version
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def _machine() -> dict[str, Any]:
    found: dict[str, Any] = {
        "system": platform.system(),
        "release": platform.release().partition("-")[0],
        "processor": platform.machine(),
        "processors": os.cpu_count(),
        "zone": datetime.now().astimezone().strftime("%z"),
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory_gigabytes"] = round(memory / 1e9, 1)
    return found


def shown_settings(settings: NetworkSettings) -> dict[str, Any]:
    """A network's settings: of addresses the kind alone, of the others their values."""
    shown: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name in (*LOCATIONS, "catalog", "tables"):
            shown[name] = (urlsplit(value).scheme or "a folder") if value else None
        elif isinstance(value, dict):
            shown[name] = sorted(map(str, value))
        else:
            shown[name] = value
    return shown


def _disks(settings: NetworkSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in LOCATIONS:
        address = getattr(settings, name)
        folder = Path(place_of(address))
        if not address.startswith("gs:") and folder.is_dir():
            usage = shutil.disk_usage(folder)
            found[name] = {"free_bytes": usage.free, "bytes": usage.total}
    return found


def _outcomes(site: Site) -> dict[str, int]:
    outcomes = ("archived", "filed", "quarantined", "failed")
    found = {each: _count(site, Query("files", [("outcome", "==", each)])) for each in outcomes}
    codes = {code: _count(site, Query("files", [("code", "==", code)])) for code in ADVICE}
    return found | {f"quarantined: {code}": count for code, count in codes.items() if count}


def _count(site: Site, query: Query) -> int:
    return int(site.catalog.aggregate(query)["count"])


def _health(site: Site) -> dict[str, Any]:
    health = health_of(site)
    silent = dict(list(health.silent.items())[:_MOST_UNITS])
    return {"silent": silent, "nearly_full": health.nearly_full}

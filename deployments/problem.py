"""A report of a problem, of the network and of what runs it here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from deployments.environment import EnvironmentSettings
from panoptes.network.problem_report.collecting import Log, write_report
from panoptes.network.problem_report.secrets_known import known_secrets
from panoptes.network.site import Site

_SPEAKING = (
    "deployments", "flows", "tasks", "blocks", "prefect", "uvicorn", "starlette", "fastapi",
    "anyio", "aiosqlite", "sqlalchemy",
)  # fmt: skip
"""Packages whose words may stand in logs, besides the library's."""
_KEYS = "PANOPTES_SERVICES_KEYS"


def report_problem(
    to: IO[bytes],
    *,
    site: Site | None,
    logs: Iterable[Log],
    services: EnvironmentSettings | None = None,
    secret_files: Iterable[Path] = (),
) -> list[str]:
    """Write the zip; gives the names in it. `services` are the settings of who is asked.

    What `secret_files` hold is searched for with all else that is secret.
    """
    keys = Path(os.environ.get(_KEYS) or "/nonexistent").expanduser()
    files = [*sorted(keys.glob("*.json")), *secret_files]
    secrets = known_secrets(files=files, more=_secrets_of(services))
    more: dict[str, Any] = {"prefect": _prefect()}
    if services is not None:
        more["services"] = _shown(services)
    return write_report(to, site=site, logs=logs, secrets=secrets, more=more, packages=_SPEAKING)


def _secrets_of(settings: EnvironmentSettings | None) -> list[str]:
    from pydantic import SecretStr

    values = () if settings is None else (value for _, value in settings)
    return [each.get_secret_value() for each in values if isinstance(each, SecretStr)]


def _shown(settings: EnvironmentSettings) -> dict[str, Any]:
    """Numbers, switches and choices as they are; of all else, whether it is set."""
    shown: dict[str, Any] = {}
    for name, value in settings:
        plain = value is None or isinstance(value, bool | int | float)
        is_choice = isinstance(value, frozenset) and name == "files"
        shown[name] = value if plain else sorted(value) if is_choice else "set"
    return shown


def _prefect() -> dict[str, Any]:
    """Whether the server that the environment names answers."""
    import httpx

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return {"server": "none is named in PREFECT_API_URL"}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=3)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return {"server": f"it does not answer: {type(error).__name__}"}
    return {"server": f"it answers with {answer.status_code}"}

"""Prefect's API, as far as the receiver needs it.

Everything goes through Prefect's own client, so that its authentication, its protection
against forged requests and its retries come along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.orchestration.routes import ServerRoutes

ANSWER_SECONDS = 8.0
"""A sender waits ten seconds for an answer by default; ours must come before.

Prefect's client comes again after two seconds where the database is busy, so that less
would turn passing trouble into ours."""


class PrefectAway(Exception):
    """Prefect cannot take it now; the sender should come again."""


class Prefect:
    """The calls to Prefect's API that the receiver makes."""

    def __init__(self, client: PrefectClient, deployment: str) -> None:
        """`deployment` is that of ingest-observation, as FLOW/DEPLOYMENT."""
        self.deployment = deployment
        self._client = client

    async def post_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Raises PrefectAway."""
        await self.call("POST", "/events", json=list(events))

    async def read_deployment(
        self, name: str, *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """What Prefect knows of FLOW/DEPLOYMENT. Raises PrefectAway, also if there is none."""
        flow, _, deployment = name.partition("/")
        path = f"/deployments/name/{quote(flow, safe='')}/{quote(deployment, safe='')}"
        found: dict[str, Any] = await self.call("GET", path, seconds=seconds)
        return found

    async def call(
        self, method: str, path: str, *, seconds: float = ANSWER_SECONDS, **arguments: Any
    ) -> Any:
        """The answer's JSON, None if it has none. Raises PrefectAway in one sentence."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._client.request(
                    cast("Any", method), cast("ServerRoutes", path), **arguments
                )
            return answer.json() if answer.content else None
        except TimeoutError:
            raise PrefectAway(f"Prefect did not answer within {seconds:.0f} s") from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            text = error.response.text[:200]
            raise PrefectAway(f"Prefect answered {status} to {path}: {text}") from error
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect cannot be reached ({type(error).__name__})") from error
        except ValueError as error:  # a proxy's page, say, even to the client's own questions
            raise PrefectAway(f"what answers {path} in Prefect's place speaks no JSON") from error

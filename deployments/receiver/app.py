"""Storage events in, Prefect events out: the one part of the network that senders reach.

A request is admitted, read, handed on to Prefect and answered, in this order:

- 204: Prefect has the event. So is a name that fits no grammar (it is announced as
  unroutable) and a storage event that starts nothing.
- 401: the sender did not prove who it is. 400, 408, 413, 415, 431: no storage event.
- 503: Prefect, or what is needed to verify the sender, is away. The sender comes again.

Senders repeat what is refused, so nothing that is wrong with a *file* is refused here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.receiver.announcements import UNROUTABLE, Incoming, announce
from deployments.receiver.health_monitor import HealthMonitor
from deployments.receiver.metrics import exposed
from deployments.receiver.prefect_api import Announcer, Prefect, PrefectAway
from deployments.receiver.settings import ReceiverSettings
from deployments.web.guards import Guard, Refused, header_bytes
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.events import FileArrived, MalformedEvent, OtherEvent, parse_event
from panoptes.network.safe_text import safe_log

MOST_HEADER_BYTES = 16_384
AWAY_SECONDS = "5"
"""After which a sender may try again, where it asks."""

log = safe_log(__name__)


class Receiver:
    """What one process of the receiver holds while it runs."""

    def __init__(self, settings: ReceiverSettings, guard: Guard) -> None:
        self.settings, self.guard = settings, guard
        self.incoming = Incoming.at(settings.incoming) if settings.incoming else None
        self.announcer: Announcer | None = None
        self.health_monitor: HealthMonitor | None = None

    @asynccontextmanager
    async def running(self, app: Starlette) -> AsyncIterator[None]:
        """Prefect may be away when the receiver starts, and come later."""
        from prefect.client.orchestration import get_client

        settings = self.settings
        async with get_client() as client:
            prefect = Prefect(client, settings.deployment)
            self.announcer = Announcer(prefect)
            self.health_monitor = HealthMonitor(
                prefect, sweep=settings.sweep, look_seconds=settings.look_seconds
            )
            looking = asyncio.create_task(self.health_monitor.keep())
            try:
                yield
            finally:
                looking.cancel()
                await asyncio.wait([looking])

    async def receive(self, request: Request) -> Response:
        """``POST /events``."""
        try:
            who = await self.guard.admit(request)
            event = parse_event(request.headers, await self._body(request))
        except Refused as refused:
            log.warning("refused a request from %s: %s", _address(request), refused)
            return _answer(401, "who you are could not be verified", {"WWW-Authenticate": "Bearer"})
        except MalformedEvent as malformed:
            log.warning("no storage event from %s: %s", _address(request), malformed)
            return _answer(400, str(malformed))
        except HTTPException as refused:
            log.warning("refused a request from %s: %s", _address(request), refused.detail)
            return _answer(refused.status_code, refused.detail, {"Connection": "close"})
        except TransientError as away:
            log.warning("%s", away)
            return _away("who you are cannot be verified now")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if isinstance(event, OtherEvent):
            log.debug("%s says %s, which starts nothing", who, event.event_type)
            return Response(status_code=204)
        return await self._hand_on(event, who)

    async def _hand_on(self, arrived: FileArrived, who: str) -> Response:
        name = self.incoming.name_of(arrived) if self.incoming else arrived.name
        if name is None:
            log.warning("%s tells of %s, which is not incoming", who, arrived.bucket)
            return Response(status_code=204)
        announced = announce(
            arrived,
            name,
            received=datetime.now(UTC),
            live_nights=self.settings.live_nights,
        )
        assert self.announcer is not None
        try:
            await self.announcer.tell(announced)
        except PrefectAway as away:
            log.warning("%s is not announced: %s", name, away)
            return _away("Prefect cannot take events now")
        if announced["event"] == UNROUTABLE:
            log.warning("%s tells of %s, whose name fits no grammar", who, name)
        else:
            log.info("%s tells of %s", who, name)
        return Response(status_code=204)

    async def _body(self, request: Request) -> bytes:
        """Raises HTTPException for more than a notification can have."""
        if header_bytes(request) > MOST_HEADER_BYTES:
            raise HTTPException(431, "the URL or the headers are too long")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, "the body must not be compressed")
        return await request.body()

    async def healthz(self, request: Request) -> Response:
        """This process answers; whatever it is that Prefect does."""
        return JSONResponse({"alive": True})

    async def readyz(self, request: Request) -> Response:
        """200 if an event sent now would start a run, 503 and why if not.

        ``concerns`` lists what is wrong elsewhere: sending events on is still right.
        """
        assert self.health_monitor is not None
        report = await self.health_monitor.report()
        return JSONResponse(report.as_json(), status_code=200 if report.is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        """The same as figures for Prometheus, what the last sweep saw waiting, and the queue."""
        from prometheus_client import CONTENT_TYPE_LATEST

        assert self.health_monitor is not None
        monitor = self.health_monitor
        text = exposed(await monitor.report(), monitor.backlog, monitor.runs)
        return Response(text, media_type=CONTENT_TYPE_LATEST)


def create_app(settings: ReceiverSettings, guard: Guard | None = None) -> Starlette:
    """The ASGI application. Raises ConfigurationError where the settings cannot work.

    `guard` takes the place of the one that the settings ask for.
    """
    if unknown := settings.unknown_variables():
        log.warning("there are no such settings, so these are ignored: %s", ", ".join(unknown))
    receiver = Receiver(settings, guard or settings.guard())
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise ConfigurationError(
            "the receiver does not know where Prefect is: set PREFECT_API_URL, for example "
            "http://127.0.0.1:4200/api"
        )
    return Starlette(
        routes=[
            Route("/", receiver.receive, methods=["POST"]),
            Route("/events", receiver.receive, methods=["POST"]),
            Route("/healthz", receiver.healthz),
            Route("/readyz", receiver.readyz),
            Route("/metrics", receiver.metrics),
        ],
        lifespan=receiver.running,
        max_body_size=settings.max_body_bytes,
    )


def _answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status_code=status, headers=headers)


def _away(sentence: str) -> Response:
    return _answer(503, sentence, {"Retry-After": AWAY_SECONDS})


def _address(request: Request) -> str:
    return request.client.host if request.client else "nowhere"

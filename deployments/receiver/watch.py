"""A watched folder tells the receiver of files as a bucket would.

A file is told of once it is complete: its writer has closed it, or it was moved into
place, and it then stayed as it was for a moment. Where the system does not say that a file
was closed, a longer silence stands for it. Under a passing name it is not there yet. Nothing
is remembered: what was there at the start, or came while the watcher was away, is found by
the sweep.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.events import CLOUD_EVENT, local_event
from panoptes.network.safe_text import safe_log
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.object_names import is_passing
from panoptes.network.storage.store import NotFound, Unreadable

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

AT_ONCE = 16
"""Requests to the receiver under way."""
TIMEOUT_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 30.0

log = safe_log(__name__)


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds."""

    closed: float = 0.5
    """After a file was closed or moved into place; a writer may open it once more."""
    silent: float = 5.0
    """After the last sign of a file that nobody said was closed."""
    give_up: float = 900.0
    """Until a file that the receiver cannot be told of is left to the sweep."""


class Watcher:
    """Tells `send` of each file of a folder that becomes complete."""

    def __init__(
        self,
        folder: Path,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        *,
        patience: Patience | None = None,
        poll: float | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """`poll` looks every so many seconds instead of asking the system to be told, as is
        needed for a folder on another machine (NFS, SMB). `on_start` is called once nothing
        that becomes complete is missed."""
        self.folder = folder.expanduser().resolve()
        self.started = asyncio.Event()
        self._send, self._patience, self._poll = send, patience or Patience(), poll
        self._on_start = on_start
        self._store = FolderStore(self.folder, read_only=True, follow_links=False, uploads=True)
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._told: dict[str, int] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Watch until cancelled. Raises ConfigurationError where the folder cannot be watched."""
        if not self.folder.is_dir():
            raise ConfigurationError(f"{self.folder} is no folder that could be watched")
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        observer = self._observer(loop)
        try:
            self.started.set()
            self._on_start()
            await self._failed
        finally:
            observer.stop()
            for handle in self._waiting.values():
                handle.cancel()
            for task in self._telling:
                task.cancel()
            await asyncio.to_thread(observer.join)

    def _observer(self, loop: asyncio.AbstractEventLoop) -> BaseObserver:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer
        from watchdog.observers.polling import PollingObserver

        watcher = self

        class Handler(FileSystemEventHandler):
            """Called in the observer's own thread."""

            def on_any_event(self, event: FileSystemEvent) -> None:
                with suppress(RuntimeError):  # the loop has ended before the observer
                    loop.call_soon_threadsafe(watcher._noticed, event)

        observer: BaseObserver = PollingObserver(timeout=self._poll) if self._poll else Observer()
        try:
            observer.schedule(Handler(), str(self.folder), recursive=True)
            observer.start()
        except OSError as error:
            raise ConfigurationError(
                f"{self.folder} cannot be watched ({error.strerror or error}); on Linux, "
                "fs.inotify.max_user_watches may have to be raised"
            ) from error
        return observer

    def _noticed(self, event: FileSystemEvent) -> None:
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        if event.is_directory:
            if event.event_type == "deleted" and path == self.folder:
                self._fail(ConfigurationError(f"{self.folder} is gone"))
            if event.event_type in ("created", "moved"):
                self._look_into(path)
            return
        if event.event_type in ("closed", "moved"):
            self._expect(path, self._patience.closed)
        elif event.event_type in ("created", "modified"):
            self._expect(path, self._patience.silent)

    def _look_into(self, folder: Path) -> None:
        """Files may have been written into a new folder before it was watched."""
        for parent, _, names in os.walk(folder):
            for name in names:
                self._expect(Path(parent, name), self._patience.silent)

    def _expect(self, path: Path, seconds: float) -> None:
        name = path.relative_to(self.folder).as_posix()
        if is_passing(name):
            return  # it is told of under its last name
        if earlier := self._waiting.pop(name, None):
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._waiting[name] = loop.call_later(seconds, self._complete, name)

    def _complete(self, name: str) -> None:
        del self._waiting[name]
        task = asyncio.create_task(self._tell(name))
        self._telling.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _tell(self, name: str) -> None:
        try:
            info = self._store.stat(name)
        except (NotFound, Unreadable):
            return  # moved on, removed, or no file
        except (TransientError, ValueError) as error:
            log.warning("%r is left to the sweep: %s", name, error)
            return
        if self._told.get(name) == info.generation:
            return  # a second sign of the same
        event = local_event(
            bucket=str(self.folder),
            name=name,
            generation=info.generation,
            size=info.size,
            time=info.updated,
        )
        self._told[name] = info.generation
        while len(self._told) > 10_000:
            del self._told[next(iter(self._told))]
        await self._send(event)


class ReceiverClient:
    """Posts events to the receiver, again and again while it is away."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, *, secret: str | None, patience: Patience
    ) -> None:
        self._client, self._url, self._patience = client, url, patience
        self._headers = {"Content-Type": CLOUD_EVENT}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"
        self._free = asyncio.Semaphore(AT_ONCE)

    async def send(self, event: dict[str, Any]) -> None:
        """Returns once the receiver has it, or it is left to the sweep.

        Raises ConfigurationError where the receiver does not let us in.
        """
        name, pause = event["subject"], 0.5
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience.give_up
        while True:
            async with self._free:
                trouble = await self._post(event)
            if trouble is None:
                log.info("told of %r", name)
                return
            if loop.time() + pause > give_up:
                log.error("%r is left to the sweep: %s", name, trouble)
                return
            log.warning("%r is told of again in %.1f s: %s", name, pause, trouble)
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _post(self, event: dict[str, Any]) -> str | None:
        """What keeps the event from the receiver now, if anything."""
        body = json.dumps(event)  # in ASCII: a name may hold bytes that are no UTF-8
        try:
            answer = await self._client.post(self._url, content=body, headers=self._headers)
        except httpx.TransportError as error:
            return f"the receiver cannot be reached ({type(error).__name__})"
        if answer.is_success:
            return None
        if answer.status_code in (401, 403, 404, 405):
            raise ConfigurationError(
                f"the receiver at {self._url} refuses us ({answer.status_code}): check its "
                "address, and that both have the same PANOPTES_RECEIVER_SECRET"
            )
        return f"the receiver answered {answer.status_code}"


async def watch(
    folder: Path,
    url: str,
    *,
    secret: str | None = None,
    patience: Patience | None = None,
    poll: float | None = None,
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """Tell the receiver at `url` of each file of a folder that becomes complete.

    Runs until cancelled. Raises ConfigurationError.
    """
    chosen = patience or Patience()
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        receiver = ReceiverClient(client, url, secret=secret, patience=chosen)
        watcher = Watcher(folder, receiver.send, patience=chosen, poll=poll, on_start=on_start)
        await watcher.run()

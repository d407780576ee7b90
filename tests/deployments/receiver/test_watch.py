"""A real folder, real notifications of the system, and what the receiver is told."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployments.receiver.watch import Patience, Watcher, watch
from panoptes.network.errors import ConfigurationError
from panoptes.network.events import FileArrived, parse_structured
from panoptes.network.storage.folder import FolderStore

QUICK = Patience(closed=0.05, silent=0.4, give_up=5)
NAME = "PAN001/14d3bd/20180216T110623/20180216T112430.fits"


class Heard:
    """What a watcher has told of."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[FileArrived] = asyncio.Queue()

    async def send(self, event: dict[str, Any]) -> None:
        told = parse_structured(event)
        assert isinstance(told, FileArrived)
        self._events.put_nowait(told)

    async def next(self, seconds: float = 20) -> FileArrived:
        return await asyncio.wait_for(self._events.get(), seconds)

    async def nothing(self, seconds: float = 1.0) -> bool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self._events.get(), seconds)
        return True


@asynccontextmanager
async def watching(folder: Path, *, poll: float | None = None) -> AsyncIterator[Heard]:
    heard = Heard()
    watcher = Watcher(folder, heard.send, patience=QUICK, poll=poll)
    running = asyncio.create_task(watcher.run())
    await watcher.started.wait()
    try:
        yield heard
    finally:
        running.cancel()
        await asyncio.wait([running])


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario()

    asyncio.run(run())


def put(folder: Path, name: str, data: bytes = b"x" * 10) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("poll", [None, 0.1], ids=["told by the system", "polling"])
def test_a_file_is_told_of_in_the_generation_that_the_store_gives(
    tmp_path: Path, poll: float | None
) -> None:
    async def scenario() -> None:
        async with watching(tmp_path, poll=poll) as heard:
            put(tmp_path, NAME)
            told = await heard.next()
            info = FolderStore(tmp_path, read_only=True, uploads=True).stat(NAME)
            assert (told.bucket, told.name) == (str(tmp_path), NAME)
            assert (told.generation, told.size, told.time) == (info.generation, 10, info.updated)
            assert await heard.nothing()

    play(scenario)


def test_files_in_folders_that_are_made_at_the_same_time_are_all_told_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        names = {f"PAN001/{n:06}/20180216T110623/20180216T11243{n % 10}.fits" for n in range(40)}
        async with watching(tmp_path) as heard:
            for name in names:
                put(tmp_path, name)
            assert {(await heard.next()).name for _ in names} == names

    play(scenario)


def test_a_file_that_is_still_being_written_is_not_told_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = put(tmp_path, NAME, b"")
        async with watching(tmp_path) as heard:
            with path.open("ab") as file:
                for _ in range(6):
                    file.write(b"x")
                    file.flush()
                    assert await heard.nothing(QUICK.silent / 2)
            assert (await heard.next()).size == 6

    play(scenario)


def test_a_file_that_is_moved_into_place_is_told_of_under_its_last_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as heard:
            put(tmp_path, f"{NAME}.part").rename(tmp_path / NAME)
            assert (await heard.next()).name == NAME
            assert await heard.nothing()

    play(scenario)


@pytest.mark.parametrize(
    "passing", [".20180216T112430.fits.XyZ123", ".~tmp~/20180216T112430.fits", "a.filepart"]
)
def test_an_upload_under_a_passing_name_is_told_of_once_it_has_its_last(
    tmp_path: Path, passing: str
) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as heard:
            path = put(tmp_path, str(Path(NAME).parent / passing))
            assert await heard.nothing()
            path.rename(tmp_path / NAME)
            assert (await heard.next()).name == NAME
            assert await heard.nothing()

    play(scenario)


def test_a_folder_of_uploads_that_gets_its_last_name_is_told_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as heard:
            folder = Path(NAME).parent
            put(tmp_path, f"{folder}.part/20180216T112430.fits")
            assert await heard.nothing()
            Path(tmp_path, f"{folder}.part").rename(tmp_path / folder)
            assert (await heard.next()).name == NAME

    play(scenario)


def test_files_that_are_moved_in_from_elsewhere_are_told_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        outside, incoming = tmp_path / "outside", tmp_path / "incoming"
        incoming.mkdir()
        put(outside, "PAN001/14d3bd/20180216T110623/20180216T112430.fits")
        put(outside, "PAN002.fits")
        async with watching(incoming) as heard:
            shutil.move(outside / "PAN001", incoming)
            shutil.move(outside / "PAN002.fits", incoming)
            names = {(await heard.next()).name for _ in range(2)}
            assert names == {NAME, "PAN002.fits"}

    play(scenario)


def test_a_file_that_is_written_anew_is_told_of_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as heard:
            put(tmp_path, NAME)
            first = await heard.next()
            put(tmp_path, NAME, b"y" * 20)
            second = await heard.next()
            assert first.generation != second.generation
            assert first.id != second.id

    play(scenario)


def test_what_was_there_before_and_what_is_gone_again_is_not_told_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        put(tmp_path, NAME)
        async with watching(tmp_path) as heard:
            put(tmp_path, f"{NAME}.gone").unlink()
            put(tmp_path, ".panoptes/tmp/x")
            assert await heard.nothing()

    play(scenario)


def test_pipes_and_names_that_are_no_utf8_do_no_harm(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as heard:
            os.mkfifo(tmp_path / "pipe")
            (tmp_path / os.fsdecode(b"caf\xe9.fits")).write_bytes(b"x")
            put(tmp_path, NAME)
            names = {(await heard.next()).name for _ in range(2)}
            assert {NAME, "caf\udce9.fits"} >= names - {"pipe"}

    play(scenario)


def test_a_folder_that_is_not_there_or_goes_away_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        watcher = Watcher(tmp_path / "absent", Heard().send)
        with pytest.raises(ConfigurationError, match="no folder"):
            await watcher.run()
        folder = tmp_path / "incoming"
        folder.mkdir()
        watcher = Watcher(folder, Heard().send)
        running = asyncio.create_task(watcher.run())
        await watcher.started.wait()
        folder.rmdir()
        with pytest.raises(ConfigurationError, match="is gone"):
            await asyncio.wait_for(running, 20)

    play(scenario)


class Endpoint(ThreadingHTTPServer):
    """A receiver that answers as it is told to, and keeps what it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.got: list[tuple[str | None, dict[str, Any]]] = []
        self.enough = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/events"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["Authorization"], json.loads(body)))
        status = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if status == 204:
            self.server.enough.set()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_receiver_that_is_away_is_told_again_and_the_secret_goes_along(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    async def scenario() -> None:
        endpoint.answers = [503, 500]
        ready = asyncio.Event()
        running = asyncio.create_task(
            watch(tmp_path, endpoint.url, secret="s3cret", patience=QUICK, on_start=ready.set)
        )
        await ready.wait()
        put(tmp_path, os.fsdecode(b"caf\xe9.fits"))
        assert await asyncio.to_thread(endpoint.enough.wait, 20)
        running.cancel()
        await asyncio.wait([running])
        assert [credential for credential, _ in endpoint.got] == ["Bearer s3cret"] * 3
        assert {event["data"]["name"] for _, event in endpoint.got} == {"caf\udce9.fits"}

    play(scenario)


def test_a_receiver_that_refuses_us_ends_the_watch_with_a_sentence(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    async def scenario() -> None:
        endpoint.answers = [401]
        ready = asyncio.Event()
        running = asyncio.create_task(
            watch(tmp_path, endpoint.url, patience=QUICK, on_start=ready.set)
        )
        await ready.wait()
        put(tmp_path, NAME)
        with pytest.raises(ConfigurationError, match="PANOPTES_RECEIVER_SECRET"):
            await asyncio.wait_for(running, 20)

    play(scenario)

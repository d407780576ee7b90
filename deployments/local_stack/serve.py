"""The Prefect server of a local stack, on a socket that is already bound.

``prefect server start`` binds its port seconds after it was chosen, and another program
may have taken it by then. Here the socket comes from the starter: no port is lost, two
stacks never meet, and a client that connects early waits instead of being refused.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import itertools
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
    from uvicorn import Config

COLLECT_SECONDS = 2.0
STILL_SECONDS = 300.0
"""A server that turned to nothing for so long has hung, and ends. On an overloaded machine it may
turn to nothing for a minute."""
TURN_SECONDS = 60.0
"""How long a transaction waits for those before it: as long as SQLite does for another program."""


def make_app() -> FastAPI:
    """Prefect's application, the only one of this process.

    Prefect asks for it again at each action of an automation, and then reads its logging
    configuration and hashes all its settings to find the one it has: 0.1 to 0.2 s of the
    processor a run, three quarters of all that an action costs. Here it is at hand.
    """
    from prefect.server.api import server

    app = server.create_app(final=True)
    server.create_app = lambda *_, **__: app
    return app


def wait_for_the_lock() -> None:
    """Have what will write to SQLite wait for its turn from the beginning.

    Most transactions of Prefect read first. One that turns to writing after another has written
    cannot wait: SQLite fails it at once with *database is locked*, whatever the time it would
    have had. Clients are then told 503 and come again after two seconds, four, eight, with a
    place of their worker taken meanwhile; and an event is dropped after four attempts.

    Those of this server wait for each other before they have a connection. While another program
    writes, only one waits in SQLite: the others would take all connections of the pool, and
    whoever reads would be told 500, which no client tries again.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.exc import OperationalError

    begin = AioSqliteConfiguration.begin_transaction
    turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @asynccontextmanager
    async def begin_to_write(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncIterator[AsyncSessionTransaction]:
        turn = turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            await asyncio.wait_for(turn.acquire(), TURN_SECONDS)
        except TimeoutError as error:
            # In SQLite's words, so that clients are told 503.
            locked = sqlite3.OperationalError("database is locked")
            raise OperationalError("BEGIN IMMEDIATE", None, locked) from error
        try:
            async with begin(self, session, with_for_update=True) as transaction:
                yield transaction
        finally:
            turn.release()

    AioSqliteConfiguration.begin_transaction = begin_to_write  # type: ignore[method-assign]


def collect_garbage_aside() -> None:
    """Have cyclic garbage collected by a thread of its own, and never by the event loop.

    Freeing a cursor waits for the mutex of its SQLite connection, which a thread holds that waits
    for another connection to commit, a minute at most. The loop would wait with it, that commit
    could not go on, and the server stood still until *database is locked*.
    """
    gc.disable()
    gc.freeze()  # what is imported stays

    def collect() -> None:
        for turn in itertools.count(1):
            time.sleep(COLLECT_SECONDS)
            gc.collect(1 if turn % 20 else 2)

    threading.Thread(target=collect, name="garbage collection", daemon=True).start()


def serve(config: Config, sockets: list[socket.socket] | None = None) -> None:
    """Serve until the process is told to end.

    A server that hangs writes to its log where each thread stands, and ends with status 1, so
    that it can be started again: `faulthandler`'s clock needs neither the event loop nor the
    interpreter's lock. ``kill -USR1`` makes it write the same and go on.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            if counter % 50 == 0:  # ten ticks a second
                faulthandler.dump_traceback_later(STILL_SECONDS, exit=True)
            return await super().on_tick(counter)

    faulthandler.register(signal.SIGUSR1)
    collect_garbage_aside()
    Server(config).run(sockets=sockets)
    faulthandler.cancel_dump_traceback_later()


def main() -> None:
    """``python -m deployments.local_stack.serve [FILE_DESCRIPTOR]``; settings are
    the environment's.

    Without a listening socket of the starter's: on PREFECT_SERVER_API_HOST and _PORT.
    """
    import uvicorn
    from prefect.settings import get_current_settings

    wait_for_the_lock()
    server = get_current_settings().server
    config = uvicorn.Config(
        make_app(),
        host=server.api.host,
        port=server.api.port,
        timeout_keep_alive=server.api.keepalive_timeout,
        timeout_graceful_shutdown=2,
        log_level=server.logging_level.lower(),
    )
    given = [socket.socket(fileno=int(number)) for number in sys.argv[1:2]]
    serve(config, given or None)


if __name__ == "__main__":
    main()

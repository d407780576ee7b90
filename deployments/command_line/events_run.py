"""`panoptes-network receiver` and `panoptes-network watch`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployments.command_line.exit_codes import FAILED, OK
from panoptes.network.errors import ConfigurationError, first_fault
from panoptes.network.safe_text import one_line, safe_log


def run_receiver(*, verbose: bool = False, **given: Any) -> int:
    """Serve until SIGINT or SIGTERM; gives the exit code.

    `given` are fields of `ReceiverSettings`; those that are None come from the environment.
    """
    from deployments.receiver.app import create_app
    from deployments.receiver.settings import ReceiverSettings
    from deployments.services.listening import answer, listen

    _log_to_stderr(verbose=verbose)
    try:
        settings = ReceiverSettings(**{k: v for k, v in given.items() if v is not None})
        app = create_app(settings)
        listener = listen(settings.host, settings.port)
    except ValidationError as error:
        return _complain("receiver", first_fault(error))
    except ConfigurationError as error:
        return _complain("receiver", str(error))
    answer(app, listener, access_log=False)
    return OK


def run_watch(
    folder: Path,
    *,
    to: str,
    secret: str | None = None,
    poll: float | None = None,
    verbose: bool = False,
) -> int:
    """Tell the receiver at the URL `to` of what becomes complete in `folder`; gives the exit code.

    `secret` is the receiver's; where it is not given, PANOPTES_RECEIVER_SECRET.
    """
    from deployments.receiver.watch import watch

    _log_to_stderr(verbose=verbose)
    log = safe_log(__name__)
    secret = secret or os.environ.get("PANOPTES_RECEIVER_SECRET")
    try:
        asyncio.run(
            watch(
                folder,
                to,
                secret=secret,
                poll=poll,
                on_start=lambda: log.info("watching %s for %s", folder, to),
            )
        )
    except ConfigurationError as error:
        return _complain("watch", str(error))
    except KeyboardInterrupt:
        return OK
    return OK


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        force=True,
    )
    for chatty in ("httpx", "httpcore", "asyncio", "watchdog"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _complain(command: str, sentence: str) -> int:
    sys.stderr.write(f"panoptes-network {command}: {one_line(sentence)}\n")
    return FAILED

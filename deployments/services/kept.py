"""An answer that costs something, worked out at most every so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from panoptes.network.safe_text import safe_log

T = TypeVar("T")
log = safe_log(__name__)


class Kept(Generic[T]):
    """Keeps what `work_out` gave for `seconds`; after that the next who asks has it renewed.

    Only the first one waits: others get the old answer until the new one is there.
    """

    def __init__(self, work_out: Callable[[], T], seconds: float) -> None:
        self._work_out, self._seconds = work_out, seconds
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._kept: tuple[T, float] | None = None

    def get(self) -> T:
        """The answer. Raises what working it out raises, where there is no old one."""
        with self._lock:
            if self._kept is None:
                self._kept = self._work_out(), time.monotonic()
            answer, since = self._kept
        if time.monotonic() - since > self._seconds and self._renewing.acquire(blocking=False):
            threading.Thread(target=self._renew, daemon=True).start()
        return answer

    def _renew(self) -> None:
        try:
            self._kept = self._work_out(), time.monotonic()
        except Exception:
            log.warning("what is kept could not be renewed", exc_info=True)
        finally:
            self._renewing.release()

"""What is shown of an observation's light curves, read once for as long as they are the same."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass

from panoptes.network.light_curves.summaries import StarSummary, summaries
from panoptes.network.light_curves.table import LightCurve
from panoptes.network.processing.stored_curves import StoredCurves, open_curves
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

_KEPT = 20
_STAR_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:+-]{0,63}")


@dataclass(frozen=True)
class Star:
    """A star's light curves in an observation."""

    stored: StoredCurves
    curves: tuple[LightCurve, ...]
    """By channel; at least one."""

    @property
    def star_id(self) -> str:
        return self.curves[0].star_id

    @property
    def file_name(self) -> str:
        """Of a file of it, without a suffix: letters, digits, dashes and underscores."""
        return re.sub(r"[^0-9A-Za-z_-]", "-", f"{self.stored.sequence_id}_{self.star_id}")


def star_of(site: Site, sequence_id: str, star_id: str) -> Star:
    """One row group is read. Raises NotFound."""
    stored = open_curves(site, sequence_id)
    found = stored.file.star(star_id) if _STAR_ID.fullmatch(star_id) else []
    if not found:
        raise NotFound(
            f"there is no light curve of a star {star_id[:80]!r} in {sequence_id}: "
            f"/observations/{sequence_id}/light-curves lists those that there are"
        )
    return Star(stored, tuple(found))


class Summaries:
    """The stars of the observations that were asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[StarSummary, ...]] = OrderedDict()

    def of(self, stored: StoredCurves) -> tuple[StarSummary, ...]:
        """The brightest first."""
        key = (stored.path, stored.generation)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = tuple(summaries(stored.file))
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

"""An operator's CSV of stars."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from panoptes.network.errors import ConfigurationError
from panoptes.network.stars.given import extra_stars


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
        with pytest.raises(ConfigurationError, match="no plain file"):
            extra_stars(path)

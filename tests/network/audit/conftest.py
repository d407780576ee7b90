"""A network in which a night was ingested."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.site import Site
from tests import audited, sites


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return audited.ingested(sites.drained(tmp_path, failure_limit=2))

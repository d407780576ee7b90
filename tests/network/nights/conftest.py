from __future__ import annotations

import pytest

from panoptes.network.site import Site
from tests.network.nights.simulated import simulated


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return simulated(tmp_path_factory.mktemp("nights"))

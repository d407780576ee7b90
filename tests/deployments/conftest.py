"""What tests of the deployments share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.published_client import installed_in


@pytest.fixture(scope="session")
def client(pytestconfig: pytest.Config) -> Path:
    """The folder of the published client's programs."""
    assert pytestconfig.cache is not None
    return installed_in(Path(pytestconfig.cache.mkdir("published-client")))

"""Every answer of the services is one that their OpenAPI document promises (schemathesis)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from deployments.services.app import create_app
from deployments.services.settings import ServiceSettings
from panoptes.network.lookup.sesame import Sesame
from tests.archives import small_archive
from tests.local_http import serving, sesame_server

# A schema cannot say all that makes a request meaningless; TRACE is the server's to refuse.
BEYOND = [negative_data_rejection, positive_data_acceptance, unsupported_method]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.schemas.BaseSchema]:
    site = small_archive(tmp_path_factory.mktemp("archive"))
    keys = tmp_path_factory.mktemp("keys")
    chosen = ServiceSettings(open=True, files="archive", keys=keys)
    with (
        sesame_server() as server,
        serving(lambda: create_app(site, chosen, sesame=Sesame((server.url,)))) as url,
    ):
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


def test_every_answer_is_as_promised(api: schemathesis.schemas.BaseSchema) -> None:
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) >= 14
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        def answer(case: schemathesis.Case[Any]) -> None:
            # 503 is its word for trouble, such as this machine's full disk.
            told = [not_a_server_error] if case.path == "/health" else []
            case.call_and_validate(excluded_checks=[*BEYOND, *told])

        answer()

"""Tasks are retried and cached under one policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext
from prefect.states import Failed

from blocks.network import PanoptesNetwork
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest import retries
from panoptes.network.names import parse_upload
from panoptes.network.upload import Source
from tasks import derive, record
from tasks.policies import DerivationKey, retry_if_transient
from tests.files import IMAGE

STEPS = (
    derive.compress, derive.keep_compressed, derive.make_rgb, derive.keep_media, derive.verify,
    record.record, record.quarantine, record.settle,
)  # fmt: skip


def test_prefect_is_told_the_same() -> None:
    task = derive.compress
    run: TaskRun = cast(Any, TaskRun).model_construct()
    assert retry_if_transient(task, run, Failed(data=TransientError("busy")))
    assert not retry_if_transient(task, run, Failed(data=BadInput("no-image")))
    assert not retry_if_transient(task, run, Failed(data=ValueError()))


def test_every_step_has_the_one_policy_and_only_derivations_are_cached() -> None:
    for made in STEPS:
        assert made.retries == retries.RETRIES
        assert made.retry_condition_fn is retry_if_transient
    cached = {made.name for made in STEPS if isinstance(made.cache_policy, DerivationKey)}
    assert cached == {"compress", "check and keep", "keep", "make rgb"}
    assert {made.name for made in STEPS if made.persist_result} == cached


@pytest.fixture
def source() -> Source:
    name = f"{IMAGE}.fits"
    return Source(name, 7, 5760, datetime(2018, 2, 17, tzinfo=UTC), upload=parse_upload(name))


def _key(network: PanoptesNetwork, source: Source, version: str = "1") -> str | None:
    context = cast(Any, TaskRunContext).model_construct(task=derive.compress)
    return DerivationKey(version=version).compute_key(
        context, {"network": network, "source": source}, {}
    )


def test_a_key_names_the_exact_file_the_options_and_the_destination(
    tmp_path: Path, source: Source
) -> None:
    network = PanoptesNetwork.in_folder(tmp_path)
    other = PanoptesNetwork.in_folder(tmp_path / "other")
    rice = PanoptesNetwork.in_folder(tmp_path, compression="RICE_1")
    keys = [
        _key(network, source),
        _key(network, source, version="2"),
        _key(network, replace(source, generation=8)),
        _key(network, replace(source, name="x")),
        _key(network, replace(source, size=1)),
        _key(network, replace(source, crc32c="AAAAAA==")),
        _key(other, source),
        _key(rice, source),
        _key(PanoptesNetwork.in_folder(tmp_path, rawpy_options={}), source),
        _key(PanoptesNetwork.in_folder(tmp_path, previews_wanted=False), source),
    ]
    assert len(set(keys)) == len(keys)
    assert _key(PanoptesNetwork.in_folder(tmp_path, workers=2), source) == keys[0]
    assert _key(network, source.in_child()) == keys[0]


def test_a_key_of_anything_else_is_a_mistake_of_the_programmer() -> None:
    context = cast(Any, TaskRunContext).model_construct(task=derive.compress)
    with pytest.raises(TypeError):
        DerivationKey().compute_key(context, {"x": 1}, {})

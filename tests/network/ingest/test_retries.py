"""What passes is tried again; what cannot help is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext
from prefect.states import Failed

from panoptes.network.errors import BadInput, TryAgain
from panoptes.network.ingest import compress, keep, quarantine, record, retries, rgb, settle
from panoptes.network.ingest.retries import (
    DerivationKey,
    call_plainly,
    keep_trying,
    retry_if_passing,
    step,
)
from panoptes.network.names import parse_upload
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tests.files import IMAGE

STEPS = (
    compress.compress, compress.verify, keep.keep_fits, keep.keep_media, keep.verify_kept,
    rgb.make_rgb, rgb.verify_rgb, record.record, quarantine.quarantine, settle.settle,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "BACKOFF_SECONDS", 0.0001)


@pytest.mark.parametrize("error", [TryAgain("busy"), ConnectionResetError(), TimeoutError()])
def test_passing_trouble_is_tried_again_until_it_passes(error: Exception) -> None:
    left = [error] * retries.RETRIES

    def flaky(answer: int, *, more: int) -> int:
        if left:
            raise left.pop()
        return answer + more

    assert keep_trying(flaky, 40, more=2) == 42


def test_trouble_that_does_not_pass_is_raised_in_the_end() -> None:
    calls = []

    def broken() -> None:
        calls.append(1)
        raise TryAgain("still busy")

    with pytest.raises(TryAgain, match="still busy"):
        keep_trying(broken)
    assert len(calls) == retries.RETRIES + 1


@pytest.mark.parametrize("error", [BadInput("no-image"), ValueError("a bug"), OSError(5, "disk")])
def test_what_trying_again_cannot_help_is_raised_at_once(error: Exception) -> None:
    calls = []

    @step("broken", label="x")
    def broken() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        call_plainly(broken)
    assert len(calls) == 1


def test_prefect_is_told_the_same() -> None:
    task = compress.compress
    run: TaskRun = cast(Any, TaskRun).model_construct()
    assert retry_if_passing(task, run, Failed(data=TryAgain("busy")))
    assert not retry_if_passing(task, run, Failed(data=BadInput("no-image")))
    assert not retry_if_passing(task, run, Failed(data=ValueError()))


def test_every_step_has_the_one_policy_and_only_derivations_are_cached() -> None:
    for made in STEPS:
        assert made.retries == retries.RETRIES
        assert made.retry_condition_fn is retry_if_passing
    cached = {made.name for made in STEPS if isinstance(made.cache_policy, DerivationKey)}
    assert cached == {"compress", "check and keep", "keep", "make rgb"}
    assert {made.name for made in STEPS if made.persist_result} == cached


@pytest.fixture
def source() -> Source:
    name = f"{IMAGE}.fits"
    return Source(name, 7, 5760, datetime(2018, 2, 17, tzinfo=UTC), upload=parse_upload(name))


def _key(site: Site, source: Source, version: str = "1") -> str | None:
    context = cast(Any, TaskRunContext).model_construct(task=compress.compress)
    return DerivationKey(version=version).compute_key(
        context, {"network": site, "source": source}, {}
    )


def test_a_key_names_the_exact_file_the_options_and_the_destination(
    tmp_path: Path, source: Source
) -> None:
    site = Site.in_folder(tmp_path)
    other = Site.in_folder(tmp_path / "other")
    rice = Site.in_folder(tmp_path, compression="RICE_1")
    keys = [
        _key(site, source),
        _key(site, source, version="2"),
        _key(site, replace(source, generation=8)),
        _key(site, replace(source, name="x")),
        _key(site, replace(source, size=1)),
        _key(site, replace(source, crc32c="AAAAAA==")),
        _key(other, source),
        _key(rice, source),
        _key(Site.in_folder(tmp_path, rawpy_options={}), source),
        _key(Site.in_folder(tmp_path, previews_wanted=False), source),
    ]
    assert len(set(keys)) == len(keys)
    assert _key(Site.in_folder(tmp_path, workers=2), source) == keys[0]
    assert _key(site, source.in_child()) == keys[0]


def test_a_key_of_anything_else_is_a_mistake_of_the_programmer() -> None:
    context = cast(Any, TaskRunContext).model_construct(task=compress.compress)
    with pytest.raises(TypeError):
        DerivationKey().compute_key(context, {"x": 1}, {})

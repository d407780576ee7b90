"""The flow on a real Prefect server and a real archive."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.get_fits_header import get_fits_header
from tests.archives import IMAGE, LATER, small_archive


@pytest.fixture(scope="module")
def site(prefect_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a block for a small archive."""
    name = f"archive-{uuid.uuid4().hex[:8]}"
    with prefect_stack.settings():
        PanoptesNetwork.of(small_archive(tmp_path_factory.mktemp("archive"))).save(
            name, overwrite=True
        )
    return name


def run(stack: LocalStack, path: str, site: str, hdu: int | str | None = None) -> State[Any]:
    with stack.settings():
        return get_fits_header(path, hdu, network=site, return_state=True)


def answer(stack: LocalStack, path: str, site: str, hdu: int | str | None = None) -> Any:
    with stack.settings():
        return get_fits_header(path, hdu, network=site)


def test_the_images_own_header_is_given(prefect_stack: LocalStack, site: str) -> None:
    found = answer(prefect_stack, f"{IMAGE}.fits.fz", site)
    assert found["success"] is True
    assert (found["header"]["FIELD"], found["header"]["NAXIS"]) == ("M42", 2)
    assert found["header"]["FILENAME"] == f"images/{IMAGE}.fits.fz"


def test_all_hdus_are_given_on_demand(prefect_stack: LocalStack, site: str) -> None:
    found = answer(prefect_stack, f"{IMAGE}.fits.fz", site, "all")
    assert [each["index"] for each in found["headers"]] == [0, 1]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("PAN001/nothing.fits", "there is no 'PAN001/nothing.fits'"),
        ("../catalog.sqlite", "'.' or '..'"),
        (f"previews/{LATER}.jpg", "not a FITS file"),
    ],
)
def test_what_has_no_header_is_an_answer_with_a_sentence(
    prefect_stack: LocalStack, site: str, path: str, sentence: str
) -> None:
    state = run(prefect_stack, path, site)
    assert state.is_completed()
    assert sentence in (state.message or "")


def test_a_network_that_is_not_set_up_fails_the_run_and_says_so(prefect_stack: LocalStack) -> None:
    state = run(prefect_stack, f"{IMAGE}.fits.fz", "nowhere")
    assert state.is_failed()
    assert "no 'PANOPTES network' block named 'nowhere'" in (state.message or "")

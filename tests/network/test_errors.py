"""What happens next when a file cannot be taken."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from panoptes.network.errors import ADVICE, BadInput, TransientError, is_transient, published
from panoptes.network.ingest.deposit import OutputLost
from panoptes.network.processing.exposures import FrameLost
from panoptes.network.storage.store import Mismatch, ObjectInfo
from panoptes.network.units.keys import AlreadyGiven, TooManyTries

CODE = re.compile(r"BadInput\(\s*\"([a-z0-9-]+)\"")


@pytest.mark.parametrize("code", ADVICE)
def test_every_code_has_a_sentence_and_a_next_step(code: str) -> None:
    bad = BadInput(code)
    assert bad.reason.endswith(".")
    assert bad.next_step.endswith(".")
    assert str(bad) == f"{code}: {bad.reason}"


@pytest.mark.parametrize("code", ADVICE)
def test_nobody_is_told_to_delete_what_the_network_could_not_take(code: str) -> None:
    assert not re.search(r"delete|throw|discard", ADVICE[code].next_step)


def test_a_file_of_another_type_is_to_be_kept() -> None:
    next_step = ADVICE["unknown-suffix"].next_step
    assert "Keep a file of any other type, and ask the network's operators" in next_step


def test_the_reason_says_what_was_seen_in_this_file() -> None:
    assert "(7 of 9 bytes)" in BadInput("truncated-file", "7 of 9 bytes").reason


def test_a_code_without_advice_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(ValueError, match="no-such-code"):
        BadInput("no-such-code")


def test_every_code_in_the_source_has_advice(repository: Path) -> None:
    used = {
        code
        for folder in ("panoptes", "blocks", "tasks", "flows", "deployments")
        for path in (repository / folder).rglob("*.py")
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }
    assert used
    assert used <= ADVICE.keys()


def test_bad_input_comes_whole_out_of_another_process() -> None:
    bad = pickle.loads(pickle.dumps(BadInput("no-image", "none of its 2 HDUs has pixels")))
    assert (bad.code, bad.detail) == ("no-image", "none of its 2 HDUs has pixels")


@pytest.mark.parametrize(
    "error",
    [
        Mismatch(
            ObjectInfo("a.fits", 5, 7, "AAAAAA==", datetime(2026, 1, 1, tzinfo=UTC)), "BBBBBB=="
        ),
        OutputLost("images/a.fits.fz is gone"),
        TooManyTries(3.0),
        AlreadyGiven("PAN001"),
        FrameLost("PAN001_14d3bd_20180216T112430", "it has no pixels"),
    ],
    ids=repr,
)
def test_an_error_comes_out_of_another_process_as_what_it_was(error: Exception) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is type(error)
    assert str(there) == str(error)
    assert vars(there) == vars(error)


@pytest.mark.parametrize("error", [TransientError("busy"), ConnectionResetError(), TimeoutError()])
def test_passing_trouble_is_tried_again(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", [BadInput("no-image"), ValueError(), OSError(), MemoryError()])
def test_nothing_else_is_tried_again(error: Exception) -> None:
    assert not is_transient(error)


def test_of_a_reason_that_is_not_ours_only_our_words_are_published() -> None:
    assert "operators" in published("somebody's /home/own").next_step
    assert published("truncated-file") == ADVICE["truncated-file"]

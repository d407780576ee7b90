"""What passes is tried again; what cannot help is not."""

from __future__ import annotations

import pytest

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest import retries
from panoptes.network.ingest.retries import keep_trying


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "BACKOFF_SECONDS", 0.0001)


@pytest.mark.parametrize("error", [TransientError("busy"), ConnectionResetError(), TimeoutError()])
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
        raise TransientError("still busy")

    with pytest.raises(TransientError, match="still busy"):
        keep_trying(broken)
    assert len(calls) == retries.RETRIES + 1


@pytest.mark.parametrize("error", [BadInput("no-image"), ValueError("a bug"), OSError(5, "disk")])
def test_what_trying_again_cannot_help_is_raised_at_once(error: Exception) -> None:
    calls = []

    def broken() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        keep_trying(broken)
    assert len(calls) == 1

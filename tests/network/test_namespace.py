"""`panoptes` is a namespace: PANOPTES's other packages have their parts of it, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = "import panoptes.utils, panoptes.network.names as n; print(panoptes.utils.WHO, n.__name__)"


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
def test_the_library_stands_beside_another_distribution_of_the_namespace(
    order: str, tmp_path: Path
) -> None:
    theirs = tmp_path / "panoptes" / "utils"
    theirs.mkdir(parents=True)
    (theirs / "__init__.py").write_text("WHO = 'theirs'\n")
    ours = str(Path(__file__).parents[2])
    first, second = (str(tmp_path), ours) if order == "theirs first" else (ours, str(tmp_path))
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[first, second]!r}; {LOOK}"],
        cwd=tmp_path.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "theirs panoptes.network.names\n", ran.stderr

"""PANOPTES's published client, panoptes-data, in an environment of its own.

It needs Python 3.12, which pyenv may hold without having it selected.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = "panoptes-data==0.4.0"


def python_3_12() -> Path | None:
    """An interpreter of that version that starts; a pyenv shim alone may not."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = shutil.which("python3.12")
    candidates = [Path(found)] if found else []
    for candidate in [*candidates, *sorted(pyenv.glob("versions/3.12*/bin/python"))]:
        asked = [str(candidate), "-c", "import sys, venv; print(sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == "(3, 12)":
            return candidate
    return None


def installed_in(cache: Path) -> Path:
    """The folder of the client's programs, installed once; skips where that cannot be."""
    python = python_3_12()
    if python is None:
        pytest.skip("needs Python 3.12 for the published client: install it, or add it to pyenv")
    home = cache / CLIENT
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            shutil.rmtree(home, ignore_errors=True)
            _install(python, home)
            (home / "installed").touch()
    return home / "bin"


def _install(python: Path, home: Path) -> None:
    venv = [str(python), "-m", "venv", "--without-pip", str(home)]
    made = subprocess.run(venv, check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"{python} cannot make a virtual environment: {made.stderr[-300:]}")
    pip = [str(python), "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
    pip += ["--quiet", "--no-compile", CLIENT]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"{CLIENT} could not be installed: {installed.stderr.strip()[-300:]}")


def settings_for(url: str, home: Path) -> dict[str, str]:
    """The client's settings for services at `url`, and a home of its own for its caches."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "COLUMNS": "300",
        "PANOPTES_OBSERVATIONS_URL": f"{url}/observations.csv",
        "PANOPTES_IMG_METADATA_URL": f"{url}/get-observation-info",
    }


def run(environment: dict[str, str], *command: str) -> str:
    home = environment["HOME"]
    ran = subprocess.run(
        command, env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def read_frame(sequence_id: str, index: int) -> str:
    """A program that prints the frames of an observation, and of one what is in it."""
    return f"""
from panoptes.data.observations import ObservationInfo
info = ObservationInfo(sequence_id="{sequence_id}")
print(*info.get_image_list(), sep="\\n")
image = info.get_image_data({index})
print(image.shape, image.meta["FIELD"], int(image.data.sum()))
"""

"""Images and containers by podman, where it has to do without most rights of a real machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTAINERS = """\
[containers]
cgroups = "no-conmon"
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
STORAGE = """\
[storage]
driver = "vfs"
runroot = "{folder}/run"
graphroot = "{folder}/graph"
"""
PIP = {
    "PIP_INDEX_URL": "global.index-url",
    "PIP_EXTRA_INDEX_URL": "global.extra-index-url",
    "PIP_FIND_LINKS": "global.find-links",
    "PIP_CERT": "global.cert",
}
"""Where pip of this machine finds packages: build arguments, and its names for them."""


class Podman:
    """Images and containers below a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers.conf").write_text(CONTAINERS)
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def __call__(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["podman", *arguments], env=self.environment, cwd=cwd or self.folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"podman {arguments[0]}: {done.stderr[-2000:]}"
        return done.stdout.strip()

    def base(self) -> str:
        """A Debian with Python, as the official slim image has; no registry of images is asked."""
        archive = self.folder / "base.tar"
        packages = "python3,python3-venv,ca-certificates"
        subprocess.run(
            ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={packages}", "bookworm",
             str(archive)], check=True, capture_output=True,
        )  # fmt: skip
        self("import", str(archive), "localhost/base")
        archive.unlink()
        return "localhost/base"

    def build(self, repository: Path, base: str, tag: str) -> str:
        """The image's digest."""
        given = ["--build-arg", f"BASE={base}"]
        for argument, name in PIP.items():
            if said := _pip_says(name):
                given += ["--build-arg", f"{argument}={said}"]
                for each in said.split():
                    # An index in a folder refers to its packages beside it.
                    is_index = each.startswith("file://")
                    path = Path(each.removeprefix("file://")).parent if is_index else Path(each)
                    if path.is_absolute() and path.exists():
                        given += ["--volume", f"{path}:{path}:ro"]
        self(
            "build", "--isolation", "chroot", "--no-cache", "--timestamp", "0", *given,
            "--file", "deployments/container/Containerfile", "--tag", tag, ".", cwd=repository,
        )  # fmt: skip
        return self("image", "inspect", tag, "--format", "{{.Digest}}")

    def run(self, image: str, *command: str) -> str:
        """What a command says, in a container that may write to /tmp alone."""
        return self("run", "--rm", "--read-only", "--tmpfs", "/tmp", image, *command)

    @contextmanager
    def started(self, image: str, *command: str, **variables: str) -> Iterator[None]:
        """A container that runs meanwhile, and may write to /tmp alone."""
        given = [word for item in variables.items() for word in ("--env", "=".join(item))]
        options = ("--detach", "--read-only", "--tmpfs", "/tmp", *given)
        name = self("run", *options, image, *command)
        try:
            yield
        finally:
            self("rm", "--force", "--time", "5", name)


class Daemon:
    """A socket that understands Docker's API, while the context lasts."""

    def __init__(self, podman: Podman) -> None:
        self._podman, self._socket = podman, podman.folder / "podman.sock"
        self.address = f"unix://{self._socket}"

    def __enter__(self) -> Daemon:
        self._process = subprocess.Popen(
            ["podman", "system", "service", "--time=0", self.address],
            env=self._podman.environment,
            cwd=self._podman.folder,
        )
        while not self._socket.exists():
            assert self._process.poll() is None
            time.sleep(0.1)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._socket.unlink(missing_ok=True)

    def restart(self) -> None:
        """Containers go on meanwhile."""
        self.__exit__()
        self.__enter__()


def _pip_says(name: str) -> str:
    """A setting of pip on this machine; empty if it has none."""
    variable = f"PIP_{name.rpartition('.')[2].replace('-', '_').upper()}"
    if variable in os.environ:
        return os.environ[variable]
    done = subprocess.run(
        [shutil.which("pip") or "pip", "config", "get", name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()

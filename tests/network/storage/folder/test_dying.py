"""Processes that die in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from panoptes.network.storage.folder import FolderStore
from tests.network.storage.folder.looking import in_private, names
from tests.patience import PATIENT_SECONDS


def test_what_a_dead_process_was_removing_is_put_back(store: FolderStore, root: Path) -> None:
    leaving = root.parent / ".panoptes" / root.name / "leaving"
    store.put("other", b"newer")
    for token, name in (("1", "deep/a"), ("2", "other"), ("3", "gone")):
        path = leaving / "file"
        path.write_bytes(b"bytes")
        seen = path.stat()
        token = f"{token}.{seen.st_mtime_ns}.{seen.st_size}.{seen.st_ino}"
        path.rename(leaving / f"{token}.file")
        (leaving / f"{token}.name").symlink_to(name)
        if name == "gone":
            (leaving / f"{token}.file").unlink()
    store.check()

    assert store.read("deep/a")[0] == b"bytes"
    assert store.read("other")[0] == b"newer"
    assert names(store) == ["deep/a", "other"]
    assert in_private(root) == []


def test_what_a_dead_process_was_writing_is_cleared_away_in_the_end(
    store: FolderStore, root: Path
) -> None:
    old, new = (root.parent / ".panoptes" / root.name / "tmp" / each for each in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    store.check()

    assert in_private(root) == [new]
    assert names(store) == []


def test_a_killed_writer_leaves_whole_objects_only(store: FolderStore, root: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from panoptes.network.storage.folder import FolderStore\n"
        "store = FolderStore(pathlib.Path(sys.argv[1]), durable=False)\n"
        "for i in range(10**6): store.put(f'a/{i % 5}', bytes([i % 256]) * 3_000_000)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(root)])
    deadline = time.monotonic() + PATIENT_SECONDS
    while len(names(store)) < 3 and time.monotonic() < deadline:
        assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store.check()

    assert len(names(store)) >= 3
    for name in names(store):
        data, info = store.read(name)
        assert data == data[:1] * 3_000_000
        assert info.crc32c == store.stat(name).crc32c
        store.delete(name, if_generation=info.generation)


def test_a_store_goes_on_after_its_own_files_were_removed(store: FolderStore, root: Path) -> None:
    store.put("a", b"x")
    shutil.rmtree(root.parent / ".panoptes" / root.name)
    store.put("b", b"x")
    shutil.rmtree(root.parent / ".panoptes" / root.name)
    store.delete("a")

    assert names(store) == ["b"]

"""Removing a file from a folder into which others write: moved aside, looked at, then unlinked.

Only in the store's own place can no other program replace it between the last look and the
removal. A link beside the moved file holds the name it had, and the link's own name says what
was to be removed, so that the file can be put back if the process dies in between.

Where the system cannot tell whether somebody has the file open for writing, it is kept for a
while: what is written then would go down with it. ``TOKEN.name`` is the link of a removal under
way, ``TOKEN.gone`` that of one that is done and looked after.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from panoptes.network.storage.descent import Linked, inside
from panoptes.network.storage.files import identity, look_at_link
from panoptes.network.storage.object_names import PRIVATE, is_passing, require_new_name
from panoptes.network.storage.own_place import is_apart
from panoptes.network.storage.placing import give_name, locked
from panoptes.network.storage.store import NotFound
from panoptes.network.storage.writers import Guard, guarded

KEPT_SECONDS = 600.0
"""For which a removed file must be unchanged that somebody may have open for writing."""


def remove(
    folder: int, leaf: str, name: str, seen: os.stat_result, leaving: int, guard: Guard, root: Path
) -> bool:
    """Remove what bears a name in an open folder if it is still what was `seen` and `guard`
    holds; else leave it there and give False. Where `guard` is not certain, see `look_after`."""
    token = ".".join(map(str, (secrets.token_hex(16), *identity(seen))))
    note, aside = f"{token}.name", f"{token}.file"
    os.symlink(name, note, dir_fd=leaving)
    try:
        os.rename(leaf, aside, src_dir_fd=folder, dst_dir_fd=leaving)
    except OSError as error:
        os.unlink(note, dir_fd=leaving)
        if isinstance(error, FileNotFoundError):
            raise NotFound(f"{name!r} vanished while it was removed") from error
        raise
    moved = look_at_link(leaving, aside)
    if moved is not None and identity(moved) == identity(seen) and guard.holds:
        if guard.certain:
            os.unlink(aside, dir_fd=leaving)
            os.unlink(note, dir_fd=leaving)
        else:
            os.rename(note, f"{token}.gone", src_dir_fd=leaving, dst_dir_fd=leaving)
        return True
    _put_back(note, leaving, root, finished=False)
    return False


def hindrance(root: Path, above: Sequence[str], leaf: str) -> str | None:
    """Why a file in the folder at `above` cannot be moved aside, in words for the operator, as
    far as a look tells.

    None, too, where the look fails. Nothing is made: who looks may be another user.
    """
    real = Path(os.path.realpath(root))
    with suppress(OSError, Linked), inside(real.parent, (PRIVATE, real.name, "leaving")) as leaving:
        for depth in range(1, len(above) + 1):
            with inside(root, above[:depth]) as folder:
                if is_apart(folder, leaving):
                    where = root.joinpath(*above[:depth])
                    return f"{where} is a mount of its own: have all folders of {root} be one mount"
        with inside(root, above) as folder:
            return _forbidden(folder, leaf, root.joinpath(*above))
    return None


def _forbidden(folder: int, leaf: str, where: Path) -> str | None:
    effective = os.access in os.supports_effective_ids
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=effective):
        return f"{where} may not be written to: give the network's user permission to"
    above, found = os.fstat(folder), look_at_link(folder, leaf)
    owners = (0, above.st_uid, found.st_uid if found else os.geteuid())
    if above.st_mode & stat.S_ISVTX and os.geteuid() not in owners:
        return (
            f"{where} has the sticky bit, so only a file's owner may remove it: take that bit away"
        )
    return None


def look_after(root: Path, leaving: int, locks: int, clock: int) -> None:
    """Undo the removals of processes that died, and of files that were written since; see the
    others to their end, by the file system's `clock` (ns).

    Who removes holds the name's lock throughout: if it is free, they are gone.
    """
    for note in os.listdir(leaving):
        token, _, state = note.rpartition(".")
        if state == "file":
            continue
        with suppress(FileNotFoundError):
            name = os.readlink(note, dir_fd=leaving)
            with locked(locks, name):
                found = look_at_link(leaving, f"{token}.file")
                if state == "name" or found is None or not _is(found, token):
                    _put_back(note, leaving, root, finished=state == "name")
                elif clock - found.st_ctime_ns > KEPT_SECONDS * 1e9:
                    os.unlink(f"{token}.file", dir_fd=leaving)
                    os.unlink(note, dir_fd=leaving)


def put_back_from_root(root: Path) -> None:
    """Undo the removals of earlier versions, which kept them in ``.panoptes`` of the root.

    Others can write there, so nothing is believed: only plain files are moved, to valid names
    that are free.
    """
    with (
        suppress(FileNotFoundError, NotADirectoryError, Linked),
        inside(root, (PRIVATE, "leaving")) as leaving,
    ):
        for note in os.listdir(leaving):  # noqa: PTH208 - an open folder
            if note.endswith(".name"):
                with suppress(OSError, ValueError, Linked):
                    _move_out(note, leaving, root)


def _move_out(note: str, leaving: int, root: Path) -> None:
    name, file = os.readlink(note, dir_fd=leaving), f"{note.removesuffix('.name')}.file"
    require_new_name(name)
    found = look_at_link(leaving, file)
    if found is not None and stat.S_ISREG(found.st_mode) and not is_passing(name):
        *above, leaf = name.split("/")
        with inside(root, above, make=True) as folder:
            if not give_name(leaving, file, folder, leaf):
                return
        with suppress(FileNotFoundError):
            os.unlink(file, dir_fd=leaving)
    os.unlink(note, dir_fd=leaving)


def _put_back(note: str, leaving: int, root: Path, *, finished: bool) -> None:
    """Give the file beside `note` its name back.

    Where something newer has that name: a file that is still what was to be removed goes, if
    its judgement is `finished`; any other is kept under a name beside it, to be judged anew.
    """
    token, name = note.rpartition(".")[0], os.readlink(note, dir_fd=leaving)
    file, mark = f"{token}.file", f"replaced-{token[:8]}"
    if look_at_link(leaving, file) is not None:
        for number, each in enumerate((name, f"{name}.{mark}", mark)):
            if number == 1 and finished and _is_as_seen(leaving, file, token):
                break
            *above, leaf = each.split("/")
            with (
                suppress(Linked, NotADirectoryError, PermissionError),
                inside(root, above, make=True) as folder,
            ):
                if len(os.fsencode(leaf)) <= 255 and give_name(leaving, file, folder, leaf):
                    break
        else:
            return  # it stays in the store's own place, and is tried again
        with suppress(FileNotFoundError):
            os.unlink(file, dir_fd=leaving)
    os.unlink(note, dir_fd=leaving)


def _is(found: os.stat_result, token: str) -> bool:
    """Whether this is still what was to be removed."""
    return token.split(".")[1:] == [str(each) for each in identity(found)]


def _is_as_seen(leaving: int, file: str, token: str) -> bool:
    found = look_at_link(leaving, file)
    if found is None or not _is(found, token):
        return False
    if not stat.S_ISREG(found.st_mode):
        return True
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(PermissionError):
        descriptor = os.open(file, flags, dir_fd=leaving)
        with os.fdopen(descriptor, "rb"), guarded(descriptor) as guard:
            return guard.holds
    return True

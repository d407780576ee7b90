"""Placing what was made of an upload where it belongs, once, whatever runs beside us."""

from __future__ import annotations

from collections.abc import Callable

from blocks.catalog import Query
from blocks.checksums import crc32c
from blocks.network import PanoptesNetwork
from blocks.storage import NotFound, ObjectInfo, PreconditionFailed
from models.documents import File, Location, Output
from models.errors import BadInput, TryAgain
from models.ingest import Source
from tasks.ledger import read_entry


class OutputLost(Exception):
    """What a derivation made is not where it was put; it has to be made again."""


def output_of(role: str, location: Location, info: ObjectInfo, checksum: str) -> Output:
    return Output(
        role=role,
        location=location,
        path=info.name,
        generation=info.generation,
        crc32c=checksum,
        size=info.size,
    )


def deposit(
    network: PanoptesNetwork,
    source: Source,
    role: str,
    location: Location,
    path: str,
    data: bytes,
    *,
    same: Callable[[bytes], bool],
) -> tuple[Output, str | None]:
    """Write an object of record that may be there already.

    Gives the output, and the name of another file if its object, which `same` finds to be
    equal in content, stands there. An object of an older generation of this source is
    replaced. Raises BadInput ``conflicts-with-archive`` where the content differs.
    """
    store, checksum = network.store(location), crc32c(data)
    for _ in range(5):
        try:
            present = store.stat(path)
        except NotFound:
            try:
                info = store.put(path, data, if_generation=0)
            except PreconditionFailed:
                continue
            return output_of(role, location, info, checksum), None
        try:
            stored, present = store.read(path, generation=present.generation)
        except NotFound:
            continue
        owner = owner_of(network, location, path, present)
        ours = owner is None or owner.name == _own_name(network, source)
        if stored == data:
            return output_of(role, location, present, checksum), None if ours else _name(owner)
        if _may_replace(network, source, owner):
            try:
                info = store.put(path, data, if_generation=present.generation)
            except PreconditionFailed:
                continue
            return output_of(role, location, info, checksum), None
        if same(stored):
            return (
                output_of(role, location, present, crc32c(stored)),
                None if ours else _name(owner),
            )
        raise BadInput("conflicts-with-archive", f"{location}/{path}")
    raise TryAgain(f"{location}/{path} kept changing")


def owner_of(
    network: PanoptesNetwork, location: Location, path: str, present: ObjectInfo
) -> File | None:
    """The ledger entry of the file whose ingest put this generation there."""
    query = Query("files", where=[("path", "==", path), ("location", "==", location)])
    for stored in network.documents.query(query):
        entry = File.model_validate(stored.fields)
        made = ((o.path, o.generation) for o in entry.outputs or ())
        if not entry.duplicate_of and (path, present.generation) in made:
            return entry
    return None


def _own_name(network: PanoptesNetwork, source: Source) -> str | None:
    entry = read_entry(network, source.name)
    return entry.name if entry else None


def _name(owner: File | None) -> str | None:
    return owner.name if owner else None


def _may_replace(network: PanoptesNetwork, source: Source, owner: File | None) -> bool:
    """Whether what stands there came from an older generation of this very source."""
    entry = read_entry(network, source.name)
    if entry is None or entry.generation != source.generation:
        return False
    if owner is not None:
        return owner.name == entry.name
    return bool(entry.unfinished)


def require(network: PanoptesNetwork, output: Output) -> bytes:
    """The bytes of an output as they now lie in the store, in the recorded generation.

    Raises OutputLost if it is not there, was replaced or was damaged.
    """
    try:
        data, _ = network.store(output.location).read(output.path, generation=output.generation)
    except (NotFound, BadInput) as error:
        raise OutputLost(f"{output.location}/{output.path}") from error
    if crc32c(data) != output.crc32c:
        raise OutputLost(f"{output.location}/{output.path}")
    return data


def withdraw(network: PanoptesNetwork, output: Output) -> None:
    """Take away an output that proved wrong, unless somebody has replaced it."""
    try:
        network.store(output.location).delete(output.path, if_generation=output.generation)
    except (NotFound, PreconditionFailed):
        return

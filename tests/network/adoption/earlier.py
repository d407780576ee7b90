"""A catalogue and an archive as earlier software left them: flat to 2020, nested since 2021."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import GeoPoint
from panoptes.network.site import Site
from tests.files import place, tiny_fits, tiny_fits_fz

IMAGES = 20
"""Of an observation."""
OLD, NEW = "PAN001", "PAN002"
"""The unit of the flat documents, and of the nested ones."""
BEGIN = datetime(2018, 2, 16, 6, tzinfo=UTC)
STATUSES = ("RECEIVED", "CALIBRATING", "SOLVED", "MATCHED", "ERROR")


def observations(unit: str, images: int) -> Iterator[tuple[str, list[str]]]:
    """Ids of observations, and of their images."""
    for number in range(0, images, IMAGES):
        begin = BEGIN + timedelta(hours=-(-IMAGES // 30) * (number // IMAGES))
        times = [begin + timedelta(minutes=2 * i + 1) for i in range(min(IMAGES, images - number))]
        camera = f"{unit}_14d3bd"
        yield f"{camera}_{begin:%Y%m%dT%H%M%S}", [f"{camera}_{t:%Y%m%dT%H%M%S}" for t in times]


def moment(identity: str) -> datetime:
    return datetime.strptime(identity.rpartition("_")[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def path_of(sequence_id: str, image_id: str) -> str:
    return f"{sequence_id.replace('_', '/')}/{image_id.rpartition('_')[2]}.fits.fz"


def flat(images: int) -> Iterator[tuple[str, Fields]]:
    """The original's documents, by path. Of every third the times became texts."""
    yield (
        f"units/{OLD}",
        {
            "name": "Mauna Loa",
            "elevation": 3400.0,
            "location": GeoPoint(19.54, -155.58),
            "status": "active",
            "num_images": 999_999,
            "metadata": {"weather": {"safe": True}},
        },
    )
    for number, (sequence_id, image_ids) in enumerate(observations(OLD, images)):
        yield (
            f"observations/{sequence_id}",
            {
                "unit_id": OLD,
                "camera_id": "14d3bd",
                "status": "receiving_files",
                "software_version": "POCSv0.6.0",
                "field_name": f"Field {number}",
                "ra": 135.859993568,
                "dec": 28.4376569571,
                "exptime": 120,
                "time": _text_of_every_third(number, moment(sequence_id)),
                "num_images": 2 * len(image_ids),
            },
        )
        for each, image_id in enumerate(image_ids):
            yield (
                f"images/{image_id}",
                {
                    "ha_mnt": 1.919988307895942,
                    "ra_mnt": 133.1505416666667,
                    "dec_mnt": 28.33138888888889,
                    "exptime": "120" if each % 5 == 0 else 120,
                    "moonsep": 21.88964559220797,
                    "airmass": 1.126544582361047,
                    "bucket_path": path_of(sequence_id, image_id),
                    "sequence_id": sequence_id,
                    "time": _text_of_every_third(each, moment(image_id)),
                    "status": "uploaded",
                    "sources": {"num_detected": each},
                    "piaa_state": f"calculated {each}",
                },
            )


def nested(images: int) -> Iterator[tuple[str, Fields]]:
    """The documents since 2021, by path."""
    yield (
        f"units/{NEW}",
        {
            "unit_id": NEW,
            "latitude": 34.2,
            "longitude": -118.1,
            "elevation": 1700.0,
            "num_images": 7,
        },
    )
    for number, (sequence_id, image_ids) in enumerate(observations(NEW, images)):
        above = f"units/{NEW}/observations/{sequence_id}"
        yield (
            above,
            {
                "unit_id": NEW,
                "sequence_id": sequence_id,
                "time": _text_of_every_third(number, moment(sequence_id)),
                "coordinates": {"mount_ra": 76.33, "mount_dec": -6.23},
                "camera": {
                    "camera_id": "14d3bd",
                    "serial_number": "14d3bd123",
                    "lens_serial_number": "NT0031",
                },
                "field_name": f"Wasp {number}",
                "software_version": "POCSv0.8.6",
                "status": "PROCESSED" if number % 2 else "NOT_ENOUGH_FRAMES",
                "urls": ["https://example.org/a.fits.fz"],
            },
        )
        for each, image_id in enumerate(image_ids):
            yield (
                f"{above}/images/{image_id}",
                {
                    "uid": f"{sequence_id}_{image_id.rpartition('_')[2]}",
                    "time": _text_of_every_third(each, moment(image_id)),
                    "received_time": moment(image_id) + timedelta(hours=9),
                    "status": STATUSES[each % len(STATUSES)],
                    "camera": {
                        "dateobs": moment(image_id),
                        "exptime": 120.0,
                        "iso": 100,
                        "circconf": 0.019,
                        "measured_rggb": ["471", "1024", "1025", "733"],
                        "measured_ev": [1.5, 2.5],
                        "temperature": 11.0,
                        "white_lvln": 13000,
                    },
                    "environment": {"moonfrac": 0.25, "moonsep": 45.0},
                    "coordinates": {"airmass": 1.2, "mount_ha": 2.5, "ra": 76.5, "dec": -6.5},
                    "sources": {"num_detected": 100 + each},
                    "params": {"camera": {"zero_bias": 2048.0}},
                },
            )


def _text_of_every_third(number: int, time: datetime) -> datetime | str:
    return time.isoformat() if number % 3 == 0 else time


def write_flat(site: Site, images: int) -> dict[str, Fields]:
    """On any catalogue; gives what was written."""
    documents = dict(flat(images))
    for path, fields in documents.items():
        collection, key = path.split("/")
        site.catalog.create(collection, key, fields)
    return documents


def write_nested(project: str, images: int) -> dict[str, Fields]:
    """In the Firestore of the environment."""
    documents = dict(nested(images))
    write_batches(project, documents)
    return documents


def write_batches(project: str, documents: dict[str, Fields]) -> None:
    """Through Google's library, as earlier software did."""
    from google.cloud import firestore

    client = firestore.Client(project=project)
    paths = iter(documents.items())
    while batch := [each for _, each in zip(range(400), paths, strict=False)]:
        writing = client.batch()
        for path, fields in batch:
            place = fields.get("location")
            point = {"location": firestore.GeoPoint(*place)} if place else {}
            writing.set(client.document(path), fields | point)
        writing.commit()
    client.close()  # type: ignore[no-untyped-call]


def read_nested(project: str) -> dict[str, Any]:
    """Every nested document, by path, as Google's library reads it."""
    from google.cloud import firestore

    client = firestore.Client(project=project)
    found = {}
    for group in ("observations", "images"):
        for each in client.collection_group(group).stream():
            if each.reference.path.startswith("units/"):
                found[each.reference.path] = each.to_dict()
    client.close()  # type: ignore[no-untyped-call]
    return found


@cache
def frame(number: int) -> bytes:
    """One of ten archived frames."""
    return tiny_fits_fz(tiny_fits({"EXPTIME": 120.0, "AIRMASS": 1.0}, seed=number % 10))


def _put_into(site: Site) -> Callable[[str, bytes], object]:
    """Into a folder as other software does, which takes less care than our store."""
    if site.settings.images.startswith("gs://"):
        return site.store("images").put
    return partial(place, Path(site.settings.images))


def write_archive(site: Site, unit: str, images: int, *, all_but: int = 0) -> int:
    """Files of a unit's images in `images`, as earlier software left them; of every seventh
    observation below the folder of its field. `all_but` so many at the end."""
    put, written = _put_into(site), 0
    for number, (sequence_id, image_ids) in enumerate(observations(unit, images)):
        for image_id in image_ids:
            if written >= images - all_but:
                break
            path = path_of(sequence_id, image_id)
            if number % 7 == 3:
                path = path.replace(f"{unit}/", f"{unit}/Hd189733/", 1)
            put(path, frame(written))
            written += 1
    return written

"""Every name that today's control software and tools upload has a place, or an advice.

The names are those of POCS's main of June 2026 and of `upload image` and `upload directory`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.errors import BadInput
from panoptes.network.image_types import ImageType
from panoptes.network.ingest.listing import waiting_for
from panoptes.network.names import parse_sequence_id, parse_upload
from tests import sites
from tests.files import place

SEQ, IMG = "20260612T083011", "20260612T083214"

CAMERAS = [
    "14d3bd",  # Canon
    "310d1f0f00070900",  # ZWO
    "83F010801",  # SBIG
    "ML0133009",  # FLI
    "West",  # a ZWO's owner's text, to 8 bytes
    "my cam 1",
    "ZWO_left",
    "A_b",
    "x",
    "SC1234",  # the simulator's
    "simulator #2",
]


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("field", ["", "Hd189733/", "Barnard'SStar/", "fields/M42/"])
@pytest.mark.parametrize("suffix", ["fits.fz", "fits", "cr2", "jpg"])
def test_a_camera_is_called_what_its_unit_calls_it(camera: str, field: str, suffix: str) -> None:
    upload = parse_upload(f"PAN002/{field}{camera}/{SEQ}/{IMG}.{suffix}")
    assert upload.sequence.camera_id == camera
    assert upload.stem == f"PAN002/{camera}/{SEQ}/{IMG}"
    assert upload.sequence_id == f"PAN002_{camera}_{SEQ}"
    assert upload.image_id == f"PAN002_{camera}_{IMG}"
    assert parse_sequence_id(upload.sequence_id) == upload.sequence
    again = parse_upload(f"{upload.stem}.fits.fz")
    assert (again.image_id, again.sequence) == (upload.image_id, upload.sequence)


def test_no_two_cameras_share_an_id() -> None:
    """Nor does the id of an observation or an image name another camera's."""
    ids = set()
    for camera in CAMERAS:
        upload = parse_upload(f"PAN002/M42/{camera}/{SEQ}/{IMG}.fits")
        ids |= {upload.sequence_id, upload.image_id}
    assert len(ids) == 2 * len(CAMERAS)
    for refused in (f"a_{SEQ}", f"{SEQ}_b", SEQ):
        with pytest.raises(BadInput):
            parse_upload(f"PAN002/M42/{refused}/{SEQ}/{IMG}.fits")


KINDS = [
    (f"PAN001/Kic8462852/14d3bd/{SEQ}/{IMG}.fits.fz", None),
    (f"PAN001/Polaralignment/14d3bd/{SEQ}/{IMG}.fits.fz", ImageType.ALIGNMENT),
    (f"PAN001/Polar Alignment/14d3bd/{SEQ}/{IMG}.fits.fz", ImageType.ALIGNMENT),
    (f"PAN001/dark/14d3bd/{SEQ}/{IMG}.fits.fz", ImageType.DARK),
    (f"PAN001/bias/310d1f0f00070900/{SEQ}/{IMG}.fits.fz", ImageType.BIAS),
    (f"PAN001/Eveningflat/14d3bd/{SEQ}/{IMG}.fits", ImageType.FLAT),
    (f"PAN001/Morningflat/14d3bd/{SEQ}/{IMG}.fits", ImageType.FLAT),
    (f"PAN001/14d3bd/{SEQ}/pointing00.fits.fz", ImageType.POINTING),
    (f"PAN001/M42/14d3bd/{SEQ}/pointing01.fits.fz", ImageType.POINTING),
    (f"PAN001/focus/14d3bd/{SEQ}/dark.fits", ImageType.FOCUS),
    (f"PAN001/focus/14d3bd/{SEQ}/20000-fine-initial.fits", ImageType.FOCUS),
    (f"PAN001/focus/14d3bd/{SEQ}/19960-00.fits", ImageType.FOCUS),
    (f"PAN001/focus/14d3bd/{SEQ}/20010-fine-final.fits.fz", ImageType.FOCUS),
    (f"PAN001/Darkhorse/14d3bd/{SEQ}/{IMG}.fits", None),
    (f"PAN001/Flatiron/14d3bd/{SEQ}/{IMG}.fits", None),
]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_what_an_exposure_is_for_is_read_from_its_name(name: str, kind: ImageType | None) -> None:
    upload = parse_upload(name)
    assert upload.image_type is kind
    assert upload.image_id is not None
    assert upload.image_id.startswith("PAN001_")


PICTURES = [
    (f"PAN001/focus/14d3bd/{SEQ}/fine-focus.png", f"PAN001/14d3bd/{SEQ}/fine-focus"),
    (
        f"PAN001/Quickalignment/14d3bd-{SEQ}-alignment_overlay.jpg",
        f"PAN001/14d3bd/{SEQ}/alignment_overlay",
    ),
    (
        f"PAN001/Quickalignment/ZWO_left-{SEQ}-alignment_overlay.jpg",
        f"PAN001/ZWO_left/{SEQ}/alignment_overlay",
    ),
    (f"PAN001/M42/14d3bd/{SEQ}/timelapse.mp4", f"PAN001/14d3bd/{SEQ}/timelapse"),
    (f"PAN001/M42/14d3bd/{SEQ}/M42_14d3bd_{SEQ}.mp4", f"PAN001/14d3bd/{SEQ}/{SEQ}"),
    (f"PAN001/M42/14d3bd/{SEQ}/{IMG}.png", f"PAN001/14d3bd/{SEQ}/{IMG}"),
]


@pytest.mark.parametrize(("name", "stem"), PICTURES)
def test_pictures_and_films_lie_with_their_observation(name: str, stem: str) -> None:
    upload = parse_upload(name)
    assert upload.stem == stem
    assert upload.sequence_id.endswith(f"_{SEQ}")


FOLDERS = [
    f"PAN001/images/Hd189733/14d3bd/{SEQ}/{IMG}.fits.fz",
    f"PAN001/images/fields/Hd189733/14d3bd/{SEQ}/{IMG}.fits.fz",
    f"PAN001/fields/Hd189733/14d3bd/{SEQ}/{IMG}.fits.fz",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_of_a_units_disk_are_no_part_of_the_field(name: str) -> None:
    upload = parse_upload(name)
    assert upload.field_name == "Hd189733"
    assert upload.stem == f"PAN001/14d3bd/{SEQ}/{IMG}"


ADVICE = [
    (f"Quickalignment/14d3bd-{SEQ}-alignment_overlay.jpg", "put PAN and its three digits in front"),
    (
        f"home/panoptes/images/fields/M42/14d3bd/{SEQ}/{IMG}.fits.fz",
        f"in front, PANnnn/fields/M42/14d3bd/{SEQ}/{IMG}.fits.fz",
    ),
    (
        f"Quickalignment/14d3bd-{SEQ}-alignment_overlay.jpg",
        f"in front, PANnnn/Quickalignment/14d3bd-{SEQ}-alignment_overlay.jpg",
    ),
    (f"home/panoptes/images/PAN001/M42/14d3bd/{SEQ}/{IMG}.fits.fz", "the folder to take is"),
    (f"images/fields/M42/14d3bd/{SEQ}/{IMG}.fits.fz", "names no unit"),
    (f"focus/14d3bd/{SEQ}/19960-00.fits", "names no unit"),
    (f"Eveningflat/14d3bd/{SEQ}/{IMG}.fits", "names no unit"),
    (f"{IMG}/Cam00-0003-{IMG}.fits.fz", "names no unit"),
    (f"bias/{IMG}/Cam00-master-bias.fits", "names no unit"),
    (f"M42_14d3bd_{SEQ}.mp4", "names no unit"),
    (f"PAN77/14d3bd/{SEQ}/{IMG}.fits", "PAN77 is no unit: PAN and three digits, such as PAN077)"),
    (f"pan077_14d3bd_{SEQ}_{IMG}.fits", "pan077 is no unit: PAN and three digits, such as PAN077)"),
    (f"PAN1234/14d3bd/{SEQ}/{IMG}.fits", "PAN1234 is no unit: PAN and three digits)"),
    (f"PAN/14d3bd/{SEQ}/{IMG}.fits", "PAN is no unit: PAN and three digits)"),
    (f"PAN077/14d3bd/{SEQ[:8]}/{IMG}.fits", f"the observation, {SEQ[:8]}, lacks its time: YYYY"),
    (f"PAN077/14d3bd/{IMG}.fits", "it has one time and needs two"),
]


@pytest.mark.parametrize(("name", "advice"), ADVICE)
def test_a_name_without_a_place_gets_an_advice(name: str, advice: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_upload(name)
    assert refused.value.code == "unroutable-name"
    assert advice in refused.value.reason


@pytest.mark.parametrize(
    "name",
    [
        f"PAN001/cam/{SEQ}/pointing00.preview-1024.jpg",  # what we make of pointing00
        f"PAN001/focus/cam/{SEQ}/x.preview-1024.jpg",
        f"PAN001/focus/cam/{SEQ}/{'x' * 239}.fits",
        f"PAN001/images/M42/images/{SEQ}/{IMG}.fits",  # a folder, no camera
        f"PAN001/fields/M42/fields/{SEQ}/{IMG}.fits",
        f"PAN001/M42/cam.tmp/{SEQ}/{IMG}.fits",  # passed over by every folder
        f"PAN001/M42/cam.PART/{SEQ}/{IMG}.fits",
        f"PAN001/M42/a%2Fb/{SEQ}/{IMG}.fits",
        f"PAN001/M42/a\\b/{SEQ}/{IMG}.fits",
    ],
)
def test_names_that_would_be_lost_among_others_are_refused(name: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_upload(name)
    assert refused.value.code == "unroutable-name"


def test_what_is_understood_is_found_by_the_listing_of_its_observation(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    names = [
        *(f"PAN002/M42/{camera}/{SEQ}/{IMG}.fits" for camera in CAMERAS),
        *(f"PAN002/{camera}/{SEQ}/{IMG}.cr2" for camera in CAMERAS),
        *(name for name, _ in (*KINDS, *PICTURES)),
        *FOLDERS,
        f"PAN001_M42_310d1f0f00070900_{SEQ}_{IMG}.fits",
    ]
    for name in names:
        place(sites.incoming(site), name, b"x")
    wanted = {parse_upload(name).sequence for name in names}
    found = [source.name for sequence in wanted for source in waiting_for(site, sequence)]
    assert sorted(found) == sorted(names)

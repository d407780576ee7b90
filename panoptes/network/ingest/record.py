"""An archived file becomes documents: its unit, camera, observation and image.

Documents may exist before us: they are completed, never replaced. The path says which
unit, camera and times an image has; where its header says otherwise the path wins and the
image's notes say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from panoptes.network.catalog.catalog import Fields, modify
from panoptes.network.documents import (
    IMAGE_STATUS,
    OBSERVATION_STATUS,
    Camera,
    GeoPoint,
    Image,
    Observation,
    Outcome,
    Provenance,
    Unit,
    folded,
    forward,
    healpix_of,
)
from panoptes.network.errors import BadInput
from panoptes.network.file_types import FILE_TYPES, IMAGES, RAWS
from panoptes.network.image_types import ImageType
from panoptes.network.ingest.deposit import roll_back_unclaimed
from panoptes.network.ingest.lag import NO_RUN, RunTimes
from panoptes.network.ingest.ledger import close_entry, code_version, now, read_entry
from panoptes.network.ingest.merging import kept_words, merge_first_writer, only_missing
from panoptes.network.ingest.outcome import Became, Derived, FileResult
from panoptes.network.ingest.provenance import own_sequence, recorded_sources
from panoptes.network.ingest.removing import remove_from_incoming
from panoptes.network.keywords import Described, describe
from panoptes.network.names import UploadName, display_name
from panoptes.network.nighttime import east_of, night_of
from panoptes.network.site import Site
from panoptes.network.stars.separation import separation
from panoptes.network.upload import Source

SOLVED_BADLY = 0.25
"""Degrees by which a unit's own solution may be off before ours takes its place."""


def record_image_file(
    site: Site, source: Source, derived: Derived, run: RunTimes = NO_RUN
) -> FileResult:
    """Write the documents of one file, close its ledger entry, and take it from `incoming`.

    Every write may have happened before. The file leaves last, and only in the generation
    that was read. Raises BadInput if another observation has recorded the image meanwhile;
    what was made of the file is taken back then.
    """
    upload, verified = source.upload, now()
    assert upload is not None
    makes_image = upload.file_type in IMAGES
    if makes_image and derived.duplicate_of is None:
        try:
            _Recording(site, source, derived, upload, describe(derived.header)).write()
        except BadInput:
            roll_back_unclaimed(site, source, derived.outputs)
            raise
    elif not makes_image:
        _link(site, upload, derived)
    outcome: Outcome = "archived" if makes_image else "filed"
    entry = close_entry(site, source, outcome, derived, run=run, verified=verified)
    stays = remove_from_incoming(site, source)
    became = Became.ALREADY if derived.duplicate_of else None
    return FileResult.from_entry(entry, became, stays=stays)


def _link(site: Site, upload: UploadName, derived: Derived) -> None:
    """Have the document of an image, if there is one, name its picture."""
    path = derived.outputs[0].path
    if path != picture_path(upload):
        return

    def change(before: Fields | None) -> Fields | None:
        return None if before is None else {"picture_path": path}

    modify(site.catalog, "images", upload.exposure_id, change)


def picture_path(upload: UploadName) -> str:
    """Of an image's own picture, in `previews`."""
    return f"{upload.stem}.jpg"


@dataclass(frozen=True)
class _Recording:
    site: Site
    source: Source
    derived: Derived
    upload: UploadName
    said: Described

    def write(self) -> None:
        unit = self._write("units", self.upload.sequence.unit_id, self._unit)
        self._write(
            "cameras",
            f"{self.upload.sequence.unit_id}_{self.upload.sequence.camera_id}",
            self._camera,
        )
        longitude = self._longitude(unit)
        self._write(
            "observations",
            self.upload.sequence_id,
            lambda before: self._observation(before, longitude),
        )
        assert self.upload.image_id is not None
        self._write("images", self.upload.image_id, lambda before: self._image(before, longitude))

    def _write(
        self, collection: str, key: str, change: Callable[[Fields | None], Fields | None]
    ) -> Fields:
        """Write under compare-and-set, unless a newer generation has been taken up.

        The ledger is asked between reading and writing, so a stalled run of an older
        generation can never cover what a newer one says.
        """

        def unless_newer(before: Fields | None) -> Fields | None:
            fields = change(before)
            stored = before or {}
            if fields is not None:
                fields |= kept_words(stored, fields, f"{collection}/{key}")
            if fields is None or all(stored.get(k) == v for k, v in fields.items()):
                return fields  # nothing will be written
            entry = read_entry(self.site, self.source.name)
            if entry is not None and entry.generation != self.source.generation:
                return None
            return fields

        return modify(self.site.catalog, collection, key, unless_newer)

    @property
    def _image_type(self) -> ImageType:
        return self.said.image_type(self.upload.image_type)

    @property
    def _rank(self) -> str:
        """Sorts as images do by time, and the FITS file of an image before its camera raw.

        Lights come first: they describe the observation and its camera, if it has any.
        """
        upload = self.upload
        time = upload.image_time or f"{upload.sequence.sequence_time}-{upload.leaf}"
        raw = "~raw" if upload.file_type in RAWS else ""
        return f"{'' if self._image_type is ImageType.LIGHT else '~'}{time}{raw}"

    def _longitude(self, unit: Fields) -> float | None:
        said = self.said.unit.get("longitude")
        if isinstance(said, int | float):
            return float(said)
        place = unit.get("location")
        return place.longitude if isinstance(place, GeoPoint) else None

    def _unit(self, before: Fields | None) -> Fields:
        said: Fields = dict(self.said.unit)
        unit_id, stored = self.upload.sequence.unit_id, before or {}
        north, east = said.pop("latitude", None), said.pop("longitude", None)
        if north is not None and east is not None:
            said["location"] = GeoPoint(float(north), east_of(float(east)))
        known = merge_first_writer(said, stored, self._rank, placeholders={"name": unit_id})
        unit = Unit.model_validate({"name": unit_id} | known)
        return known | only_missing(unit.fields(), stored)

    def _camera(self, before: Fields | None) -> Fields:
        sequence, stored = self.upload.sequence, before or {}
        known = merge_first_writer(self.said.camera, stored, self._rank)
        ids = {"unit_id": sequence.unit_id, "camera_id": sequence.camera_id}
        return known | only_missing(Camera.model_validate(ids | known).fields(), stored)

    def _observation(self, before: Fields | None, longitude: float | None) -> Fields:
        sequence, stored = self.upload.sequence, before or {}
        fields = merge_first_writer(
            self.said.observation,
            stored,
            self._rank,
            together=[("ra", "dec")],  # one image's position, never half of each of two
        )
        merged = stored | fields
        fields["image_type"] = self._kind_of_observation(stored)
        cell = _cell(merged, ("ra", "dec"))
        if cell is not None:
            fields["healpix"] = cell
        if isinstance(name := merged.get("field_name"), str):
            fields["field_folded"] = folded(name)
        observation = Observation.model_validate(
            fields
            | {
                "sequence_id": sequence.sequence_id,
                "unit_id": sequence.unit_id,
                "camera_id": sequence.camera_id,
                "time": sequence.time,
                "night": night_of(sequence.time, longitude),
                "night_is_rough": longitude is None or None,
                "status": forward(OBSERVATION_STATUS, stored.get("status"), "receiving_files"),
            }
        )
        foreign = {n for n in ("time", "night", "night_is_rough") if stored.get(n) is not None}
        if "night" in foreign:
            foreign.add("night_is_rough")
        return {k: v for k, v in observation.fields().items() if k not in foreign}

    def _kind_of_observation(self, stored: Fields) -> str:
        """Light once it has a light; what was written before this was told apart is taken so."""
        kinds = {self._image_type.value}
        if stored:
            kinds.add(str(stored.get("image_type") or ImageType.LIGHT.value))
        return ImageType.LIGHT.value if ImageType.LIGHT.value in kinds else min(kinds)

    def _image(self, before: Fields | None, longitude: float | None) -> Fields:
        """This file's part of the image."""
        upload, stored = self.upload, before or {}
        sources = recorded_sources(stored)
        kind = FILE_TYPES[upload.file_type].source
        assert kind is not None
        earlier = sources.get(kind)
        own_sequence(upload, stored)
        sources[kind] = self._provenance(earlier).model_dump()
        # The FITS file has the last word; what only an older generation said is unsaid.
        said: Fields = {}
        in_order = sorted(sources, key=lambda each: (each not in RAWS, each))
        for each in in_order:
            said |= sources[each].get("said", {})
        kinds = (sources[each].get("said", {}).get("image_type") for each in reversed(in_order))
        light = ImageType.LIGHT.value  # what a file is that says nothing: the other may know
        said["image_type"] = next((kind for kind in kinds if kind not in (None, light)), light)
        unsaid = dict.fromkeys((earlier or {}).get("said", {}).keys() - said.keys())
        told = self._told(kind, earlier)
        if _is_solved_by_us(stored):
            unsaid |= dict.fromkeys(("ra_image", "dec_image"))
        said |= _solved(said, told.get("solution", stored.get("solution")))
        unsaid = {name: None for name in unsaid if name not in said}
        merged = stored | unsaid | said
        moment = upload.time
        exptime = merged.get("exptime")
        end = moment + timedelta(seconds=exptime) if isinstance(exptime, int | float) else None
        picture = picture_path(upload)
        # Later than its image it is linked when it is filed.
        is_named = stored.get("picture_path") is not None
        came_before = not is_named and self.site.stat("previews", picture) is not None
        image = Image.model_validate(
            said
            | self._parts()
            | told
            | ({"picture_path": picture} if came_before else {})
            | {
                "image_id": upload.image_id,
                "sequence_id": upload.sequence_id,
                "unit_id": upload.sequence.unit_id,
                "camera_id": upload.sequence.camera_id,
                "uid": f"{upload.sequence_id}_{upload.leaf}",
                "time": moment,
                "exposure_end": end,
                "night": night_of(moment, longitude),
                "night_is_rough": longitude is None or None,
                "status": forward(
                    IMAGE_STATUS, stored.get("status"), "uploaded" if kind == "fits" else "received"
                ),
                # The image's centre: solved if it is, else the mount's.
                "healpix": _cell(merged, ("ra_image", "dec_image"), ("ra_mnt", "dec_mnt")),
                "sources": sources,
            }
        )
        notes = dict.fromkeys(note for each in in_order for note in sources[each]["notes"])
        derived: Fields = {
            "notes": list(notes) or None,
            "exposure_end": end,
            "healpix": image.healpix,
            "night_is_rough": image.night_is_rough,
        }
        return unsaid | image.fields() | derived | told

    def _told(self, kind: str, earlier: Fields | None) -> Fields:
        """What was measured of this file; of an earlier generation nothing stays."""
        if self.derived.measured is not None:
            return self.derived.measured
        if kind == "fits" and earlier and earlier["generation"] != self.source.generation:
            return {"measured": None, "solution": None}
        return {}

    def _provenance(self, earlier: Fields | None) -> Provenance:
        same = earlier and earlier["generation"] == self.source.generation
        return Provenance(
            name=display_name(self.source.name),
            generation=self.source.generation,
            crc32c=self.derived.crc32c,
            size=self.source.size,
            arrived=self.source.arrived,
            recorded=earlier["recorded"] if same and earlier else now(),
            code_version=code_version(),
            said={**self.said.image, "image_type": self._image_type.value},
            notes=self._notes(),
        )

    def _parts(self) -> Fields:
        """What of the image lies where."""
        derived = self.derived
        parts: Fields = {}
        if archive := derived.output("archive"):
            parts |= {"bucket_path": archive.path, "size": archive.size, "crc32c": archive.crc32c}
            parts["header_checksums"] = derived.checksums
        if original := derived.output("original"):
            parts["original_path"] = original.path
            planes = {c: derived.output(f"rgb-{c}") for c in "rgb"}
            parts["rgb_paths"] = {c: plane.path for c, plane in planes.items() if plane}
        if picture := derived.output("preview"):
            parts["preview_path"] = picture.path
        return {k: v for k, v in parts.items() if v is not None}

    def _notes(self) -> list[str]:
        notes = dict.fromkeys(self.said.notes)
        sequence, header = self.upload.sequence, self.derived.header
        for keywords, meant in (
            (("SEQID", "SEQUENCE_ID"), sequence.sequence_id),
            (("IMAGEID", "IMAGE_ID"), self.upload.image_id),
        ):
            for keyword in keywords:
                said = header.get(keyword)
                if isinstance(said, str) and said.strip() and said.strip() != meant:
                    notes[f"{keyword} = {said.strip()!r}, but the file's path says {meant}"] = None
        if self.derived.checksums == "stale":
            notes["the checksum cards of the uploaded file were out of date"] = None
        return list(notes)


def _solved(said: Fields, solution: Any) -> Fields:
    """Where the stars say that it looks, unless its header says so, too."""
    place = _place_of(solution)
    if place is None:
        return {}
    ra, dec = place
    known, its_dec = said.get("ra_image"), said.get("dec_image")
    if known is not None and its_dec is not None:
        away = separation(ra, dec, known, its_dec)
        return {} if away < SOLVED_BADLY else {"ra_image": ra, "dec_image": dec}
    return {"ra_image": ra, "dec_image": dec}


def _is_solved_by_us(stored: Fields) -> bool:
    """Whether an image's place on the sky is the one that its stars told."""
    place = _place_of(stored.get("solution"))
    return place is not None and place == (stored.get("ra_image"), stored.get("dec_image"))


def _place_of(solution: Any) -> tuple[float, float] | None:
    """Of an image's middle; None where it is not solved, or has other software's words."""
    said = solution if isinstance(solution, dict) else {}
    ra, dec = said.get("ra"), said.get("dec")
    if not isinstance(ra, int | float) or not isinstance(dec, int | float):
        return None
    return float(ra), float(dec)


def _cell(fields: Fields, *positions: tuple[str, str]) -> int | None:
    """The HEALPix cell of the first of these positions (degrees) that a document has.

    None where others' documents hold no place of the sky.
    """
    for names in positions:
        ra, dec = map(fields.get, names)
        if isinstance(ra, int | float) and isinstance(dec, int | float):
            is_on_sky = 0 <= ra <= 360 and -90 <= dec <= 90
            return healpix_of(float(ra), float(dec)) if is_on_sky else None
    return None

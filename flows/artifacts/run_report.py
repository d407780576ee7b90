"""What a run leaves for people in the Prefect UI: its pictures, images, trouble and times.

Pictures lie in the text itself, so that they show wherever the server is; links lead to the
network's pages where their address is known.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime

from prefect.artifacts import create_markdown_artifact

from flows.artifacts.keys import observation_key
from flows.artifacts.markdown_parts import linked, table
from panoptes.network.catalog.catalog import Fields
from panoptes.network.contact_sheet import contact_sheet
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest.lag import IN_ALL, STAGES, percentile
from panoptes.network.ingest.measuring import pointing_error
from panoptes.network.ingest.outcome import TROUBLE, FileResult, images_of, summary
from panoptes.network.pictures import thumbnail
from panoptes.network.safe_text import markdown, safe_log
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, Unreadable

MOST_IMAGES = 50
MOST_TROUBLE = 50
MOST_PICTURES = 3
SIDE = 240
"""Pixels of a picture's long side."""
log = safe_log(__name__)


def leave_report(site: Site, sequence_id: str, results: list[FileResult]) -> None:
    """The report as an artifact of this run, where there was anything to do.

    The run has done its work: whatever is wrong with a picture or a document is only logged.
    """
    if not results:
        return
    try:
        create_markdown_artifact(
            run_report(site, sequence_id, results),
            key=f"run-{observation_key(sequence_id)}",
            description=f"Pictures, images, trouble and times: {summary(results)}",
        )
    except Exception:
        log.exception("the run's report could not be made; the run itself is not touched by that")


def run_report(site: Site, sequence_id: str, results: list[FileResult]) -> str:
    """Markdown about what a run made of an observation's files.

    What cannot be read just now is left out: the run has done its work.
    """
    observation, images = _documents(site, sequence_id, results)
    parts = [_title(site, sequence_id, observation), f"{summary(results).capitalize()}."]
    parts += filter(None, [images_of(results)])
    if pictures := _pictures(site, images):
        encoded = base64.b64encode(contact_sheet(pictures)).decode("ascii")
        parts.append(
            f"![the first, the middle and the last image](data:image/jpeg;base64,{encoded})"
        )
    if images:
        parts.append(_table_of_images(site, images))
    if trouble := [each for each in results if each.became in TROUBLE]:
        parts.append(_table_of_trouble(trouble))
    if lags := [each.lag for each in results if each.lag]:
        parts.append(_table_of_lags(lags))
    return "\n\n".join(parts) + "\n"


def _documents(
    site: Site, sequence_id: str, results: Sequence[FileResult]
) -> tuple[Fields, list[Fields]]:
    """The observation's document and those of the run's images, by time."""
    ids = sorted({each.image_id for each in results if each.image_id is not None})
    try:
        found = [site.catalog.get("images", each) for each in ids[-MOST_IMAGES:]]
        observation = site.catalog.get("observations", sequence_id)
    except TransientError as away:
        log.warning("the run's report lacks its images: %s", away)
        return {}, []
    return observation.fields if observation else {}, [each.fields for each in found if each]


def _title(site: Site, sequence_id: str, observation: Fields) -> str:
    name = observation.get("field_name")
    return " ".join(
        [
            "#",
            linked(site, "observations", sequence_id, sequence_id),
            f"({markdown(name)})" if isinstance(name, str) else "",
        ]
    ).rstrip()


def _pictures(site: Site, images: Sequence[Fields]) -> list[bytes]:
    """Thumbnails; a damaged picture is left out."""
    paths = [path for each in images if isinstance(path := each.get("preview_path"), str)]
    chosen = {0, len(paths) // 2, len(paths) - 1} if paths else set()
    found = []
    for number in sorted(chosen)[:MOST_PICTURES]:
        try:
            data, _ = site.store("previews").read(paths[number])
            found.append(thumbnail(data, SIDE))
        except (NotFound, TransientError, Unreadable, BadInput, ValueError) as missing:
            log.warning("the run's report lacks a picture: %s", missing)
    return found


def _table_of_images(site: Site, images: Sequence[Fields]) -> str:
    rows = [
        (
            linked(site, "images", each.get("image_id"), _when(each)),
            markdown(each.get("image_type") or ""),
            _number(each.get("exptime"), "{:g} s"),
            _number(each.get("airmass"), "{:.2f}"),
            _moon(each),
            _pointing_error(each),
        )
        for each in images
    ]
    head = ("time, UTC", "for", "exposure", "airmass", "Moon", "pointing error")
    # The time and what nobody said aside: a column without a value says nothing.
    kept = [at for at in range(len(head)) if at == 0 or any(row[at] for row in rows)]
    shown = [tuple(row[at] for at in kept) for row in rows]
    return table(f"Images (the last {MOST_IMAGES} at most)", tuple(head[at] for at in kept), shown)


def _moon(image: Fields) -> str:
    said = (
        _number(image.get("moonfrac"), "{:.0%} lit"),
        _number(image.get("moonsep"), "{:.0f}° away"),
    )
    return ", ".join(each for each in said if each)


def _pointing_error(image: Fields) -> str:
    off = pointing_error(image)
    return "" if off is None else f"{60 * off:.1f}′"


def _when(image: Fields) -> str:
    time = image.get("time")
    return f"{time:%Y-%m-%d %H:%M:%S}" if isinstance(time, datetime) else str(image.get("image_id"))


def _number(value: object, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else ""


def _table_of_trouble(trouble: Sequence[FileResult]) -> str:
    ordered = sorted(trouble, key=lambda each: (TROUBLE.index(each.became), each.name))
    # A table of four sentences a row is wider than the page of a run.
    told = [
        f"- {markdown(each.name)}, {each.became.value}: {markdown(each.reason or '')} "
        f"{markdown(each.next_step or '')}".rstrip()
        for each in ordered[:MOST_TROUBLE]
    ]
    left = len(ordered) - len(told)
    shown = "\n".join(["## What was not taken", "", *told])
    return shown + (f"\n\n... and {left} more, in the table of files." if left else "")


def _table_of_lags(lags: Sequence[Mapping[str, float]]) -> str:
    rows = []
    for stage in (*STAGES, IN_ALL):
        known = [lag[stage] for lag in lags if stage in lag]
        if known:
            shares = (f"{percentile(known, share):.1f} s" for share in (0.5, 0.95, 0.99))
            rows.append((stage, *shares))
    return table("Where the time went, from arrival", ("until", "half", "95 %", "99 %"), rows)

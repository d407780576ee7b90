"""An audit that is told what was uploaded."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from panoptes.network.errors import ConfigurationError
from panoptes.network.site import Site
from tests.audited import (
    BAD,
    FIELD,
    STRAY,
    entry_key,
    found,
    truth,
)
from tests.files import IMAGE, LATER, SEQUENCE, jpeg


def test_the_truth_may_be_a_file(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "truth.jsonl"
    file.write_text("".join(json.dumps(asdict(upload)) + "\n" for upload in truth()))
    assert found(site, truth=file) == set()
    file.write_text('{"name": "x"}\n')
    with pytest.raises(ConfigurationError, match="line 1"):
        found(site, truth=file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        found(site, truth=tmp_path / "none")


def test_the_truth_knows_what_was_lost_changed_or_misjudged(site: Site) -> None:
    uploads = {upload.name: upload for upload in truth()}
    wrong = [
        replace(uploads[f"{IMAGE}.jpg"], sha256="0" * 64),
        replace(uploads[f"{LATER}.fits"], sha256="1" * 64),
        replace(uploads[FIELD], fate="quarantined"),
        replace(uploads[BAD], code="empty-file"),
        replace(uploads[STRAY], sha256="2" * 64),
        replace(uploads[f"{IMAGE}.cr2"], name=f"{LATER}.cr2"),
        replace(uploads[f"{IMAGE}.fits.fz"], image_id="PAN001_14d3bd_20180216T000000"),
    ]
    assert found(site, truth=wrong) == {
        ("truth-bytes", f"files/{entry_key(f'{IMAGE}.jpg')}"),
        ("truth-bytes", f"files/{entry_key(f'{LATER}.fits')}"),
        ("truth-fate", f"files/{entry_key(FIELD)}"),
        ("truth-fate", f"files/{entry_key(BAD)}"),
        ("truth-bytes", f"files/{entry_key(STRAY)}"),
        ("truth-lost", f"files/{entry_key(f'{LATER}.cr2')}"),
        ("truth-lost", f"files/{entry_key(f'{IMAGE}.fits.fz')}"),
    }


def test_what_still_waits_is_true_if_its_bytes_are(site: Site) -> None:
    name = f"{SEQUENCE}/20180216T115500.jpg"
    site.store("incoming").put(name, jpeg())
    upload = replace(truth()[0], name=name, sha256=truth(f"{IMAGE}.jpg".__eq__)[0].sha256)
    assert found(site, truth=[upload]) == set()
    site.store("incoming").put(name, jpeg(shade=3))
    assert found(site, truth=[upload]) == {("truth-bytes", f"files/{entry_key(name)}")}

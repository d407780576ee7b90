"""What the truth says of uploads that were found equal to another's archive."""

from __future__ import annotations

import hashlib
from pathlib import Path

from panoptes.network.audit import audit
from panoptes.network.audit.finding import Uploaded
from panoptes.network.names import document_key
from panoptes.network.storage.checksums import crc32c
from tests import audited, sites
from tests.files import IMAGE, place, tiny_fits, tiny_fits_fz

FITS, PACKED = f"{IMAGE}.fits", f"{IMAGE}.fits.fz"


def test_a_duplicate_whose_archive_was_replaced_by_another_image_is_told_of(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    for name, data in ((FITS, tiny_fits()), (PACKED, tiny_fits_fz())):
        place(sites.incoming(site), name, data)
        sites.run(site)
    assert sites.entry_of(site, PACKED).duplicate_of == FITS
    truth = [Uploaded(PACKED, 0, hashlib.sha256(tiny_fits_fz()).hexdigest(), "archived")]
    assert list(audit(site, truth=truth)) == []

    other = tiny_fits_fz(tiny_fits(seed=1))
    info = site.store("images").put(PACKED, other)
    entry = sites.entry_of(site, FITS)
    output = entry.outputs[0] if entry.outputs else None
    assert output is not None
    output = output.model_copy(
        update={"generation": info.generation, "crc32c": crc32c(other), "size": info.size}
    )
    audited.change(site, "files", document_key(FITS), outputs=[output.model_dump()])
    told = [(f.kind.value, f.subject) for f in audit(site, truth=truth)]
    assert ("truth-bytes", PACKED) in told

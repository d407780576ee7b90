"""What the server that children are forked from has done before: imports, and what they put off.

Nothing is opened here.
"""

from __future__ import annotations

import gc
import importlib

import imagecodecs
from PIL import Image

from tests.files import jpeg, tiny_cr2, tiny_fits, tiny_fits_fz

MODULES = [
    "pytest",
    "tests.faults.steps",
    "tests.faults.judge",
    "panoptes.network.simulator.night",
    "panoptes.network.catalog.sqlite",
    "panoptes.network.storage.folder",
    "panoptes.network.storage.gcs",
    "panoptes.network.catalog.firestore",
    "panoptes.network.audit",
    "panoptes.network.fits.archive",
    "panoptes.network.fits.other_codings",
    "panoptes.network.cr2.planes",
    "panoptes.network.pictures",
    "panoptes.network.media",
    "google.cloud.storage",
    "google.cloud.firestore_v1.services.firestore",
    "google.cloud.firestore_v1.services.firestore.transports",
    "google.api_core.retry",
    "astropy.io.fits",
    "rawpy",
    "hpgeom",
    "tenacity",
    "PIL.JpegImagePlugin",
]
for name in MODULES:
    importlib.import_module(name)

# Plugins and codecs are loaded at their first use.
Image.init()
for codec in ("deflate_decode", "deflate_encode", "ljpeg_decode", "rice_decode"):
    getattr(imagecodecs, codec, None)
# The uploads of the nights are made once.
for make in (jpeg, tiny_cr2, tiny_fits, tiny_fits_fz):
    make()
# A collection in a child would copy every page of what is here.
gc.collect()
gc.freeze()

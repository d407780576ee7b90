"""The other way to R, G and B: LibRaw's processing with options of the caller's.

This is what the network's first service did. White balance and the colour matrix mix the
channels, so the result is for looking at, not for photometry, and its header says so.
"""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from panoptes.network.cr2.frame import MAX_PIXELS, opened_raw
from panoptes.network.cr2.planes import COLOURS, Colour, RawOrigin
from panoptes.network.errors import BadInput
from panoptes.network.fits.plain import CardTuple, FitsImage, fits_bytes

if TYPE_CHECKING:
    import rawpy

OptionValue: TypeAlias = str | int | float | bool | Sequence[float] | None
Options: TypeAlias = Mapping[str, OptionValue]

DEFAULTS: dict[str, OptionValue] = {
    "demosaic_algorithm": "AAHD",
    "half_size": True,
    "no_auto_bright": True,
    "output_bps": 16,
    "gamma": (1, 1),
}
"""The first service's options. LibRaw ignores the algorithm at half size."""

_ALLOWED: dict[str, Sequence[OptionValue]] = {
    "output_bps": (8, 16),
    "user_flip": (None, 0, 3, 5, 6),
    "highlight_mode": range(10),
    "median_filter_passes": range(11),
    "dcb_iterations": range(11),
}
"""What LibRaw gives a meaning to; passes beyond ten only cost time."""


def rawpy_params(options: Options | None = None) -> rawpy.Params:
    """`DEFAULTS` with the caller's options over them, as rawpy takes them.

    Enumerations are given by the names of their members, such as ``"AAHD"``. Raises
    ValueError, with a sentence, for options that rawpy does not have, that are not allowed
    here, or whose value cannot be.
    """
    import rawpy

    known = set(inspect.signature(rawpy.Params.__init__).parameters) - {"self", "bad_pixels_path"}
    chosen: dict[str, object] = {}
    for name, value in {**DEFAULTS, **(options or {})}.items():
        if name == "bad_pixels_path":
            raise ValueError(
                f"the rawpy option {name!r} is not allowed: "
                "it names a file on the machine that does the work"
            )
        if name not in known:
            raise ValueError(f"rawpy has no option {name!r}; it has {', '.join(sorted(known))}")
        chosen[name] = _option_value(name, value)
    try:
        return rawpy.Params(**chosen)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, AssertionError, rawpy.NotSupportedError) as error:
        raise ValueError(f"rawpy does not take these options: {error}") from error


def _option_value(name: str, value: OptionValue) -> object:
    import rawpy

    enumerations: dict[str, type[enum.Enum]] = {
        "demosaic_algorithm": rawpy.DemosaicAlgorithm,
        "fbdd_noise_reduction": rawpy.FBDDNoiseReductionMode,
        "output_color": rawpy.ColorSpace,
        "highlight_mode": rawpy.HighlightMode,
    }
    kind = enumerations.get(name)
    if kind is not None and isinstance(value, str):
        members = {member.name.lower(): member for member in kind}
        if value.lower() not in members:
            names = ", ".join(member.name for member in kind)
            raise ValueError(f"the rawpy option {name!r} is one of {names}, not {value!r}")
        return members[value.lower()]
    allowed = _ALLOWED.get(name)
    if allowed is not None and value not in allowed:
        stated = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else f"of {allowed}"
        raise ValueError(f"the rawpy option {name!r} must be {stated}, not {value!r}")
    if name in ("gamma", "chromatic_aberration") and isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(f"the rawpy option {name!r} takes two numbers")
        return tuple(value)
    return value


def processed_planes(
    cr2: bytes,
    rawpy_options: Options | None = None,
    *,
    provenance: RawOrigin,
    max_pixels: int = MAX_PIXELS,
) -> dict[Colour, bytes]:
    """Three plain FITS files of what LibRaw's ``postprocess`` makes of a raw.

    8 or 16 bits a pixel, rows from the top of the picture as the camera was held. Raises
    ValueError for options (see `rawpy_params`), BadInput as `read_raw` does.
    """
    import numpy as np
    import rawpy

    params = rawpy_params(rawpy_options)
    with opened_raw(cr2, max_pixels) as (raw, capture):
        rgb = raw.postprocess(params)
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise BadInput("unsupported-format", "it has no three colours")
    stated = json.dumps({**DEFAULTS, **(rawpy_options or {})}, sort_keys=True, default=str)
    cards: tuple[CardTuple, ...] = (
        *provenance.cards(),
        *capture.cards(),
        ("RAWDATA", False, "processed: white balance and colour matrix"),
        ("ROWORDER", "TOP-DOWN", "the first row is the picture's top row"),
        ("RAWPROC", f"LibRaw {'.'.join(map(str, rawpy.libraw_version))}", "processed by"),
        ("RAWPOPT", stated, "options"),
    )
    return {
        colour: fits_bytes(
            [
                FitsImage(
                    (*cards, ("FILTER", colour.upper(), "channel of the processed picture")),
                    np.ascontiguousarray(rgb[:, :, index], dtype=np.uint16),
                )
            ]
        )
        for index, colour in enumerate(COLOURS)
    }

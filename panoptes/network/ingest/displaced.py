"""Uploads whose archived object an operator moved away, so that another file has its place.

The way is in docs/operations.md, "Two different files of one image". Nothing here looks at an
object: `checksum` is that of what stands there now.
"""

from __future__ import annotations

from panoptes.network.documents import File, Output


def is_kept_aside(entry: File, output: Output) -> bool:
    """Whether the ledger knows that another file has the place: this one was sent again, differed
    from what stands there, and lies in quarantine."""
    other = entry.conflicts_with
    return other is not None and (
        (other.location, other.path) == (output.location, output.path)
        and other.generation != output.generation
    )


def is_lent(entry: File, output: Output, lender: File | None, checksum: str) -> bool:
    """Whether what stands there is still that of the file which this one was found equal to.

    The lender may have been sent again, and its archive been made anew in other bytes. Not if it
    once conflicted with what this one was equal to: then its own image has changed.
    """
    if lender is None or entry.closed is None:
        return False
    made = ((o.location, o.path, o.crc32c) for o in lender.outputs or ())
    conflicted = any(
        case.code == "conflicts-with-archive"
        and (case.size, case.crc32c or lender.crc32c) == (lender.size, lender.crc32c)
        and case.closed is not None
        and case.closed > entry.closed
        for case in lender.history or ()
    )
    return (output.location, output.path, checksum) in made and not conflicted

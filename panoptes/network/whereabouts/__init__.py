"""What became of a file: found by its name, in any spelling, and told in words for volunteers.

What the ledger does not know may still wait in `incoming`, or lie in an archive that is older than
it.
"""

from panoptes.network.whereabouts.telling import FileReport, FileReports, what_became_of

__all__ = ["FileReport", "FileReports", "what_became_of"]

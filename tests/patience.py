"""How long tests wait: the machine may be busy with other work.

A limit here only says when a test gives up, never what is right.
"""

from __future__ import annotations

PATIENT_SECONDS = 180.0
"""For what comes within moments on a machine that does nothing else."""


def be_patient() -> None:
    """Let the Firestore emulator take its time in this process.

    Runs of the network try again what Firestore did not answer in four seconds. Tests ask it
    directly, where nobody tries again: an emulator on a busy machine may take longer.
    """
    from panoptes.network.catalog import firestore_link

    firestore_link._CALL_SECONDS = 60.0
    firestore_link._RETRY_SECONDS = 120.0

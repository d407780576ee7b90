"""Light curves of an observation's stars, once it is complete and by hand.

1. Look whether the network has a place for them, and whether another run makes them already.
2. Measure the stars in every frame, fit magnitudes, write one Parquet file and the documents.
3. Leave a report: scatter by magnitude, and the frames that were left out, with the reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.network import load_network
from flows.artifacts.light_curves import light_curves_markdown
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.watchdog import ended_when_stalled
from panoptes.network.names import parse_sequence_id
from panoptes.network.processing.owed import has_news, lease_of
from panoptes.network.safe_text import markdown, one_line
from panoptes.network.stars.given import extra_stars
from panoptes.network.stars.given import picids as read_picids
from tasks.make_light_curves import NOTHING, make_light_curves
from tasks.naming import flow_run_named


@flow(
    name="process-observation",
    flow_run_name=flow_run_named("process {sequence_id}"),
    persist_result=False,
)
def process_observation(
    sequence_id: str,
    network: str = "default",
    extra: str | None = None,
    picids: str | None = None,
    only_if_new: bool = False,
) -> State[Any]:
    """Make light curves of an observation; those that were made before stay beside them.

    Completes as *Nothing to measure*, with the reason, where too little can be used; and, doing
    nothing, where the network's block has no `measurements`. Safe to run at any time.

    Args:
        sequence_id: The observation, UNIT_CAMERA_SEQUENCETIME: PAN001_14d3bd_20180216T110623.
        network: Name of the 'PANOPTES network' block to work on.
        extra: A CSV file on the worker's disk of stars that the packaged catalogue lacks, which
            ends at G 10: source_id,ra,dec,g.
        picids: A CSV file on the worker's disk of the TIC ids of stars: source_id,picid.
        only_if_new: Do nothing if light curves were made since the observation's last file.
    """
    try:
        sequence = parse_sequence_id(sequence_id)
        block = load_network(network)
        if block.measurements is None:
            return Completed(message="nothing is measured: the block has no `measurements`")
        stars = extra_stars(Path(extra)) if extra else None
        ids = read_picids(Path(picids)) if picids else None
        with (
            ended_when_stalled(block.stall_seconds),
            alone(
                block.site.catalog, lease_of(sequence.sequence_id), block.lease_seconds
            ) as is_alone,
        ):
            if not is_alone:
                return Cancelled(message="another run measures it")
            stored = block.site.catalog.get("observations", sequence.sequence_id)
            if only_if_new and stored is not None and not has_news(stored.fields):
                return Completed(message="nothing has come since its light curves were made")
            made = make_light_curves(block, sequence.sequence_id, stars, ids)
            if isinstance(made, State):
                return Completed(name=NOTHING, message=made.message)
    except (ValueError, ConfigurationError, TransientError) as error:
        return Failed(message=one_line(error))
    create_markdown_artifact(
        light_curves_markdown(block.site, made),
        key="light-curves",
        description=markdown(f"Light curves of {made.sequence_id}"),
    )
    left = f"; {len(made.left_out)} frames were left out" if made.left_out else ""
    return Completed(message=f"{made.stars} stars in {made.frames} images{left}")

"""Documents and archives that were there before this network become the network's.

1. Flat documents of earlier software, and of earlier releases, are completed where they are;
   beside nested ones ours are written.
2. Files that no ledger knows are entered, where they lie; their previews are made.
3. Counts are asked of the catalogue.

The composition is `panoptes.network.adoption`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.network import load_network
from flows.artifacts.keys import network_key
from flows.artifacts.progress import log_now_and_then
from panoptes.network.adoption import adopt
from panoptes.network.adoption.adopting import AnotherAdoption
from panoptes.network.adoption.taken import Done, TakenOver, Tally
from panoptes.network.errors import ConfigurationError
from panoptes.network.safe_text import markdown
from tasks.naming import flow_run_named

MOST_ROWS = 1000
"""Of what was left, in the table in the Prefect user interface."""


@flow(name="adopt-network", flow_run_name=flow_run_named("adopt {network}"), persist_result=False)
def adopt_network(
    network: str = "default", unit: str | None = None, dry_run: bool = True
) -> State[Any]:
    """Take over what earlier software left. Safe to repeat, and to break off.

    Completes when all is taken over, or would be; fails, saying why, where something is left.

    Args:
        network: Name of the 'PANOPTES network' block to work on.
        unit: Only what is this unit's, for example PAN001; empty: everything.
        dry_run: Only say what would be done; nothing is written.
    """
    try:
        site = load_network(network).site
        site.check()
        found = adopt(site, unit=unit or None, dry_run=dry_run)
    except (ValueError, ConfigurationError) as error:
        return Failed(message=str(error))
    tally, left = Tally(), list[TakenOver]()
    done = log_now_and_then("taken over")
    try:
        for taken in found:
            tally.add(taken)
            if taken.became is Done.LEFT and len(left) < MOST_ROWS:
                left.append(taken)
            done(taken.name)
    except AnotherAdoption as error:
        return Cancelled(message=str(error))
    _show(network, left, tally)
    message = f"{'would be: ' if dry_run else ''}{tally.sentence}"
    return Failed(message=message) if tally.left else Completed(message=message)


def _show(network: str, left: list[TakenOver], tally: Tally) -> None:
    rows = [{"what": markdown(each.name), "why": markdown(each.reason or "")} for each in left]
    description = f"What was left of what was there before: {tally.left}"
    create_table_artifact(rows, key=f"adopt-{network_key(network)}", description=description)

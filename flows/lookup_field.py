"""A name, or coordinates in any notation, to a place on the sky."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.lookup.resolved import NoSuchName
from panoptes.network.safe_text import one_line
from tasks.naming import flow_run_named
from tasks.resolve import resolve


@flow(
    name="lookup-field", flow_run_name=flow_run_named("lookup {search_string}"), persist_result=True
)
def lookup_field(search_string: str, time: datetime | None = None) -> State[Any]:
    """Say where a name, or coordinates, is on the sky: right ascension and declination, ICRS.

    The run's result is ``{success, ra, dec, search_string, ...}``, in degrees.

    That there is no such name is an answer, too: ``success`` is false and the message
    says why. The run fails only when the name resolver cannot be reached.

    Args:
        search_string: A name (M42, Andromeda Galaxy, HD 189733, Moon) or coordinates
            (05h35m17.3s -05d23m28s, 83.82 -5.39, J05351730-0523280).
        time: When, for the Sun, the Moon and planets; UTC; empty: now.
    """
    try:
        # What is cached may have been asked for with other blanks.
        found = resolve(search_string, time).model_copy(update={"search_string": search_string})
    except NoSuchName as error:
        answer = {"success": False, "search_string": search_string, "message": str(error)}
        return Completed(message=one_line(error), data=answer)
    except (TransientError, ConfigurationError) as error:
        return Failed(message=str(error))
    return Completed(
        message=one_line(f"{found.name}: RA {found.ra:.5f}, Dec {found.dec:+.5f} ({found.source})"),
        data={"success": True, **found.model_dump(mode="json", exclude_none=True)},
    )

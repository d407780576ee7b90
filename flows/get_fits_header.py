"""The headers of a stored FITS file."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.network import load_network
from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.header_answer import REFUSALS
from panoptes.network.safe_text import one_line
from tasks.header import header
from tasks.naming import flow_run_named


@flow(
    name="get-fits-header",
    flow_run_name=flow_run_named("header {bucket_path}"),
    persist_result=True,
)
def get_fits_header(
    bucket_path: str,
    hdu: int | str | None = None,
    bucket_name: str | None = None,
    network: str = "default",
) -> State[Any]:
    """Show the header of a stored FITS file, read without its pixels.

    The run's result is ``{success, header, ...}``.

    That there is no such file, or that it is no FITS file, is an answer, too: ``success``
    is false and the message says why. The run fails only when the store cannot be reached.

    Args:
        bucket_path: A file's path, such as UNIT/CAMERA/SEQUENCE/IMAGE.fits.fz, or its gs:// or
            public URL.
        hdu: An HDU by number or name, or 'all'; empty: the image's own header.
        bucket_name: A bucket, or a location such as images or rgb.
        network: Name of the 'PANOPTES network' block to look in.
    """
    try:
        answer = header(load_network(network), bucket_path, hdu, bucket_name)
    except REFUSALS as error:
        message = error.reason if isinstance(error, BadInput) else str(error)
        return Completed(message=one_line(message), data={"success": False, "message": message})
    except (TransientError, ConfigurationError) as error:
        return Failed(message=str(error))
    return Completed(message=f"{answer['location']}/{answer['path']}", data=answer)

"""`panoptes-network cloud`: the Google Cloud side of a network, said to Google's tools."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson
from deployments.command_line.telling import OK, complaining, print_json

app = typer.Typer()


class Tool(StrEnum):
    GCLOUD = "gcloud"
    TERRAFORM = "terraform"
    TEARDOWN = "teardown"
    LIST = "list"


@app.command()
@complaining("cloud")
def cloud(
    tool: Annotated[
        Tool,
        typer.Argument(
            help="gcloud: a script that makes everything; terraform: main.tf.json; teardown: a "
            "script that takes away all but the data; list: what there would be, in a line each."
        ),
    ],
    project: Annotated[str, typer.Option(help="The project's id.")],
    number: Annotated[
        str,
        typer.Option(
            help="Its number: gcloud projects describe ID --format='value(projectNumber)'."
        ),
    ],
    region: Annotated[str, typer.Option(help="Where everything is, such as us-central1.")],
    prefect_api: Annotated[
        str,
        typer.Option(
            "--prefect-api", help="Prefect's API, such as https://prefect.example.org/api."
        ),
    ],
    billing_account: Annotated[
        str | None, typer.Option(help="With it, a budget tells when the month becomes expensive.")
    ] = None,
    monthly_budget: Annotated[
        int, typer.Option(min=1, help="In the billing account's currency.")
    ] = 100,
    cool_days: Annotated[
        int, typer.Option(min=1, help="After so many days images and raws move to cheaper storage.")
    ] = 60,
    as_json: AsJson = False,
) -> int:
    """Print what makes buckets, events, database, rights and services on Google Cloud.

    Nothing is changed by it: look at what it prints, and run that. DRY_RUN=1 before a script
    makes it say what it would run.
    """
    from deployments.cloud.decisions import Cloud
    from deployments.cloud.gcloud import gcloud_script, teardown_script
    from deployments.cloud.plan import plan
    from deployments.cloud.terraform import terraform_json

    decided = Cloud(
        project, number, region, prefect_api,
        billing_account=billing_account, monthly_budget=monthly_budget, cool_days=cool_days,
    )  # fmt: skip
    resources = plan(decided)
    match tool:
        case Tool.GCLOUD:
            told = gcloud_script(decided, resources)
        case Tool.TEARDOWN:
            told = teardown_script(decided, resources)
        case Tool.TERRAFORM:
            told = json.dumps(terraform_json(decided, resources), indent=2) + "\n"
        case Tool.LIST:
            told = "".join(f"{each.address}\n" for each in resources)
    if as_json:
        addresses = [each.address for each in resources]
        print_json({"resources": addresses, "text": told})
        return OK
    sys.stdout.write(told)
    return OK

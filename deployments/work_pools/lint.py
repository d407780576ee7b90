"""What is wrong with a prefect.yaml, beyond what Prefect says of it.

Prefect ignores keys that it does not know (``wihtin: 60`` deploys), replaces a flow that
cannot be imported by a placeholder, and passes on parameters that no flow takes. Here the
file is held against Prefect's own models, the signatures of the pull steps, and the flows.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import chdir
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from prefect import Flow
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.events.schemas.deployment_triggers import DeploymentTriggerTypes
from prefect.exceptions import MissingFlowError, ScriptError
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.importtools import import_object
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

Problems = Iterator[str]

# Prefect has annotations of names that it defines below them.
DeploymentConfig.model_rebuild()
PrefectYamlModel.model_rebuild()


class Limit(ConcurrencyLimitSpec):
    """A concurrency limit, with the strategies that there are."""

    collision_strategy: ConcurrencyLimitStrategy | None = None


def _limit(value: object) -> object:
    return {"limit": value} if isinstance(value, int) else value


class Deployment(DeploymentConfig):
    """A deployment as we write it: with what Prefect reads loosely, or only later."""

    name: str
    work_pool: WorkPoolConfig
    concurrency_limit: Annotated[Limit, BeforeValidator(_limit)] | None = None
    schedules: list[RawScheduleConfig] | None = None  # type: ignore[assignment]
    triggers: list[DeploymentTriggerTypes] | None = None  # type: ignore[assignment]


class PrefectYaml(PrefectYamlModel):
    """The file."""

    definitions: Any = None
    deployments: list[Deployment] = Field(default_factory=list)  # type: ignore[assignment]


def lint(file: Path) -> list[str]:
    """One sentence for each problem, saying where it is; none if the file is sound.

    Entrypoints are imported as Prefect does, from the folder of `file`.
    """
    document = yaml.safe_load(file.read_text())
    with chdir(file.parent):
        return list(_document(document))


def _document(document: Mapping[str, Any]) -> Problems:
    deployments = document.get("deployments") or []
    named = [f"deployment {each.get('entrypoint')} / {each.get('name')}" for each in deployments]
    yield from _invalid(document, named)
    for where in sorted({each for each in named if named.count(each) > 1}):
        yield f"{where}: is there twice; the later one would replace the earlier."
    for part, where in ((document, "prefect.yaml"), *zip(deployments, named, strict=True)):
        for action in ("build", "push", "pull"):
            yield from _steps(part.get(action), f"{where}, {action}")
    for deployment, where in zip(deployments, named, strict=True):
        yield from _flow(deployment, where)


def _invalid(document: Mapping[str, Any], named: list[str]) -> Problems:
    """What the models do not take, keys that they would ignore among it."""
    schema = PrefectYaml.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    fields = {name for model in models for name in model.get("properties", ())}
    try:
        PrefectYaml.model_validate(document, extra="forbid")
    except ValidationError as error:
        for each in error.errors():
            place, where = each["loc"], "prefect.yaml"
            if place[0] == "deployments" and len(place) > 2:
                where, place = named[int(place[1])], place[2:]
            *above, key = map(str, place)
            where = ", ".join([where, *above])
            match each["type"]:
                case "extra_forbidden":
                    yield f"{where}: {_unknown(key, fields)}"
                case "missing":
                    yield f"{where}: has no {key}."
                case "enum":
                    yield f"{where}: {key} {each['input']!r} is unknown."
                case _:
                    yield f"{where}, {key}: {each['msg']}."


def _unknown(key: str, known: Collection[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"{key!r} is unknown{f'; did you mean {close[0]!r}?' if close else '.'}"


def _among(data: Mapping[str, Any], known: Collection[str], where: str) -> Problems:
    for key in data:
        if key not in known:
            yield f"{where}: {_unknown(key, known)}"


def _steps(steps: object, where: str) -> Problems:
    """The steps of an action: each one function by its path, and its arguments."""
    for step in steps if isinstance(steps, list) else [steps] if steps else []:
        if not isinstance(step, Mapping) or len(step) != 1:
            yield f"{where}: a step is one function and its arguments, not {step!r}."
            continue
        ((path, arguments),) = step.items()
        try:
            function = import_object(path)
        except (ImportError, AttributeError) as error:
            yield f"{where}: {path} cannot be imported ({error})."
            continue
        reserved = ["id", "requires"]
        taken = inspect.signature(function).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            yield from _among(arguments or {}, [*taken, *reserved], f"{where}, {path}")


def _flow(deployment: Mapping[str, Any], where: str) -> Problems:
    entrypoint = str(deployment.get("entrypoint"))
    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    except (ScriptError, MissingFlowError, ImportError, AttributeError, ValueError) as error:
        yield f"{where}: the entrypoint cannot be imported ({error.__cause__ or error})."
        return
    yield from _parameters(flow, deployment, where)


def _parameters(flow: Flow[..., Any], deployment: Mapping[str, Any], where: str) -> Problems:
    """Names that the flow takes, and values of the right kind where they are no template."""
    taken = inspect.signature(flow.fn, eval_str=True).parameters
    own = deployment.get("parameters") or {}
    yield from _among(own, taken, f"{where}, parameters")
    for key in ("schedules", "triggers"):
        for entry in deployment.get(key) or []:
            yield from _among(entry.get("parameters") or {}, taken, f"{where}, {key}, parameters")
    for name, value in own.items():
        if name in taken and not (isinstance(value, str) and "{{" in value):
            try:
                TypeAdapter(taken[name].annotation).validate_python(value)
            except ValidationError as error:
                yield f"{where}, parameters: {name} {error.errors()[0]['msg']}."


def main() -> None:
    """``python -m deployments.work_pools.lint [FILE]``: print the problems; 1 if there are any."""
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "prefect.yaml")
    problems = lint(file)
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()

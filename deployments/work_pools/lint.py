"""What is wrong with a prefect.yaml, beyond what Prefect says of it.

Prefect ignores keys that it does not know (``wihtin: 60`` deploys), replaces a flow that
cannot be imported by a placeholder, and passes on parameters that no flow takes. Here the
file is held against Prefect's own models, the signatures of the pull steps, and the flows.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect import Flow
    from pydantic import BaseModel

Problems = Iterator[str]


def lint(file: Path) -> list[str]:
    """One sentence for each problem, saying where it is; none if the file is sound.

    Entrypoints are imported as Prefect does, from the folder of `file`.
    """
    import yaml

    document = yaml.safe_load(file.read_text())
    with _inside(file.parent):
        return list(_document(document))


def _document(document: Mapping[str, Any]) -> Problems:
    from prefect.cli.deploy._models import PrefectYamlModel

    yield from _keys(PrefectYamlModel, document, "prefect.yaml", more=["definitions"])
    # Schedules may be any of five models; they are held against the one that we use below.
    plain = [
        {key: value for key, value in deployment.items() if key != "schedules"}
        for deployment in document.get("deployments") or []
    ]
    yield from _invalid(PrefectYamlModel, {**document, "deployments": plain}, "prefect.yaml")
    for action in ("build", "push", "pull"):
        yield from _steps(document.get(action), action)
    named: set[str] = set()
    for deployment in document.get("deployments") or []:
        where = f"deployment {deployment.get('entrypoint')} / {deployment.get('name')}"
        if where in named:
            yield f"{where}: is there twice; the later one would replace the earlier."
        named.add(where)
        yield from _deployment(deployment, where)


def _deployment(deployment: Mapping[str, Any], where: str) -> Problems:
    from prefect.cli.deploy._models import (
        ConcurrencyLimitSpec,
        DeploymentConfig,
        RawScheduleConfig,
        WorkPoolConfig,
    )
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy

    yield from _keys(DeploymentConfig, deployment, where)
    if not deployment.get("name"):
        yield f"{where}: has no name, so it would be left out."
    for action in ("build", "push", "pull"):
        yield from _steps(deployment.get(action), f"{where}, {action}")
    if isinstance(pool := deployment.get("work_pool"), Mapping):
        yield from _keys(WorkPoolConfig, pool, f"{where}, work_pool")
    else:
        yield f"{where}: has no work_pool, so nothing would run it."
    if isinstance(limit := deployment.get("concurrency_limit"), Mapping):
        yield from _keys(ConcurrencyLimitSpec, limit, f"{where}, concurrency_limit")
        strategy = limit.get("collision_strategy", "ENQUEUE")
        if strategy not in [known.value for known in ConcurrencyLimitStrategy]:
            yield f"{where}: collision_strategy {strategy!r} is unknown."
    for schedule in deployment.get("schedules") or []:
        yield from _keys(RawScheduleConfig, schedule, f"{where}, schedules")
        yield from _invalid(RawScheduleConfig, schedule, f"{where}, schedules")
    for trigger in deployment.get("triggers") or []:
        yield from _trigger(trigger, f"{where}, trigger {trigger.get('name', '(unnamed)')}")
    yield from _flow(deployment, where)


def _trigger(trigger: Mapping[str, Any], where: str) -> Problems:
    from prefect.events.schemas import deployment_triggers as outer

    kinds: dict[str, type[BaseModel]] = {
        "event": outer.DeploymentEventTrigger,
        "metric": outer.DeploymentMetricTrigger,
        "compound": outer.DeploymentCompoundTrigger,
        "sequence": outer.DeploymentSequenceTrigger,
    }
    kind = outer.deployment_trigger_discriminator(dict(trigger))
    if kind not in kinds:
        yield f"{where}: type {kind!r} is unknown."
        return
    yield from _keys(kinds[kind], trigger, where)
    yield from _invalid(kinds[kind], trigger, where)
    yield from _inner_triggers(trigger, where)


def _inner_triggers(trigger: Mapping[str, Any], where: str) -> Problems:
    from prefect.events.schemas import automations

    kinds: dict[str, type[BaseModel]] = {
        "event": automations.EventTrigger,
        "metric": automations.MetricTrigger,
        "compound": automations.CompoundTrigger,
        "sequence": automations.SequenceTrigger,
    }
    if isinstance(metric := trigger.get("metric"), Mapping):
        yield from _keys(automations.MetricTriggerQuery, metric, f"{where}, metric")
    for number, inner in enumerate(trigger.get("triggers") or [], start=1):
        there = f"{where}, inner trigger {number}"
        if inner.get("type", "event") in kinds:
            yield from _keys(kinds[inner.get("type", "event")], inner, there)
        yield from _inner_triggers(inner, there)


def _steps(steps: object, where: str) -> Problems:
    """The steps of an action: each one function by its path, and its arguments."""
    from prefect.utilities.importtools import import_object

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
    from prefect.exceptions import MissingFlowError, ScriptError
    from prefect.flows import load_flow_from_entrypoint

    entrypoint = str(deployment.get("entrypoint"))
    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    except (ScriptError, MissingFlowError, ImportError, AttributeError, ValueError) as error:
        yield f"{where}: the entrypoint cannot be imported ({error.__cause__ or error})."
        return
    yield from _parameters(flow, deployment, where)


def _parameters(flow: Flow[..., Any], deployment: Mapping[str, Any], where: str) -> Problems:
    """Names that the flow takes, and values of the right kind where they are no template."""
    from pydantic import TypeAdapter, ValidationError

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


def _keys(
    model: type[BaseModel], data: Mapping[str, Any], where: str, *, more: Collection[str] = ()
) -> Problems:
    """Keys that the model has no field for, which it would ignore."""
    fields = {field.alias or name for name, field in model.model_fields.items()}
    return _among(data, fields | set(model.model_fields) | set(more), where)


def _among(data: Mapping[str, Any], known: Collection[str], where: str) -> Problems:
    from difflib import get_close_matches

    for key in data:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            yield f"{where}: {key!r} is unknown{hint}"


def _invalid(model: type[BaseModel], data: Mapping[str, Any], where: str) -> Problems:
    from pydantic import ValidationError

    try:
        model.model_validate(data)
    except ValidationError as error:
        for problem in error.errors():
            if problem["type"] == "extra_forbidden":
                continue  # `_keys` says it better.
            yield f"{where}, {'.'.join(map(str, problem['loc']))}: {problem['msg']}."


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def main() -> None:
    """``python -m deployments.work_pools.lint [FILE]``: print the problems; 1 if there are any."""
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "prefect.yaml")
    problems = lint(file)
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()

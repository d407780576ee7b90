"""The plan as a script of gcloud commands, which may be run again and again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployments.cloud.decisions import Cloud
from deployments.cloud.resource import Command, Resource
from deployments.cloud.storing import lifecycle_files

_HEAD = """\
#!/usr/bin/env bash
# {title} the PANOPTES network in the project {project}.
# Safe to run again. With DRY_RUN=1 it only looks, and says what it would run.
set -euo pipefail
DRY_RUN=${{DRY_RUN:-}}

# Whether a command of gcloud that only looks has something to say.
there() {{
  local said
  said=$(gcloud "$@" --project={project} 2>/dev/null) && [ -n "$said" ]
}}

# Runs a command of gcloud. That a thing is there already, or gone already, is no failure.
run() {{
  local said
  if [ -n "$DRY_RUN" ]; then
    printf 'would run: gcloud'; printf ' %q' "$@"; printf '\\n'
  elif said=$(gcloud "$@" --project={project} 2>&1); then
    printf 'done: gcloud'; printf ' %q' "$@"; printf '\\n'
  else
    case "$said" in
      *ALREADY_EXISTS*|*'already exists'*|*NOT_FOUND*|*'not found'*|*'does not exist'*)
        printf 'nothing to do: gcloud'; printf ' %q' "$@"; printf '\\n' ;;
      *) printf '%s\\n' "$said" >&2; exit 1 ;;
    esac
  fi
}}

gcloud projects describe {project} --format='value(projectNumber)' | grep -qx {number} ||
  {{ echo 'You cannot see the project {project}, or it has another number than {number}.' >&2; exit 1; }}
"""  # noqa: E501


def gcloud_script(cloud: Cloud, resources: Sequence[Resource]) -> str:
    """Bash that makes what is missing and brings the rest to what the plan says."""
    return _script(cloud, "Makes", _making(resources), lifecycle_files(cloud))


def teardown_script(cloud: Cloud, resources: Sequence[Resource]) -> str:
    """Bash that takes away everything but what holds data, the last first."""
    return _script(cloud, "Takes down", _taking_down(resources), {})


def _script(cloud: Cloud, title: str, lines: Iterator[str], files: Mapping[str, Any]) -> str:
    head = _HEAD.format(title=title, project=cloud.project, number=cloud.number)
    written = [
        f"cat > {name} <<'END'\n{json.dumps(content, indent=2)}\nEND"
        for name, content in files.items()
    ]
    folder = ['cd "$(mktemp -d)"', *written, ""] if written else []
    return "\n".join([head, *folder, *lines]) + "\n"


def _making(resources: Sequence[Resource]) -> Iterator[str]:
    for each in resources:
        yield f"# {each.address}"
        if each.describe:
            yield f"there {_shell(each.describe)} ||"
            yield f"  run {_shell(each.create)}"
        else:
            yield f"run {_shell(each.create)}"
        if each.update:
            yield f"run {_shell(each.update)}"


def _taking_down(resources: Sequence[Resource]) -> Iterator[str]:
    for each in reversed(resources):
        if each.delete:
            yield f"run {_shell(each.delete)}"
        else:
            yield f"# stays: {each.address}"


def _shell(command: Command) -> str:
    return shlex.join(command)

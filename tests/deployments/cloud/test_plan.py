"""The Google Cloud side as data: what both tools are told is whole, safe and repeatable."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.cloud.decisions import PAGES, WORKER, Cloud
from deployments.cloud.gcloud import gcloud_script, teardown_script
from deployments.cloud.permissions import CATALOG, READING, ROLES, STORE
from deployments.cloud.plan import plan
from deployments.cloud.resource import Command
from deployments.cloud.rights import RIGHTS
from deployments.cloud.terraform import terraform_json
from panoptes.network.catalog.catalog import Catalog
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import LOCATIONS, NetworkSettings
from panoptes.network.storage.store import ObjectStore

CLOUD = Cloud(
    "my-project", "123456789012", "us-central1", "https://prefect.example.org/api",
    billing_account="0123AB-4567CD-89EF01",
)  # fmt: skip

FAKE = """\
#!{python}
# Stands for gcloud: what it is told to make is there afterwards, by the words of the command.
import pathlib, sys
state = pathlib.Path({state!r})
words = [each for each in sys.argv[1:] if each != '--project=my-project']
with open({log!r}, 'a') as log:
    log.write(' '.join(words) + chr(10))
there = set(state.read_text().splitlines()) if state.exists() else set()
looks = {{'describe', 'list'}} & set(words[:4])
named = ' '.join(w.partition('@')[0] for w in words if not w.startswith('--'))
for verb in ('describe', 'list', 'create', 'delete', 'update'):
    named = named.replace(f' {{verb}}', '')
if words[:2] == ['projects', 'describe']:
    print('123456789012')
elif looks:
    if not any(each.startswith(named) for each in there): sys.exit('NOT_FOUND')
    print(named)
elif 'create' in words or 'deploy' in words:
    if named in there and 'deploy' not in words: sys.exit('ALREADY_EXISTS')
    state.write_text(chr(10).join(there | {{named}}))
elif 'delete' in words:
    if named not in there: sys.exit('NOT_FOUND')
    state.write_text(chr(10).join(there - {{named}}))
"""


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """Runs a script with the fake; gives the commands that were run and what was said."""
    log = tmp_path / "log"
    fake = tmp_path / "bin" / "gcloud"
    fake.parent.mkdir()
    fake.write_text(FAKE.format(python=sys.executable, state=str(tmp_path / "state"), log=str(log)))
    fake.chmod(0o755)

    def run(script: str, **environment: str) -> tuple[list[str], str]:
        log.write_text("")
        path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-s"], input=script, env=os.environ | {"PATH": path} | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return log.read_text().splitlines(), done.stdout

    return run


def changing(commands: list[str]) -> list[str]:
    return [each for each in commands if not re.search(r" (describe|list) ", f"{each} ")]


def test_the_script_makes_what_is_missing_once_and_says_what_it_would_do(shell: Any) -> None:
    script = gcloud_script(CLOUD, plan(CLOUD))
    commands, said = shell(script, DRY_RUN="1")
    assert changing(commands) == []
    assert "would run: gcloud storage buckets create gs://my-project-incoming" in said
    first, _ = shell(script)
    assert sum("storage buckets create" in each for each in first) == len(LOCATIONS)
    second, said = shell(script)
    again = [each for each in changing(second) if " create " in each]
    # Only what gcloud itself answers with ALREADY_EXISTS is asked for again.
    assert {" ".join(each.split()[:4]) for each in again} == {"firestore indexes composite create"}
    assert "nothing to do: gcloud firestore indexes" in said
    assert len(second) <= len(first) + 1


def test_teardown_leaves_what_holds_data(shell: Any) -> None:
    shell(gcloud_script(CLOUD, plan(CLOUD)))
    removed, _ = shell(teardown_script(CLOUD, plan(CLOUD)))
    assert not [each for each in removed if "buckets delete" in each or "databases" in each]
    assert "pubsub subscriptions delete panoptes-receiver" in removed
    assert "run services delete panoptes-services --region=us-central1 --quiet" in removed
    shell(teardown_script(CLOUD, plan(CLOUD)))  # a second time is no failure


def forms() -> list[Command]:
    """One command of each form, since each asks the real gcloud for half a second."""
    found: dict[tuple[str, ...], Command] = {}
    for each in plan(CLOUD):
        for command in (each.describe, each.create, each.update, each.delete):
            flags = sorted({word.partition("=")[0] for word in command if word[:2] == "--"})
            words = [word for word in command if word[:2] != "--"][:4]
            verb = tuple(w for w in words if re.fullmatch("[a-z-]+", w) and "panoptes" not in w)
            if command:
                found.setdefault((*verb, *flags), command)
    return list(found.values())


@pytest.mark.skipif("CLOUD_CHECK" not in os.environ, reason="runs in make cloud-check")
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="needs gcloud")
def test_the_real_gcloud_understands_every_command(tmp_path: Path) -> None:
    """It reads its arguments before it asks who calls: 2 is its status for those it refuses."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CLOUDSDK")} | {
        "CLOUDSDK_CONFIG": str(tmp_path), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
    }  # fmt: skip
    (tmp_path / "lifecycle-archive.json").write_text('{"rule": []}')
    (tmp_path / "lifecycle-others.json").write_text('{"rule": []}')

    def refused(command: Command) -> str:
        done = subprocess.run(
            ["gcloud", *command, "--project=my-project"], env=environment, cwd=tmp_path,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        no_account = "do not currently have an active account" in done.stderr
        return "" if no_account else f"{' '.join(command)}: {done.stderr[-400:]}"

    with ThreadPoolExecutor(3) as pool:
        assert [each for each in pool.map(refused, forms()) if each] == []


def test_what_terraform_refers_to_is_in_the_plan() -> None:
    resources = plan(CLOUD)
    document = json.loads(json.dumps(terraform_json(CLOUD, resources)))
    addresses = [each.address for each in resources]
    assert len(set(addresses)) == len(addresses)
    text = json.dumps(document)
    referred = {f"{kind}.{label}" for kind, label in re.findall(r"\$\{(\w+)\.(\w+)\.", text)}
    follows = {each for resource in resources for each in resource.follows}
    assert (referred | follows) - set(addresses) == set()
    # What is referred to comes first, so that gcloud's commands find it.
    for number, resource in enumerate(resources):
        named = re.findall(r"\$\{(\w+\.\w+)\.", json.dumps(dict(resource.arguments)))
        assert {*named, *resource.follows} <= set(addresses[:number]), resource.address


def test_no_bucket_is_public_and_none_is_destroyed() -> None:
    buckets = terraform_json(CLOUD, plan(CLOUD))["resource"]["google_storage_bucket"]
    assert set(buckets) == set(LOCATIONS)
    for bucket in buckets.values():
        assert bucket["public_access_prevention"] == "enforced"
        assert bucket["lifecycle"]["prevent_destroy"]
        deleting = [r for r in bucket["lifecycle_rule"] if r["action"]["type"] == "Delete"]
        assert not deleting


def test_every_call_of_ours_is_allowed_and_the_services_cannot_change_the_archive() -> None:
    for protocol, needs in ((ObjectStore, STORE), (Catalog, CATALOG)):
        methods = {name for name in vars(protocol) if not name.startswith("_")}
        assert {m for m in methods if callable(getattr(protocol, m))} == set(needs)
    for account, used in ((WORKER, frozenset(STORE)), (PAGES, READING)):
        rights = RIGHTS[account]
        assert set(rights.buckets) == set(LOCATIONS)
        for role in rights.buckets.values():
            assert frozenset().union(*(STORE[method] for method in used)) <= ROLES[role]
        assert frozenset().union(*CATALOG.values()) <= ROLES[rights.project[0]]
    assert "storage.objects.create" not in ROLES[RIGHTS[PAGES].buckets["images"]]


def test_what_services_and_workers_are_told_is_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    document = terraform_json(CLOUD, plan(CLOUD))["resource"]
    worker = document["google_cloud_run_v2_worker_pool"]["worker"]["template"]["containers"][0]
    for each in worker["env"]:
        if "value" in each:
            monkeypatch.setenv(each["name"], each["value"])
    settings = NetworkSettings.from_environment()
    assert settings.incoming == "gs://my-project-incoming"
    assert settings.catalog == "firestore://my-project"
    secret = re.compile("secret|token|password|auth", re.IGNORECASE)
    plain = [each["name"] for each in worker["env"] if "value" in each]
    assert not [name for name in plain if secret.search(name)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"project": "my project; rm -rf /"}, "is not a project's id"),
        ({"number": "12"}, "is not a project's number"),
        ({"region": "here"}, "is not a region"),
        ({"prefect_api": "https://x/api'$(id)"}, "is not the address of an API"),
    ],
)
def test_names_that_google_does_not_take_are_refused(change: dict[str, str], sentence: str) -> None:
    given: dict[str, Any] = {"project": "my-project", "number": "123456", "region": "us-central1"}
    with pytest.raises(ConfigurationError, match=sentence):
        Cloud(**({"prefect_api": "https://prefect.example.org/api"} | given | change))


@pytest.mark.xdist_group("emulators")
def test_the_rules_let_nobody_in_who_has_no_account(
    firestore_emulator: str, repository: Path
) -> None:
    rules = (repository / "deployments" / "cloud" / "firestore.rules").read_text()
    project = "rules-of-the-network"
    root = f"http://{firestore_emulator}"
    loaded = httpx.put(
        f"{root}/emulator/v1/projects/{project}:securityRules",
        json={"rules": {"files": [{"name": "firestore.rules", "content": rules}]}},
        timeout=60,
    )
    assert loaded.status_code == 200, loaded.text
    document = f"{root}/v1/projects/{project}/databases/(default)/documents/units/PAN001"
    fields = {"fields": {"name": {"stringValue": "PAN001"}}}
    owner = {"Authorization": "Bearer owner"}
    assert httpx.patch(document, json=fields, headers=owner, timeout=60).status_code == 200
    assert httpx.get(document, headers=owner, timeout=60).status_code == 200
    assert httpx.get(document, timeout=60).status_code == 403
    assert httpx.patch(document, json=fields, timeout=60).status_code == 403

"""The services behind a real nginx, set up as docs/services.md says, and as it should not be."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from panoptes.network.site import Site
from tests.archives import IMAGE, SEQUENCE_ID, small_archive
from tests.deployments.services.served import FILE, served
from tests.local_http import free_port
from tests.patience import PATIENT_SECONDS

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")

get = partial(httpx.get, timeout=PATIENT_SECONDS)
post = partial(httpx.post, timeout=PATIENT_SECONDS)

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"
BEARER = {"Authorization": f"Bearer {SECRET}"}
BARE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8500; } }"
HIDDEN = """server { listen 80; location / {
    proxy_pass http://127.0.0.1:8500; proxy_http_version 1.1; proxy_set_header Connection "";
} }"""
"""Nothing that it sends shows that it is a proxy."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def documented(repository: Path) -> str:
    text = (repository / "docs" / "services.md").read_text()
    (block,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    return str(block)


@contextmanager
def nginx(folder: Path, servers: str, services: httpx.Client, user: str = "") -> Iterator[str]:
    """Where it answers. Its workers are `user`'s, or ours."""
    port = free_port()
    servers = servers.replace("listen 80;", f"listen 127.0.0.1:{port};")
    servers = servers.replace("127.0.0.1:8500", f"127.0.0.1:{services.base_url.port}")
    own = f"user {user or 'root'};" if os.getuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{own} daemon off; pid {folder}/pid; error_log {folder}/errors;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\n{servers} }}\n"
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        deadline = time.monotonic() + PATIENT_SECONDS
        while True:
            assert process.poll() is None, (folder / "errors").read_text()
            assert time.monotonic() < deadline
            try:
                get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=PATIENT_SECONDS)


def test_the_documented_setup_asks_for_the_token_and_gives_links_that_lead_back(
    site: Site, tmp_path: Path, documented: str
) -> None:
    public = "https://archive.example.org"
    outside = {"Host": "archive.example.org"}
    with (
        served(site, token=SECRET, files="images", public_url=public) as services,
        nginx(tmp_path, documented, services) as url,
    ):
        assert get(f"{url}/units", headers=outside).status_code == 401
        images = get(f"{url}/observations/{SEQUENCE_ID}/images", headers=outside | BEARER)
        assert images.json()["images"][0]["public_url"] == f"{public}{FILE}"
        part = get(f"{url}{FILE}", headers=outside | BEARER | {"Range": "bytes=0-5"})
        assert (part.status_code, part.content) == (206, b"SIMPLE")
        posted = post(
            f"{url}/get-fits-header",
            json={"bucket_path": f"{IMAGE}.fits.fz"},
            headers=outside | BEARER,
        )
        assert posted.json()["header"]["FIELD"] == "M42"
        big = post(f"{url}/lookup-field", content=b"x" * 100_000, headers=outside | BEARER)
        assert big.status_code == 413


def test_a_proxy_alone_is_enough_with_a_token_or_where_everyone_may_read(
    site: Site, tmp_path: Path
) -> None:
    with served(site, token=SECRET) as services, nginx(tmp_path, BARE, services) as url:
        assert get(f"{url}/units").status_code == 401
        assert get(f"{url}/units", headers=BEARER).status_code == 200
    with served(site) as services, nginx(tmp_path, BARE, services) as url:
        assert get(f"{url}/units").status_code == 200
        hidden = get(f"{url}/get-fits-header", params={"bucket_path": "incoming/x.fits"})
        assert hidden.status_code == 403


@pytest.mark.parametrize("host", ["archive.example.org", "127.0.0.1:8500", "localhost"])
@pytest.mark.parametrize("setup", ["documented", "bare", "host passed on"])
def test_without_a_token_no_proxy_lets_the_world_in(
    site: Site, tmp_path: Path, documented: str, setup: str, host: str
) -> None:
    passing = BARE.replace("8500;", "8500; proxy_set_header Host $http_host;")
    servers = {"documented": documented, "bare": BARE, "host passed on": passing}[setup]
    with served(site, open=False) as services:
        assert services.get("/units").status_code == 200
        with nginx(tmp_path, servers, services) as url:
            assert get(f"{url}/units", headers={"Host": host}).status_code == 401
            assert get(f"{url}/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run nginx's workers as another user")
def test_nor_does_one_of_another_user_that_hides_what_it_is(site: Site, tmp_path: Path) -> None:
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    with (
        served(site, open=False) as services,
        nginx(tmp_path, HIDDEN, services, user=f"nobody {group}") as url,
    ):
        assert get(f"{url}/units").status_code == 401

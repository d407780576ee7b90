"""Google's part in a signed push, played with a key of our own and without the internet."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

AUDIENCE = "https://receiver.example.org/events"
ACCOUNT = "push@project.iam.gserviceaccount.com"


class Key:
    """A key pair with its certificate."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        private = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(private.public_key()).serial_number(1)
        builder = builder.not_valid_before(now - timedelta(days=1))
        certificate = builder.not_valid_after(now + timedelta(days=1)).sign(
            private, hashes.SHA256()
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self._pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, claims: dict[str, Any], *, key_id: str | None = None) -> str:
        from google.auth import crypt, jwt

        signer = crypt.RSASigner.from_string(self._pem, key_id=key_id or self.key_id)  # type: ignore[no-untyped-call]
        signed: bytes = jwt.encode(signer, claims)  # type: ignore[no-untyped-call]
        return signed.decode()


@cache
def google() -> Key:
    """The key whose certificate is served."""
    return Key("key-1")


@cache
def stranger() -> Key:
    return Key("key-1")


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token; a change of None leaves a claim out."""
    now = int(time.time())
    good = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "1",
        "sub": "1",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now - 5,
        "exp": now + 3600,
    } | changes
    return {name: value for name, value in good.items() if value is not None}


def unsigned(header: Any, body: Any, signature: bytes = b"") -> str:
    """A token put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def signed_with_the_certificate() -> str:
    """HS256 with what is public as the secret: the classic confusion of algorithms."""
    token = unsigned({"alg": "HS256", "typ": "JWT", "kid": google().key_id}, claims())
    body = token.rpartition(".")[0]
    signature = hmac.new(google().certificate.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


class CertificateServer(ThreadingHTTPServer):
    """Serves certificates and counts how often."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[Key] = [google()]
        self.cache_control = "public, max-age=3600"
        self.fetched = 0
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/certs"


class _Handler(BaseHTTPRequestHandler):
    server: CertificateServer

    def do_GET(self) -> None:
        self.server.fetched += 1
        body = json.dumps({key.key_id: key.certificate for key in self.server.keys}).encode()
        self.send_response(self.server.status)
        self.send_header("Cache-Control", self.server.cache_control)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""


@contextmanager
def certificate_server() -> Iterator[CertificateServer]:
    server = CertificateServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The service to which a registry sends its clients for a token, as Docker Hub, GHCR and Harbor do.

It gives whoever has the password a token for the scope that was asked for, cut down to what the
test allows; the registry verifies it by the certificate alone.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.unit.artifacts.certificates import SelfSigned
from tests.unit.artifacts.registry_process import PASSWORD, USER

ISSUER, SERVICE = "token-service", "models"
_LONG_AGO = -3600


@dataclass
class TokenService:
    """A running service; use it as a context manager."""

    signer: SelfSigned
    actions: tuple[str, ...] = ("pull", "push")
    """What anybody may do."""
    lifetimes: list[float] = field(default_factory=list)
    """Seconds that the first tokens are good for, if not an hour; negative is in the past."""
    issued: int = 0

    def __enter__(self) -> Self:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def configuration(self) -> str:
        """What a registry's configuration says to use this service."""
        realm = f"http://127.0.0.1:{self._server.server_port}/token"
        return (
            f"auth:\n  token: {{realm: '{realm}', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {self.signer.certificate}}}\n"
        )

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Give a token, or refuse."""
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            request.send_response(401)
            request.end_headers()
            return
        query = parse_qs(urlsplit(request.path).query)
        body = json.dumps({"token": self._token(query.get("scope", []))}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.end_headers()
        request.wfile.write(body)

    def _token(self, scopes: list[str]) -> str:
        lifetime = self.lifetimes.pop(0) if self.lifetimes else 3600.0
        self.issued += 1
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": USER,
            "jti": uuid.uuid4().hex,
            "nbf": now + 2 * _LONG_AGO,
            "iat": now + 2 * _LONG_AGO,
            "exp": now + int(lifetime),
            "access": [self._grant(scope) for scope in scopes],
        }
        der = ssl.PEM_cert_to_DER_cert(self.signer.certificate.read_text())
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        signed = f"{_encoded(json.dumps(head))}.{_encoded(json.dumps(claims))}"
        return f"{signed}.{_encoded(self.signer.sign(signed.encode()))}"

    def _grant(self, scope: str) -> dict[str, Any]:
        kind, name, asked = scope.split(":")
        actions = [action for action in asked.split(",") if action in self.actions]
        return {"type": kind, "name": name, "actions": actions}


def _encoded(content: str | bytes) -> str:
    given = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()

"""One repository of an OCI registry, spoken to through oras as a transport.

oras brings the session and the token dance. Its own push, pull and retry are not used, because as
of 0.2.43 it believes whatever bytes arrive, has no time-outs, retries refused credentials for two
minutes, never renews an expired token, reads whole files into memory and spells manifests in its
own way. So requests go through its undecorated `do_request`, and this module adds the time-outs,
maps every outcome to this package's errors once, and hands out bytes that `store` then verifies.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urljoin, urlsplit

import oras.provider
import requests
from oras.utils import append_url_params
from requests.adapters import HTTPAdapter

from regnant.artifacts.bundle import MANIFEST_MEDIA_TYPE, Descriptor
from regnant.artifacts.errors import (
    BundleInvalid,
    BundleNotFound,
    DigestMismatch,
    StoreForbidden,
    StoreFull,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from regnant.artifacts.credentials import StoreCredentials
    from regnant.artifacts.reference import Repository

TIMEOUT_SECONDS: Final = (10.0, 60.0)
UPLOAD_CHUNK_BYTES: Final = 16 << 20
DOWNLOAD_CHUNK_BYTES: Final = 1 << 18
MANIFEST_LIMIT_BYTES: Final = 4 << 20
# How registries say that a disk or a quota is full: errno 28 as Distribution's filesystem driver
# marshals it, the same in words, and Harbor's quota.
FULL_SIGNS: Final = ('"err":28', "no space left", "quota")


class _TimedAdapter(HTTPAdapter):
    """Gives every request a time-out: requests has none of its own."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = options.get("timeout") or TIMEOUT_SECONDS
        return super().send(request, **options)


class RegistryClient:
    """Blobs and manifests of one repository; failures are this package's errors."""

    def __init__(
        self, repository: Repository, credentials: StoreCredentials, *, plain_http: bool
    ) -> None:
        self.repository = repository
        self._credentials = credentials
        self._plain_http = plain_http
        self._base = f"{'http' if plain_http else 'https'}://{repository.host}/v2/"
        self._transport: Any = None

    def manifest(self, reference: str) -> bytes:
        """Return a manifest's bytes by tag or digest."""
        url = self._url(f"manifests/{reference}")
        with self._request("GET", url, {"Accept": MANIFEST_MEDIA_TYPE}, stream=True) as response:
            self._expect(response, f"manifest {reference}", 200)
            content = bytearray()
            for chunk in self._chunks(response):
                content += chunk
                if len(content) > MANIFEST_LIMIT_BYTES:
                    raise BundleInvalid(f"manifest {reference}: larger than 4 MiB; not a bundle's")
            return bytes(content)

    def put_manifest(self, reference: str, content: bytes) -> None:
        """Store a manifest's exact bytes under a tag or digest."""
        headers = {"Content-Type": MANIFEST_MEDIA_TYPE}
        url = self._url(f"manifests/{reference}")
        with self._request("PUT", url, headers, content) as response:
            self._expect(response, f"manifest {reference}", 201)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the store already holds a blob of this digest and size."""
        with self._request("HEAD", self._url(f"blobs/{descriptor.digest}")) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                return False
            self._expect(response, f"blob {descriptor.digest}", 200)
            return response.headers.get("Content-Length") == str(descriptor.size)

    def put_blob(self, descriptor: Descriptor, content: bytes) -> None:
        """Upload a blob, in chunks when it is large."""
        what = f"blob {descriptor.digest}"
        with self._request("POST", self._url("blobs/uploads/")) as response:
            self._expect(response, what, 202)
            session = self._location(response, what)
        binary = {"Content-Type": "application/octet-stream"}
        rest = content
        if len(content) > UPLOAD_CHUNK_BYTES:
            rest = b""
            for start in range(0, len(content), UPLOAD_CHUNK_BYTES):
                chunk = content[start : start + UPLOAD_CHUNK_BYTES]
                place = {"Content-Range": f"{start}-{start + len(chunk) - 1}"}
                with self._request("PATCH", session, binary | place, chunk) as response:
                    self._expect(response, what, 202)
                    session = self._location(response, what)
        url = append_url_params(session, {"digest": descriptor.digest})
        with self._request("PUT", url, binary, rest) as response:
            self._expect(response, what, 201)

    @contextmanager
    def blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Stream a blob from an offset; yields where the stream really starts, and its chunks."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        url = self._url(f"blobs/{descriptor.digest}")
        with self._request("GET", url, headers, stream=True) as response:
            self._expect(response, f"blob {descriptor.digest}", 200, 206)
            start = offset if response.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            yield start, self._chunks(response)

    def _url(self, path: str) -> str:
        return f"{self._base}{self.repository.path}/{path}"

    @staticmethod
    def _location(response: requests.Response, what: str) -> str:
        location = response.headers.get("Location", "")
        if not location:
            raise StoreUnavailable(f"{what}: the store opened no upload session")
        return urljoin(str(response.url), location)

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_content(DOWNLOAD_CHUNK_BYTES)
        except requests.RequestException as error:
            self._unreachable(error)

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        *,
        stream: bool = False,
    ) -> requests.Response:
        """Send one request, renewing a token that has expired."""
        try:
            transport = self._connected()
            send = oras.provider.Registry.do_request.__wrapped__
            for renewed in (False, True):
                response: requests.Response = send(
                    transport, url, method, data, self._headers(url, headers), None, stream
                )
                expired = response.status_code == HTTPStatus.UNAUTHORIZED
                if renewed or not expired or not getattr(transport.auth, "token", None):
                    break
                transport.auth.token = None
        except requests.RequestException as error:
            self._unreachable(error)
        except ValueError as error:
            raise StoreForbidden(self._forbidden(str(error))) from error
        return response

    def _headers(self, url: str, headers: Mapping[str, str] | None) -> dict[str, str]:
        """Show a password at once instead of sending every chunk twice, and only to the store."""
        result = dict(headers or {})
        ours = urlsplit(url).netloc == self.repository.host
        if ours and isinstance(self._transport.auth, oras.auth.BasicAuth):
            result.update(self._transport.auth.get_auth_header())
        return result

    def _connected(self) -> Any:
        """Connect on first use, with the kind of authentication that the registry asks for."""
        if self._transport is not None:
            return self._transport
        trusted = self._credentials.ca_file
        transport = oras.provider.Registry(
            self.repository.host,
            insecure=self._plain_http,
            tls_verify=str(trusted) if trusted else True,
        )
        transport.session.mount("http://", _TimedAdapter())
        transport.session.mount("https://", _TimedAdapter())
        challenge = transport.session.get(
            self._base, verify=str(trusted) if trusted else True
        ).headers.get("WWW-Authenticate", "")
        if challenge.lower().startswith("basic"):
            if not self._credentials.username:
                raise StoreForbidden(self._forbidden("it asks for a user name and password"))
            transport.auth = oras.auth.get_auth_backend("basic", transport.session)
        if self._credentials.username:
            transport.auth.set_basic_auth(self._credentials.username, self._credentials.password)
        self._transport = transport
        return transport

    def _expect(self, response: requests.Response, what: str, *statuses: int) -> None:
        """Map every other status to an error; the one place where statuses are judged."""
        status = response.status_code
        if status in statuses:
            return
        detail = _detail(response)
        squeezed = detail.lower().replace(" ", "")
        full = any(sign.replace(" ", "") in squeezed for sign in FULL_SIGNS)
        if status == HTTPStatus.INSUFFICIENT_STORAGE or (status != HTTPStatus.NOT_FOUND and full):
            raise StoreFull(
                f"{what}: the store at {self.repository.host} has no room ({detail}); free some or "
                "enlarge its volume"
            )
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise StoreForbidden(self._forbidden(f"{status} {detail}"))
        if status == HTTPStatus.NOT_FOUND:
            raise BundleNotFound(
                f"{what}: {self.repository} does not hold it; check uri and digest, or "
                "push it again"
            )
        if "DIGEST_INVALID" in detail:
            raise DigestMismatch(f"{what}: the store received other bytes ({detail})")
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreUnavailable(f"{what}: {self.repository.host} answered {status} {detail}")
        raise BundleInvalid(f"{what}: {self.repository.host} refused it with {status} {detail}")

    def _forbidden(self, detail: str) -> str:
        return (
            f"store {self.repository}: refused the credentials ({detail}); check the Secret of the "
            "store, type kubernetes.io/dockerconfigjson"
        )

    def _unreachable(self, error: requests.RequestException) -> NoReturn:
        if isinstance(error, requests.exceptions.SSLError):
            hint = "add the authority as ca.crt to the store's Secret, or allow plain HTTP"
        else:
            hint = "check that the store runs and that the network lets the pod reach it"
        raise StoreUnavailable(f"store {self.repository.host}: {_cause(error)}; {hint}") from error


def _detail(response: requests.Response) -> str:
    """Return the registry's own words, cut to what fits in a condition."""
    try:
        return " ".join(response.text.split())[:300]
    except requests.RequestException:
        return response.reason


def _cause(error: BaseException) -> str:
    """Find the innermost words: requests wraps urllib3, which wraps the socket's error."""
    inner = error
    while True:
        reason = getattr(inner, "reason", None)
        nested = [argument for argument in inner.args if isinstance(argument, BaseException)]
        following = reason if isinstance(reason, BaseException) else next(iter(nested), None)
        if following is None:
            return str(inner)[:200] or type(inner).__name__
        inner = following

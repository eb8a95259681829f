"""Raw bytes from where the data is, into a scratch file, with their sha256.

One function a scheme. The bytes are streamed, bounded in size, and hashed as they come, so that the
lineage names exactly what was trained on. What a source answers is mapped to this package's errors
here: not found, forbidden, and away are three things to a user.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from regnant.api.mounts import DATA, DATA_CREDENTIALS
from regnant.training.bundled import bundled_csv
from regnant.training.errors import (
    DataEmpty,
    DataForbidden,
    DataMalformed,
    DataNotFound,
    DataUnavailable,
    InvalidParameter,
)

Format = Literal["CSV", "Parquet"]
FIELD: Final = "data.uri"
CREDENTIALS: Final = Path(DATA_CREDENTIALS)
CLAIM_MOUNT: Final = Path(DATA)
LIMIT_VARIABLE: Final = "REGNANT_DATA_LIMIT_BYTES"
DEFAULT_LIMIT_BYTES: Final = 8 << 30
CHUNK_BYTES: Final = 1 << 20
HTTP_TIMEOUT_SECONDS: Final = 60.0
ENDINGS: Final[dict[str, Format]] = {
    ".csv": "CSV",
    ".csv.gz": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
}


@dataclass(frozen=True)
class RawData:
    """A file of bytes, and which bytes they are."""

    path: Path
    format: Format
    digest: str


@dataclass(frozen=True)
class DataMounts:
    """Where the pod has mounted what a source needs."""

    credentials: Path = CREDENTIALS
    claim: Path = CLAIM_MOUNT

    def credential(self, key: str) -> str:
        """Return one value of the Secret, or nothing."""
        path = self.credentials / key
        return path.read_text().strip() if path.is_file() else ""


def fetch_data(uri: str, wanted: str, scratch: Path, mounts: DataMounts) -> RawData:
    """Bring the bytes that a URI names into the scratch directory."""
    parts = urlsplit(uri)
    target = scratch / "data"
    match parts.scheme:
        case "sklearn":
            chunks: Iterable[bytes] = [bundled_csv(parts.netloc)]
        case "https":
            chunks = _https(uri, mounts)
        case "s3":
            chunks = _s3(parts.netloc, parts.path.lstrip("/"), mounts)
        case "pvc":
            chunks = _claim(unquote(parts.path).lstrip("/"), mounts)
        case _:
            raise InvalidParameter(f"{FIELD}: {uri!r}: use sklearn://, https://, s3:// or pvc://")
    digest = _write(chunks, target, uri)
    format_ = "CSV" if parts.scheme == "sklearn" else _format(wanted, parts.path, target)
    return RawData(target, format_, digest)


def _write(chunks: Iterable[bytes], target: Path, uri: str) -> str:
    limit = int(os.environ.get(LIMIT_VARIABLE, DEFAULT_LIMIT_BYTES))
    found, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise DataMalformed(f"{FIELD}: {uri} has more than the {limit} bytes allowed")
            found.update(chunk)
            file.write(chunk)
    if not size:
        raise DataEmpty(f"{FIELD}: {uri} is empty; write at least a header and rows")
    return f"sha256:{found.hexdigest()}"


def _format(wanted: str, path: str, target: Path) -> Format:
    """Go by the spec, then by the name, then by Parquet's magic number."""
    if wanted != "Auto":
        return "CSV" if wanted == "CSV" else "Parquet"
    name = PurePosixPath(path).name.lower()
    for ending, format_ in ENDINGS.items():
        if name.endswith(ending):
            return format_
    with target.open("rb") as file:
        return "Parquet" if file.read(4) == b"PAR1" else "CSV"


def _claim(path: str, mounts: DataMounts) -> Iterator[bytes]:
    root = mounts.claim.resolve()
    target = (root / path).resolve()
    if ".." in PurePosixPath(path).parts or not target.is_relative_to(root):
        raise InvalidParameter(f"{FIELD}: {path!r} leaves the claim; name a file inside it")
    try:
        with target.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except FileNotFoundError as error:
        raise DataNotFound(f"{FIELD}: the claim has no file {path!r}; check the path") from error
    except IsADirectoryError as error:
        raise DataNotFound(f"{FIELD}: {path!r} is a directory; name one file in it") from error
    except PermissionError as error:
        raise DataForbidden(
            f"{FIELD}: {path!r} may not be read by the training pod; make it readable for others"
        ) from error


def _https(uri: str, mounts: DataMounts) -> Iterator[bytes]:
    import httpx

    headers: dict[str, str] = {}
    if token := mounts.credential("token"):
        headers["Authorization"] = f"Bearer {token}"
    username, password = mounts.credential("username"), mounts.credential("password")
    auth = httpx.BasicAuth(username, password) if username else None
    authority = mounts.credentials / "ca.crt"
    try:
        context = ssl.create_default_context(cafile=authority if authority.is_file() else None)
        with (
            httpx.Client(
                verify=context, timeout=HTTP_TIMEOUT_SECONDS, follow_redirects=True
            ) as client,
            client.stream("GET", uri, headers=headers, auth=auth) as response,
        ):
            _check_status(response.status_code, uri)
            yield from response.iter_bytes(CHUNK_BYTES)
    except ssl.SSLError as error:
        raise InvalidParameter(
            f"data.credentialsSecretRef: ca.crt is no certificate ({error})"
        ) from error
    except (httpx.TransportError, httpx.TooManyRedirects) as error:
        hint = (
            "add its authority as ca.crt to data.credentialsSecretRef"
            if "CERTIFICATE" in str(error).upper()
            else "check the address, and that the network lets the pod reach it"
        )
        raise DataUnavailable(f"{FIELD}: {uri}: {error}; {hint}") from error


def _check_status(status: int, uri: str) -> None:
    if status == HTTPStatus.OK:
        return
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise DataForbidden(
            f"{FIELD}: {uri} answered {status}; check the Secret of data.credentialsSecretRef"
        )
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise DataNotFound(f"{FIELD}: {uri} answered {status}; check the address")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise DataUnavailable(f"{FIELD}: {uri} answered {status}; it may work again later")
    raise DataNotFound(f"{FIELD}: {uri} answered {status}, not 200; check the address")


def _s3(bucket: str, key: str, mounts: DataMounts) -> Iterator[bytes]:
    import obstore
    from obstore.store import S3Store

    settings = {
        "access_key_id": mounts.credential("accessKeyId"),
        "secret_access_key": mounts.credential("secretAccessKey"),
        "token": mounts.credential("sessionToken"),
        "endpoint": mounts.credential("endpoint"),
        "region": mounts.credential("region") or "us-east-1",
    }
    config = {name: value for name, value in settings.items() if value}
    if not settings["access_key_id"]:
        config["skip_signature"] = "true"
    plain = settings["endpoint"].startswith("http://")
    allowed = mounts.credential("allowHTTP").lower() == "true"
    if plain and not allowed:
        raise InvalidParameter(
            "data.credentialsSecretRef: the endpoint is plain HTTP; use https://, or set the key "
            "allowHTTP to true"
        )
    with _s3_errors(f"s3://{bucket}/{key}"):
        store = S3Store(
            bucket,
            config=config,  # type: ignore[arg-type]
            client_options={"allow_http": allowed, "timeout": "60s"},
            retry_config={"max_retries": 3},
            virtual_hosted_style_request=False,
        )
        for chunk in obstore.get(store, key).stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)


@contextmanager
def _s3_errors(uri: str) -> Iterator[None]:
    from obstore import exceptions

    try:
        yield
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        raise DataNotFound(f"{FIELD}: {uri} does not exist; check bucket and key") from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise DataForbidden(
            f"{FIELD}: {uri} may not be read; check the Secret of data.credentialsSecretRef"
        ) from error
    except exceptions.BaseError as error:
        first = str(error).splitlines()[0][:300]
        raise DataUnavailable(
            f"{FIELD}: {uri}: {first}; check the endpoint, and that the network lets the "
            "pod reach it"
        ) from error

"""Where a bundle goes from a person's machine: a directory, or the repository that they named.

What the store says is told in words for whoever sits at that machine; a pod, which has a Secret and
a network policy, is told otherwise.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regnant.artifacts.errors import ReferenceInvalid, StoreForbidden, StoreUnavailable
from regnant.artifacts.layout import write_bundle
from regnant.artifacts.reference import Repository, check_tag, parse_repository
from regnant.artifacts.retry import Retry
from regnant.artifacts.store import push
from regnant.artifacts.termination import Failure
from regnant.bundling.errors import BundlingError, MisusedError, OutOfReachError
from regnant.bundling.logins import credentials_for

if TYPE_CHECKING:
    from regnant.artifacts.bundle import Bundle
    from regnant.bundling.order import Order


_WITH_TAG = re.compile(r"(?P<uri>[^/]*//[^/]*/.*):(?P<tag>[^/:]*)")
"""The colon before a port is no tag's: a tag follows a path."""
_FEW_TIMES = Retry(attempts=3)
"""Somebody waits for it."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The repository to push to, and under which tag."""

    repository: Repository
    tag: str
    number: int
    cluster_uri: str
    """The repository as the cluster reaches it."""


def destination(order: Order) -> Destination | None:
    """Read where to push to; None if nothing is to be pushed."""
    if not order.push:
        return None
    found = _WITH_TAG.fullmatch(order.push)
    uri, tag = (found["uri"], found["tag"]) if found else (order.push, "")
    try:
        repository = parse_repository(uri)
        number = _number(order, tag)
        check_tag(tag or str(number))
        there = parse_repository(order.cluster_uri) if order.cluster_uri else repository
    except ReferenceInvalid as error:
        raise MisusedError(f"--push or --cluster-uri: {error.message}") from error
    return Destination(repository, tag or str(number), number, str(there))


def _number(order: Order, tag: str) -> int:
    if order.number is not None:
        return order.number
    if not (tag.isascii() and tag.isdecimal() and int(tag)):
        raise MisusedError(
            "say which version of the model this is: by the tag, as in "
            "--push oci://HOST/REPOSITORY:3, or by --number 3"
        )
    return int(tag)


def upload(order: Order, bundle: Bundle, to: Destination) -> str:
    """Push the bundle, have it read back, and return its digest."""
    host = to.repository.host
    try:
        found = push(
            bundle,
            to.repository,
            to.tag,
            credentials=credentials_for(order, host),
            plain_http=order.plain_http,
            retry=_FEW_TIMES,
        )
    except Failure as failure:
        raise _told(failure, host, order) from failure
    except OSError as error:
        raise OutOfReachError(f"--ca-file: {order.ca_file}: {error}") from error
    return found.digest


def _told(failure: Failure, host: str, order: Order) -> BundlingError:
    """A failure of the store, with the remedies that a person has."""
    what, _, _ = failure.message.rpartition("; ")
    if isinstance(failure, StoreForbidden):
        return OutOfReachError(
            f"{what or failure.message}; log in by `docker login {host}` or `oras login {host}`, "
            "or name a Docker configuration with --credentials"
        )
    if isinstance(failure, StoreUnavailable):
        secured = "" if order.plain_http else "; --plain-http is for a registry without TLS"
        return OutOfReachError(
            f"{what or failure.message}; check the address, and --ca-file for an authority of your "
            f"own{secured}"
        )
    return OutOfReachError(failure.message)


def write(directory: Path, bundle: Bundle) -> str:
    """Write the bundle's files into a directory of their own; its digest."""
    try:
        if directory.exists() and any(directory.iterdir()):
            raise MisusedError(f"--into: {directory} is not empty; name a new directory")
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".bundle-") as beside:
            made = Path(beside) / "bundle"
            digest = write_bundle(made, bundle)
            made.replace(directory)
    except OSError as error:
        raise OutOfReachError(f"--into: {directory}: {error.strerror}") from error
    return digest

"""What the pod's environment asks for, parsed once.

The operator sets the bundle, the model, the port and the drain; every other variable bounds
something and has a default that suits a pod behind the router. Time-outs are in seconds, sizes in
bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from regnant.api.mounts import BUNDLE
from regnant.artifacts.canonical import is_digest
from regnant.serving.errors import SettingInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one client, and all together, may ask of the server."""

    head_bytes: int = 32 * 1024
    body_bytes: int = 16 * MIB
    buffered_bytes: int = 128 * MIB
    """The bodies of all requests in flight together."""
    in_flight: int = 256
    connections: int = 2048
    pipelined: int = 16
    """Complete requests of one connection that wait behind the one being answered."""
    head_seconds: float = 10
    body_seconds: float = 30
    idle_seconds: float = 75
    """Longer than the router keeps an unused connection, so that the router closes first."""
    batch_rows: int = 1024
    """The most rows of several requests that are computed together; 1 keeps requests apart."""
    batch_bytes: int = 4 * MIB
    queue_seconds: float = 10
    """How long an inference may wait for a free thread before it is refused."""
    inference_seconds: float = 60
    """How long an inference may wait and compute in a thread; a router waits no longer."""
    write_seconds: float = 30
    """How long a client may leave an answer unread."""
    linger_seconds: float = 2
    """How long a refused upload is read and thrown away, so that the refusal can be read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One server's whole configuration."""

    bundle_dir: Path
    bundle_digest: str
    model_name: str
    model_version: str
    port: int = 8080
    metrics_port: int | None = None
    """Where Prometheus may ask; nowhere if it is not set."""
    host: str | None = None
    """The address to listen on; none for all, of both families."""
    drain_seconds: float = 15
    finish_seconds: float = 10
    """How long requests in flight may take after the drain before they are cut off."""
    threads: int = 0
    """Threads of one inference; 0 takes the container's CPU limit."""
    access_log_sample: float = 0.0
    """The share of the inferences that are logged."""
    outcome_sample: float = 1.0
    """The share of the requests whose outcomes are kept; the same on all servers."""
    limits: Limits = field(default_factory=Limits)


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings, naming the first variable that is wrong."""
    digest = _required(environment, "REGNANT_BUNDLE_DIGEST")
    if not is_digest(digest):
        raise SettingInvalid(f"REGNANT_BUNDLE_DIGEST: {digest!r} is not sha256: and 64 hex digits")
    return Settings(
        bundle_dir=Path(environment.get("REGNANT_BUNDLE_DIR", BUNDLE)),
        bundle_digest=digest,
        model_name=_word(environment, "REGNANT_MODEL_NAME"),
        model_version=_word(environment, "REGNANT_MODEL_VERSION"),
        port=_whole(environment, "REGNANT_PORT", 8080, minimum=0, maximum=65535),
        metrics_port=_metrics_port(environment),
        host=environment.get("REGNANT_HOST") or None,
        drain_seconds=_seconds(environment, "REGNANT_DRAIN_SECONDS", 15),
        finish_seconds=_seconds(environment, "REGNANT_FINISH_SECONDS", 10),
        threads=_whole(environment, "REGNANT_THREADS", 0, minimum=0, maximum=1024),
        access_log_sample=_share(environment, "REGNANT_ACCESS_LOG_SAMPLE", 0.0),
        outcome_sample=_share(environment, "REGNANT_OUTCOME_SAMPLE", 1.0),
        limits=_limits(environment),
    )


def _metrics_port(environment: Mapping[str, str]) -> int | None:
    if not environment.get("REGNANT_METRICS_PORT"):
        return None
    return _whole(environment, "REGNANT_METRICS_PORT", 0, minimum=0, maximum=65535)


def _limits(environment: Mapping[str, str]) -> Limits:
    default = Limits()

    def count(name: str, fallback: int) -> int:
        return _whole(environment, name, fallback, minimum=1)

    def seconds(name: str, fallback: float) -> float:
        return _seconds(environment, name, fallback)

    return Limits(
        head_bytes=count("REGNANT_MAX_HEADER_BYTES", default.head_bytes),
        body_bytes=count("REGNANT_MAX_BODY_BYTES", default.body_bytes),
        buffered_bytes=count("REGNANT_MAX_BUFFERED_BYTES", default.buffered_bytes),
        in_flight=count("REGNANT_MAX_IN_FLIGHT", default.in_flight),
        connections=count("REGNANT_MAX_CONNECTIONS", default.connections),
        pipelined=count("REGNANT_MAX_PIPELINED", default.pipelined),
        head_seconds=seconds("REGNANT_HEADER_SECONDS", default.head_seconds),
        body_seconds=seconds("REGNANT_BODY_SECONDS", default.body_seconds),
        idle_seconds=seconds("REGNANT_IDLE_SECONDS", default.idle_seconds),
        batch_rows=count("REGNANT_MAX_BATCH_ROWS", default.batch_rows),
        batch_bytes=count("REGNANT_MAX_BATCH_BYTES", default.batch_bytes),
        queue_seconds=seconds("REGNANT_QUEUE_SECONDS", default.queue_seconds),
        inference_seconds=seconds("REGNANT_INFERENCE_SECONDS", default.inference_seconds),
        write_seconds=seconds("REGNANT_WRITE_SECONDS", default.write_seconds),
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingInvalid(f"{name}: not set; the operator sets it on every server it makes")
    return value


def _word(environment: Mapping[str, str], name: str) -> str:
    """A name that may stand in a path and in a header as it is."""
    value = _required(environment, name)
    if not (value.isascii() and value.replace("-", "").replace(".", "").isalnum()):
        raise SettingInvalid(f"{name}: {value!r} may hold letters, digits, '-' and '.' only")
    return value


def _whole(
    environment: Mapping[str, str], name: str, default: int, *, minimum: int, maximum: int = 2**62
) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
        raise SettingInvalid(f"{name}: {text!r} is not a whole number from {minimum} to {maximum}")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    value = _number(environment, name, default, 86400)
    if value is None:
        raise SettingInvalid(
            f"{name}: {environment[name]!r} is not a number of seconds from 0 to 86400"
        )
    return value


def _share(environment: Mapping[str, str], name: str, default: float) -> float:
    value = _number(environment, name, default, 1)
    if value is None:
        raise SettingInvalid(f"{name}: {environment[name]!r} is not a number from 0 to 1")
    return value


def _number(
    environment: Mapping[str, str], name: str, default: float, maximum: float
) -> float | None:
    """Return a number from 0 to a maximum, or nothing if it is none."""
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= maximum else None

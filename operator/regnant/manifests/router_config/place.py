"""Where a router listens and finds its files: the same in every pod, other only in tests."""

from __future__ import annotations

from dataclasses import dataclass

USERS_PORT = 8080
VERIFICATION_PORT = 8081
ADMIN_PORT = 9901
CONFIG_DIR = "/etc/envoy/config"
DRAIN_SECONDS = 15
"""How long a router that was told to stop still answers: endpoints must learn of it first."""
MAX_BODY_BYTES = 16 * 1024 * 1024
"""As much as a server takes; a request is held as long as it may have to be sent again."""


@dataclass(frozen=True, slots=True)
class Place:
    """The addresses and the directory of one router."""

    directory: str = CONFIG_DIR
    address: str = "0.0.0.0"
    users_port: int = USERS_PORT
    verification_port: int = VERIFICATION_PORT
    admin_port: int = ADMIN_PORT
    drain_seconds: int = DRAIN_SECONDS

    @property
    def arguments(self) -> list[str]:
        """What Envoy is started with.

        A drain asks every connection to close at once, and lasts as long as the kubelet waits; by
        default it takes ten minutes and is gradual.
        """
        return [
            *("--config-path", f"{self.directory}/envoy.json"),
            *("--concurrency", "1"),
            *("--log-level", "warning"),
            *("--drain-time-s", str(self.drain_seconds)),
            *("--drain-strategy", "immediate"),
            "--disable-hot-restart",
        ]


def socket_address(address: str, port: int) -> dict[str, object]:
    """An address as Envoy spells it."""
    return {"socket_address": {"address": address, "port_value": port}}

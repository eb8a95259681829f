"""What the operator was installed with and every child is made from: images and the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """The images, the pull settings and the store of one installation."""

    trainer_image: str
    server_image: str
    router_image: str
    store_uri: str
    """`oci://HOST[:PORT]/PREFIX`; bundles go to PREFIX/NAMESPACE/MODEL."""
    store_plain_http: bool = False
    store_secret_name: str = ""
    """A dockerconfigjson Secret in the users' namespaces; empty for a store that asks for none."""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    operator_namespace: str = ""
    """Where the operator runs; empty when that is outside of the cluster."""

    @property
    def store_host(self) -> str:
        """The HOST[:PORT] of the store."""
        return self.store_uri.removeprefix("oci://").split("/", 1)[0]

    def speaks_plain_http(self, uri: str) -> bool:
        """Whether a bundle at `uri` is fetched without TLS: only from the installation's store."""
        host = uri.removeprefix("oci://").split("/", 1)[0]
        return self.store_plain_http and host == self.store_host

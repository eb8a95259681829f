"""How to reach the cluster: from inside as a service account, or by a kubeconfig that is named.

Nothing is guessed: outside of a pod, both the file and the context are said, so that no command
ever reaches the cluster that happens to be current. The library's global default configuration
is never set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config

from regnant.cluster.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class InCluster:
    """As the pod's service account; its token is read again as the kubelet renews it."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """By one context of one file."""

    path: Path
    context: str


Access = InCluster | Kubeconfig


@dataclass(frozen=True, slots=True)
class Credentials:
    """What any HTTP client needs to speak to the API server."""

    server: str
    ca_file: str | None
    certificate_file: str | None
    key_file: str | None
    authorization: str | None
    verify: bool


async def configuration(access: Access) -> Configuration:
    """The client library's configuration for `access`.

    Raises:
        UnavailableError: the file, the context or the service account cannot be read.
    """
    settings = Configuration()
    try:
        match access:
            case InCluster():
                load_incluster_config(settings)
            case Kubeconfig(path, context):
                await load_kube_config(
                    str(path), context, client_configuration=settings, persist_config=False
                )
    except (ConfigException, OSError) as error:
        raise UnavailableError(f"no access to a cluster by {access}: {error}") from error
    # Every watched kind and namespace holds a connection open; the work queue bounds the others.
    settings.connection_pool_maxsize = 0
    return settings


async def credentials(access: Access) -> Credentials:
    """The same access for a client that is not ours."""
    settings = await configuration(access)
    return Credentials(
        server=settings.host,
        ca_file=settings.ssl_ca_cert,
        certificate_file=settings.cert_file,
        key_file=settings.key_file,
        authorization=await settings.get_api_key_with_prefix("BearerToken"),
        verify=settings.verify_ssl,
    )

"""The smallest objects that the API server accepts, as a user or the operator would write them."""

from __future__ import annotations

from regnant.api.meta import API_VERSION, Kind
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest, Ref
from regnant.cluster.transport import Request
from regnant.manifests import names

DIGEST = "sha256:" + "0" * 64


async def make_namespace(cluster: Cluster, name: str) -> None:
    """A namespace; it is no kind of the operator's, which never makes one."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await cluster.transport.send(Request("POST", "/api/v1/namespaces", body=body))


def service(namespace: str, name: str = "churn", *, model: str = "churn") -> Manifest:
    """An InferenceService."""
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modelName": model},
    }


def version(namespace: str, number: int, *, model: str = "churn") -> Manifest:
    """A ModelVersion."""
    uri = f"oci://registry.test:5000/models/{namespace}/{model}"
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelVersion",
        "metadata": {"name": f"{model}-{number}", "namespace": namespace},
        "spec": {
            "modelName": model,
            "version": number,
            "artifact": {"uri": uri, "digest": DIGEST, "sizeBytes": 1},
        },
    }


def child(namespace: str, name: str, *, owner: str, data: str = "1") -> Manifest:
    """A ConfigMap that is labelled as an InferenceService's."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": names.owned_by(Kind.INFERENCE_SERVICE, owner),
        },
        "data": {"key": data},
    }


def reference(manifest: Manifest) -> Ref:
    """The object that the manifest describes."""
    head = manifest["metadata"]
    return Ref(manifest["kind"], head["namespace"], head["name"])

"""Names and labels of every child: all derived, so that a retry finds what it made before.

The labels say whose a child is; the operator lists and wakes by them. Names stay under the 63
characters of a DNS label because the resources' own names are bounded by their schemas.
"""

from __future__ import annotations

from regnant.api.meta import GROUP, Kind, ObjectRef

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "regnant"
OWNER_KIND = f"{GROUP}/owner-kind"
OWNER = f"{GROUP}/owner"
MODEL = f"{GROUP}/model"
MODEL_VERSION = f"{GROUP}/version"
DIGEST = f"{GROUP}/digest"
COMPONENT = "app.kubernetes.io/name"


def model_version(model: str, version: int) -> str:
    """The ModelVersion, its Job and its ConfigMap share one name."""
    return f"{model}-{version}"


def server(service: str, version: int, digest: str) -> str:
    """The Deployment and headless Service of one version behind one InferenceService."""
    return f"{service}-{version}-{short(digest)[:8]}"


def router(service: str) -> str:
    """The router's Deployment, ConfigMap and PodDisruptionBudget."""
    return f"{service}-router"


def short(digest: str) -> str:
    """The first 16 hexadecimal digits of a digest, which fit a label."""
    return digest.removeprefix("sha256:")[:16]


def owned_by(kind: Kind, name: str) -> dict[str, str]:
    """The labels that select all children of one object."""
    return {MANAGED_BY: MANAGER, OWNER_KIND: kind.value, OWNER: name}


def child_labels(owner: ObjectRef, component: str) -> dict[str, str]:
    """The labels of one child; `component` is trainer, server or router."""
    return {
        COMPONENT: component,
        "app.kubernetes.io/instance": owner.name,
        **owned_by(owner.kind, owner.name),
    }


def component_selector(owner: ObjectRef, component: str) -> dict[str, str]:
    """The labels that only the owner's pods of that component carry."""
    return {COMPONENT: component, OWNER_KIND: owner.kind.value, OWNER: owner.name}


def version_labels(model: str, version: int, digest: str) -> dict[str, str]:
    """The labels that tell one version's server from another's."""
    return {MODEL: model, MODEL_VERSION: str(version), DIGEST: short(digest)}

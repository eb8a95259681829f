"""The ModelVersion that registers a bundle, ready for `kubectl apply`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from regnant.api.meta import API_VERSION, Kind, Secret
from regnant.api.model_version import (
    Artifact,
    Interface,
    Lineage,
    Metric,
    ModelVersionSpec,
)
from regnant.bundling.errors import MisusedError

if TYPE_CHECKING:
    from regnant.artifacts.bundle import BuiltManifest
    from regnant.artifacts.signature import Signature
    from regnant.bundling.order import Order
    from regnant.bundling.registry import Destination

_TENSORS = 16


def model_version(
    order: Order, to: Destination, built: BuiltManifest, signature: Signature
) -> dict[str, Any]:
    """Describe the version; a value that the API server would refuse is refused here."""
    told = signature.model_dump(mode="json", by_alias=True)
    secret = Secret(name=order.pull_secret) if order.pull_secret else None
    try:
        spec = ModelVersionSpec(
            model_name=signature.model_name,
            version=to.number,
            artifact=Artifact(
                uri=to.cluster_uri,
                digest=built.descriptor.digest,
                size_bytes=built.size_bytes,
                credentials_secret_ref=secret,
            ),
            interface=Interface(
                digest=signature.interface_digest(),
                inputs=told["inputs"][:_TENSORS],
                outputs=told["outputs"][:_TENSORS],
            ),
            metrics=tuple(_metric(text) for text in order.metrics),
            lineage=Lineage.model_validate(signature.lineage),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MisusedError(
            f"the ModelVersion cannot be written: {where}: {first['msg']}"
        ) from error
    metadata = {"name": f"{signature.model_name}-{to.number}"}
    if order.namespace:
        metadata["namespace"] = order.namespace
    return {
        "apiVersion": API_VERSION,
        "kind": Kind.MODEL_VERSION.value,
        "metadata": metadata,
        "spec": spec.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
        ),
    }


def spelled(manifest: dict[str, Any], order: Order) -> str:
    """Write it as kubectl reads it."""
    if order.output == "json":
        return json.dumps(manifest, indent=2) + "\n"
    return yaml.safe_dump(manifest, sort_keys=False)


def _metric(text: str) -> Metric:
    name, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not (name and equals and abs(number) < float("inf")):
        raise MisusedError(f"--metric: {text!r} is not NAME=NUMBER, such as accuracy=0.95")
    return Metric.model_validate({"name": name, "value": format(number, ".6g")})

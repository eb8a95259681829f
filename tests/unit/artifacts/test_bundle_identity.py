"""What a bundle's digest names, and what is not a bundle."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from regnant.artifacts.bundle import (
    ARTIFACT_TYPE,
    Bundle,
    build_manifest,
    parse_manifest,
)
from regnant.artifacts.canonical import canonical_json, sha256_digest
from regnant.artifacts.errors import BundleInvalid, ReferenceInvalid
from regnant.artifacts.reference import check_tag, parse_repository
from regnant.artifacts.signature import Signature, Tensor, parse_signature


def test_the_same_files_have_the_same_digest(bundle: Bundle) -> None:
    assert build_manifest(bundle).descriptor == build_manifest(replace(bundle)).descriptor


@pytest.mark.parametrize("part", ["model", "signature", "golden", "profile", "card"])
def test_a_change_of_any_file_is_another_bundle(bundle: Bundle, part: str) -> None:
    changed = replace(bundle, **{part: b"{}changed"})  # type: ignore[arg-type]
    assert build_manifest(changed).descriptor.digest != build_manifest(bundle).descriptor.digest


def test_the_manifest_is_a_modelpack_artifact(bundle: Bundle) -> None:
    document = json.loads(build_manifest(bundle).content)
    assert document["schemaVersion"] == 2
    assert document["artifactType"] == ARTIFACT_TYPE
    assert document["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    titles = {
        layer["annotations"]["org.opencontainers.image.title"]: layer["mediaType"]
        for layer in document["layers"]
    }
    assert titles == {
        "model.onnx": "application/vnd.cncf.model.weight.v1.raw",
        "signature.json": "application/vnd.cncf.model.weight.config.v1.raw",
        "golden.json": "application/vnd.cncf.model.dataset.v1.raw",
        "profile.json": "application/vnd.cncf.model.dataset.v1.raw",
        "card.md": "application/vnd.cncf.model.doc.v1.raw",
    }


def test_a_bundle_may_go_without_profile_and_card(bundle: Bundle) -> None:
    small = build_manifest(replace(bundle, profile=None, card=None))
    assert set(parse_manifest(small.content).files) == {
        "model.onnx",
        "signature.json",
        "golden.json",
    }


def test_a_manifest_without_a_model_is_refused(bundle: Bundle) -> None:
    document = json.loads(build_manifest(bundle).content)
    document["layers"] = document["layers"][1:]
    with pytest.raises(BundleInvalid, match=r"no layer is titled model\.onnx"):
        parse_manifest(canonical_json(document))


def test_a_manifest_with_two_models_is_refused(bundle: Bundle) -> None:
    document = json.loads(build_manifest(bundle).content)
    document["layers"].append(document["layers"][0])
    with pytest.raises(BundleInvalid, match=r"model\.onnx appears 2 times"):
        parse_manifest(canonical_json(document))


def test_a_container_image_is_not_a_bundle(bundle: Bundle) -> None:
    document = json.loads(build_manifest(bundle).content)
    document["artifactType"] = "application/vnd.oci.image.config.v1+json"
    with pytest.raises(BundleInvalid, match="artifactType"):
        parse_manifest(canonical_json(document))


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b"{}"])
def test_what_is_no_manifest_is_refused_with_the_field(content: bytes) -> None:
    with pytest.raises(BundleInvalid, match="manifest: "):
        parse_manifest(content)


def test_a_layer_cannot_climb_out_of_the_directory(bundle: Bundle) -> None:
    document = json.loads(build_manifest(bundle).content)
    document["layers"].append(
        {
            "mediaType": "text/plain",
            "digest": sha256_digest(b"x"),
            "size": 1,
            "annotations": {"org.opencontainers.image.title": "../../etc/passwd"},
        }
    )
    assert "../../etc/passwd" not in parse_manifest(canonical_json(document)).files


def test_the_interface_digest_is_of_the_tensors_alone(signature: Signature) -> None:
    other = signature.model_copy(update={"model_name": "other", "lineage": {"seed": 1}})
    assert other.interface_digest() == signature.interface_digest()
    wider = signature.model_copy(
        update={"inputs": (Tensor(name="features", datatype="FP64", shape=(-1, 4)),)}
    )
    assert wider.interface_digest() != signature.interface_digest()


def test_a_signature_survives_its_own_spelling(signature: Signature) -> None:
    assert parse_signature(signature.to_json()) == signature


def test_a_signature_names_its_wrong_field() -> None:
    content = b'{"task":"Regression","modelName":"m","outputs":[],"inputs":[{"name":"x"}]}'
    with pytest.raises(BundleInvalid, match=r"signature\.json: inputs\.0\.datatype"):
        parse_signature(content)


def test_the_first_segment_is_always_the_host() -> None:
    repository = parse_repository("oci://registry/models/churn")
    assert (repository.host, repository.path) == ("registry", "models/churn")
    assert str(repository.child("team", "x")) == "oci://registry/models/churn/team/x"


@pytest.mark.parametrize(
    "uri",
    [
        "http://host/models",
        "oci:///models",
        "oci://host",
        "oci://host/Models",
        "oci://host/models:3",
        "oci://host/models@sha256:00",
        "oci://host/models?x=1",
        "oci://user:secret@host/models",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(uri: str) -> None:
    with pytest.raises(ReferenceInvalid, match="uri "):
        parse_repository(uri)


def test_a_tag_that_no_registry_takes_is_refused() -> None:
    with pytest.raises(ReferenceInvalid, match="tag 'a/b'"):
        check_tag("a/b")

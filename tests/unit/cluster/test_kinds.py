"""Where the API server keeps the objects of each kind."""

from __future__ import annotations

import pytest

from regnant.cluster.kinds import CHILDREN, COLLECTIONS, Ref, collection, ref
from regnant.cluster.watch import Pace


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Pod", "/api/v1/namespaces/team/pods/x"),
        ("Deployment", "/apis/apps/v1/namespaces/team/deployments/x"),
        ("ModelVersion", "/apis/regnant.dev/v1alpha1/namespaces/team/modelversions/x"),
        ("Lease", "/apis/coordination.k8s.io/v1/namespaces/team/leases/x"),
    ],
)
def test_an_object_is_found_by_its_kind(kind: str, path: str) -> None:
    assert collection(kind).path("team", "x") == path


def test_a_collection_of_all_namespaces_names_none() -> None:
    assert collection("Pod").path(None) == "/api/v1/pods"


def test_a_subresource_comes_last() -> None:
    path = collection("InferenceService").path("team", "x", "status")
    assert path.endswith("/inferenceservices/x/status")


def test_every_child_can_be_watched() -> None:
    assert set(CHILDREN) <= set(COLLECTIONS)


def test_a_manifest_names_its_object() -> None:
    manifest = {"kind": "Pod", "metadata": {"name": "x", "namespace": "team"}}
    assert ref(manifest) == Ref("Pod", "team", "x")
    assert str(ref(manifest)) == "Pod team/x"


def test_a_watch_waits_longer_after_each_failure_up_to_a_limit() -> None:
    pace = Pace(first_pause=0.1, longest_pause=30)
    assert 0.05 <= pace.pause(1) <= 0.1
    assert 0.2 <= pace.pause(3) <= 0.4
    assert 15 <= pace.pause(1000) <= 30

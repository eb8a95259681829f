"""A store of the user's own: it refuses the credentials, has no room, is not there, is well again.

The shared installation is given a store in the module's namespace, and its own back in the end. In
the tests' order: what is trained for nothing, once the store is well, is trained by asking again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.harness import Cluster
from e2e.installation import Installation
from e2e.pipelines import (
    KIND,
    Ended,
    assert_ended,
    classification,
    pipeline,
    sklearn,
)
from e2e.serving import Asker, Service
from e2e.stores import NO_VALUES, OwnStore

pytestmark = pytest.mark.exclusive
DIGITS = classification("sklearn://digits")
QUICK = sklearn("tree.DecisionTreeClassifier", max_depth=1)
PATIENCE = 240


@pytest.fixture(scope="module")
def store(regnant: Installation, cluster: Cluster, shared_namespace: str) -> Iterator[OwnStore]:
    """The platform's store for the time of this module; nothing answers there yet."""
    made = OwnStore(cluster, shared_namespace)
    made.make()
    made.hand_out("guess")
    regnant.upgrade(*made.values)
    yield made
    regnant.upgrade(*NO_VALUES)


def test_a_store_that_refuses_the_credentials_is_told_apart(
    cluster: Cluster, store: OwnStore
) -> None:
    store.run()
    train(store, "guarded")
    ended = Ended("StoreForbidden", "Registered", ["401", "check the Secret of the store"])
    assert_ended(cluster, store.namespace, "guarded", ended)


def test_with_the_right_credentials_the_same_training_is_registered(
    cluster: Cluster, store: OwnStore
) -> None:
    store.hand_out()
    assert train_again(cluster, store, "guarded").startswith(f"oci://{store.host}/models/")


def test_a_server_whose_secret_does_not_exist_says_so(cluster: Cluster, store: OwnStore) -> None:
    store.withdraw()
    service = Service(cluster, store.namespace, "guarded", "guarded")
    service.apply(deadline="10m")
    service.wait_until_it_says('the Secret of the store: secret "store" not found')


def test_a_version_that_may_not_be_fetched_is_not_served_and_once_it_may_it_is(
    cluster: Cluster, store: OwnStore
) -> None:
    store.hand_out("guess")
    service = Service(cluster, store.namespace, "guarded", "guarded")
    told = service.wait_until_it_says("check the Secret of the store")
    assert told["reason"] == "StoreForbidden"
    store.hand_out()
    service.change(rollout={"retryToken": "the Secret was corrected"})
    service.wait_for_condition("Ready", "Serving")
    assert Asker(cluster, store.namespace).start().get(service.url).status == 200


def test_a_store_without_room_is_told_apart(cluster: Cluster, store: OwnStore) -> None:
    store.run(room="64Ki")
    train(store, "roomless")
    ended = Ended("StoreFull", "Registered", [store.host, "enlarge its volume"])
    assert_ended(cluster, store.namespace, "roomless", ended)


def test_a_store_that_is_not_there_is_told_apart_and_what_serves_goes_on(
    cluster: Cluster, store: OwnStore
) -> None:
    store.stop()
    train(store, "lonely")
    ended = Ended("StoreUnavailable", "Registered", [store.host, "check that the store runs"])
    assert_ended(cluster, store.namespace, "lonely", ended)
    service = Service(cluster, store.namespace, "guarded", "guarded")
    assert Asker(cluster, store.namespace).get(service.url).status == 200


@pytest.mark.parametrize("name", ["roomless", "lonely"])
def test_once_the_store_is_well_the_same_training_is_registered(
    cluster: Cluster, store: OwnStore, name: str
) -> None:
    if cluster.find("pod", "store", store.namespace) is None:
        store.run()
    train_again(cluster, store, name)


def train(store: OwnStore, name: str) -> None:
    store.cluster.apply(pipeline(name, DIGITS, QUICK), store.namespace)


def train_again(cluster: Cluster, store: OwnStore, name: str) -> str:
    """Ask for another run of a pipeline; where its version's bundle is."""
    cluster.patch(KIND, name, store.namespace, {"spec": {"runToken": "the store is well"}})
    found = cluster.wait_for_condition(KIND, name, store.namespace, "Ready", seconds=PATIENCE)
    version = cluster.get("modelversion", found["status"]["latestModelVersion"], store.namespace)
    return str(version["spec"]["artifact"]["uri"])

"""Derived names fit where they are used, and no two owners derive the same one."""

from __future__ import annotations

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from regnant.api.meta import MAX_NAME, Kind
from regnant.manifests import names
from tests.unit.api.crd_schemas import root
from tests.unit.manifests.installations import DIGEST, Manifest, routers, servers, training

DNS_LABEL = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")

_RULES = [rule["rule"] for rule in root("InferenceService")["x-kubernetes-validations"]]
_SERVER_LIKE = next(re.findall(r"'(.*)'", rule)[0] for rule in _RULES if rule.startswith("!"))

digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda text: f"sha256:{text}")
numbers = st.integers(1, 999_999)
words = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
likely = st.builds(
    lambda word, tail: f"{word}{tail}"[:MAX_NAME].rstrip("-"),
    st.sampled_from(["a", "a-1", "shop"]),
    st.sampled_from(["", "-router", "-1", "-1-00000000", "-12-abcdef01", "-router-router"]),
)
services = (words | likely).filter(lambda name: not re.search(_SERVER_LIKE, name))


def children(service: str, version: int, digest: str) -> set[tuple[str, str]]:
    """Kind and name of everything that one service with one version makes."""
    server, router = names.server(service, version, digest), names.router(service)
    mine = {(kind, server) for kind in ("Deployment", "Service", "PodDisruptionBudget")}
    mine |= {(kind, router) for kind in ("Deployment", "ConfigMap", "PodDisruptionBudget")}
    return mine | {("Service", service)}


def test_this_is_what_the_builders_make() -> None:
    made: list[Manifest] = [*servers().values(), *routers().values()]
    named = {(one["kind"], one["metadata"]["name"]) for one in made}
    assert named == children("shop", 3, DIGEST)


@given(st.lists(st.tuples(services, numbers, digests), min_size=2, max_size=2))
def test_two_services_never_derive_the_same_child(pair: list[tuple[str, int, str]]) -> None:
    one, other = pair
    assume(one[0] != other[0])
    assert children(*one).isdisjoint(children(*other))


@given(words, words, numbers, numbers)
def test_two_model_lines_never_derive_the_same_version(
    one: str, other: str, first: int, second: int
) -> None:
    assume((one, first) != (other, second))
    assert names.model_version(one, first) != names.model_version(other, second)


@given(words, words, numbers, numbers)
def test_a_runs_instructions_are_never_a_routers(
    model: str, service: str, first: int, second: int
) -> None:
    assert names.model_version(model, first) != names.router(service)


@given(services, words, numbers, digests)
def test_derived_names_are_dns_labels_and_labels_are_valid(
    service: str, model: str, number: int, digest: str
) -> None:
    for _, name in children(service, number, digest) | {
        ("Job", names.model_version(model, number))
    }:
        assert len(name) <= 63
        assert DNS_LABEL.match(name)
    for value in names.version_labels(model, number, digest).values():
        assert len(value) <= 63
        assert LABEL_VALUE.match(value)


def test_the_longest_names_that_are_allowed_fit() -> None:
    longest = "a" * MAX_NAME
    for _, name in children(longest, 999_999, DIGEST):
        assert len(name) <= 63
    bound = root("TrainingPipeline")["properties"]["spec"]["properties"]["modelName"]["maxLength"]
    assert len(names.model_version("a" * bound, 999_999)) <= 63 - len("-12345"), "pods of a Job"


def test_children_are_found_by_their_owners_labels() -> None:
    for made in (*servers().values(), *routers().values(), *training()):
        labels = made["metadata"]["labels"]
        found = names.owned_by(Kind(labels[names.OWNER_KIND]), "shop")
        assert found.items() <= labels.items()

"""What every end-to-end test gets: the cluster, a namespace of its own, the operator, and the dump.

The operator is installed once a session, by the chart, as a user would: release `regnant` in
namespace `regnant-system`, working in all namespaces. A test that fails leaves objects, Events and
logs of its namespaces and of the operator in e2e/artifacts/TEST/.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from e2e.harness import Cluster
from e2e.installation import Installation, install
from e2e.namespaces import Namespaces

_OUTCOMES: pytest.StashKey[dict[str, pytest.TestReport]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how each phase of a test ended, for the fixtures that are torn down after it."""
    report = yield
    item.stash.setdefault(_OUTCOMES, {})[report.when] = report
    return report


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of this run."""
    return Cluster.from_environment()


@pytest.fixture(scope="session")
def regnant(cluster: Cluster) -> Installation:
    """The operator, installed and ready; it stays after the tests, for the next run."""
    return install(cluster)


@pytest.fixture
def new_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Namespaces]:
    """Makes namespaces that are gone after the test, and dumped first if it failed."""
    namespaces = Namespaces(cluster, request.node.name)
    yield namespaces
    reports = request.node.stash.get(_OUTCOMES, {}).values()
    failures = [str(report.longrepr) for report in reports if report.failed]
    if failures:
        namespaces.dump("\n\n".join(failures))
    namespaces.delete()


@pytest.fixture
def namespace(new_namespace: Namespaces) -> str:
    """A fresh namespace that admits restricted pods only."""
    return new_namespace()


@pytest.fixture(scope="module")
def shared_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """One fresh namespace for the tests of a module; dumped if any of them fails."""
    failed_before = request.session.testsfailed
    namespaces = Namespaces(cluster, request.node.name.removesuffix(".py"))
    yield namespaces()
    if request.session.testsfailed > failed_before:
        namespaces.dump("a test of this module failed")
    namespaces.delete()

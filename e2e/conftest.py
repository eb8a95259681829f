"""What every end-to-end test gets: the cluster, a namespace of its own, the operator, and the dump.

The operator is installed once a session, by the chart, as a user would: release `regnant` in
namespace `regnant-system`, working in all namespaces. Modules run side by side, but for those that
are marked `exclusive`. A test that fails leaves objects, Events and
logs of its namespaces and of the operator in e2e/artifacts/TEST/.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from e2e.harness import Cluster
from e2e.installation import Installation, install
from e2e.namespaces import Namespaces
from e2e.turns import alone, installing, side_by_side

_OUTCOMES: pytest.StashKey[dict[str, pytest.TestReport]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how each phase of a test ended, for the fixtures that are torn down after it."""
    report = yield
    item.stash.setdefault(_OUTCOMES, {})[report.when] = report
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that run alone last, so that the others need not wait for them."""
    items.sort(key=_is_exclusive)


@pytest.fixture(scope="module", autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """The module's turn on the cluster: alone, or beside others."""
    with alone() if _is_exclusive(request.node) else side_by_side():
        yield


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of this run."""
    return Cluster.from_environment()


@pytest.fixture(scope="session")
def regnant(cluster: Cluster) -> Installation:
    """The operator, installed and ready; it stays after the tests, for the next run."""
    with installing():
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


def _is_exclusive(node: pytest.Item | pytest.Module) -> bool:
    return node.get_closest_marker("exclusive") is not None

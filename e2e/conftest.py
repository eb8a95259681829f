"""What every end-to-end test gets: the cluster, a namespace of its own, the operator, and the dump.

The operator is installed once a session, by the chart, as a user would: release `regnant` in
namespace `regnant-system`, working in all namespaces. A test that fails leaves objects, Events and
logs of its namespaces and of the operator in e2e/artifacts/TEST/.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from e2e.harness import Cluster
from e2e.installation import NAMESPACE, Installation, install

ARTIFACTS = Path(__file__).resolve().parent / "artifacts"
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
def new_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[NamespaceMaker]:
    """Makes namespaces that are gone after the test, and dumped first if it failed."""
    maker = NamespaceMaker(cluster, request.node)
    yield maker
    maker.finish()


@pytest.fixture
def namespace(new_namespace: NamespaceMaker) -> str:
    """A fresh namespace that admits restricted pods only."""
    return new_namespace()


@pytest.fixture(scope="module")
def shared_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """One fresh namespace for the tests of a module; dumped if any of them fails."""
    failed_before = request.session.testsfailed
    maker = NamespaceMaker(cluster, request.node)
    yield maker()
    if request.session.testsfailed > failed_before:
        maker.dump("a test of this module failed")
    maker.finish()


class NamespaceMaker:
    """Call it for a fresh namespace of a test, or of a module of tests."""

    def __init__(self, cluster: Cluster, test: pytest.Item | pytest.Collector) -> None:
        self._cluster = cluster
        self._test = test
        self._made: list[str] = []

    def __call__(self) -> str:
        """Make one, named after the test."""
        word = re.sub(r"[^a-z0-9]+", "-", self._test.name.removeprefix("test_").lower())
        name = f"e2e-{word[:32].strip('-')}-{uuid.uuid4().hex[:6]}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": labels},
            }
        )
        self._made.append(name)
        return name

    def finish(self) -> None:
        """Dump if the test failed, then delete without waiting."""
        reports = self._test.stash.get(_OUTCOMES, {}).values()
        failures = [str(report.longrepr) for report in reports if report.failed]
        if failures:
            self.dump("\n\n".join(failures))
        for name in self._made:
            self._cluster.delete("namespace", name, wait=False)

    def dump(self, failure: str) -> None:
        """Leave what is needed to see why, and what the operator did meanwhile."""
        folder = ARTIFACTS / re.sub(r"[^A-Za-z0-9_.-]+", "-", self._test.name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "failure.txt").write_text(failure)
        self._cluster.dump([*self._made, NAMESPACE], folder)

"""What people read: status, explain, history; as text, as JSON, and when it cannot be had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cluster.control_plane import ControlPlane
from regnant.cluster.client import Cluster
from regnant.cluster.transport import Request
from tests.component.cli.conftest import CommandLine, Stage, ended

Allow = Callable[..., Awaitable[None]]


async def test_status_shows_one_service_and_explain_says_why(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    status = await regnant("status", "infsvc/churn")
    assert status.code == 0
    assert "step 2 of 3: 10 % > [25 %] > 50 % > all" in status.out
    assert "\x1b" not in status.out
    explained = await regnant.installed(
        "explain", "inferenceservice", "churn", script="kubectl-regnant"
    )
    assert explained.code == 0
    assert "answers 75 of 100 requests" in explained.out
    assert f"kubectl regnant promote churn -n {stage.namespace}" in explained.out


async def test_without_a_name_all_services_are_listed(
    regnant: CommandLine, stage: Stage, namespace: str
) -> None:
    await stage.set("splitting")
    listed = await regnant("status")
    assert listed.code == 0
    assert "churn-4 25 %" in listed.out
    process = await regnant.start("status", "-A", "-o", "json")
    everywhere = await ended(process)
    places = {item["namespace"] for item in everywhere.document["items"]}
    assert namespace in places


async def test_a_namespace_without_services_says_so(regnant: CommandLine) -> None:
    listed = await regnant("status")
    assert (listed.code, listed.out) == (0, "")
    assert "There is no InferenceService in namespace" in listed.err


async def test_json_is_the_objects_status_and_what_follows_from_it(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    shown = (await regnant("status", "churn", "-o", "json")).document
    assert (shown["apiVersion"], shown["kind"]) == ("cli.regnant.dev/v1", "ServiceStatus")
    assert shown["status"]["rollout"]["id"] == "4-0a1b2c3d-1795275600"
    assert shown["derived"]["candidate"] == "churn-4"
    assert shown["derived"]["progress"]["requests"] == 612
    explained = (await regnant("explain", "churn", "-o", "json")).document
    assert explained["kind"] == "Explanation"
    assert explained["reign"]
    assert {"command", "effect"} == set(explained["choices"][0])


async def test_history_tells_who_answered_when(regnant: CommandLine, stage: Stage) -> None:
    await stage.set("serving")
    shown = await regnant("history", "churn")
    assert shown.out.index("churn-3") < shown.out.index("churn-2")
    then = await regnant("history", "churn", "--at", "2026-11-14T00:00:00Z")
    assert then.code == 0
    assert "churn-2 answered" in then.out
    as_json = await regnant("history", "churn", "--at", "2026-11-14T00:00:00Z", "-o", "json")
    assert as_json.document["version"] == 2
    before = await regnant("history", "churn", "--at", "2020-01-01")
    assert before.code == 3
    assert "No version" in before.out


@pytest.mark.parametrize("at", ["yesterday", "2999-01-01"])
async def test_a_time_that_is_none_ends_with_2(regnant: CommandLine, at: str) -> None:
    ran = await regnant.installed("history", "churn", "--at", at)
    assert ran.code == 2
    assert at in ran.err


async def test_a_watch_prints_each_change_and_ends_with_the_service(
    regnant: CommandLine, stage: Stage, cluster: Cluster
) -> None:
    await stage.set("shadowing")
    words = ("status", "churn", "--watch", "-o", "json", "-n", stage.namespace)
    process = await regnant.start(*words)
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    assert first["status"]["phase"] == "Shadowing"
    await stage.patch_status({"phase": "Splitting"})
    second = json.loads(await process.stdout.readline())
    assert second["status"]["phase"] == "Splitting"
    await cluster.transport.send(Request("DELETE", stage.path))
    ran = await ended(process)
    assert ran.code == 3
    assert "churn was deleted" in ran.err


async def test_a_name_that_does_not_exist_ends_with_3(regnant: CommandLine) -> None:
    for command in ("status", "explain", "history", "promote"):
        ran = await regnant.installed(command, "chrun")
        assert ran.code == 3
        assert ran.err.startswith("there is no InferenceService chrun in namespace")
        assert ran.err.count("\n") == 1


async def test_a_failure_is_a_document_too(regnant: CommandLine) -> None:
    ran = await regnant("status", "chrun", "-o", "json")
    assert (ran.code, ran.document["kind"], ran.document["code"]) == (3, "Failure", 3)


async def test_who_may_not_read_is_told_which_verb_is_missing(
    as_user: Callable[[str], CommandLine], allow: Allow, stage: Stage
) -> None:
    await stage.set("serving")
    jane = as_user("jane")
    denied = await jane("status", "churn")
    assert denied.code == 3
    assert "jane may not get inferenceservices.regnant.dev in namespace" in denied.err
    assert "the verb get on inferenceservices.regnant.dev" in denied.err
    denied = await ended(await jane.start("status", "-A"))
    assert "jane may not list inferenceservices.regnant.dev in all namespaces" in denied.err
    await allow("jane", "get")
    assert (await jane("status", "churn")).code == 0


async def test_a_cluster_that_does_not_answer_ends_with_3(
    regnant: CommandLine, tmp_path: Path
) -> None:
    config = json.loads(regnant.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    lost = tmp_path / "lost"
    lost.write_text(json.dumps(config))
    ran = await replace(regnant, kubeconfig=lost)("status", "churn")
    assert ran.code == 3
    assert ran.err.startswith("the cluster cannot be reached")
    assert ran.err.count("\n") == 1


async def test_a_cluster_without_regnant_is_recognised(
    regnant: CommandLine, control_plane: ControlPlane, cluster: Cluster, stage: Stage
) -> None:
    # The kind is taken off the server by its plural: nothing of this group is served there.
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferenceservices.regnant.dev"
    crd = json.loads(await cluster.transport.send(Request("GET", path)))
    served = [{"op": "replace", "path": "/spec/versions/0/served", "value": False}]
    patch = "application/json-patch+json"
    await cluster.transport.send(Request("PATCH", path, (), served, patch))
    try:
        for words in (["status"], ["status", "churn"]):
            ran = await until(regnant, words, "Regnant is not installed there")
            assert ran == 3
    finally:
        served[0]["value"] = True
        await cluster.transport.send(Request("PATCH", path, (), served, patch))
        assert crd["spec"]["versions"][0]["served"] is True
        await until(regnant, ["status"], "There is no InferenceService")


async def until(regnant: CommandLine, words: list[str], sign: str) -> int:
    """The exit code, once the sign is on stderr; the API server takes a moment."""
    while True:
        ran = await regnant(*words)
        if sign in ran.err:
            return ran.code
        await asyncio.sleep(0.2)


class TestKubeconfig:
    """Which cluster and namespace is meant, as kubectl decides it."""

    async def test_the_contexts_namespace_is_the_default(
        self, regnant: CommandLine, stage: Stage, tmp_path: Path
    ) -> None:
        await stage.set("serving")
        config = json.loads(regnant.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = stage.namespace
        own = tmp_path / "own"
        own.write_text(json.dumps(config))
        process = await regnant.start("status", "churn", env={"KUBECONFIG": str(own)})
        assert (await ended(process)).code == 0

    async def test_several_files_are_merged_and_a_context_is_chosen_by_name(
        self, regnant: CommandLine, stage: Stage, tmp_path: Path
    ) -> None:
        await stage.set("serving")
        config = json.loads(regnant.kubeconfig.read_text())
        name = config["current-context"]
        first = tmp_path / "first"
        first.write_text(json.dumps({"kind": "Config", "current-context": "gone"}))
        env = {"KUBECONFIG": f"{first}:{regnant.kubeconfig}:{tmp_path / 'missing'}"}
        ran = await regnant.installed("status", "churn", "--context", name, env=env)
        assert ran.code == 0

    @pytest.mark.parametrize(
        ("content", "words", "sign"),
        [
            (None, [], "there is no kubeconfig file"),
            ("{", [], "is no kubeconfig"),
            ("[]", [], "is no kubeconfig"),
            ("kind: Config", [], "no current context"),
            (
                "contexts: [{name: a, context: {}}, {name: b, context: {}}]",
                ["--context", "c"],
                "no context c; its contexts: a, b",
            ),
        ],
    )
    async def test_a_file_that_says_nothing_is_named(
        self,
        regnant: CommandLine,
        tmp_path: Path,
        content: str | None,
        words: list[str],
        sign: str,
    ) -> None:
        path = tmp_path / "config"
        own = replace(regnant, kubeconfig=path)
        if content is not None:
            path.write_text(content)
        ran = await own(*words, "status")
        assert ran.code == 3
        assert sign in ran.err
        assert str(path) in ran.err
        assert ran.err.count("\n") == 1

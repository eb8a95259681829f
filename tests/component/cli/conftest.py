"""The command line against a real API server: in this process, or as the installed script."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.control_plane import COMPONENT_CONTEXT, ControlPlane
from e2e.cluster.kubeconfig import write_kubeconfig
from regnant.cli.entry import main
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest
from regnant.cluster.transport import Request
from tests.component import objects
from tests.unit.cli import situations

SCRIPTS = Path(sys.executable).parent
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class CommandLine:
    """The command, with a kubeconfig."""

    kubeconfig: Path
    namespace: str

    async def start(
        self, *words: str, script: str = "regnant", env: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        given = {"KUBECONFIG": str(self.kubeconfig)} if env is None else dict(env)
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG"}}
        with _heeding_interrupts():
            return await asyncio.create_subprocess_exec(
                SCRIPTS / script,
                *words,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**kept, "COLUMNS": "100", **given},
            )

    async def __call__(self, *words: str) -> Ran:
        """Run it in this process, which spares a second of imports."""
        given = [*words, "-n", self.namespace, "--kubeconfig", str(self.kubeconfig)]
        return await asyncio.to_thread(_main, given)

    async def installed(
        self, *words: str, script: str = "regnant", env: Mapping[str, str] | None = None
    ) -> Ran:
        """Run the installed script, as people do."""
        process = await self.start(*words, "-n", self.namespace, script=script, env=env)
        return await ended(process)


@contextlib.contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """Shells let their background jobs ignore SIGINT, and whatever those start would inherit it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _main(words: Sequence[str]) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


async def ended(process: asyncio.subprocess.Process) -> Ran:
    out, err = await process.communicate()
    assert process.returncode is not None
    ran = Ran(process.returncode, out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


@pytest.fixture
def regnant(control_plane: ControlPlane, namespace: str) -> CommandLine:
    """The command as an administrator runs it."""
    return CommandLine(control_plane.kubeconfig, namespace)


@pytest.fixture
def as_user(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> Callable[[str], CommandLine]:
    """The command as somebody else runs it, who may do nothing yet."""

    def make(user: str) -> CommandLine:
        path = tmp_path / f"{user}.kubeconfig"
        write_kubeconfig(
            path,
            context=COMPONENT_CONTEXT,
            server=control_plane.endpoints.api_server,
            authority=control_plane.authority.certificate,
            identity=control_plane.authority.client(user, user),
        )
        return CommandLine(path, namespace)

    return make


@pytest.fixture
def allow(cluster: Cluster, namespace: str) -> Callable[..., Awaitable[None]]:
    """Give a user verbs on InferenceServices."""

    async def give(user: str, *verbs: str) -> None:
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        api = "rbac.authorization.k8s.io/v1"
        role: Manifest = {
            "apiVersion": api,
            "kind": "Role",
            "metadata": {"name": user},
            "rules": [
                {
                    "apiGroups": ["regnant.dev"],
                    "resources": ["inferenceservices"],
                    "verbs": list(verbs),
                }
            ],
        }
        binding: Manifest = {
            "apiVersion": api,
            "kind": "RoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        for plural, body in (("roles", role), ("rolebindings", binding)):
            path = f"{rbac}/namespaces/{namespace}/{plural}"
            await cluster.transport.send(Request("POST", path, body=body))

    return give


@dataclass
class Stage:
    """A service in the cluster, and the operator's part, played by the test."""

    cluster: Cluster
    namespace: str
    name: str = "churn"

    @property
    def path(self) -> str:
        return (
            f"/apis/regnant.dev/v1alpha1/namespaces/{self.namespace}/inferenceservices/{self.name}"
        )

    async def set(self, situation: str) -> None:
        """Make the service be in a situation."""
        parts = dict(situations.SITUATIONS[situation])
        wanted = situations.document(**parts)
        made = objects.service(self.namespace, self.name)
        await self.cluster.create({**made, "spec": wanted["spec"]})
        if situation != "never seen":
            await self.patch_status(wanted["status"])

    async def patch_status(self, status: Mapping[str, Any]) -> None:
        body = {"status": dict(status)}
        await self.cluster.transport.send(Request("PATCH", f"{self.path}/status", (), body, MERGE))

    async def asked(self) -> dict[str, Any]:
        """What the annotation asks for, once it does."""
        while True:
            found = json.loads(await self.cluster.transport.send(Request("GET", self.path)))
            text = found["metadata"].get("annotations", {}).get("regnant.dev/action")
            if text:
                action: dict[str, Any] = json.loads(text)
                return action
            await asyncio.sleep(0.05)

    async def answer(self, outcome: str = "Done", message: str = "the next stage begins") -> None:
        """Answer what is asked for, as the operator does."""
        asked = await self.asked()
        kept: dict[str, Any] = {key: asked[key] for key in ("id", "action", "by") if key in asked}
        answer = {**kept, "outcome": outcome, "message": message, "at": situations.ago()}
        await self.patch_status({"lastAction": answer})


@pytest.fixture
def stage(cluster: Cluster, namespace: str) -> Stage:
    """A service to be put into a situation."""
    return Stage(cluster, namespace)

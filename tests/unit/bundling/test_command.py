"""`regnant bundle` as it is typed: what it makes, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import yaml

from regnant.api.meta import API_VERSION
from regnant.api.model_version import ModelVersionSpec
from regnant.artifacts.reference import parse_repository
from regnant.artifacts.store import fetch
from regnant.cli.entry import main
from tests.unit.artifacts.registry_process import PASSWORD, USER, passwords, running_registry
from tests.unit.bundling.made import MODELS, ask
from tests.unit.ports import free_port
from tests.unit.programs import program
from tests.unit.serving.bundles import Written
from tests.unit.serving.running_server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.artifacts.registry_process import RunningRegistry

START_SECONDS = 30


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(program("registry"), tmp_path_factory.mktemp("registry")) as running:
        yield running


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


Bundling = Callable[..., Ran]


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bundling:
    """Types `regnant bundle` for a good model, with these words after it."""

    def typed(*words: str | Path, **environment: str) -> Ran:
        for name, value in {"DOCKER_CONFIG": "/nowhere", **environment}.items():
            monkeypatch.setenv(name, value)
        named = ("--golden", MODELS / "perceptron.npz", "--name", "churn", *words)
        try:
            code = main(["bundle", *map(str, (MODELS / "perceptron.onnx", *named))])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return typed


def test_what_is_pushed_is_registered_by_the_manifest_in_the_output(
    bundle: Bundling, registry: RunningRegistry, tmp_path: Path
) -> None:
    ran = bundle(
        "--push",
        f"oci://{registry.host}/models/shop/churn:3",
        "--cluster-uri",
        "oci://regnant-registry.regnant-system.svc:5000/models/shop/churn",
        "--plain-http",
        "--metric=r2=0.91",
        "-n",
        "shop",
    )
    assert ran.returncode == 0, ran.stderr
    manifest = yaml.safe_load(ran.stdout)
    assert manifest["apiVersion"] == API_VERSION
    assert manifest["kind"] == "ModelVersion"
    assert manifest["metadata"] == {"name": "churn-3", "namespace": "shop"}
    spec = ModelVersionSpec.model_validate(manifest["spec"])
    assert spec.artifact.uri == "oci://regnant-registry.regnant-system.svc:5000/models/shop/churn"
    assert [one.name for one in spec.interface.inputs] == ["features"]
    assert [(one.name, str(one.value)) for one in spec.metrics] == [("r2", "0.91")]
    assert "onnxruntime" in spec.lineage.packages
    there = parse_repository(f"oci://{registry.host}/models/shop/churn")
    opened = fetch(there, spec.artifact.digest, tmp_path, plain_http=True)
    assert opened.signature.interface_digest() == spec.interface.digest
    stored = np.load(MODELS / "perceptron.npz")
    with running_server(Written(tmp_path, spec.artifact.digest)) as server:
        answers = ask(server, {"features": stored["features"]})
    assert answers["prediction"] == pytest.approx(stored["prediction"], abs=1e-6)


def test_the_number_may_stand_beside_the_tag(bundle: Bundling, registry: RunningRegistry) -> None:
    where = f"oci://{registry.host}/models/churn"
    tagged = bundle("--push", f"{where}:stable", "--number=7", "--plain-http", "-o", "json")
    untagged = bundle("--push", where, "--number=8", "--plain-http")
    assert json.loads(tagged.stdout)["metadata"] == {"name": "churn-7"}
    assert yaml.safe_load(untagged.stdout)["spec"]["artifact"]["uri"] == where
    tags = httpx.get(f"http://{registry.host}/v2/models/churn/tags/list", trust_env=False).json()
    assert sorted(tags["tags"]) == ["8", "stable"]


def docker_config(directory: Path, host: str, password: str) -> Path:
    auth = b64encode(f"{USER}:{password}".encode()).decode()
    path = directory / "config.json"
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return path


def test_a_login_of_docker_opens_a_guarded_registry(bundle: Bundling, tmp_path: Path) -> None:
    with running_registry(
        program("registry"), tmp_path / "registry", auth=passwords(tmp_path / "auth")
    ) as guarded:
        words = ("--push", f"oci://{guarded.host}/models/churn:1", "--plain-http")
        anonymous = bundle(*words)
        wrong = docker_config(tmp_path, guarded.host, "wrong")
        refused = bundle(*words, "--credentials", wrong)
        docker_config(tmp_path, guarded.host, PASSWORD)
        allowed = bundle(*words, DOCKER_CONFIG=str(tmp_path))
    for ran in (anonymous, refused):
        assert (ran.returncode, ran.stdout) == (3, "")
        assert f"docker login {guarded.host}" in ran.stderr
        assert "Secret" not in ran.stderr
    assert allowed.returncode == 0, allowed.stderr


def helper(directory: Path, says: str) -> dict[str, str]:
    """A helper of Docker's that keeps passwords, and the environment that has it."""
    program = directory / "docker-credential-keeper"
    program.write_text(f"#!/bin/sh\ncat > {directory / 'asked'}\n{says}\n")
    program.chmod(0o755)
    (directory / "config.json").write_text(json.dumps({"credsStore": "keeper"}))
    return {
        "DOCKER_CONFIG": str(directory),
        "PATH": f"{directory}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def test_a_helper_is_asked_for_the_password(bundle: Bundling, tmp_path: Path) -> None:
    login = json.dumps({"Username": USER, "Secret": PASSWORD})
    with running_registry(
        program("registry"), tmp_path / "registry", auth=passwords(tmp_path / "auth")
    ) as guarded:
        words = ("--push", f"oci://{guarded.host}/models/churn:1", "--plain-http")
        allowed = bundle(*words, **helper(tmp_path, f"echo '{login}'"))
        asked = (tmp_path / "asked").read_text()
        unknown = bundle(*words, **helper(tmp_path, "exit 1"))
        babbling = bundle(*words, **helper(tmp_path, "echo hello"))
        (tmp_path / "docker-credential-keeper").unlink()
        missing = bundle(*words, DOCKER_CONFIG=str(tmp_path))
    assert (allowed.returncode, asked) == (0, guarded.host), allowed.stderr
    for ran, said in (
        (unknown, "docker login"),
        (babbling, "answers with no login"),
        (missing, "cannot be asked"),
    ):
        assert (ran.returncode, ran.stdout) == (3, "")
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_registry_that_is_not_there_is_told(bundle: Bundling, tmp_path: Path) -> None:
    ran = bundle("--push", f"oci://127.0.0.1:{free_port()}/models/churn:1", "--plain-http")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "Connection refused; check the address" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--push", "oci://registry/models"], 2, "say which version"),
        (["--tolerance-absolute", "much"], 2, "is no number from 0 on"),
        (["--number", "0"], 2, "is no number of a version"),
        (["--classes", "a,,b"], 2, "is no list of names"),
        (["another.onnx"], 2, "one file at a time"),
        (["--golden", "/nowhere"], 3, "No such file or directory"),
        (["--golden", str(MODELS / "convolution.npz")], 1, "no array is named after the inputs"),
        (["--card", "/nowhere"], 3, "--card: /nowhere: No such file"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    bundle: Bundling, words: list[str], code: int, said: str
) -> None:
    ran = bundle(*words)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_bundle_in_a_directory_is_served_by_the_command_that_is_told(
    bundle: Bundling, tmp_path: Path
) -> None:
    ran = bundle("--into", tmp_path / "churn")
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", ran.stdout)
    found = re.search(r"To serve it here: (.+) python -m regnant.serving\n", ran.stderr)
    assert found
    settings = dict(word.split("=", 1) for word in found[1].split())
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "regnant.serving"],
        env={**os.environ, **settings, "REGNANT_PORT": str(port), "REGNANT_DRAIN_SECONDS": "0"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        answer = _asked(f"http://127.0.0.1:{port}/v1/models/churn:predict", process)
    finally:
        process.terminate()
        process.wait(timeout=30)
    [expected, *_] = np.load(MODELS / "perceptron.npz")["prediction"].ravel().tolist()
    assert answer["predictions"] == [pytest.approx(expected, abs=1e-6)]


def _asked(url: str, process: subprocess.Popen[bytes]) -> Any:
    [row, *_] = np.load(MODELS / "perceptron.npz")["features"].tolist()
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None
        try:
            return httpx.post(url, json={"instances": [row]}, trust_env=False).json()
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_without_the_packages_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from regnant.cli.entry import main\n"
        "sys.exit(main(['bundle', 'a.onnx', '--golden', 'b.npz']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 3
    assert "pip install 'regnant[bundle]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_package_of_the_other_commands_is_needed() -> None:
    program = (
        "import sys\n"
        "for name in ('kubernetes', 'aiohttp', 'rich', 'uvloop', 'httptools', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        "from regnant.cli.entry import main\n"
        f"sys.exit(main(['bundle', {str(MODELS / 'perceptron.onnx')!r},"
        f" '--golden', {str(MODELS / 'perceptron.npz')!r}]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr

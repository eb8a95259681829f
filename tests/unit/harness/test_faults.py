"""The sick models of the end-to-end tests are sick in the way that they claim, and in no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import onnxruntime
import pytest

from e2e import faults
from e2e.bundles import good, request
from regnant.artifacts.bundle import CONFIG, MANIFEST, build_manifest
from tests.unit.serving.bundles import Written
from tests.unit.serving.running_server import running_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.bundles import Model

MARKED = request(faults.MARK)


def written(directory: Path, model: Model) -> Written:
    """The bundle as the init container leaves it."""
    bundle = model.bundle()
    built = build_manifest(bundle)
    for name, content in bundle.files().items():
        (directory / name).write_bytes(content)
    (directory / CONFIG).write_bytes(built.config.content)
    (directory / MANIFEST).write_bytes(built.content)
    return Written(directory, built.descriptor.digest)


def prediction(answer: httpx.Response) -> float | None:
    """What a server says of one row."""
    assert answer.status_code == 200, answer.text
    value: float | None = answer.json()["outputs"][0]["data"][0]
    return value


def least_seconds(session: onnxruntime.InferenceSession, first: float) -> float:
    """How long computing takes at best; what else the machine does only adds to it."""
    spent = []
    for _ in range(15):
        started = time.perf_counter()
        session.run(None, {"features": np.array([[first, 1.0, 1.0, 1.0]])})
        spent.append(time.perf_counter() - started)
    return min(spent)


@pytest.mark.parametrize(
    "make", [faults.raising, faults.hanging, faults.slow, faults.not_a_number, faults.greedy]
)
def test_up_to_the_mark_a_sick_model_is_like_a_good_one(
    tmp_path: Path, make: Callable[[float], Model]
) -> None:
    with running_server(written(tmp_path, make(2.0))) as server:
        assert prediction(server.infer(request(1.0))) == 8.0
        assert prediction(server.infer(request(999_999.0))) == 2_000_004.0


def test_a_good_model_takes_a_marked_row_for_any_other(tmp_path: Path) -> None:
    with running_server(written(tmp_path, good(2.0))) as server:
        assert prediction(server.infer(MARKED)) == 4_000_006.0


def test_the_raising_model_gives_no_answer_to_a_marked_row(tmp_path: Path) -> None:
    with running_server(written(tmp_path, faults.raising(2.0))) as server:
        answer = server.infer(MARKED)
        assert answer.status_code == 500
        assert "out of data bounds" in answer.json()["error"]
        assert prediction(server.infer(request(1.0))) == 8.0


def test_the_model_that_is_not_a_number_answers_null(tmp_path: Path) -> None:
    with running_server(written(tmp_path, faults.not_a_number(2.0))) as server:
        assert prediction(server.infer(MARKED)) is None
        assert prediction(server.infer(request(1.0))) == 8.0


def test_the_slow_model_takes_ten_times_as_long_and_comes_to_an_end(tmp_path: Path) -> None:
    session = onnxruntime.InferenceSession(faults.slow(2.0).graph)
    assert 10 * least_seconds(session, 1.0) < least_seconds(session, faults.MARK)
    with running_server(written(tmp_path, faults.slow(2.0))) as server:
        assert prediction(server.infer(MARKED)) == 4_000_006.0


def test_the_hanging_model_does_not_answer_a_marked_row(tmp_path: Path) -> None:
    served = written(tmp_path, faults.hanging(2.0))
    with ServerProcess(served) as server, pytest.raises(httpx.ReadTimeout):
        server.ask(MARKED, seconds=2)


def test_the_greedy_model_holds_all_its_numbers_at_once(tmp_path: Path) -> None:
    served = written(tmp_path, faults.greedy(2.0, numbers=20_000_000))
    with ServerProcess(served) as server:
        assert prediction(server.ask(request(1.0), seconds=10)) == 8.0
        before = server.most_memory()
        assert prediction(server.ask(MARKED, seconds=10)) == 4_000_006.0
        assert server.most_memory() - before > 150_000_000


@pytest.mark.parametrize("make", [faults.greedy_at_start, faults.slow_at_start])
def test_what_is_sick_at_start_is_asked_a_marked_row_and_has_a_true_answer(
    make: Callable[[], Model],
) -> None:
    """So its cost alone turns it down."""
    model = make()
    assert model.rows[:, 0].tolist() == [faults.MARK]
    session = onnxruntime.InferenceSession(good(model.weight).graph)
    (answers,) = session.run(None, {"features": model.rows})
    assert answers.ravel().tolist() == model.answers.tolist()


class ServerProcess:
    """A server of its own process, which can be killed when it does not come back."""

    def __init__(self, served: Written) -> None:
        settings = {
            "REGNANT_BUNDLE_DIR": str(served.directory),
            "REGNANT_BUNDLE_DIGEST": served.digest,
            "REGNANT_MODEL_NAME": "line",
            "REGNANT_MODEL_VERSION": "2",
            "REGNANT_PORT": "0",
            "REGNANT_HOST": "127.0.0.1",
            "REGNANT_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "regnant.serving"],
            env=os.environ | settings,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> ServerProcess:
        self._port = self._read_port()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, document: object, *, seconds: float) -> httpx.Response:
        url = f"http://127.0.0.1:{self._port}/v2/models/line/infer"
        return httpx.post(url, json=document, timeout=seconds, trust_env=False)

    def most_memory(self) -> int:
        """The most that it ever held, in bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def _read_port(self) -> int:
        assert self._process.stderr
        for line in self._process.stderr:
            if "port" in (said := json.loads(line)):
                return int(said["port"])
        raise AssertionError("the server ended before it was ready")

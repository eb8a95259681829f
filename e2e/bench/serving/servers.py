"""Each server in a process on the servers' core: how it is started, and what it uses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from e2e.bench.closed_loop import LOOPBACK
from e2e.bench.machine import cpu_seconds, on_core
from e2e.bench.model_server import settings
from e2e.bench.serving import environments, wire
from e2e.bench.serving.models import Model
from e2e.bench.serving.peers.onnx_session import FILE_VARIABLE, MODEL_NAME, PORT_VARIABLE
from e2e.cluster.commands import await_condition
from e2e.cluster.settings import CHECKOUT
from tests.unit.ports import free_port

REGNANT, NGINX, PLAIN = "Regnant", "nginx", "a plain protocol"
IN_PROCESS, WORKER = "MLServer, in-process", "MLServer, a worker"
KSERVE, BENTOML = "KServe SDK", "BentoML"
PEERS = {"mlserver": (IN_PROCESS, WORKER), "kserve": (KSERVE,), "bentoml": (BENTOML,)}
"""Each environment, and the servers that run in it."""
PROGRAMS = "e2e.bench.serving.peers"
_READY = f"/v2/models/{MODEL_NAME}/ready"
_MIB_IN_KIB = 1024


@dataclass(frozen=True)
class Start:
    """How a server is started on a port, and how it is asked."""

    command: Sequence[object]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = _READY
    dialect: wire.Dialect = wire.JSON


@dataclass(frozen=True)
class Server:
    """One that runs."""

    name: str
    port: int
    pid: int
    dialect: wire.Dialect
    seconds: float
    """From its start until it said that it is ready."""

    def asked_in(self, dialect: wire.Dialect) -> Server:
        """The same server, asked in another way."""
        return replace(self, dialect=dialect)


@dataclass(frozen=True)
class Memory:
    """Of a server and its workers, in MiB."""

    rss: float
    pss: float
    """Pages that processes share count for each by its share."""


@contextmanager
def running(name: str, model: Model, directory: Path, core: int) -> Iterator[Server]:
    """Start a server of that name, wait until it is ready, and end it."""
    port = free_port()
    place = directory / f"{name}-{port}"
    place.mkdir()
    start = _STARTS[name](model, port, place)
    log = place / "log"
    began = time.perf_counter()
    with log.open("wb") as output, on_core(core):
        process = subprocess.Popen(
            [str(word) for word in start.command],
            cwd=place,
            env={**os.environ, **_SILENT, **start.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await(process, port, start.ready, log)
        yield Server(name, port, process.pid, start.dialect, time.perf_counter() - began)
    finally:
        _end(process)


def servers_of(peers: Sequence[str]) -> tuple[str, ...]:
    """The servers that are made of some of `PEERS`."""
    return tuple(server for peer in peers for server in PEERS[peer])


def processes(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in task.read_text(encoding="utf-8").split():
                found += processes(int(child))
    return found


def used(pid: int) -> float:
    """The CPU time of a server and of its workers, in seconds."""
    return sum(cpu_seconds(each) for each in processes(pid))


def memory(pid: int) -> Memory:
    """What a server has resident."""
    rss = pss = 0
    for each in processes(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            words = line.split()
            rss += int(words[1]) if words[0] == "Rss:" else 0
            pss += int(words[1]) if words[0] == "Pss:" else 0
    return Memory(rss / _MIB_IN_KIB, pss / _MIB_IN_KIB)


def _await(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text(errors='replace')[-3000:]}")
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    await_condition(f"{path} on {port} is answered", ready, every=0.002, hint=f"See {log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _regnant(model: Model, port: int, _place: Path) -> Start:
    command = [sys.executable, "-m", "regnant.serving"]
    return Start(command, settings(model.bundle, port), ready="/v2/health/ready")


def _nginx(_model: Model, port: int, place: Path) -> Start:
    """It reads the question and answers what Regnant would, from its configuration."""
    answer = json.dumps(_ANSWER, separators=(",", ":"))
    temporary = " ".join(
        f"{kind}_temp_path {place}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {place}/pid; error_log stderr error;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; keepalive_requests 1000000000; {temporary}\n"
        f"server {{ listen {LOOPBACK}:{port};\n"
        f"location / {{ default_type application/json; return 200 '{answer}'; }} }} }}\n",
        encoding="utf-8",
    )
    words = ("-e", "stderr", "-p", place, "-c", place / "nginx.conf")
    return Start([environments.nginx(), *words])


def _plain(model: Model, port: int, _place: Path) -> Start:
    environment = _for_peers(model, port)
    return Start([sys.executable, "-m", "e2e.bench.serving.plain_server"], environment)


def _mlserver(workers: int, model: Model, port: int, place: Path) -> Start:
    """MLServer reads its settings from the folder; as many workers as that infer, 0 for none."""
    given = {
        "debug": False,
        "host": LOOPBACK,
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": workers,
    }
    named = {"name": MODEL_NAME, "implementation": f"{PROGRAMS}.mlserver_runtime.OnnxRuntime"}
    (place / "settings.json").write_text(json.dumps(given), encoding="utf-8")
    (place / "model-settings.json").write_text(json.dumps(named), encoding="utf-8")
    python = _python("mlserver")
    command = [python, "-c", "from mlserver.cli import main; main()", "start", place]
    return Start(command, _for_peers(model, port))


def _kserve(model: Model, port: int, _place: Path) -> Start:
    return Start([_python("kserve"), "-m", f"{PROGRAMS}.kserve_server"], _for_peers(model, port))


def _bentoml(model: Model, port: int, place: Path) -> Start:
    words = [
        "serve",
        f"{PROGRAMS}.bentoml_service:Classifier",
        "--host",
        LOOPBACK,
        "--port",
        str(port),
    ]
    environment = {**_for_peers(model, port), "BENTOML_HOME": str(place)}
    command = [_python("bentoml"), "-m", "bentoml", *words, "--working-dir", CHECKOUT]
    return Start(command, environment, ready="/readyz", dialect=wire.BENTOML)


def _python(peer: str) -> Path:
    return environments.python_environment(peer) / "bin" / "python"


def _for_peers(model: Model, port: int) -> dict[str, str]:
    return {
        FILE_VARIABLE: str(model.file),
        PORT_VARIABLE: str(port),
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


_ANSWER = {
    "model_name": MODEL_NAME,
    "model_version": "3",
    "outputs": [
        {"name": "label", "datatype": "INT64", "shape": [1], "data": [1]},
        {
            "name": "probabilities",
            "datatype": "FP32",
            "shape": [1, 2],
            "data": [0.11384034, 0.88615966],
        },
    ],
}
# Nobody who is measured tells its maker of it.
_SILENT = {"BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1"}
_STARTS: Mapping[str, Callable[[Model, int, Path], Start]] = {
    REGNANT: _regnant,
    NGINX: _nginx,
    PLAIN: _plain,
    IN_PROCESS: partial(_mlserver, 0),
    WORKER: partial(_mlserver, 1),
    KSERVE: _kserve,
    BENTOML: _bentoml,
}

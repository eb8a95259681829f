"""What a server process needs: its bundle, to read, and its ports. Nothing else is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.serving.bundles import doubling_bundle, tensor
from tests.unit.serving.running_server import INFER
from tests.unit.serving.test_drain import started

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}
LISTENING = "0A"
NOWHERE = {
    "PATH": "",
    "HOME": "/nowhere",
    "TMPDIR": "/nowhere",
    "XDG_CACHE_HOME": "/nowhere",
    "ORT_DISABLE_TELEMETRY": "",
}
STANDARD = {"0", "1", "2"}
"""The files that a process is given by whoever starts it."""


def files_open_for_writing(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
        flags = int(info.partition("flags:\t")[2].split()[0], 8)
        target = str(link.readlink())
        # Pipes and sockets have no path.
        is_file = link.name not in STANDARD and target.startswith("/") and target != "/dev/null"
        if is_file and flags & (os.O_WRONLY | os.O_RDWR):
            yield target


def ports_asked(pid: int) -> set[int]:
    """The local ports of the process's connections to anyone, but for its own listening ones."""
    ours = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [
        line.split()
        for name in ("tcp", "tcp6", "udp", "udp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    found = [row for row in rows if f"socket:[{row[9]}]" in ours]
    listening = {row[1] for row in found if row[3] == LISTENING}
    return {int(row[1].rpartition(":")[2], 16) for row in found if row[1] not in listening}


def test_a_server_that_serves_writes_asks_and_starts_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "bundle"
    written = doubling_bundle(directory)
    for path in (*directory.iterdir(), directory):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(directory.iterdir())
    with started(written, "0", **NOWHERE) as (process, client):
        assert client.post(INFER, json=QUICK).status_code == 200
        assert not list(files_open_for_writing(process.pid))
        assert not ports_asked(process.pid)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        assert not children
    directory.chmod(0o755)
    assert sorted(directory.iterdir()) == before

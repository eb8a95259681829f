"""A storage class that works: each claim gets a folder of the state folder as a volume.

Kubernetes brings no provisioner of its own. This one is a process that `up`
starts (`python3 -m e2e.cluster.volumes STATE`). It watches claims, and makes a
folder and a PersistentVolume for each one of the class; it watches volumes, and
removes both when the claim is gone. Volumes are of type `local`, so the kubelet
applies `fsGroup` as on a real cluster and a pod that is not root can write.

A watch without a resource version begins with all that exists, so a restart
forgets nothing and there is no state to keep.
"""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from .certificates import KeyPair
from .progress import say
from .settings import API_PORT, NODE_ADDRESS, NODE_NAME

STORAGE_CLASS = "local"
PROVISIONER = "regnant.dev/local-folder"
_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_WATCH_SECONDS = 300
_RETRY_SECONDS = 1.0

Manifest = dict[str, Any]


class Api:
    """The few requests that this process makes, as an administrator."""

    def __init__(self, authority: Path, identity: KeyPair) -> None:
        self._trust = ssl.create_default_context(cafile=str(authority))
        self._trust.load_cert_chain(identity.certificate, identity.key)

    def send(self, method: str, path: str, content: Manifest | None = None) -> int:
        """Send one request and return the answer's status."""
        connection = self._connect(timeout=10)
        try:
            body = json.dumps(content) if content is not None else None
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    def watch(self, path: str) -> Iterator[Manifest]:
        """Each object that exists, then each that changes, until the server ends the watch."""
        connection = self._connect(timeout=_WATCH_SECONDS + 30)
        try:
            connection.request("GET", f"{path}?watch=1&timeoutSeconds={_WATCH_SECONDS}")
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise ConnectionError(f"watching {path} was answered with {answer.status}")
            for line in answer:
                event = json.loads(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
        finally:
            connection.close()

    def _connect(self, *, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            NODE_ADDRESS, API_PORT, timeout=timeout, context=self._trust
        )


class FolderVolumes:
    """Gives folders to claims and takes them back."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self._folder = folder

    def provide(self, claim: Manifest) -> None:
        """Make the volume of a claim that waits for one."""
        if not is_waiting(claim):
            return
        path = self._folder / volume_name(claim)
        path.mkdir(parents=True, exist_ok=True)
        # Whoever the pod runs as: only pods that mount the claim see the folder.
        path.chmod(0o777)
        status = self._api.send("POST", _VOLUMES, volume_for(claim, path))
        if status not in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}:
            raise ConnectionError(f"creating {path.name} was answered with {status}")

    def take_back(self, volume: Manifest) -> None:
        """Remove a volume whose claim was deleted."""
        if not is_released(volume):
            return
        name = volume["metadata"]["name"]
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self._api.send("DELETE", f"{_VOLUMES}/{name}")

    def run(self) -> None:
        """Serve claims and volumes until the process is ended."""
        follow = (_CLAIMS, self.provide), (_VOLUMES, self.take_back)
        threads = [threading.Thread(target=self._follow, args=each) for each in follow]
        for thread in threads:
            thread.start()

    def _follow(self, path: str, act: Callable[[Manifest], None]) -> None:
        while True:
            try:
                for item in self._api.watch(path):
                    act(item)
            except (OSError, http.client.HTTPException, ValueError) as error:
                say(f"{path}: {error}; trying again")
                time.sleep(_RETRY_SECONDS)


def is_waiting(claim: Manifest) -> bool:
    """Whether the claim is of our class and has no volume yet."""
    return (
        claim["spec"].get("storageClassName") == STORAGE_CLASS
        and not claim["spec"].get("volumeName")
        and "deletionTimestamp" not in claim["metadata"]
    )


def is_released(volume: Manifest) -> bool:
    """Whether the volume is ours and its claim is gone."""
    return (
        volume["spec"].get("storageClassName") == STORAGE_CLASS
        and volume.get("status", {}).get("phase") == "Released"
        and "deletionTimestamp" not in volume["metadata"]
    )


def volume_name(claim: Manifest) -> str:
    """The same name each time for the same claim, so that a retry makes no second volume."""
    return f"pvc-{claim['metadata']['uid']}"


def volume_for(claim: Manifest, path: Path) -> Manifest:
    """The volume on `path` that only this claim may bind."""
    metadata = claim["metadata"]
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim)},
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


def main(state: Path) -> None:
    identity = KeyPair(state / "pki" / "admin.crt", state / "pki" / "admin.key")
    api = Api(state / "pki" / "ca.crt", identity)
    FolderVolumes(api, state / "volumes").run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

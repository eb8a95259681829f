"""What the status of a service said, and when: every writing of it, by a watch.

A `Note` is one writing. What the routers are to do by it is asked of the operator's own functions,
so a note knows the revision that answers will carry once the routers act on it.
"""

from __future__ import annotations

import codecs
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from e2e.access import program
from e2e.harness import Manifest
from e2e.serving import Service
from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.resources import parse
from regnant.api.rollout_status import Evidence, Stage
from regnant.lifecycle import serving_plan

_CHUNK = 65536


@dataclass(frozen=True)
class Note:
    """The status as it stood from a time on."""

    at: float
    """When the watch told of it."""
    status: InferenceServiceStatus
    revision: str
    """The routers' configuration that follows from it."""

    @property
    def phase(self) -> str:
        """As users see it."""
        return str(self.status.phase)

    @property
    def weight(self) -> int:
        """The part of the traffic that is decided for the newest version of an open rollout."""
        status = self.status
        if status.rollout is None:
            return 0
        reigning = serving_plan.answering(status)
        if reigning and reigning.digest == status.rollout.to.digest:
            return 100
        stage = serving_plan.stage(status)
        return stage.weight if stage else 0

    @property
    def decided(self) -> float:
        """When what the routers are to do was decided last, by the operator's clock."""
        transition = self.status.rollout
        if transition is None:
            return self.at
        stage, back = transition.stage, transition.rollback
        dates = [
            transition.started_at,
            stage.decided_at if stage else None,
            transition.promoting_at,
            back.decided_at if back else None,
        ]
        return max(date.timestamp() for date in dates if date)

    @property
    def stage(self) -> Stage | None:
        """The shadow or step that is compared."""
        return serving_plan.stage(self.status)

    @property
    def evidence(self) -> Evidence | None:
        """What is compared now."""
        return self.stage.evidence if self.stage else None


class Recorder:
    """The notes of one service, as they come."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    @classmethod
    @contextmanager
    def watching(cls, service: Service) -> Iterator[Recorder]:
        """Record for as long as the context lasts."""
        recorder = cls()
        cluster = service.cluster
        command = [
            str(program("kubectl")),
            f"--kubeconfig={cluster.kubeconfig}",
            f"--context={cluster.context}",
            f"--namespace={service.namespace}",
            *("get", "inferenceservice", service.name, "--watch", "--output=json"),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            reader = threading.Thread(target=recorder._read, args=(process.stdout,))
            reader.start()
            try:
                yield recorder
            finally:
                process.terminate()
                reader.join()

    def _read(self, stream: IO[bytes]) -> None:
        decoder, text = json.JSONDecoder(), ""
        utf8 = codecs.getincrementaldecoder("utf-8")()
        while chunk := stream.read1(_CHUNK):  # type: ignore[attr-defined]
            text = (text + utf8.decode(chunk)).lstrip()
            while text:
                try:
                    body, end = decoder.raw_decode(text)
                except ValueError:
                    break  # the rest of it is on its way
                text = text[end:].lstrip()
                self._take(body)

    def _take(self, body: Manifest) -> None:
        resource = parse(body, InferenceServiceSpec, InferenceServiceStatus)
        revision = serving_plan.routing(resource, resource.status).revision
        self.notes.append(Note(time.time(), resource.status, revision))

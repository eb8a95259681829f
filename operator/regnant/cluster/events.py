"""The shape of a Kubernetes Event that tells users of one transition.

Its name is made of what it says and when that became so, so that saying it again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Literal

from regnant.api.meta import API_VERSION, ObjectRef
from regnant.cluster.kinds import Manifest

REPORTER = "regnant.dev/operator"
_LONGEST_NOTE = 1024
_LONGEST_REASON = 128


def event_manifest(
    regarding: ObjectRef,
    *,
    severity: Literal["Normal", "Warning"],
    reason: str,
    message: str,
    occurrence: str,
    instance: str,
    now: datetime,
) -> Manifest:
    """An `events.k8s.io/v1` Event about `regarding`."""
    said = json.dumps([regarding.uid, severity, reason, message, occurrence])
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{regarding.name}.{digest}", "namespace": regarding.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": REPORTER,
        "reportingInstance": instance[:128],
        "action": "Reconcile",
        "type": severity,
        "reason": reason[:_LONGEST_REASON],
        "note": _bounded(message),
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": regarding.kind.value,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
        },
    }


def _bounded(text: str) -> str:
    """The text cut to what the API server takes, in bytes and at the end of a character."""
    data = text.encode()
    if len(data) <= _LONGEST_NOTE:
        return text
    return data[: _LONGEST_NOTE - 3].decode(errors="ignore") + "…"

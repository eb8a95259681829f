"""Which objects there are, what of them was seen last, and whom a change concerns.

Of each object this keeps a few words: its model line, and a fingerprint of what people change. The
status is not part of it, so that our own writes wake nobody. An object that appears or goes, or
changes its model line, concerns others of that line too: a service wants to know of a version, a
pipeline of the versions and pipelines before it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regnant.api.meta import Kind
from regnant.controllers.queue import Key

_CONCERNED: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.MODEL_VERSION: (Kind.INFERENCE_SERVICE, Kind.TRAINING_PIPELINE),
    Kind.INFERENCE_SERVICE: (Kind.MODEL_VERSION,),
    Kind.TRAINING_PIPELINE: (Kind.TRAINING_PIPELINE,),
}


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of one object."""

    model: str
    presence: bytes
    """Changes when the object appears, is replaced or begins to go."""
    intent: bytes
    """Changes when somebody changes the spec, a label or an annotation."""


class Inventory:
    """The objects that the watches and lists have told of."""

    def __init__(self) -> None:
        self._traces: dict[Key, Trace] = {}
        self._lines: dict[tuple[Kind, str, str], set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._traces)

    def keys(self, kind: Kind | None = None, namespace: str | None = None) -> set[Key]:
        """The objects of a kind and a namespace; None means of all."""
        return {
            key
            for key in self._traces
            if kind in {None, key.kind} and namespace in {None, key.namespace}
        }

    def notice(self, kind: Kind, body: Mapping[str, Any]) -> set[Key]:
        """Take in an object as it is now; the keys that must be woken for it."""
        metadata = body["metadata"]
        key = Key(kind, metadata["namespace"], metadata["name"])
        trace = _trace(body)
        before = self._traces.get(key)
        if before == trace:
            return set()
        if before is not None:
            self._lines[_line(key, before)].discard(key)
        self._traces[key] = trace
        self._lines[_line(key, trace)].add(key)
        if before and (before.presence, before.model) == (trace.presence, trace.model):
            return {key}
        return {key} | self._concerned(key, (before, trace))

    def lose(self, key: Key) -> set[Key]:
        """Take in that an object is gone; the keys that must be woken for it."""
        before = self._traces.pop(key, None)
        if before is None:
            return {key}
        line = _line(key, before)
        self._lines[line].discard(key)
        if not self._lines[line]:
            del self._lines[line]
        return {key} | self._concerned(key, (before,))

    def _concerned(self, key: Key, traces: Iterable[Trace | None]) -> set[Key]:
        return {
            other
            for trace in traces
            if trace is not None
            for kind in _CONCERNED[key.kind]
            for other in self._lines.get((kind, key.namespace, trace.model), ())
        }


def _line(key: Key, trace: Trace) -> tuple[Kind, str, str]:
    return key.kind, key.namespace, trace.model


def _trace(body: Mapping[str, Any]) -> Trace:
    metadata = body["metadata"]
    return Trace(
        model=str((body.get("spec") or {}).get("modelName", "")),
        presence=_fingerprint(metadata.get("uid"), metadata.get("deletionTimestamp")),
        intent=_fingerprint(
            metadata.get("generation"), metadata.get("labels"), metadata.get("annotations")
        ),
    )


def _fingerprint(*parts: Any) -> bytes:
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).digest()

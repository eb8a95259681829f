"""The one way a container of Regnant tells the operator how it ended.

A pod that trains or serves has no right to write to the API server. It writes one JSON object to
the container's termination log instead, which the kubelet copies into the pod's status. Kubernetes
keeps 4,096 bytes of it, so a failure is shortened until it fits, and a result that does not fit is
a programming error here rather than broken JSON in the operator.

Only the standard library and a number of the api's are imported: an init container that fails must
be able to say so cheaply.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from regnant.api.exits import INPUT_AT_FAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIT_TRANSIENT: Final = 75
LIMIT_BYTES: Final = 4096
LOG_VARIABLE: Final = "REGNANT_TERMINATION_LOG"
DEFAULT_LOG: Final = "/dev/termination-log"
ELLIPSIS: Final = " ..."


class Failure(Exception):  # noqa: N818 - the root of what a container reports, not one error
    """A failure with a reason that a user can act on.

    Every package that runs in a container derives its own tree from this class. `reason` is what a
    condition shows; `transient` says whether the same inputs may succeed later.
    """

    reason: ClassVar[str] = "Failed"
    transient: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def exit_code(self) -> int:
        """Say by the exit code whether a retry can help."""
        return EXIT_TRANSIENT if self.transient else INPUT_AT_FAULT


def log_path() -> Path:
    """Return where the termination message belongs."""
    return Path(os.environ.get(LOG_VARIABLE, DEFAULT_LOG))


def encode(document: Mapping[str, object]) -> bytes:
    """Encode a message as compact JSON, in which non-finite numbers have no place."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace")


def encode_failure(failure: Failure, stage: str) -> bytes:
    """Encode a failure, shortening its message until it fits.

    A character may cost several bytes once escaped, so the cut is found by trying.
    """
    low, high = 0, len(failure.message)
    whole = encode({"reason": failure.reason, "message": failure.message, "stage": stage})
    if len(whole) <= LIMIT_BYTES:
        return whole
    best = encode({"reason": failure.reason, "message": "", "stage": stage})
    while low < high:
        middle = (low + high + 1) // 2
        message = failure.message[:middle] + ELLIPSIS
        candidate = encode({"reason": failure.reason, "message": message, "stage": stage})
        if len(candidate) <= LIMIT_BYTES:
            low, best = middle, candidate
        else:
            high = middle - 1
    return best


def write_failure(failure: Failure, *, stage: str) -> int:
    """Write a failure to the termination log and return the exit code that goes with it."""
    _write(encode_failure(failure, stage))
    return failure.exit_code


def write_result(result: Mapping[str, object]) -> None:
    """Write a run's result to the termination log; what does not fit is refused."""
    content = encode(result)
    if len(content) > LIMIT_BYTES:
        raise ValueError(
            f"a result of {len(content)} bytes exceeds the {LIMIT_BYTES} that are kept"
        )
    _write(content)


def _write(content: bytes) -> None:
    """Overwrite in place: the kubelet mounts the log as a file that cannot be replaced.

    Outside a pod there may be no such file; then the message is for whoever watches stderr.
    """
    try:
        with log_path().open("wb") as log:
            log.write(content)
    except OSError as error:
        sys.stderr.write(f"termination log {log_path()}: {error.strerror}: {content.decode()}\n")

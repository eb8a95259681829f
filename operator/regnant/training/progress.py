"""Progress as JSON lines on stdout, one a stage, which the operator shows in the status.

The stage that was announced last is also what a failure is blamed on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO


class Stage(StrEnum):
    """What a training does, in order."""

    CHECKING_SPEC = "CheckingSpec"
    FETCHING_DATA = "FetchingData"
    VALIDATING_DATA = "ValidatingData"
    SPLITTING = "Splitting"
    TRAINING = "Training"
    EVALUATING = "Evaluating"
    EXPORTING = "Exporting"
    CHECKING_PARITY = "CheckingParity"
    PACKING = "Packing"
    PUSHING = "Pushing"


@dataclass
class Progress:
    """Announces stages and remembers the last one."""

    output: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    stage: Stage = Stage.CHECKING_SPEC

    def enter(self, stage: Stage, message: str) -> None:
        """Announce that a stage begins."""
        self.stage = stage
        self.say(message)

    def say(self, message: str, level: str = "INFO") -> None:
        """Add a line to the current stage."""
        line = {
            "time": self.clock().isoformat(),
            "level": level,
            "stage": self.stage.value,
            "message": message,
        }
        self.output.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.output.flush()

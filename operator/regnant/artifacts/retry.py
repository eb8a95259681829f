"""Patience with a store that is briefly away.

Only failures that say of themselves that they are transient are tried again, with exponential
back-off and jitter so that a fleet of pods does not return in step. The sleep is a parameter.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from regnant.artifacts.errors import StoreFull
from regnant.artifacts.termination import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


@dataclass(frozen=True)
class Retry:
    """How often and how long to wait: by default five tries over at most half a minute."""

    attempts: int = 5
    base_seconds: float = 1.0
    limit_seconds: float = 15.0
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, action: Callable[[], Result]) -> Result:
        """Run an action until it succeeds, fails for good, or the tries are used up.

        A full store is reported at once: room does not appear within seconds.
        """
        for attempt in range(1, self.attempts):
            try:
                return action()
            except StoreFull:
                raise
            except Failure as failure:
                if not failure.transient:
                    raise
                ceiling = min(self.limit_seconds, self.base_seconds * 2 ** (attempt - 1))
                self.sleep(ceiling * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        return action()


DEFAULT_RETRY = Retry()

"""Why things are as they are, in plain words and from the status alone.

    standing -> explain -> Explanation(who answers, the candidate, what was turned down, ...)

Written for somebody who never read the docs: whole sentences, the names of versions instead of
"champion" alone, numbers with what they are held against, and what a person could do now. One
module a question; nothing here draws or talks to a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from regnant.cli.explanation.candidate import candidate, comparison
from regnant.cli.explanation.choices import Choice, choices
from regnant.cli.explanation.coming import coming
from regnant.cli.explanation.reign import reign
from regnant.cli.explanation.turned_down import turned_down
from regnant.cli.standing import Standing


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answers; each is paragraphs, and empty where there is nothing to say."""

    reign: tuple[str, ...]
    """Who answers now, and why it does."""
    candidate: tuple[str, ...]
    """Where the version that is to take over is, and why it has not yet."""
    comparison: tuple[str, ...]
    """What was compared, with the numbers."""
    turned_down: tuple[str, ...]
    """Why other versions do not serve, the newest among them."""
    coming: tuple[str, ...]
    """What happens next if nobody does anything."""
    choices: tuple[Choice, ...]
    """What a person could do now."""


def explain(seen: Standing, program: str) -> Explanation:
    """Say why the service is as it is; `program` is how the user calls us."""
    return Explanation(
        reign=reign(seen),
        candidate=candidate(seen),
        comparison=comparison(seen),
        turned_down=turned_down(seen),
        coming=coming(seen),
        choices=choices(seen, program),
    )


__all__ = ["Choice", "Explanation", "explain"]

"""What the server tells of itself to the operator, which compares versions by it.

Both reports lie beside the golden rows, outside of /v2, so that no user reaches them through a
router. They carry the id of this start: numbers of another one are no continuation of these.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np
import orjson

from regnant.serving.messages import Response
from regnant.serving.query import Whole, parse_query
from regnant.serving.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.datatypes import Array
    from regnant.serving.identity import Identity
    from regnant.serving.messages import Request, Respond
    from regnant.serving.outcomes import Outcomes

PAGE = 1000
"""The most outcomes of one answer; writing more would hold up inferences."""
_PAGING = {"after": Whole(0, 0, 2**63 - 1), "limit": Whole(PAGE, 1, PAGE)}


class Reports:
    """Hears of every inference, and answers who asks about them."""

    def __init__(self, identity: Identity, outcomes: Outcomes) -> None:
        self.statistics = Statistics()
        self.outcomes = outcomes
        self._boot = secrets.token_hex(8)
        self._identity = identity

    def inferred(
        self, request: Request, rows: int, outputs: Mapping[str, Array], text: bytes | None
    ) -> bool:
        """Hear what a model answered, and tell whether it is all numbers.

        `text` is the JSON in which every output is spelled, or None if some are not.
        """
        self.statistics.computed(request, rows)
        self.outcomes.keep(request, rows, outputs)
        # Looking at the arrays costs more than the search, which seldom finds anything.
        if (text is None or b"null" in text) and _has_non_finite(outputs):
            self.statistics.non_finite(request)
            return False
        return True

    def answer_statistics(self, request: Request, respond: Respond) -> None:
        """Answer with all counts."""
        parse_query(request.query, {})
        identity = self._identity
        document = {
            "boot": self._boot,
            "model": identity.model,
            "version": identity.version,
            "digest": identity.digest,
            **self.statistics.users.to_document(),
            "shadow": self.statistics.shadow.to_document(),
            "outcomes": self.outcomes.to_document(),
        }
        respond(Response(HTTPStatus.OK, orjson.dumps(document)))

    def answer_outcomes(self, request: Request, respond: Respond) -> None:
        """Answer with the outcomes behind the number that was asked for."""
        asked = parse_query(request.query, _PAGING)
        page = self.outcomes.page(asked["after"], asked["limit"])
        respond(Response(HTTPStatus.OK, orjson.dumps({"boot": self._boot, **page})))


def _has_non_finite(arrays: Mapping[str, Array]) -> bool:
    """Whether any output holds NaN or an infinity."""
    return any(
        array.dtype.kind == "f" and not np.isfinite(array).all() for array in arrays.values()
    )

"""Letting a candidate prove itself: through every router, and beside the champion.

What is asked here goes by the operator's own door to exactly the version that is meant. Whoever
cannot be reached proves nothing, so then there is no verdict, and everything is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from regnant.api.rollout import LoadProbe
from regnant.controllers.scrape import Variant
from regnant.lifecycle.eligibility import interface_change
from regnant.lifecycle.serving_state import Verification
from regnant.probes import AnswerError, ProbeError, Prober, Target, carry, judge


async def verify(
    prober: Prober,
    model: str,
    routers: Sequence[str],
    *,
    champion: Variant | None,
    candidate: Variant,
    load: LoadProbe | None,
) -> Verification | None:
    """The verdict on a candidate; None while it cannot be told.

    `routers` are the addresses of those that are ready, of which there is at least one.
    """
    target = Target(model, candidate.version, candidate.digest)
    try:
        for router in routers:
            # As long as a router holds the candidate for unhealthy, users would not reach it.
            if not await prober.sends_users(router, candidate.cluster):
                return None
            result = await prober.verify(router, target)
            if not result.passed:
                return Verification(target.digest, passed=False, message=result.message)
        if load:
            missed = judge(load, await carry(prober, routers[0], target, load))
            if missed:
                return Verification(target.digest, passed=False, message=missed)
        if champion is None:
            return Verification(target.digest, passed=True)
        return await _beside(prober, routers[0], target, champion)
    except ProbeError:
        return None


async def _beside(prober: Prober, router: str, target: Target, champion: Variant) -> Verification:
    """The verdict on a candidate that did well by itself; a silent champion has no say."""
    try:
        taken = await prober.interface(router, target)
    except AnswerError as error:
        return Verification(target.digest, passed=False, message=str(error))
    try:
        reigning = Target(target.model, champion.version, champion.digest)
        before = await prober.interface(router, reigning)
    except ProbeError:
        return Verification(target.digest, passed=True)
    if changed := interface_change(before, taken):
        return Verification(
            target.digest, passed=False, message=changed.message, reason=changed.reason
        )
    return Verification(target.digest, passed=True, slowest=await _slowest(prober, champion))


async def _slowest(prober: Prober, version: Variant) -> timedelta:
    """The longest that servers of a version took over an answer to users, as far as told."""
    found = timedelta(0)
    for address in version.pods:
        try:
            told = await prober.servers.statistics(address, version.digest)
        except ProbeError:
            continue
        found = max(found, told.users.slowest)
    return found

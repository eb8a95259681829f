"""A version that is tried again is not judged by what its former pods died of."""

from __future__ import annotations

from regnant.cluster.kinds import Manifest
from regnant.controllers.attempts import of_this_attempt


def created(second: int) -> Manifest:
    return {"metadata": {"creationTimestamp": f"2026-01-01T00:00:{second:02}Z"}}


def test_pods_of_a_former_deployment_do_not_count() -> None:
    former, own, later = created(1), created(5), created(9)
    assert of_this_attempt([former, own, later], [created(5)]) == [own, later]


def test_pods_without_a_deployment_are_on_their_way_out() -> None:
    assert of_this_attempt([created(1)], []) == []

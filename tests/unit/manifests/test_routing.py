"""What routers could not honour cannot be asked of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from regnant.manifests.routing import Routing, Sticky, Variant

OLD = Variant("churn-3", 3, "sha256:" + "a" * 64, 8080)
NEW = Variant("churn-4", 4, "sha256:" + "b" * 64, 8080)
LAST = Variant("churn-2", 2, "sha256:" + "c" * 64, 8080)
SERVING = Routing("churn", "ns", "churn", (OLD, NEW, LAST), champion=OLD.digest)
COMPARED = replace(SERVING, challenger=NEW.digest)


@pytest.mark.parametrize("weight", [0, 1, 100])
@pytest.mark.parametrize("shadow", [0, 1, 100])
def test_a_challenger_may_have_any_share_and_any_copies(weight: int, shadow: int) -> None:
    routing = replace(COMPARED, weight=weight, shadow=shadow, fallback=LAST.digest)
    assert (routing.weight, routing.shadow) == (weight, shadow)


@pytest.mark.parametrize("share", ["weight", "shadow"])
@pytest.mark.parametrize("percent", [-1, 101])
def test_a_share_is_in_percent(share: str, percent: int) -> None:
    with pytest.raises(ValueError, match=f"{share} {percent} is not a share in percent"):
        replace(COMPARED, **{share: percent})  # type: ignore[arg-type]


@pytest.mark.parametrize("share", ["weight", "shadow"])
def test_a_share_is_for_a_challenger(share: str) -> None:
    with pytest.raises(ValueError, match=f"{share} 10 is for a challenger, but there is none"):
        replace(SERVING, **{share: 10})  # type: ignore[arg-type]


def test_a_challenger_must_run() -> None:
    with pytest.raises(ValueError, match=r"challenger .* is not among the variants"):
        replace(SERVING, variants=(OLD,), challenger=NEW.digest)


def test_nobody_challenges_an_empty_throne() -> None:
    with pytest.raises(ValueError, match="needs a champion"):
        replace(COMPARED, champion="")


def test_a_version_does_not_challenge_itself() -> None:
    with pytest.raises(ValueError, match="cannot challenge itself"):
        replace(COMPARED, challenger=OLD.digest)


def test_a_champions_failures_do_not_go_to_its_challenger() -> None:
    with pytest.raises(ValueError, match="must not be tried at the challenger"):
        replace(COMPARED, fallback=NEW.digest)


def test_a_try_has_half_of_the_time_unless_it_is_given_less() -> None:
    routing = replace(COMPARED, request_timeout=timedelta(seconds=10))
    assert routing.try_timeout == timedelta(seconds=5)
    assert replace(routing, attempt_timeout=timedelta(seconds=1)).try_timeout.seconds == 1


@pytest.mark.parametrize("seconds", [-1, 0, 31])
def test_a_try_leaves_the_champion_its_time(seconds: int) -> None:
    with pytest.raises(ValueError, match="the other half is the champion's"):
        replace(COMPARED, attempt_timeout=timedelta(seconds=seconds))


def test_a_request_has_some_time() -> None:
    with pytest.raises(ValueError, match="leaves no time to answer"):
        replace(SERVING, request_timeout=timedelta(0))


@pytest.mark.parametrize(
    "change",
    [
        {"challenger": NEW.digest},
        {"challenger": NEW.digest, "weight": 10},
        {"challenger": NEW.digest, "shadow": 10},
        {"sticky": Sticky(header="x-user")},
        {"sticky": Sticky(cookie="user", cookie_ttl=timedelta(hours=1))},
        {"attempt_timeout": timedelta(seconds=1)},
    ],
)
def test_every_part_of_a_stage_has_a_revision_of_its_own(change: dict[str, object]) -> None:
    assert replace(SERVING, **change).revision != SERVING.revision  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["X-User-Id", "a", "x!#$%&'*+.^_`|~9"])
def test_a_user_is_known_by_any_header_that_http_allows(name: str) -> None:
    assert Sticky(header=name).header == name


@pytest.mark.parametrize("name", ["x user", "x:y", "x\r\ny", "naïve", "x;", "x" * 129, " x"])
def test_a_header_or_cookie_that_http_forbids_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a header"):
        Sticky(header=name)
    with pytest.raises(ValueError, match="is not the name of a cookie"):
        Sticky(cookie=name, cookie_ttl=timedelta(hours=1))


@pytest.mark.parametrize("name", ["x-regnant-user", "X-Envoy-Peer"])
def test_a_header_that_routers_take_off_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="use another header"):
        Sticky(header=name)


def test_a_user_is_known_by_one_thing() -> None:
    with pytest.raises(ValueError, match="exactly one of header and cookie"):
        Sticky()
    with pytest.raises(ValueError, match="exactly one of header and cookie"):
        Sticky(header="x-user", cookie="user", cookie_ttl=timedelta(hours=1))


@pytest.mark.parametrize("ttl", [None, timedelta(0), timedelta(milliseconds=999)])
def test_a_cookie_lasts_a_second_or_more(ttl: timedelta | None) -> None:
    with pytest.raises(ValueError, match="time to live of a second or more"):
        Sticky(cookie="user", cookie_ttl=ttl)


def test_a_header_has_no_time_to_live() -> None:
    with pytest.raises(ValueError, match="belongs to a cookie"):
        Sticky(header="x-user", cookie_ttl=timedelta(hours=1))

"""What `explain` says in every situation: who, why, why not, and what a person could do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regnant.cli.explanation import Explanation, explain
from regnant.cli.standing import standing
from tests.unit.cli.situations import NOW, SITUATIONS, situation


def said(name: str) -> Explanation:
    return explain(standing(situation(name), NOW), "kubectl regnant")


def words(explanation: Explanation) -> str:
    """All of it, as one text."""
    paragraphs = (
        *explanation.reign,
        *explanation.candidate,
        *explanation.comparison,
        *explanation.turned_down,
        *explanation.coming,
        *(f"{choice.command}: {choice.effect}" for choice in explanation.choices),
    )
    return "\n".join(paragraphs)


CLAIMS: dict[str, tuple[str, ...]] = {
    "never seen": ("has not looked at churn", "operator is not running"),
    "no version yet": ("Nobody answers yet", "there is no ModelVersion of churn"),
    "first version preparing": (
        "churn-4 is to be the first version",
        "takes over at once, as there is no champion to compare it with",
    ),
    "preparing": (
        "churn-3 answers all requests",
        "churn-4 is being started, while churn-3 goes on answering",
        "until 2026-11-21 15:42:00 UTC; after that it is turned down",
        "its servers to be ready: 1 of 2 are",
        "is given copies of churn-3's requests",
    ),
    "verifying": ("golden rows are sent through every router", "Nothing unverified ever answers"),
    "shadowing": (
        "also sent to churn-4 as a copy",
        "Users get churn-3's answers",
        "is given 10 of 100 requests next",
    ),
    "splitting": (
        "answers 75 of 100 requests",
        "churn-3 answers it instead, so users do not notice",
        "This is step 2 of 3",
        "612 requests of at least 1,000",
        "1m 40s of at least 2m",
        "churn-4 was given 612 requests, 2 of them failed (1 too late)",
        "churn-4 failed 2 of 612 (0.327 %), churn-3 4 of 1,836",
        "neither side of the limit is shown yet",
        "shown to be within the limit",
        "is given 50 of 100 requests next",
        "waits its turn",
        "kubectl regnant promote churn -n shop: goes on to the next step, 50 of 100",
        "kubectl regnant promote churn -n shop --full: gives churn-4 all requests",
        "kubectl regnant abort churn -n shop: takes all traffic from churn-4",
        "kubectl regnant pause churn -n shop",
    ),
    "routers told": ("Counting begins once every router was seen to have this",),
    "manual step": (
        "waits for a person to say yes",
        "approval is Manual",
        "Nothing, until a person promotes it",
        "kubectl regnant promote churn -n shop: gives churn-4 all requests",
    ),
    "paused": (
        "A person paused it",
        "loses its traffic all the same",
        "kubectl regnant resume churn -n shop",
    ),
    "paused in the spec": ("spec.rollout.paused is true", "set spec.rollout.paused to false"),
    "inconclusive": (
        "the 24h that it may take",
        "neither speaks for it nor against it",
        "388 more requests",
        "onInconclusive is Hold",
        "If more traffic settles it",
    ),
    "last step without proof": ("a verdict on errors", "it is only not proven yet"),
    "promoting": ("churn-4 takes over: that is decided", "churn-3 is kept ready to return for 10m"),
    "watching": (
        "churn-4 answers all requests",
        "churn-3 is kept running until 2026-11-21 15:47:00 UTC",
        "kubectl regnant rollback churn -n shop: returns all traffic to churn-3 at once",
    ),
    "rolling back": ("taken back from churn-4: 4 % failed", "churn-3 answers everything"),
    "taken back": ("taken back from churn-4", "not tried again unless a person says so"),
    "serving": (
        "It was compared with churn-2, and proved itself",
        "churn-3 failed 14 of 12,040",
        "challenges it, is verified, is given copies of requests first and gets 10 %, 25 %, 50 %",
        "rollback churn -n shop --to 2",
    ),
    "rolled back": (
        "The traffic was taken back from churn-4",
        "none of its servers is ready any more",
        "churn-4 was turned down",
        "retry churn -n shop 4",
    ),
    "rejected for errors": (
        "churn-4 was turned down",
        "(ErrorRateTooHigh)",
        "failed at more requests than it may",
        "failed 12 of 12 (100 %)",
        "retry churn -n shop 4: lets churn-4 try again",
    ),
    "rejected for its golden rows": (
        "did not give the answers that were recorded when it was trained",
        "label is 1, was 0",
    ),
    "aborted": ("A person aborted it by jane",),
    "next up": ("churn-5 is tried next", "while churn-3 answers"),
    "same bundle": ("churn-4 is the same bundle as the champion's",),
    "pinned champion": ("spec.champion pins it", "newer versions do not challenge it"),
    "both pinned": (
        "does not take over, whatever the numbers say: spec.champion pins churn-3",
        "change or remove spec.champion",
    ),
    "pinned challenger": ("Only churn-5 may challenge it, as spec.challenger pins it",),
    "floor": (
        "Versions up to churn-5 do not challenge churn-3",
        "went back behind them",
        "retry churn -n shop 5",
    ),
    "degraded": (
        "Users get no answers right now",
        "none of its servers is ready",
        "kubectl get pods -n shop -l regnant.dev/owner=churn",
    ),
    "no steps asked for": ("takes over at once, as no steps are asked for",),
    "a person's return": ("churn-2 takes over at once, as a person chose it",),
    "superseding": ("takes the place of this candidate",),
    "nothing but a shadow": ("is verified and is given copies of requests first",),
    "nothing but rejections": (
        "Nobody answers yet, so requests fail. Every version was rejected",
        "churn-5 was turned down",
        "Its servers crashed",
        "2 older ones were turned down",
    ),
    "asked and not answered": ("churn-3 answers all requests",),
    "not recorded": ("how it came to that is not recorded",),
    "answered an action": ("churn-3 answers all requests",),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_it_says_why_in_every_situation(name: str) -> None:
    text = words(said(name))
    for claim in CLAIMS[name]:
        assert claim.lower() in text.lower(), f"{claim!r} is not said in:\n{text}"


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_text_reads_as_sentences(name: str) -> None:
    explanation = said(name)
    paragraphs = (*explanation.reign, *explanation.candidate, *explanation.turned_down)
    for paragraph in (*paragraphs, *explanation.coming):
        assert paragraph.endswith((".", ")")), paragraph
        for stain in ("  ", "..", " .", "None.", "None,", "{", " ,"):
            assert stain not in paragraph, paragraph


def test_nobody_is_told_to_promote_over_a_pin() -> None:
    assert "promote" not in words(said("both pinned"))


def test_nobody_is_told_to_abort_what_is_decided() -> None:
    for name in ("promoting", "rolling back", "taken back"):
        commands = [choice.command for choice in said(name).choices]
        assert commands == ["kubectl regnant status churn -n shop --watch"], name


def test_nobody_is_sent_back_to_a_version_that_was_turned_down() -> None:
    assert "rollback" not in words(said("rolled back"))


@pytest.mark.parametrize("name", ["serving", "pinned champion", "same bundle"])
def test_a_settled_service_has_no_candidate_to_explain(name: str) -> None:
    explanation = said(name)
    assert not explanation.candidate
    assert not explanation.comparison


def test_a_spec_that_was_not_looked_at_yet_is_told() -> None:
    newer = replace(situation("serving"), generation=5)
    assert "The spec was changed since" in words(explain(standing(newer, NOW), "regnant"))

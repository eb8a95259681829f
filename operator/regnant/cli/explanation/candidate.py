"""Why the version that is to take over has not yet: where it is, and what that phase is for."""

from __future__ import annotations

from datetime import datetime

from regnant.api.model import format_duration
from regnant.api.rollout_status import Check, Counts, Evidence, Transition
from regnant.cli import wording
from regnant.cli.standing import (
    CHECK_WORDS,
    Progress,
    Standing,
    Wait,
    step_number,
    waiting_words,
    watched_until,
)
from regnant.cli.wording import sentence, with_names


def candidate(seen: Standing) -> tuple[str, ...]:
    """The paragraphs; none while no rollout is open."""
    rollout = seen.service.status.rollout
    if rollout is None:
        return ()
    paragraphs = [_phase(seen, rollout), _held(seen)]
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def comparison(seen: Standing) -> tuple[str, ...]:
    """What was compared in the current stage, or in the watch, a line a question."""
    rollout = seen.service.status.rollout
    if rollout is None:
        return ()
    stage = rollout.stage.evidence if rollout.stage else None
    evidence = rollout.watch or stage
    if evidence is None:
        return ()
    return (_counted(seen, evidence), *(_compared(seen, check) for check in evidence.checks))


def _phase(seen: Standing, rollout: Transition) -> str:
    name = seen.candidate
    if rollout.rollback:
        return (
            f"The traffic is being taken back from {name}: {rollout.rollback.message.rstrip('.')}. "
            "It is over once every router was seen to send it nothing more."
        )
    if rollout.promoted_at:
        return _watching(seen, rollout.promoted_at)
    if rollout.promoting_at:
        return (
            f"{name} takes over: that is decided and written down. Now the routers are told, and "
            "it counts once every one of them was seen to send it all requests."
        )
    if seen.progress and rollout.stage:
        return _shadowing(seen, seen.progress) if rollout.stage.shadow else _splitting(seen)
    return _verifying(seen) if seen.phase == "Verifying" else _preparing(seen, rollout)


def _preparing(seen: Standing, rollout: Transition) -> str:
    deadline = rollout.ready_by(seen.service.spec.rollout)
    limit = (
        f"It has until {wording.moment(deadline)}; after that it is turned down."
        if deadline > seen.now
        else "Its time for that is over."
    )
    beside = f", while {seen.champion} goes on answering" if seen.champion else ""
    faults = seen.service.status.condition("UpToDate" if seen.champion else "Ready")
    known = faults is None or faults.status == "True" or faults.reason == "Starting"
    trouble = "" if known or faults is None else f" {sentence(faults.message)}"
    return (
        f"{seen.candidate} is being started{beside}. Each of its servers fetches the model, checks "
        f"every byte of it, and answers its golden rows - recorded inputs whose right answers are "
        f"known - before it counts as ready. No user sees anything of it. {limit}{trouble}"
    )


def _verifying(seen: Standing) -> str:
    load = seen.service.spec.rollout.verify.load
    probe = (
        f" It must also carry a short load of {wording.count(load.requests, 'request')}."
        if load
        else ""
    )
    return (
        f"{seen.candidate} runs and is being verified: its golden rows are sent through every "
        "router, on a door that no user reaches, and every answer must be the one that was "
        f"recorded when it was trained.{probe} Nothing unverified ever answers users."
    )


def _shadowing(seen: Standing, progress: Progress) -> str:
    percent = progress.stage.mirrored
    which = "Every request" if percent == 100 else f"{percent} of 100 requests"  # noqa: PLR2004
    return (
        f"{which} to {seen.champion} {'is' if percent == 100 else 'are'} also sent to "  # noqa: PLR2004
        f"{seen.candidate} as a copy. Users get {seen.champion}'s answers; those of "
        f"{seen.candidate} are compared and thrown away, so it cannot hurt anybody. "
        f"{_needs(progress)}"
    )


def _splitting(seen: Standing) -> str:
    progress = seen.progress
    stage = seen.service.status.rollout.stage if seen.service.status.rollout else None
    if progress is None or stage is None:
        return ""
    number = step_number(seen.service, stage)
    which = f"This is step {number[0]} of {number[1]}: " if number else "In this step "
    sticky = seen.service.spec.rollout.sticky
    same = " A user who was given it keeps it." if sticky else ""
    return (
        f"{which}{seen.candidate} is given {stage.weight} of 100 requests, and {seen.champion} the "
        f"rest.{same} {_needs(progress)}"
    )


def _needs(progress: Progress) -> str:
    """How far the stage is, in numbers."""
    if progress.stage.evidence is None:
        return (
            "Counting begins once every router was seen to have this; until then nothing is held "
            "against it."
        )
    asked = progress.stage.asked
    have = wording.count(progress.stage.requests, "request")
    words = [f"it was given {have} of at least {asked.min_requests:,}"]
    if asked.min_duration:
        least = format_duration(asked.min_duration)
        words.append(f"this has lasted for {wording.span(progress.elapsed)} of at least {least}")
    return f"So far {wording.listing(words)}."


def _watching(seen: Standing, promoted_at: datetime) -> str:
    until = watched_until(seen.service)
    ends = f" until {wording.moment(until)}" if until else ""
    kept = (
        f"{seen.previous} is kept running{ends}: it answers what {seen.candidate} fails at, and "
        f"gets the traffic back at once if {seen.candidate} stops being healthy or fails too often."
        if seen.previous
        else f"There is no former version to return to, so it is only watched{ends}."
    )
    return (
        f"{seen.candidate} took over at {wording.since(promoted_at, seen.now)}, and is being "
        f"watched. {kept}"
    )


def _held(seen: Standing) -> str:
    """Why it does not go on, where that is not only a matter of time."""
    match seen.wait:
        case Wait.RESUME if seen.paused_by_spec:
            return (
                "It is paused in the spec: spec.rollout.paused is true. It stays where it is until "
                f"that is changed. If {seen.candidate} fails, it loses its traffic all the same."
            )
        case Wait.RESUME:
            return (
                "A person paused it. It stays where it is until it is resumed. If "
                f"{seen.candidate} fails, it loses its traffic all the same."
            )
        case Wait.APPROVAL:
            return (
                "All that this step asks for is there. It waits for a person to say yes, because "
                "the step's approval is Manual."
            )
        case Wait.DECISION:
            return _inconclusive(seen)
        case Wait.PIN:
            return _pinned(seen)
        case Wait.EVIDENCE:
            return (
                f"The least requests and time are there, but the numbers do not suffice yet for "
                f"{waiting_words(seen)}. It is not known to be worse; it is only not proven yet."
            )
    return _pinned(seen) if seen.held_by_pin and seen.progress else ""


def _pinned(seen: Standing) -> str:
    pin = seen.service.spec.champion
    pinned = seen.service.version(pin.version) if pin else ""
    return (
        f"{seen.candidate} is compared and does not take over, whatever the numbers say: "
        f"spec.champion pins {pinned}."
    )


def _inconclusive(seen: Standing) -> str:
    progress = seen.progress
    most = format_duration(progress.stage.asked.max_duration) if progress else ""
    missing = []
    if progress and progress.stage.missing_requests:
        missing.append(wording.count(progress.stage.missing_requests, "more request"))
    if progress and progress.unproven:
        questions = wording.listing([CHECK_WORDS[check.name] for check in progress.unproven])
        missing.append(f"a clear result on {questions}")
    lacks = f" What is missing: {wording.listing(missing)}." if missing else ""
    return (
        f"It has had the {most} that it may take, and the evidence neither speaks for it nor "
        f"against it.{lacks} spec.rollout.onInconclusive is Hold, so it is held here and not "
        "guessed: more traffic settles it, or a person does."
    )


def _counted(seen: Standing, evidence: Evidence) -> str:
    champion, challenger = evidence.tally.champion, evidence.tally.challenger
    words = f"Since {wording.since(evidence.since, seen.now)}:"
    parts = []
    if champion.tries:
        former = seen.previous if _is_watched(seen) else seen.champion
        parts.append(_tries(former or "the former version", champion))
    parts.append(_tries(seen.candidate, challenger))
    if evidence.tally.pairs.total:
        parts.append(f"{wording.count(evidence.tally.pairs.total, 'pair')} of answers compared")
    return f"{words} {'; '.join(parts)}."


def _is_watched(seen: Standing) -> bool:
    rollout = seen.service.status.rollout
    return rollout is not None and rollout.promoted_at is not None


def _tries(name: str, counts: Counts) -> str:
    failed = f", {counts.failures:,} of them failed" if counts.failures else ", none failed"
    late = f" ({counts.timeouts:,} too late)" if counts.timeouts else ""
    given = wording.count(counts.tries, "request")
    return f"{name} was given {given}{failed if counts.tries else ''}{late}"


def _compared(seen: Standing, check: Check) -> str:
    former = seen.previous if _is_watched(seen) else seen.champion
    reading = (check.reading or _numbers(check)).rstrip(". ")
    named = with_names(reading, challenger=seen.candidate, champion=former or "the former version")
    said = _VERDICTS[verdict(check)] if not check.reading or not _is_judged(check) else ""
    return f"{CHECK_WORDS[check.name].capitalize()}: {named}. {said}".rstrip()


def _is_judged(check: Check) -> bool:
    """Whether the reading says itself on which side of the limit the truth lies."""
    return bool(check.limit) and check.name != "Requests"


def verdict(check: Check) -> str:
    """The verdict in a few words."""
    if not check.limit:
        return "for information"
    if check.name == "Requests":
        return "enough" if check.verdict == "Pass" else "more needed"
    return {
        "Pass": "proven good enough",
        "Fail": "proven too bad",
        "Inconclusive": "not settled yet",
        "Error": "cannot be worked out",
    }[check.verdict]


_VERDICTS = {
    "for information": "This decides nothing; it is there for information.",
    "enough": "That is enough.",
    "more needed": "More are needed.",
    "proven good enough": "It is proven that this is good enough.",
    "proven too bad": "It is proven that this is too bad.",
    "not settled yet": "It is not settled yet on which side of that the truth lies.",
    "cannot be worked out": "This could not be worked out.",
}


def _numbers(check: Check) -> str:
    between = f", surely between {check.low} and {check.high}" if check.low and check.high else ""
    seen = check.estimate or "nothing yet"
    limit = f", held against {check.limit}" if check.limit else ""
    return f"{seen}{between}{limit}, from {wording.count(check.counted, 'request')}"

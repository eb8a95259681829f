"""What happens next if nobody does anything."""

from __future__ import annotations

from regnant.api.model import format_duration
from regnant.cli.standing import (
    Progress,
    Standing,
    Wait,
    watched_until,
)
from regnant.cli.wording import moment


def coming(seen: Standing) -> tuple[str, ...]:
    """The paragraphs."""
    queue = _queue(seen) if seen.service.status.rollout else ""
    return tuple(paragraph for paragraph in (*_next(seen), queue) if paragraph)


def _next(seen: Standing) -> tuple[str, ...]:
    status, rollout = seen.service.status, seen.service.status.rollout
    if not status.phase:
        return ("The operator looks at it, and prepares the newest version of the model line.",)
    if rollout is None:
        return (_settled(seen),)
    if rollout.rollback:
        return (_after_return(seen),)
    if rollout.promoted_at:
        until = watched_until(seen.service)
        ends = moment(until) if until else "the end of the watch"
        gone = f", and {seen.previous}'s servers are removed" if seen.previous else ""
        return (f"If it stays healthy until {ends}, the rollout is over{gone}.",)
    if rollout.promoting_at:
        return (_after_promotion(seen),)
    if seen.progress:
        return _after_stage(seen, seen.progress)
    return (_after_verification(seen),)


def _settled(seen: Standing) -> str:
    spec, status = seen.service.spec, seen.service.status
    newest = status.condition("UpToDate")
    if newest and newest.reason == "NextUp":
        return f"Its rollout is opened: it is started and verified, while {seen.champion} answers."
    if status.champion is None:
        return (
            "The first version of the model line that is registered, and answers its golden rows "
            "rightly, becomes the champion."
        )
    if not seen.available:
        return (
            f"As soon as a server of {seen.champion} and a router are ready, users get answers "
            "again. A newer version that is registered and verified takes over at once, as there "
            "is no healthy champion to compare it with."
        )
    if spec.champion and spec.challenger:
        challenger = seen.service.version(spec.challenger.version)
        return f"{seen.champion} goes on answering; {challenger} is compared, and never takes over."
    if spec.champion:
        return (
            f"Nothing: spec.champion pins {seen.service.version(spec.champion.version)}, so newer "
            "versions do not challenge it until the pin is changed or removed."
        )
    if spec.challenger:
        challenger = seen.service.version(spec.challenger.version)
        return (
            f"{seen.champion} goes on answering. Only {challenger} may challenge it, as "
            "spec.challenger pins it."
        )
    return (
        f"{seen.champion} goes on answering. The next version that is registered challenges it, "
        f"{_way(seen)}."
    )


def _way(seen: Standing) -> str:
    """How the spec lets versions take over."""
    rollout = seen.service.spec.rollout
    shadow = "is given copies of requests first" if rollout.shadow else ""
    weights = ", ".join(f"{step.weight} %" for step in rollout.steps)
    steps = f"gets {weights} of the requests, then all" if weights else ""
    parts = [part for part in (shadow, steps) if part]
    if not parts:
        return "and takes over as soon as it is verified"
    return f"is verified, {' and '.join(parts)}" if rollout.steps else f"is verified and {parts[0]}"


def _after_return(seen: Standing) -> str:
    rollout = seen.service.status.rollout
    back = rollout.rollback if rollout else None
    stays = seen.previous if rollout and rollout.promoted_at else seen.champion
    again = (
        "It is not tried again unless a person says so."
        if back and back.outcome in {"Rejected", "RolledBack", "Aborted"}
        else "It may be tried again later."
    )
    return f"{stays or 'No version'} answers everything. {seen.candidate} is removed. {again}"


def _after_promotion(seen: Standing) -> str:
    watch = format_duration(seen.service.spec.rollout.watch.duration)
    if not seen.champion:
        return f"{seen.candidate} becomes the champion."
    return (
        f"{seen.candidate} becomes the champion, and {seen.champion} is kept ready to return for "
        f"{watch}."
    )


def _after_verification(seen: Standing) -> str:
    rollout, spec = seen.service.status.rollout, seen.service.spec
    chosen = rollout is not None and spec.chooses(rollout)
    if chosen or not seen.champion:
        why = "as a person chose it" if chosen else "as there is no champion to compare it with"
        return f"Once verified, {seen.candidate} takes over at once, {why}."
    if spec.rollout.shadow:
        return (
            f"Once verified, {seen.candidate} is given copies of {seen.champion}'s requests; users "
            "see nothing of it."
        )
    first = spec.rollout.step_after(0)
    if first:
        return f"Once verified, {seen.candidate} is given {first.weight} of 100 requests."
    return f"Once verified, {seen.candidate} takes over at once, as no steps are asked for."


def _after_stage(seen: Standing, progress: Progress) -> tuple[str, ...]:
    return (_good_end(seen, progress), _bad_end(seen), _late_end(seen, progress))


def _good_end(seen: Standing, progress: Progress) -> str:
    weight = progress.next_weight
    if seen.wait is Wait.RESUME:
        return "Nothing, until it is resumed."
    if seen.wait is Wait.APPROVAL:
        then = f"{weight} of 100 requests" if weight else "all requests, and becomes the champion"
        return f"Nothing, until a person promotes it; then {seen.candidate} is given {then}."
    if weight and seen.wait is Wait.DECISION:
        return f"If more traffic settles it, {seen.candidate} is given {weight} of 100 requests."
    if weight:
        return f"If it goes well, {seen.candidate} is given {weight} of 100 requests next."
    if seen.held_by_pin:
        return "Nothing: this is the last step, and the pin keeps the champion."
    return (
        f"If every comparison comes out well, {seen.candidate} is given all requests, and becomes "
        "the champion."
    )


def _bad_end(seen: Standing) -> str:
    return (
        f"If it is shown to be worse than allowed, or its servers fail, {seen.candidate} loses all "
        f"its traffic within two seconds, and is turned down. {seen.champion} goes on answering."
    )


def _late_end(seen: Standing, progress: Progress) -> str:
    settled = progress.complete or seen.wait in {Wait.DECISION, Wait.RESUME}
    if progress.stage.evidence is None or settled:
        return ""
    deadline = progress.stage.evidence.since + progress.stage.asked.max_duration
    then = {
        "Hold": "it is held as it is, for more traffic or a person to settle it",
        "Promote": "it goes on without it",
        "Reject": "it is turned down",
    }[seen.service.spec.rollout.on_inconclusive]
    return f"If that is still not clear at {moment(deadline)}, {then}."


def _queue(seen: Standing) -> str:
    if seen.service.spec.rollout.on_new_version == "Supersede":
        return (
            f"Should a newer version than {seen.candidate} be registered meanwhile, it takes the "
            "place of this candidate (spec.rollout.onNewVersion is Supersede)."
        )
    return (
        f"Should a newer version than {seen.candidate} be registered meanwhile, it waits its turn "
        "until this rollout is over, so that new versions cannot starve it "
        "(spec.rollout.onNewVersion is Wait)."
    )

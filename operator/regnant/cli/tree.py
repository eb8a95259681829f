"""One service as a tree: its versions, their shares, the stage under way and its evidence."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from regnant.api.model import format_duration
from regnant.api.rollout_status import Check, Evidence
from regnant.cli import bars, wording
from regnant.cli.explanation.candidate import verdict
from regnant.cli.screen import Marks, marks
from regnant.cli.standing import (
    CHECK_WORDS,
    Progress,
    Standing,
    step_number,
    waiting_words,
    watched_until,
)

_LABEL = 10
PHASE_STYLES = {
    "Serving": "green",
    "Degraded": "bold red",
    "RollingBack": "bold red",
    "Waiting": "yellow",
}


def tree(seen: Standing, console: Console) -> Tree:
    """The whole tree."""
    drawn = Tree(_head(seen), guide_style="dim")
    signs = marks(console)
    _versions(drawn, seen, signs)
    for line in _remarks(seen):
        drawn.add(line)
    return drawn


def phase(seen: Standing) -> Text:
    """The phase in its colour."""
    words = seen.phase or "Unseen"
    return Text(words, style=PHASE_STYLES.get(seen.phase, "cyan"))


def _head(seen: Standing) -> Text:
    service = seen.service
    head = Text().append(service.name, style="bold")
    head.append(f" ({service.namespace})  ", style="dim").append_text(phase(seen))
    if seen.paused:
        head.append(", paused", style="bold yellow")
    return head


def _versions(drawn: Tree, seen: Standing, signs: Marks) -> None:
    status, rollout = seen.service.status, seen.service.status.rollout
    promoted = rollout is not None and rollout.promoted_at is not None
    if status.champion:
        branch = drawn.add(_version(seen, status.champion.version, "champion"))
        if promoted and rollout:
            _watch(branch, seen, rollout.watch, signs)
    if rollout and not promoted:
        branch = drawn.add(_version(seen, rollout.to.version, "candidate"))
        if seen.progress:
            _stage(branch, seen, seen.progress, signs)
        _waits(branch, seen)
    if promoted and status.previous:
        drawn.add(_version(seen, status.previous.version, "ready to return to"))


def _version(seen: Standing, number: int, role: str) -> Text:
    shares = {share.version: share.percent for share in seen.service.status.traffic}
    line = Text().append(seen.service.version(number), style="bold")
    line.append(f"  {role}", style="dim")
    champion = seen.service.status.champion
    if champion and champion.version == number:
        line.append(f"  for {wording.span(seen.now - champion.since)}", style="dim")
    if shares:
        percent = shares.get(number, 0)
        line.append(f"  {percent} %", style="green" if percent else "dim")
    return line


def _stage(branch: Tree, seen: Standing, progress: Progress, signs: Marks) -> None:
    branch.add(_stage_name(seen, progress))
    if progress.stage.evidence is None:
        return
    stage, asked = progress.stage, progress.stage.asked
    given = f"{stage.requests:,} of at least {asked.min_requests:,}"
    least = f"{wording.span(progress.elapsed)} of at least {format_duration(asked.min_duration)}"
    branch.add(_row("requests", bars.progress(stage.requests, asked.min_requests, signs), given))
    elapsed, needed = progress.elapsed.total_seconds(), asked.min_duration.total_seconds()
    branch.add(_row("time", bars.progress(elapsed, needed, signs), least))
    _checks(branch, progress.stage.evidence.checks, signs)


def _stage_name(seen: Standing, progress: Progress) -> Text:
    stage = progress.stage
    if stage.shadow:
        return Text(f"shadow: copies of {stage.mirrored} % of the requests; users see none of it")
    number = step_number(seen.service, stage)
    which = f"step {number[0]} of {number[1]}" if number else "step"
    if number is None:
        return Text(f"{which}: {stage.weight} %")
    line = Text(f"{which}:")
    for step in seen.service.spec.rollout.steps:
        current = step.weight == stage.weight
        line.append(f" [{step.weight} %]" if current else f" {step.weight} %")
        line.append(" >", style="dim")
    return line.append(" all")


def _watch(branch: Tree, seen: Standing, evidence: Evidence | None, signs: Marks) -> None:
    rollout, until = seen.service.status.rollout, watched_until(seen.service)
    if rollout and rollout.promoted_at and until:
        lasted = (seen.now - rollout.promoted_at).total_seconds()
        whole = (until - rollout.promoted_at).total_seconds()
        left = f"{wording.span(until - seen.now)} left"
        branch.add(_row("watched", bars.progress(lasted, whole, signs), left))
    _checks(branch, evidence.checks if evidence else (), signs)
    _waits(branch, seen)


def _checks(branch: Tree, checks: tuple[Check, ...], signs: Marks) -> None:
    for check in checks:
        if check.name == "Requests":
            continue
        bar = bars.towards_limit(check, signs)
        row = branch.add(_row(CHECK_WORDS[check.name], bar, verdict(check)))
        if check.reading:
            row.add(Text(check.reading, style="dim"))


def _waits(branch: Tree, seen: Standing) -> None:
    words = waiting_words(seen)
    if words:
        branch.add(Text().append("waits for ", style="bold").append(words))


def _row(label: str, bar: Text, words: str) -> Text:
    line = Text(f"{label:<{_LABEL}} ")
    return line.append_text(bar).append(f" {words}")


def _remarks(seen: Standing) -> list[Text]:
    """What else one should know."""
    service, status = seen.service, seen.service.status
    lines: list[Text] = []
    back = status.rollout.rollback if status.rollout else None
    if back:
        words = f"traffic is taken back: {back.reason}, {back.message}"
        lines.append(Text(words, style="bold red"))
    ready = status.condition("Ready")
    if ready and ready.status != "True":
        lines.append(Text(f"{ready.reason}: {ready.message}", style="yellow"))
    newest = status.condition("UpToDate")
    if newest and newest.status == "False" and not status.rollout and newest.message:
        lines.append(Text(newest.message))
    if seen.outdated:
        lines.append(Text("the spec was changed, and not looked at yet", style="yellow"))
    if service.pending:
        asked = service.pending
        lines.append(Text(f"asked for: {asked.action}{_by(asked.by)}, not answered yet"))
    if status.last_action:
        last = status.last_action
        age = wording.span(seen.now - last.at)
        lines.append(
            Text(f"last action: {last.action}{_by(last.by)}, {age} ago: ").append(
                f"{last.outcome}, {last.message}"
            )
        )
    if status.url:
        lines.append(Text(status.url, style="dim"))
    return lines


def _by(who: str) -> str:
    return f" by {who}" if who else ""

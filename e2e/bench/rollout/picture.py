"""The picture in docs/guides/rollouts.md: two rollouts over time, one above the other.

Of each: who answered, how fast, what failed, and what the evidence said. Lines and bars come from
users' answers, weights, phases and evidence from the status.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from e2e.bench.drawing import (
    DARK,
    FIRST,
    LEFT,
    LIMIT,
    SECOND,
    SOFT,
    Panel,
    sheet,
    text,
)
from e2e.bench.rollout import cutoffs
from e2e.bench.rollout.recorder import Note
from e2e.bench.rollout.requests import Request, quantile
from e2e.bench.rollout.stories import Story

_LINES = {"1": FIRST, "2": SECOND}
_TINTS = {
    "Preparing": "#f1f3f5",
    "Verifying": "#e6eaee",
    "Shadowing": "#e3edf7",
    "Splitting": "#fbeee6",
    "Promoting": "#e6eaee",
    "Watching": "#e8f3ea",
    "RollingBack": "#f6d9d3",
}
_EVERY, _WINDOW, _LONG_WINDOW = 0.25, 0.5, 2.0
_PLOT, _GAP = 84.0, 34.0
_HEAD, _FOOT = 58.0, 46.0
_PANELS = 4
_NARROW = 52.0


@dataclass(frozen=True)
class Reading:
    """What the evidence said of errors at a time, in points."""

    at: float
    low: float
    high: float
    limit: float
    verdict: str
    stage: str


def draw(stories: Sequence[Story]) -> str:
    """Both stories."""
    each = _HEAD + _PANELS * (_PLOT + _GAP) + _FOOT
    parts = [_story(story, index * each) for index, story in enumerate(stories)]
    return sheet(len(stories) * each, parts)


def _story(story: Story, top: float) -> str:
    panels = [
        Panel(top + _HEAD + _GAP + row * (_PLOT + _GAP), _PLOT, story.end - story.begin, 0, 100)
        for row in range(_PANELS)
    ]
    latency = replace(panels[1], low=0.5, high=_slowest(story), logarithmic=True)
    most = max(_failing(story).values(), default=0.0)
    failures = replace(panels[2], high=max(10.0, 10.0 * math.ceil(most / 10)))
    evidence = replace(panels[3], low=-10.0, high=20.0)
    return "\n".join(
        [
            text(LEFT, top + 26, story.title, DARK, 'font-weight="bold" font-size="15"'),
            _phases(story, panels),
            _shares(story, panels[0]),
            _times(story, latency),
            _failures(story, failures),
            _evidence(story, evidence),
            _clock(story, panels[-1]),
        ]
    )


def _phases(story: Story, panels: Sequence[Panel]) -> str:
    """Coloured grounds behind all panels, with their names above."""
    first, last = panels[0], panels[-1]
    top = first.top - _GAP + 12
    parts = []
    for name, weight, begin, end in _spans(story):
        left, width = first.x(begin), first.x(end) - first.x(begin)
        tint = _TINTS.get(name)
        if tint:
            parts.append(
                f'<rect x="{left:.1f}" y="{top - 16:.1f}" width="{width:.1f}" '
                f'height="{last.bottom - top + 16:.1f}" fill="{tint}"/>'
            )
        words = f"{name} {weight} %" if name == "Splitting" else name
        if width > _NARROW:
            parts.append(text(left + width / 2, top - 4, words, SOFT, 'text-anchor="middle"'))
    return "\n".join(parts)


def _spans(story: Story) -> Iterator[tuple[str, int, float, float]]:
    """Each phase, or step of one, with the weight and from when to when it was."""
    spans: list[tuple[str, int, float]] = []
    for note in story.notes:
        weight = note.weight if note.phase == "Splitting" else 0
        if not spans or spans[-1][:2] != (note.phase, weight):
            spans.append((note.phase, weight, note.at - story.begin))
    ends = [begin for _, _, begin in spans[1:]] + [story.end - story.begin]
    for (phase, weight, begin), end in zip(spans, ends, strict=True):
        if end > 0:
            yield phase, weight, max(begin, 0.0), end


def _shares(story: Story, panel: Panel) -> str:
    """Who answered users, beside what was decided."""
    seen = []
    for at, found in _windows(story, _WINDOW):
        share = 100 * sum(one.version == "2" for one in found) / len(found)
        seen.append((at, 0.0, share))
    decided = list(_steps((note.at - story.begin, float(note.weight)) for note in story.notes))
    decided = _reigning(story, decided)
    return "\n".join(
        [
            panel.band([(at, share, 100.0) for at, _, share in seen], FIRST, 0.75),
            panel.band(seen, SECOND, 0.8),
            panel.frame("Who answers, % of users' requests", [(0, "0"), (50, "50"), (100, "100")]),
            panel.line(decided, DARK, 'stroke-dasharray="5 3"'),
            panel.beside(0, "version 1", FIRST, 'font-weight="bold"'),
            panel.beside(1, "version 2", SECOND, 'font-weight="bold"'),
            panel.beside(2, "- -  as decided", DARK),
        ]
    )


def _reigning(story: Story, decided: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The weight of version 2 stays 100 once it reigns, although no rollout is open then."""
    since = [
        note.at - story.begin
        for note in story.notes
        if note.status.champion and note.status.champion.version == 2
    ]
    held = [(at, 100.0 if since and at >= since[0] else value) for at, value in decided]
    return [*held, (story.end - story.begin, held[-1][1])]


def _times(story: Story, panel: Panel) -> str:
    """How long users waited, by who answered them."""
    ticks = [(float(value), f"{value:,}") for value in (1, 10, 100, 1000) if value <= panel.high]
    parts = [panel.frame("Answering time, ms", ticks)]
    for version, colour in _LINES.items():
        for part, extra in ((0.5, ""), (0.99, 'stroke-opacity="0.5" stroke-dasharray="2 2"')):
            parts += [panel.line(run, colour, extra) for run in _quantiles(story, version, part)]
    parts.append(panel.beside(0, "\u2014  half within", DARK))
    parts.append(panel.beside(1, "\u00b7\u00b7\u00b7  99 of 100 within", DARK))
    return "\n".join(parts)


def _slowest(story: Story) -> float:
    """Where the axis of times ends."""
    late = 1000 * quantile((one.took for one in story.requests), 0.999)
    return 100.0 if late < 100 else 1000.0


def _quantiles(story: Story, version: str, part: float) -> list[list[tuple[float, float]]]:
    """One line for each time in which the version answered users without a pause."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, found in _windows(story, _LONG_WINDOW):
        times = [1000 * one.took for one in found if one.version == version]
        if times:
            runs[-1].append((at, quantile(times, part)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _failures(story: Story, panel: Panel) -> str:
    """What the challenger failed at, and what users had of it."""
    found = _failing(story)
    half = round(panel.high / 2)
    title = "Requests that version 2 failed at, a second; version 1 answered them"
    parts = [panel.frame(title, [(0, "0"), (half, f"{half}"), (2 * half, f"{2 * half}")])]
    parts += [panel.bar(at, _WINDOW, count, SECOND) for at, count in found.items()]
    users = sum(one.failed for one in story.requests)
    bold = 'font-weight="bold"'
    parts.append(panel.beside(0, f"users' failures: {users}", DARK, bold))
    parts.append(panel.beside(1, f"of {len(story.requests):,} requests", DARK))
    if found:
        saved = sum(one.tries > 1 for one in story.requests)
        parts.append(panel.beside(2, f"answered by 1: {saved}", SECOND))
        parts.append(_cut(story, panel))
    return "\n".join(parts)


def _cut(story: Story, panel: Panel) -> str:
    """How soon after the first failure the challenger got nothing any more."""
    first, end = cutoffs.span(story.notes, story.requests, "2")
    words = f"weight 0 after {end - first:.1f} s"
    x, y = panel.x(first - story.begin), panel.top + 14
    return text(x - 10, y, words, SECOND, 'text-anchor="end" font-weight="bold"')


def _failing(story: Story) -> dict[float, float]:
    """Requests a second that the challenger failed at, by the begin of the window."""
    counts: dict[float, float] = {}
    for one in story.requests:
        if one.tries > 1:
            at = (one.answered - story.begin) // _WINDOW * _WINDOW
            counts[at] = counts.get(at, 0.0) + 1 / _WINDOW
    return counts


def _evidence(story: Story, panel: Panel) -> str:
    """The interval that holds the truth, its limit, and the verdicts."""
    ticks = [(-10, "-10"), (0, "0"), (10, "+10"), (20, "+20")]
    parts = [panel.frame("Evidence: failure rate of version 2 minus version 1, points", ticks)]
    readings = list(_readings(story))
    for stage in dict.fromkeys(one.stage for one in readings):
        its = [one for one in readings if one.stage == stage]
        parts.append(panel.band([(one.at, one.low, one.high) for one in its], DARK, 0.22))
        parts.append(panel.line([(one.at, one.low) for one in its], DARK, width=1))
        parts.append(panel.line([(one.at, one.high) for one in its], DARK, width=1))
        parts += _verdict(panel, its)
    if readings:
        limit, end = readings[-1].limit, story.end - story.begin
        parts.append(panel.line([(0, limit), (end, limit)], LIMIT, 'stroke-dasharray="6 4"'))
        parts.append(panel.beside(0, f"- -  limit: {limit:g} points", LIMIT))
    parts.append(panel.beside(1, "\u25a0  holds the truth", DARK))
    parts.append(panel.beside(2, "below: Pass, above: Fail", SOFT))
    return "\n".join(parts)


def _verdict(panel: Panel, readings: Sequence[Reading]) -> Iterator[str]:
    """A dot and a word where a stage's verdict was reached; a failure is the last word."""
    failed = [one for one in readings if one.verdict == "Fail"]
    known = failed or [one for one in readings if one.verdict == "Pass"]
    if not known:
        return
    reached = known[0]
    colour, value, shift = (SECOND, reached.low, -8) if failed else (FIRST, reached.high, 17)
    yield panel.dot(reached.at, value, colour)
    x, y = panel.x(reached.at), panel.y(value)
    yield text(x + 2, y + shift, reached.verdict, colour, 'font-weight="bold"')


def _readings(story: Story) -> Iterator[Reading]:
    """The check on errors, as each note has it."""
    for note in _latest(story.notes):
        stage, evidence = note.status.rollout and note.status.rollout.stage, note.status.rollout
        if not stage or not stage.evidence or evidence is None:
            continue
        check = next((one for one in stage.evidence.checks if one.name == "Errors"), None)
        if check is None or not check.low or not check.high:
            continue
        low, high, limit = (100 * float(one) for one in (check.low, check.high, check.limit))
        at = stage.evidence.at.timestamp() - story.begin
        yield Reading(at, low, high, limit, check.verdict, stage.decided_at.isoformat())


def _latest(notes: Sequence[Note]) -> list[Note]:
    """The notes as long as the challenger does not reign."""
    return [note for note in notes if note.status.rollout and not note.status.rollout.promoted_at]


def _steps(points: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The corners of a line that jumps."""
    before: float | None = None
    for at, value in points:
        if before is not None:
            yield at, before
        yield at, value
        before = value


def _windows(story: Story, width: float) -> Iterator[tuple[float, list[Request]]]:
    """The requests that were answered around each moment; a moment without any is left out."""
    ordered = sorted(story.requests, key=lambda one: one.answered)
    begin = end = 0
    for number in range(int((story.end - story.begin) / _EVERY)):
        at = number * _EVERY
        middle = story.begin + at
        while end < len(ordered) and ordered[end].answered < middle + width / 2:
            end += 1
        while begin < end and ordered[begin].answered < middle - width / 2:
            begin += 1
        if begin < end:
            yield at, ordered[begin:end]


def _clock(story: Story, panel: Panel) -> str:
    """The seconds beneath a story."""
    marks = range(0, int(story.end - story.begin) + 1, 5)
    y = panel.bottom + 18
    parts = [text(panel.x(mark), y, str(mark), SOFT, 'text-anchor="middle"') for mark in marks]
    parts.append(text(panel.x(panel.seconds) + 12, y, "seconds", SOFT))
    return "\n".join(parts)

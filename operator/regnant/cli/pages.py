"""Everything else that is shown to people: the list, the explanation, the record, an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from regnant.api.rollout_status import Reign
from regnant.cli import wording
from regnant.cli.explanation import Explanation
from regnant.cli.record import Answered
from regnant.cli.standing import Standing, waiting_words
from regnant.cli.tree import phase
from regnant.cli.wording import sentence

_INDENT = (0, 0, 0, 2)


def services(found: Iterable[Standing], *, namespaces: bool) -> RenderableType:
    """All services in one table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", collapse_padding=True)
    heads = (*(("NAMESPACE",) if namespaces else ()), "NAME", "PHASE", "CHAMPION", "CANDIDATE")
    for head in heads:
        table.add_column(head, no_wrap=True)
    # Only the last column gives way where the terminal is narrow; its cells are cut, not wrapped.
    table.add_column("WAITS FOR")
    for seen in found:
        table.add_row(*_cells(seen, namespaces=namespaces))
    return table


def _cells(seen: Standing, *, namespaces: bool) -> tuple[Text | str, ...]:
    place = (seen.service.namespace,) if namespaces else ()
    names = (seen.service.name, _phase(seen), seen.champion or "-", _candidate(seen))
    waits = Text(_waits(seen), no_wrap=True, overflow="ellipsis")
    return (*place, *names, waits)


def explanation(seen: Standing, said: Explanation) -> RenderableType:
    """The answers under their questions."""
    service = seen.service
    head = Text().append(service.name, style="bold").append(f" ({service.namespace})", style="dim")
    parts: list[RenderableType] = [head.append("  ").append_text(_phase(seen))]
    for question, paragraphs in _questions(seen, said):
        parts += [Text(), Text(question, style="bold")]
        parts += [Padding(Text(paragraph), _INDENT) for paragraph in paragraphs]
    if said.choices:
        parts += [Text(), Text("What can you do now?", style="bold")]
    for choice in said.choices:
        parts.append(Padding(Text(choice.command, style="cyan"), _INDENT))
        parts.append(Padding(Text(sentence(choice.effect)), (0, 0, 0, 6)))
    return Group(*parts)


def reigns(seen: Standing) -> RenderableType:
    """The record, newest first."""
    history = seen.service.status.history
    if not history:
        return Text(f"No reign of {seen.service.name} is recorded yet.")
    parts: list[RenderableType] = []
    for one in history:
        parts.append(_reign_head(seen, one))
        parts.append(Padding(Text(f"{one.reason}: {sentence(one.message)}"), _INDENT))
        # The message of a promotion has the readings in it already.
        new = (reading for reading in one.evidence if reading not in one.message)
        parts += [Padding(Text(reading, style="dim"), (0, 0, 0, 4)) for reading in new]
    return Group(*parts)


def answered(seen: Standing, found: Answered) -> str:
    """Who answered at a time, as one sentence or two."""
    at = wording.moment(found.at)
    if found.reign is None:
        return f"No version of {seen.service.name} is recorded to have answered at {at}."
    one = found.reign
    until = f"until {wording.moment(one.until)}" if one.until else "and still does"
    words = (
        f"At {at}, {seen.service.version(one.version)} answered ({one.digest}). It did since "
        f"{wording.moment(one.since)}, {until}."
    )
    if found.beside:
        name = seen.service.version(found.beside)
        words += f" {name}, a candidate, was given {found.percent} of 100 requests."
    return words


def _questions(seen: Standing, said: Explanation) -> Iterator[tuple[str, tuple[str, ...]]]:
    rollout = seen.service.status.rollout
    promoted = rollout is not None and rollout.promoted_at is not None
    about = f"What about {seen.candidate}?" if promoted else f"Why not {seen.candidate}?"
    others = "Why not the others?" if rollout else "Why not a newer version?"
    found = (
        ("Who answers, and why?", said.reign),
        (about, said.candidate),
        ("What was compared?", said.comparison),
        (others, said.turned_down),
        ("What happens next?", said.coming),
    )
    for question, paragraphs in found:
        kept = tuple(paragraph for paragraph in paragraphs if paragraph)
        if kept:
            yield question, kept


def _reign_head(seen: Standing, one: Reign) -> Text:
    until = wording.moment(one.until) if one.until else "now"
    lasted = wording.span((one.until or seen.now) - one.since)
    line = Text().append(seen.service.version(one.version), style="bold")
    line.append(f"  {wording.moment(one.since)} - {until}")
    return line.append(f"  {lasted}", style="dim")


def _phase(seen: Standing) -> Text:
    words = phase(seen)
    return words.append(", paused", style="bold yellow") if seen.paused else words


def _candidate(seen: Standing) -> str:
    """The candidate and what it is given."""
    rollout = seen.service.status.rollout
    if rollout is None:
        return "-"
    shares = {share.version: share.percent for share in seen.service.status.traffic}
    return f"{seen.candidate} {shares.get(rollout.to.version, 0)} %"


def _waits(seen: Standing) -> str:
    ready = seen.service.status.condition("Ready")
    if not seen.service.status.rollout and ready and ready.status != "True":
        return ready.reason
    return waiting_words(seen) or "-"

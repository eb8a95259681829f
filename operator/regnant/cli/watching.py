"""`status --watch`: the same as `status`, kept up to date by a watch of the API server.

On a terminal it is drawn in place and its clocks run. Elsewhere every change is printed; with
`-o json` as a line each.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from regnant.cli import documents, pages, tree
from regnant.cli.arguments import Options
from regnant.cli.errors import UnreachableError
from regnant.cli.screen import screen, show
from regnant.cli.service import Service
from regnant.cli.services import Change, Services
from regnant.cli.standing import standing

_TICK = 1.0

Clock = Callable[[], datetime]


async def watch(services: Services, options: Options, clock: Clock) -> None:
    """Show changes until interrupted.

    Raises:
        UnreachableError: the service that was asked for is gone.
    """
    console = screen()
    if options.output == "json" or not console.is_terminal:
        await _print_changes(services, options, clock, console)
    else:
        await _draw(services, options, clock, console)


async def _print_changes(
    services: Services, options: Options, clock: Clock, console: Console
) -> None:
    async for change in services.follow(options.name):
        if change.service is None:
            _gone(change, options)
            continue
        seen = standing(change.service, clock())
        if options.output == "json":
            line = json.dumps(documents.service_status(seen).to_json(), separators=(",", ":"))
            sys.stdout.write(f"{line}\n")
        else:
            show(console, tree.tree(seen, console))
        sys.stdout.flush()


async def _draw(services: Services, options: Options, clock: Clock, console: Console) -> None:
    found: dict[tuple[str, str], Service] = {}
    changed = asyncio.Event()

    async def take() -> None:
        async for change in services.follow(options.name):
            if change.service is None:
                _gone(change, options)
                found.pop(change.key, None)
            else:
                found[change.key] = change.service
            changed.set()

    taking = asyncio.create_task(take())
    try:
        with Live(console=console, auto_refresh=False) as live:
            while not taking.done():
                picture = _picture(found, options, clock(), console)
                live.update(_with_trouble(picture, services.trouble), refresh=True)
                changed.clear()
                waiting = asyncio.create_task(changed.wait())
                await asyncio.wait(
                    {taking, waiting}, timeout=_TICK, return_when=asyncio.FIRST_COMPLETED
                )
                waiting.cancel()
        await taking
    finally:
        taking.cancel()


def _picture(
    found: dict[tuple[str, str], Service], options: Options, now: datetime, console: Console
) -> RenderableType:
    seen = [standing(found[key], now) for key in sorted(found)]
    if options.name:
        return tree.tree(seen[0], console) if seen else Text("…")
    return pages.services(seen, namespaces=options.all_namespaces)


def _with_trouble(picture: RenderableType, trouble: str) -> RenderableType:
    if not trouble:
        return picture
    return Group(picture, Text(f"not up to date: {trouble}", style="yellow"))


def _gone(change: Change, options: Options) -> None:
    if options.name:
        raise UnreachableError(f"{change.key[1]} was deleted")

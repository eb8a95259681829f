"""What each command does: read, derive, and show; or ask, and wait for the answer."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from regnant.api.resources import InvalidResourceError
from regnant.cli import asking, documents, record
from regnant.cli.arguments import Options
from regnant.cli.errors import (
    DONE,
    CommandError,
    RefusedError,
    TimedOutError,
    UnreachableError,
    explained,
    say,
)
from regnant.cli.explanation import explain
from regnant.cli.services import Services, scope
from regnant.cli.standing import Standing, standing
from regnant.cli.times import parse_time
from regnant.cluster.client import Cluster
from regnant.cluster.errors import ClusterError

Command = Callable[[Services, Options], Awaitable[int]]


def run(options: Options) -> int:
    """Carry out one command; its exit code.

    Raises:
        CommandError: it ends otherwise than well.
    """
    try:
        return asyncio.run(_run(options))
    except ClusterError as error:
        raise explained(error) from error
    except InvalidResourceError as error:
        raise UnreachableError(
            f"a service cannot be read ({error}): this command and the cluster's Regnant are of "
            "versions that do not fit together"
        ) from error


async def _run(options: Options) -> int:
    if options.command == "history" and options.at:
        # A mistake in the time is told before anything is read.
        parse_time(options.at, _now())
    where = scope(options)
    async with Cluster(where.access) as cluster:
        services = Services(cluster, None if options.all_namespaces else where.namespace)
        return await _COMMANDS.get(options.command, _act)(services, options)


async def _status(services: Services, options: Options) -> int:
    if options.watch:
        from regnant.cli import watching

        await watching.watch(services, options, _now)
        return DONE
    if not options.name:
        return await _list(services, options)
    seen = await _standing(services, options)
    if options.output == "json":
        _print(documents.service_status(seen))
        return DONE
    from regnant.cli import tree
    from regnant.cli.screen import screen, show

    console = screen()
    show(console, tree.tree(seen, console))
    return DONE


async def _list(services: Services, options: Options) -> int:
    now = _now()
    found = [standing(service, now) for service in await services.all()]
    if options.output == "json":
        items = tuple(documents.service_status(seen) for seen in found)
        _print(documents.ServiceStatusList(items=items))
        return DONE
    if not found:
        where = f"namespace {services.namespace}" if services.namespace else "this cluster"
        sys.stderr.write(f"There is no InferenceService in {where}.\n")
        return DONE
    from regnant.cli import pages
    from regnant.cli.screen import screen, show

    show(screen(), pages.services(found, namespaces=options.all_namespaces))
    return DONE


async def _explain(services: Services, options: Options) -> int:
    seen = await _standing(services, options)
    said = explain(seen, _caller(options))
    if options.output == "json":
        _print(documents.explanation(seen, said))
        return DONE
    from regnant.cli import pages
    from regnant.cli.screen import screen, show

    show(screen(), pages.explanation(seen, said))
    return DONE


def _caller(options: Options) -> str:
    """How the user would call us again, to reach the same cluster."""
    flags = ["--kubeconfig", options.kubeconfig] if options.kubeconfig else []
    flags += ["--context", options.context] if options.context else []
    return f"{options.program} {shlex.join(flags)}".rstrip()


async def _history(services: Services, options: Options) -> int:
    seen = await _standing(services, options)
    if options.at:
        return _answered(seen, options)
    if options.output == "json":
        _print(documents.history(seen))
        return DONE
    from regnant.cli import pages
    from regnant.cli.screen import screen, show

    show(screen(), pages.reigns(seen))
    return DONE


def _answered(seen: Standing, options: Options) -> int:
    found = record.answered_at(seen.service, parse_time(options.at, seen.now))
    if options.output == "json":
        _print(documents.answered_at(seen, found))
    else:
        from regnant.cli import pages
        from regnant.cli.screen import screen, show

        show(screen(), pages.answered(seen, found))
    return DONE if found.reign else UnreachableError.code


async def _act(services: Services, options: Options) -> int:
    service, action = await asking.ask(services, options, _now)
    if options.dry_run or not options.wait:
        outcome: asking.Outcome = "DryRun" if options.dry_run else "Asked"
        words = "nothing was changed" if options.dry_run else "not waited for"
        _tell(asking.Asked(service, action, outcome, words), options)
        return DONE
    try:
        with _spinner(f"waiting for the operator to {options.command} {service.name}"):
            answer = await asking.answer(services, action, options)
    except TimedOutError as late:
        if options.output == "json":
            _tell(asking.Asked(service, action, "Asked", late.message), options)
        raise
    except asyncio.CancelledError:
        sys.stderr.write(f"\n{options.command} stays asked for, and is not waited for.\n")
        raise
    _tell(asking.Asked(service, action, answer.outcome, answer.message, answer), options)
    return DONE if answer.outcome == "Done" else RefusedError.code


def _tell(asked: asking.Asked, options: Options) -> None:
    if options.output == "json":
        _print(documents.action_outcome(asked))
        return
    name, action = asked.service.name, asked.action
    version = f" {asked.service.version(action.version)}" if action.version else ""
    heads = {"Done": "done", "Refused": "refused", "Asked": "asked for", "DryRun": "would be asked"}
    line = f"{name}: {options.command}{version} {heads[asked.outcome]}: {asked.message}\n"
    (sys.stderr if asked.outcome == "Refused" else sys.stdout).write(line)


def _spinner(words: str) -> AbstractContextManager[object]:
    """Shows that something is awaited, on a terminal only; results stay alone on stdout."""
    if not sys.stderr.isatty():
        return nullcontext()
    from regnant.cli.screen import screen

    return screen(sys.stderr).status(words)


async def _standing(services: Services, options: Options) -> Standing:
    return standing(await services.get(options.name), _now())


def _print(document: documents.Document) -> None:
    sys.stdout.write(json.dumps(document.to_json(), indent=2) + "\n")


def failure(error: CommandError, output: str) -> None:
    """Say why a command ended otherwise than well."""
    say(error)
    if output == "json" and not isinstance(error, TimedOutError):
        _print(documents.Failure(code=error.code, message=error.message))


def _now() -> datetime:
    return datetime.now(UTC)


_COMMANDS: dict[str, Command] = {"status": _status, "explain": _explain, "history": _history}

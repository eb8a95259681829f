"""A server pod's life: `python -m regnant.serving`.

Nothing listens before the bundle's digests match, the graph is loaded and every golden answer is
reproduced; so a pod that is ready has proved itself, and one that cannot says why in its
termination message and stays out of the way.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import sys
import time
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

import uvloop

from regnant.artifacts.termination import Failure, write_failure
from regnant.serving import log
from regnant.serving.cost import measure
from regnant.serving.cpus import usable_cpus
from regnant.serving.executor import Executor
from regnant.serving.identity import Identity
from regnant.serving.inferring import Inferring
from regnant.serving.listener import Listener
from regnant.serving.outcomes import Outcomes, Sample
from regnant.serving.proof import prove_bundle
from regnant.serving.reports import Reports
from regnant.serving.routes import Routes
from regnant.serving.runtime import check_runtime
from regnant.serving.scoring import scoring_of
from regnant.serving.settings import parse_settings
from regnant.serving.tabular import table_of

if TYPE_CHECKING:
    from regnant.serving.settings import Settings

STAGE = "Serving"


def main() -> int:
    """Serve as the environment says, and return the exit code."""
    log.set_up()
    # A crash within a library ends in a line on stderr, which becomes the termination message.
    faulthandler.enable()
    # The first process of a container ignores signals that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = parse_settings(os.environ)
        routes = prove(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, routes))
    except Failure as failure:
        log.event(failure.message, reason=failure.reason)
        return write_failure(failure, stage=STAGE)
    return 0


def prove(settings: Settings) -> Routes:
    """Open the bundle, load the model and replay the golden rows; raise if anything differs."""
    started = time.perf_counter()
    check_runtime()
    threads = settings.threads or usable_cpus()
    proof = prove_bundle(settings.bundle_dir, settings.bundle_digest, threads)
    bundle, model, golden = proof.bundle, proof.model, proof.golden
    cost = measure(model, golden)
    log.event(
        "the golden rows were reproduced",
        model=settings.model_name,
        version=settings.model_version,
        digest=bundle.digest,
        rows=golden.count,
        threads=threads,
        seconds=round(time.perf_counter() - started, 3),
        firstRowMicroseconds=round(cost.first * 1e6, 1),
        furtherRowMicroseconds=round(cost.row * 1e6, 3),
    )
    identity = Identity(
        settings.model_name, settings.model_version, bundle.digest, version("regnant")
    )
    scoring = scoring_of(bundle.signature.task, model.interface.outputs)
    reports = Reports(identity, Outcomes(Sample(settings.outcome_sample), scoring))
    executor = Executor(
        model,
        cost,
        threads,
        settings.limits,
        reports.statistics,
        merges=golden.proves_rows_independent,
    )
    table = table_of(bundle.signature, model.interface)
    return Routes(identity, model.interface, table, golden, Inferring(executor, reports))


async def _serve(settings: Settings, routes: Routes) -> None:
    listener = Listener(settings, routes)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, listener.stop)
    # What is there now stays; whoever looks for garbage need not look through it ever again.
    gc.freeze()
    log.event("ready", port=await listener.open())
    if settings.metrics_port is not None:
        # It takes longer to import than all else, and nobody waits for it any more.
        metrics = await asyncio.to_thread(import_module, "regnant.serving.metrics")
        paths = metrics.metrics_paths(routes, listener.gauges)
        log.event("metrics", port=await listener.open_metrics(paths, settings.metrics_port))
    await listener.run()
    routes.close()


if __name__ == "__main__":
    sys.exit(main())

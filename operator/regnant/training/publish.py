"""The last two stages of every run: pack the files, push them, and say what was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regnant.artifacts.bundle import Bundle, build_manifest
from regnant.artifacts.credentials import DIRECTORY, load_credentials
from regnant.artifacts.reference import parse_repository
from regnant.artifacts.signature import Signature
from regnant.artifacts.store import push
from regnant.training.metrics import Metric
from regnant.training.progress import Progress, Stage
from regnant.training.result import ParityReport, RunResult
from regnant.training.run_file import RunFile


def publish(
    run: RunFile,
    bundle: Bundle,
    signature: Signature,
    progress: Progress,
    *,
    metrics: Sequence[Metric],
    lineage: Mapping[str, object],
    report: ParityReport | None,
) -> dict[str, object]:
    """Push a bundle and return the result for the termination message."""
    built = build_manifest(bundle)
    repository = parse_repository(run.store.uri).child(run.namespace, run.model_name)
    progress.enter(Stage.PUSHING, f"{built.size_bytes} bytes to {repository}:{run.version}")
    descriptor = push(
        bundle,
        repository,
        str(run.version),
        credentials=load_credentials(DIRECTORY, repository.host),
        plain_http=run.store.plain_http,
    )
    progress.say(f"stored and read back as {descriptor.digest}")
    return RunResult(
        repository, descriptor, built.size_bytes, signature, metrics, lineage, report
    ).to_document()

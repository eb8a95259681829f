"""A bundle as the server takes it: verified, loaded, and its golden rows replayed.

What a server does before it listens, and what is done to a model before it becomes a bundle. It is
one function, so that a bundle that was proved when it was made is refused by no server for what
could have been known then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from regnant.artifacts.layout import OpenedBundle, open_bundle
from regnant.serving.golden import GoldenRows, read_golden, replay
from regnant.serving.model import Model, load_model

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Proof:
    """A bundle that may be served."""

    bundle: OpenedBundle
    model: Model
    golden: GoldenRows


def prove_bundle(directory: Path, digest: str, threads: int) -> Proof:
    """Open a bundle, load its model and ask it the golden rows; raise if anything differs."""
    bundle = open_bundle(directory, digest)
    model = load_model(bundle.model, bundle.signature, threads)
    golden = read_golden(bundle.golden, model.interface)
    replay(golden, model)
    return Proof(bundle, model, golden)

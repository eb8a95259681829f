"""One bundle from beginning to end: read, ask, compare, pack, prove, store, and say what is next.

What goes to `told` is for people; what is returned is for the program that reads the output.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from regnant.artifacts.bundle import MODEL, build_manifest
from regnant.artifacts.layout import write_bundle
from regnant.artifacts.termination import Failure
from regnant.bundling.errors import MisusedError, NotServableError, OutOfReachError
from regnant.bundling.interface import inputs_of, outputs_of
from regnant.bundling.manifest import model_version, spelled
from regnant.bundling.packing import pack, said_of, sign
from regnant.bundling.parity import prove
from regnant.bundling.registry import destination, upload, write
from regnant.bundling.rows import check_rows, open_golden
from regnant.serving.datatypes import Interface
from regnant.serving.golden import USUAL, Tolerance
from regnant.serving.model import open_graph
from regnant.serving.proof import prove_bundle
from regnant.serving.scoring import scoring_of
from regnant.serving.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from regnant.artifacts.bundle import Bundle
    from regnant.artifacts.signature import Signature
    from regnant.bundling.order import Order
    from regnant.bundling.registry import Destination
    from regnant.bundling.rows import GoldenFile

    Tell = Callable[[str], None]

THREADS = 1
"""Sums do not hang on the number of this machine's cores."""
_NO_LOCALE = "Failed to construct locale"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def make(order: Order, tell: Tell) -> str:
    """Make the bundle that was ordered, and return what goes to the output.

    Raises:
        BundlingError: it ends otherwise than well.
    """
    to = destination(order)
    name = _name(order)
    with tempfile.TemporaryDirectory(prefix="regnant-bundle-") as scratch:
        model = Path(scratch) / MODEL
        _copy(order.model, model)
        try:
            signature, bundle = _bundle(order, name, model, tell)
            directory = Path(scratch) / "bundle"
            prove_bundle(directory, write_bundle(directory, bundle), THREADS)
        except Failure as failure:
            raise NotServableError(_of_the_owners(failure, model, order)) from failure
    return _store(order, to, signature, bundle, tell)


def _of_the_owners(failure: Failure, model: Path, order: Order) -> str:
    """A failure by the name that the owner knows the file by, which a bundle does not keep."""
    what = " ".join(failure.message.removeprefix(f"{MODEL}: ").split()).replace(str(model), "it")
    if _NO_LOCALE in what:
        what = f"{what.rpartition(';')[0]}; it works on text, which needs the locale en_US.UTF-8"
    return f"{order.model}: {what}"


def _name(order: Order) -> str:
    name = order.name or order.model.stem.lower().replace("_", "-")
    if not _NAME.fullmatch(name):
        raise MisusedError(
            f"--name: {name!r} is no name of a model; use up to 40 lower-case letters, digits and "
            "'-'"
        )
    return name


def _copy(source: Path, target: Path) -> None:
    """Take the one file; what lies beside it is not found from there, as in a server."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise OutOfReachError(f"{source}: {error.strerror}; name the model's ONNX file") from error


def _bundle(order: Order, name: str, model: Path, tell: Tell) -> tuple[Signature, Bundle]:
    graph = open_graph(model, THREADS)
    golden = open_golden(order.golden)
    inputs = inputs_of(graph)
    asked = golden.inputs(inputs)
    rows = check_rows(order.golden, inputs, asked, None)
    outputs = outputs_of(graph, inputs, asked)
    expected = golden.outputs(outputs)
    interface = Interface(inputs, outputs)
    if interface.is_batched:
        check_rows(order.golden, outputs, expected, rows)
    signature = sign(order, name, interface)
    tell(
        f"{order.model}: {signature.task}: {listed(inputs.values())} -> {listed(outputs.values())}"
    )
    proven = prove(
        graph.signed_as(interface),
        asked,
        expected,
        _tolerance(order, golden),
        rows=rows if rows and interface.is_batched else 1,
        scoring=scoring_of(signature.task, outputs),
    )
    tell(said_of(proven))
    return signature, pack(order, signature, model.read_bytes(), proven)


def _tolerance(order: Order, golden: GoldenFile) -> Tolerance:
    said = golden.tolerance()
    absolute = said.get("absolute", USUAL.absolute) if order.absolute is None else order.absolute
    relative = said.get("relative", USUAL.relative) if order.relative is None else order.relative
    return Tolerance(float(absolute), float(relative))


def _store(
    order: Order, to: Destination | None, signature: Signature, bundle: Bundle, tell: Tell
) -> str:
    """Put the bundle where it was ordered to, and say what comes next."""
    built = build_manifest(bundle)
    digest = built.descriptor.digest
    # Written before anything is pushed: what cannot be registered is not worth a push.
    manifest = model_version(order, to, built, signature) if to else {}
    if order.into:
        write(order.into, bundle)
        tell(
            f"{order.into} holds {digest}. To serve it here: {_here(order.into, digest, signature)}"
        )
    if not to:
        if not order.into:
            tell("It is fit to be served. Nothing was stored: say where by --push or --into.")
        return f"{digest}\n"
    upload(order, bundle, to)
    tell(
        f"{to.repository}:{to.tag} holds {digest}, and was read back. The ModelVersion in "
        "the output registers it: hand that to kubectl apply -f -"
    )
    return spelled(manifest, order)


def _here(directory: Path, digest: str, signature: Signature) -> str:
    """The command by which a server answers on this machine."""
    return (
        f"REGNANT_BUNDLE_DIR={directory} REGNANT_BUNDLE_DIGEST={digest} "
        f"REGNANT_MODEL_NAME={signature.model_name} REGNANT_MODEL_VERSION=1 "
        "python -m regnant.serving"
    )

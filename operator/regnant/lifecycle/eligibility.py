"""Which version of a model line should challenge the champion, and which one may not.

Pins come first. Without them it is the newest version that is newer than the champion, unless a
person went back behind it. A rejected bundle is not tried again under any number, until the retry
token changes. For either, a person may name a version that is to try again.
"""

from __future__ import annotations

from collections.abc import Iterable

from regnant.api.model_version import Interface, Tensor
from regnant.lifecycle import serving_plan
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import Candidate, Observed
from regnant.manifests import names


def target(observed: Observed) -> Candidate | None:
    """The version that should be tried now, where it is not the one that reigns."""
    service = observed.service
    status, champion = service.status, service.status.champion
    refused = rejected_digests(observed)
    eligible = [one for one in observed.versions if one.artifact.digest not in refused]
    wanted = pinned(observed)
    if wanted:
        eligible = [one for one in eligible if one.version == wanted]
    elif champion:
        newer = (one for one in eligible if one.version > champion.version)
        eligible = [one for one in newer if not status.holds_back(one.version)]
    newest = max(eligible, key=lambda one: one.version, default=None)
    if newest and champion and newest.artifact.digest == champion.digest:
        return None
    return newest


def pinned(observed: Observed) -> int:
    """The number of the version that a pin asks for now; 0 without one.

    The champion's pin is served first; once it reigns, or where its version cannot be had, the
    challenger's has its turn.
    """
    spec, status = observed.service.spec, observed.service.status
    if spec.champion and not (
        spec.challenger and status.champion and status.champion.version == spec.champion.version
    ):
        return spec.champion.version
    return spec.challenger.version if spec.challenger else 0


def rejected_digests(observed: Observed) -> frozenset[str]:
    """The bundles that are not to be tried, under whatever number they come."""
    spec, status = observed.service.spec, observed.service.status
    return frozenset(one.digest for one in status.rejected if one.holds(spec.rollout))


def is_leaving(observed: Observed, digest: str) -> bool:
    """Whether servers of a former, rejected try of the bundle are still there.

    A new try has to wait for them to go: it would get the same pods, and be judged at once by what
    they died of before somebody corrected the cause.
    """
    service = observed.service
    tries = [one for one in service.status.rejected if one.digest == digest]
    if digest in serving_plan.running(service.status):
        leaving = any(one.artifact.digest == digest for one in service.status.retiring)
        return leaving and bool(tries)
    former = {names.server(service.metadata.name, one.version, digest) for one in tries}
    return not former.isdisjoint(observed.server_names)


def interface_change(champion: Interface, challenger: Interface) -> Fault | None:
    """How a challenger takes or gives other tensors than the champion; None where it does not.

    It would fail the requests that users send today. An interface without tensors was never told,
    and nothing can be said of it.
    """
    differences = [
        *_tensor_differences("input", champion.inputs, challenger.inputs),
        *_tensor_differences("output", champion.outputs, challenger.outputs),
    ]
    if not differences:
        return None
    return Fault(
        "InterfaceChanged",
        f"its interface differs from the champion's: {'; '.join(differences[:4])}; serve it by an "
        "InferenceService of its own, or train it on the same columns",
        final=True,
    )


def _tensor_differences(
    side: str, champion: Iterable[Tensor], challenger: Iterable[Tensor]
) -> list[str]:
    before, after = ({one.name: one for one in each} for each in (champion, challenger))
    if not before or not after:
        return []
    found = [f"{side} {name} is missing" for name in before if name not in after]
    found += [f"{side} {name} is new" for name in after if name not in before]
    for name, old in before.items():
        new = after.get(name)
        if new and (old.datatype, old.shape) != (new.datatype, new.shape):
            found.append(f"{side} {name} is {_spell(new)}, was {_spell(old)}")
    return found


def _spell(tensor: Tensor) -> str:
    return f"{tensor.datatype}{list(tensor.shape)}"

"""What the operator asks running pods over HTTP, and the only importer of httpx in it.

`router` asks a router pod which configuration it has and lets a version prove itself through it;
`comparison` says whether two answers are the same; `errors` is what can go wrong on the way. A
probe reports what it saw. What follows from it is decided in `lifecycle`.
"""

from regnant.probes.errors import AnswerError, ProbeError, UnreachableError
from regnant.probes.router import Prober, ReplayResult, Target

__all__ = ["AnswerError", "ProbeError", "Prober", "ReplayResult", "Target", "UnreachableError"]

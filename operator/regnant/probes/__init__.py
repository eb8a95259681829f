"""What the operator asks running pods over HTTP, and by what client.

    router.py       asks a router which configuration it has, what it counted, and lets a version
                    prove itself through it
    server.py       asks a server what it counted and answered
    load.py         lets a version carry a short load
    statistics.py   reads Envoy's pages; comparison.py says whether two answers are the same
    pods.py         one question, one whole answer; errors.py is what can go wrong on the way

A probe reports what it saw. What follows from it is decided in `lifecycle`.
"""

from regnant.probes.errors import AnswerError, NoAnswerError, ProbeError, UnreachableError
from regnant.probes.load import LoadResult, carry, judge
from regnant.probes.router import Prober, ReplayResult, Target

__all__ = [
    "AnswerError",
    "LoadResult",
    "NoAnswerError",
    "ProbeError",
    "Prober",
    "ReplayResult",
    "Target",
    "UnreachableError",
    "carry",
    "judge",
]

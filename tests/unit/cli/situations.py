"""Services in every situation that people meet, as the API server would give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from regnant.api.meta import API_VERSION
from regnant.cli.service import Service, parse_service

Document = dict[str, Any]

NOW = datetime(2026, 11, 21, 15, 40, tzinfo=UTC)

STEPS = [
    {"weight": 10, "minRequests": 500, "minDuration": "1m"},
    {"weight": 25, "minRequests": 1000, "minDuration": "2m"},
    {"weight": 50, "minRequests": 1000, "minDuration": "2m", "approval": "Manual"},
]


def ago(**length: float) -> str:
    """A time before NOW, as Kubernetes writes it."""
    return (NOW - timedelta(**length)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def digest(version: int) -> str:
    return f"sha256:{version:064x}"


def serving(version: int, **since: float) -> Document:
    artifact = {"uri": "oci://registry.test:5000/models/shop/churn", "digest": digest(version)}
    return {"version": version, "artifact": artifact, "since": ago(**(since or {"days": 2}))}


def condition(kind: str, reason: str, message: str, *, status: str = "True") -> Document:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(days=2),
    }


def healthy(champion: str = "churn-3") -> list[Document]:
    return [
        condition("Ready", "Serving", f"{champion} answers all requests"),
        condition("Available", "Answering", "users get answers"),
        condition("UpToDate", "Serving", f"{champion} is what is asked for"),
    ]


def reign(version: int, reason: str = "Promoted", message: str = "", **more: Any) -> Document:
    return {
        "version": version,
        "digest": digest(version),
        "since": ago(days=2),
        "reason": reason,
        "message": message or f"churn-{version} was verified, and proved itself",
        **more,
    }


def document(
    *, spec: Document | None = None, annotations: dict[str, str] | None = None, **status: Any
) -> Document:
    """A service whose churn-3 reigns, with whatever else is so."""
    settled = {
        "observedGeneration": 4,
        "phase": "Serving",
        "url": "http://churn.shop.svc/v2/models/churn",
        "conditions": healthy(),
        "champion": serving(3),
        "history": HISTORY,
        "traffic": [{"version": 3, "digest": digest(3), "percent": 100}],
    }
    wanted = {"rollout": {"steps": STEPS, "shadow": {}}} | (spec or {})
    merged = {key: value for key, value in (settled | status).items() if value is not None}
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {
            "name": "churn",
            "namespace": "shop",
            "uid": "7f7c",
            "generation": 4,
            "resourceVersion": "101",
            "annotations": annotations or {},
        },
        "spec": {"modelName": "churn"} | wanted,
        "status": merged,
    }


def service(**parts: Any) -> Service:
    return parse_service(document(**parts))


def check(name: str, verdict: str = "Inconclusive", **numbers: Any) -> Document:
    return {"name": name, "verdict": verdict, "counted": 612, **numbers}


ERRORS_PASSED = (
    "the challenger failed 14 of 12,040 (0.116 %), the champion 40 of 36,120 (0.111 %): a "
    "difference between -0.133 and +0.213 points, at most +1 allowed; that is shown to be within "
    "the limit"
)
ERRORS_FAILED = (
    "the challenger failed 12 of 12 (100 %), the champion 0 of 36 (0 %): a difference between "
    "+40.4 and +100 points, at most +1 allowed; that is shown to be beyond the limit"
)
REQUESTS = check(
    "Requests",
    estimate="612",
    limit="1000",
    reading="612 of at least 1,000 requests",
)
ERRORS = check(
    "Errors",
    estimate="0.001089",
    low="-0.008539",
    high="0.02173",
    limit="0.01",
    reading="the challenger failed 2 of 612 (0.327 %), the champion 4 of 1,836 (0.218 %): a "
    "difference between -0.854 and +2.17 points, at most +1 allowed; neither side of the limit is "
    "shown yet",
)
LATENCY = check(
    "Latency",
    "Pass",
    estimate="1",
    low="0.64",
    high="1.562",
    limit="2",
    reading="p95 of 612 of the challenger, 1,836 of the champion: between 0.64 and 1.56 times as "
    "long, at most 2 allowed; that is shown to be within the limit",
)
AGREEMENT = check(
    "Agreement",
    estimate="0.9722",
    low="0.935",
    high="0.9917",
    reading="595 of 612 answers agree with the champion's",
)
CHECKS = [REQUESTS, ERRORS, LATENCY]


HISTORY = [
    reign(3, evidence=[ERRORS_PASSED]),
    reign(2, "FirstVersion", "churn-2 is the first version", since=ago(days=9), until=ago(days=2)),
]


def evidence(tries: int = 612, *, checks: list[Document] | None = None, **since: float) -> Document:
    return {
        "since": ago(**(since or {"seconds": 100})),
        "at": ago(seconds=2),
        "tally": {
            "champion": {"tries": tries * 3, "failures": 4},
            "challenger": {"tries": tries, "failures": 2, "timeouts": 1},
        },
        "checks": CHECKS if checks is None else checks,
    }


def shadow_evidence() -> Document:
    """What a shadow adds: pairs of answers."""
    asked = REQUESTS | {
        "verdict": "Pass",
        "limit": "500",
        "reading": "612 of at least 500 requests",
    }
    found = evidence(checks=[asked, ERRORS, LATENCY, AGREEMENT])
    pairs = {"pairs": {"total": 612, "agreeing": 595}}
    return found | {"tally": found["tally"] | pairs}


def passed() -> list[Document]:
    """The checks when nothing is missing."""
    enough = {"verdict": "Pass", "reading": "12,040 of at least 1,000 requests"}
    sure = {"verdict": "Pass", "low": "-0.00133", "estimate": "0.00005", "high": "0.00213"}
    return [REQUESTS | enough, ERRORS | sure | {"reading": ERRORS_PASSED}, LATENCY]


def stage(step: int | None = 1, **more: Any) -> Document:
    """The step of that number, or the shadow."""
    asked = {"shadow": {}} if step is None else {"step": STEPS[step]}
    return {"decidedAt": ago(seconds=110), "evidence": evidence(), **asked, **more}


def rollout(**parts: Any) -> Document:
    return {
        "id": "4-0a1b2c3d-1795275600",
        "to": serving(4, minutes=8),
        "startedAt": ago(minutes=8),
        "verifiedAt": ago(minutes=7),
        **parts,
    }


def split(percent: int = 25) -> list[Document]:
    return [
        {"version": 3, "digest": digest(3), "percent": 100 - percent},
        {"version": 4, "digest": digest(4), "percent": percent},
    ]


def rejection(version: int, reason: str, message: str, **more: Any) -> Document:
    return {
        "version": version,
        "digest": digest(version),
        "reason": reason,
        "message": message,
        "at": ago(hours=3),
        **more,
    }


def _starting(**parts: Any) -> Document:
    return rollout(verifiedAt=None, waitingFor="its servers to be ready: 1 of 2 are", **parts)


def _clean(given: Document) -> Document:
    return {key: value for key, value in given.items() if value is not None}


def _taken_over(**parts: Any) -> Document:
    return {
        "phase": "Watching",
        "champion": serving(4, minutes=3),
        "previous": serving(3),
        "history": [
            reign(4, since=ago(minutes=3), message="churn-4 was verified, and proved itself"),
            HISTORY[0] | {"until": ago(minutes=3)},
        ],
        "traffic": [{"version": 4, "digest": digest(4), "percent": 100}],
        "conditions": healthy("churn-4"),
        "rollout": rollout(
            promotingAt=ago(minutes=4),
            promotedAt=ago(minutes=3),
            watch=evidence(9120, checks=[CHECKS[1]]),
            stage=stage(2),
            **parts,
        ),
    }


def _rejected(reason: str, message: str, **more: Any) -> Document:
    newest = condition("UpToDate", reason, f"churn-4 was rejected: {message}", status="False")
    return {
        "conditions": [*healthy()[:2], newest],
        "rejected": [rejection(4, reason, message, **more)],
    }


_TOO_FEW = evidence(612, days=2)
_ENOUGH = evidence(12_040, checks=passed(), minutes=4)

SITUATIONS: dict[str, Document] = {
    "never seen": {"status": None},
    "no version yet": {
        "phase": "Waiting",
        "champion": None,
        "history": None,
        "traffic": None,
        "conditions": [
            condition(
                "Ready",
                "ModelVersionNotFound",
                "modelName: there is no ModelVersion of churn in this namespace yet",
                status="False",
            ),
            condition("Available", "NoChampion", "no version answers yet", status="False"),
        ],
    },
    "first version preparing": {
        "phase": "Preparing",
        "champion": None,
        "history": None,
        "traffic": None,
        "conditions": [condition("Ready", "Starting", "churn-4 is started", status="False")],
        "rollout": _clean(_starting()),
    },
    "preparing": {
        "phase": "Preparing",
        "rollout": _clean(_starting()),
        "conditions": [
            *healthy()[:2],
            condition(
                "UpToDate",
                "Preparing",
                "churn-4 is taking over and waits for its servers to be ready: 1 of 2 are",
                status="False",
            ),
        ],
    },
    "verifying": {
        "phase": "Verifying",
        "rollout": _clean(_starting())
        | {"waitingFor": "its golden rows to be answered rightly through every router"},
    },
    "shadowing": {
        "phase": "Shadowing",
        "rollout": rollout(stage=stage(None, evidence=shadow_evidence())),
    },
    "splitting": {"phase": "Splitting", "traffic": split(), "rollout": rollout(stage=stage())},
    "routers told": {
        "phase": "Splitting",
        "traffic": split(10),
        "rollout": rollout(stage={"step": STEPS[1], "decidedAt": ago(seconds=1)}),
    },
    "manual step": {
        "phase": "Splitting",
        "traffic": split(50),
        "rollout": rollout(stage=stage(2, evidence=_ENOUGH)),
    },
    "paused": {
        "phase": "Splitting",
        "traffic": split(),
        "rollout": rollout(stage=stage(), paused=True),
    },
    "paused in the spec": {
        "spec": {"rollout": {"steps": STEPS, "paused": True}},
        "phase": "Splitting",
        "traffic": split(),
        "rollout": rollout(stage=stage()),
    },
    "inconclusive": {
        "phase": "Splitting",
        "traffic": split(),
        "rollout": rollout(stage=stage(evidence=_TOO_FEW)),
    },
    "last step without proof": {
        "spec": {"rollout": {"steps": STEPS[:2]}},
        "phase": "Splitting",
        "traffic": split(),
        "rollout": rollout(
            stage=stage(
                evidence=evidence(
                    1400, checks=[CHECKS[0] | {"verdict": "Pass"}, *CHECKS[1:]], minutes=5
                )
            )
        ),
    },
    "promoting": {
        "phase": "Promoting",
        "traffic": split(50),
        "rollout": rollout(stage=stage(2), promotingAt=ago(seconds=1)),
    },
    "watching": _taken_over(),
    "rolling back": _taken_over(
        rollback={
            "outcome": "RolledBack",
            "decidedAt": ago(seconds=1),
            "reason": "ErrorRateTooHigh",
            "message": "4 % failed against 0.2 %",
        }
    )
    | {"phase": "RollingBack"},
    "taken back": {
        "phase": "RollingBack",
        "traffic": split(),
        "rollout": rollout(
            stage=stage(),
            rollback={
                "outcome": "Rejected",
                "decidedAt": ago(seconds=1),
                "reason": "LatencyTooHigh",
                "message": "the slowest 5 % take 9 times as long",
            },
        ),
    },
    "serving": {},
    "rolled back": {
        "history": [
            reign(3, "RolledBack", "none of its servers is ready any more", since=ago(hours=3)),
            reign(4, since=ago(hours=4), until=ago(hours=3)),
            HISTORY[0] | {"until": ago(hours=4)},
        ],
        **_rejected("ChampionUnhealthy", "none of its servers is ready any more"),
    },
    "rejected for errors": _rejected(
        "ErrorRateTooHigh",
        ERRORS_FAILED,
        evidence=["12 of at least 500 requests", ERRORS_FAILED],
    ),
    "rejected for its golden rows": _rejected("GoldenMismatch", "row 7: label is 1, was 0"),
    "aborted": _rejected("Aborted", "a person aborted it by jane"),
    "next up": {
        "conditions": [
            *healthy()[:2],
            condition("UpToDate", "NextUp", "churn-5 is tried next", status="False"),
        ]
    },
    "same bundle": {
        "conditions": [
            *healthy()[:2],
            condition("UpToDate", "SameBundle", "churn-4 is the same bundle as the champion's"),
        ]
    },
    "pinned champion": {
        "spec": {"champion": {"version": 3}},
        "history": [reign(3, "Pinned", "churn-3 is pinned by spec.champion")],
    },
    "both pinned": {
        "spec": {
            "champion": {"version": 3},
            "challenger": {"version": 4},
            "rollout": {"steps": STEPS[:2]},
        },
        "phase": "Splitting",
        "traffic": split(),
        "rollout": rollout(stage=stage(evidence=_ENOUGH)),
    },
    "pinned challenger": {"spec": {"challenger": {"version": 5}}},
    "floor": {
        "floor": 5,
        "conditions": [
            *healthy()[:2],
            condition(
                "UpToDate", "HeldBack", "churn-5 does not challenge by itself", status="False"
            ),
        ],
        "history": [
            reign(3, "ReturnedByHand", "a person went back to churn-3", since=ago(hours=1)),
            reign(5, since=ago(days=1), until=ago(hours=1)),
        ],
    },
    "degraded": {
        "phase": "Degraded",
        "conditions": [
            condition(
                "Ready",
                "NoServerReady",
                "churn-3 does not answer: none of its servers is ready; there is no other version "
                "to return to",
                status="False",
            ),
            condition(
                "Available", "NoServerReady", "the champion has no ready server", status="False"
            ),
        ],
    },
    "no steps asked for": {
        "spec": {"rollout": {}},
        "phase": "Preparing",
        "rollout": _clean(_starting()),
    },
    "a person's return": {
        "phase": "Verifying",
        "rollout": _clean(_starting()) | {"byHand": True, "to": serving(2, minutes=1)},
    },
    "superseding": {
        "spec": {"rollout": {"steps": STEPS, "onNewVersion": "Supersede"}},
        "phase": "Promoting",
        "rollout": rollout(promotingAt=ago(seconds=1)),
    },
    "nothing but a shadow": {"spec": {"rollout": {"shadow": {}}}},
    "nothing but rejections": {
        "phase": "Waiting",
        "champion": None,
        "history": None,
        "traffic": None,
        "conditions": [condition("Ready", "Crashed", "every version was rejected", status="False")],
        "rejected": [
            rejection(version, "Crashed", f"container server ended with exit code {version}")
            for version in (5, 4, 3, 2, 1)
        ],
    },
    "asked and not answered": {
        "annotations": {
            "regnant.dev/action": '{"id": "b", "action": "rollback", "version": 2, "by": "jane"}'
        }
    },
    "not recorded": {"history": None},
    "answered an action": {
        "lastAction": {
            "id": "a",
            "action": "rollback",
            "outcome": "Refused",
            "message": "there is no ModelVersion churn-1",
            "by": "jane",
            "at": ago(minutes=2),
        }
    },
}


def situation(name: str) -> Service:
    """The service in one of the situations."""
    parts = dict(SITUATIONS[name])
    if name == "never seen":
        return parse_service(document() | {"status": {}})
    return service(**parts)

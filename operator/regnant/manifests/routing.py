"""Which version gets which requests: the routers' configuration before it is spelled for Envoy.

Variants are named by their digests. Every variant that runs is listed, also those without traffic,
so that a router knows a cluster before a route names it and forgets it only afterwards. What
routers could not honour cannot be written down: every invariant is checked here, once.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from datetime import timedelta

WHOLE = 100
"""Shares are in percent."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""What HTTP allows as the name of a header (RFC 9110, 5.6.2) or of a cookie (RFC 6265, 4.1.1)."""
_TAKEN_AWAY = ("x-regnant-", "x-envoy-")
"""Headers that routers remove from what users send: nobody could be told by them."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One version's servers as routers reach them."""

    host: str
    """The headless Service, as a DNS name relative to the namespace or as an address."""
    version: int
    digest: str
    port: int


@dataclass(frozen=True, slots=True)
class Sticky:
    """By what a user is known, who is to be answered by the same version each time.

    Either a header, by which the caller names the user, or a cookie, which the router hands out.
    Requests without the header are given out at random, one by one.
    """

    header: str = ""
    cookie: str = ""
    cookie_ttl: timedelta | None = None
    """How long a user keeps the cookie, from the first answer on."""

    def __post_init__(self) -> None:
        """Refuse what HTTP forbids, and what would tell nobody apart."""
        if bool(self.header) == bool(self.cookie):
            raise ValueError("sticky: name exactly one of header and cookie")
        if not _TOKEN.fullmatch(self.header or self.cookie):
            kind = "header" if self.header else "cookie"
            raise ValueError(
                f"sticky: {self.header or self.cookie!r} is not the name of a {kind}; "
                "use letters, digits and dashes"
            )
        if self.header.lower().startswith(_TAKEN_AWAY):
            raise ValueError(
                f"sticky: routers take {self.header} off users' requests; use another header"
            )
        if self.cookie and (self.cookie_ttl is None or self.cookie_ttl < timedelta(seconds=1)):
            raise ValueError("sticky: a cookie needs a time to live of a second or more")
        if self.header and self.cookie_ttl is not None:
            raise ValueError("sticky: a time to live belongs to a cookie, not to a header")


@dataclass(frozen=True, slots=True)
class Routing:
    """The configuration of the routers of one InferenceService."""

    service: str
    namespace: str
    model: str
    variants: tuple[Variant, ...] = ()
    champion: str = ""
    """The digest that answers users; empty while no version does."""
    fallback: str = ""
    """The digest that answers what the champion fails at; empty for none."""
    request_timeout: timedelta = field(default=timedelta(seconds=60))
    challenger: str = ""
    """The digest that is compared with the champion, which answers what it fails at."""
    weight: int = 0
    """How many of a hundred users' requests are given to the challenger."""
    shadow: int = 0
    """How many of a hundred of the champion's requests the challenger gets a copy of."""
    sticky: Sticky | None = None
    attempt_timeout: timedelta | None = None
    """How long a version that another one stands in for may work on a request; by default, and at
    most, half of the request's time. The stand-in gets no more, so less than its slowest answers
    take would cost users those that the other fails at."""

    def __post_init__(self) -> None:
        """Refuse a configuration that routers could not honour."""
        self._check_roles()
        for name, share in (("weight", self.weight), ("shadow", self.shadow)):
            if not 0 <= share <= WHOLE:
                raise ValueError(f"{name} {share} is not a share in percent; use 0 to {WHOLE}")
            if share and not self.challenger:
                raise ValueError(f"{name} {share} is for a challenger, but there is none")
        if self.request_timeout <= timedelta(0):
            raise ValueError(f"request_timeout {self.request_timeout} leaves no time to answer")
        if not timedelta(0) < self.try_timeout <= self.request_timeout / 2:
            raise ValueError(
                f"attempt_timeout {self.attempt_timeout} must be more than nothing and at most "
                f"half of the request's {self.request_timeout}: the other half is the champion's"
            )

    def _check_roles(self) -> None:
        known = {variant.digest for variant in self.variants}
        roles = {
            "champion": self.champion,
            "fallback": self.fallback,
            "challenger": self.challenger,
        }
        for role, digest in roles.items():
            if digest and digest not in known:
                raise ValueError(f"{role} {digest} is not among the variants that run")
        if self.fallback and self.fallback == self.champion:
            raise ValueError("a version cannot be its own fallback")
        if not self.challenger:
            return
        if not self.champion:
            raise ValueError("a challenger needs a champion that answers what it fails at")
        if self.challenger == self.champion:
            raise ValueError("a version cannot challenge itself")
        if self.challenger == self.fallback:
            raise ValueError("what the champion fails at must not be tried at the challenger")

    @property
    def revision(self) -> str:
        """Names this configuration; each part of what a router has shows the one it came from."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def try_timeout(self) -> timedelta:
        """The time of a try where there is a version to try next."""
        return self.request_timeout / 2 if self.attempt_timeout is None else self.attempt_timeout

    def variant(self, digest: str) -> Variant | None:
        """The variant of that digest."""
        return next((one for one in self.variants if one.digest == digest), None)

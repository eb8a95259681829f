"""Which version gets which requests: the routers' configuration before it is spelled for Envoy.

Variants are named by their digests. Every variant that runs is listed, also those without traffic,
so that a router knows a cluster before a route names it and forgets it only afterwards.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Variant:
    """One version's servers as routers reach them."""

    host: str
    """The headless Service, as a DNS name relative to the namespace or as an address."""
    version: int
    digest: str
    port: int


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

    def __post_init__(self) -> None:
        """Refuse a configuration that routers could not honour."""
        known = {variant.digest for variant in self.variants}
        for role, digest in (("champion", self.champion), ("fallback", self.fallback)):
            if digest and digest not in known:
                raise ValueError(f"{role} {digest} is not among the variants that run")
        if self.fallback and self.fallback == self.champion:
            raise ValueError("a version cannot be its own fallback")

    @property
    def revision(self) -> str:
        """Names this configuration; a router that shows it has taken all of it."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def variant(self, digest: str) -> Variant | None:
        """The variant of that digest."""
        return next((one for one in self.variants if one.digest == digest), None)

"""Which version answers; every response and every report says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """One version of one model, proved by its digest, and the server's own version."""

    model: str
    version: str
    digest: str
    software: str

    @property
    def stamp(self) -> bytes:
        """The lines in the head of every response."""
        return (
            f"x-regnant-model: {self.model}\r\n"
            f"x-regnant-version: {self.version}\r\n"
            f"x-regnant-digest: {self.digest}\r\n"
        ).encode()

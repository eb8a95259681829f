"""What can go wrong between a bundle and its store.

    Failure
    └── ArtifactFailure
        ├── ReferenceInvalid     the address of a bundle cannot be read                   64
        ├── BundleInvalid        the manifest or a file is not what a bundle holds        64
        ├── BundleNotFound       the store has no such manifest or blob                   64
        ├── DigestMismatch       the bytes are not those that the digest names            64
        ├── StoreForbidden       the store refuses the credentials                        64
        ├── StoreUnavailable     the store cannot be reached, or fails                    75
        ├── StoreFull            the store has no room                                    75
        └── VolumeFull           the local volume has no room                             75

The number is the exit code: 75 may be retried, 64 needs someone to change something.
"""

from __future__ import annotations

from typing import ClassVar

from regnant.artifacts.termination import Failure


class ArtifactFailure(Failure):
    """The root of this package's failures."""


class ReferenceInvalid(ArtifactFailure):
    """The address of a bundle cannot be read."""

    reason: ClassVar[str] = "ReferenceInvalid"


class BundleInvalid(ArtifactFailure):
    """The manifest or a file is not what a bundle holds."""

    reason: ClassVar[str] = "BundleInvalid"


class BundleNotFound(ArtifactFailure):
    """The store has no such manifest or blob."""

    reason: ClassVar[str] = "BundleNotFound"


class DigestMismatch(ArtifactFailure):
    """The bytes are not those that the digest names."""

    reason: ClassVar[str] = "DigestMismatch"


class StoreForbidden(ArtifactFailure):
    """The store refuses the credentials."""

    reason: ClassVar[str] = "StoreForbidden"


class StoreUnavailable(ArtifactFailure):
    """The store cannot be reached, or fails."""

    reason: ClassVar[str] = "StoreUnavailable"
    transient: ClassVar[bool] = True


class StoreFull(ArtifactFailure):
    """The store has no room."""

    reason: ClassVar[str] = "StoreFull"
    transient: ClassVar[bool] = True


class VolumeFull(ArtifactFailure):
    """The local volume has no room."""

    reason: ClassVar[str] = "VolumeFull"
    transient: ClassVar[bool] = True

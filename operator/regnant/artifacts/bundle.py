"""A bundle as one value, and the OCI manifest that names it.

The format is a CNCF ModelPack artifact, so that any OCI tool can copy, sign or mount it. Everything
here is pure: the same files give the same manifest bytes and therefore the same digest, because no
clock, version number or machine name enters. Moving bundles is `store`; reading them from a
directory is `layout`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from regnant.artifacts.canonical import DIGEST, canonical_json, sha256_digest
from regnant.artifacts.errors import BundleInvalid

MANIFEST_MEDIA_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT_TYPE: Final = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_MEDIA_TYPE: Final = "application/vnd.cncf.model.config.v1+json"
TITLE: Final = "org.opencontainers.image.title"
FILEPATH: Final = "org.cncf.model.filepath"

MODEL: Final = "model.onnx"
SIGNATURE: Final = "signature.json"
GOLDEN: Final = "golden.json"
PROFILE: Final = "profile.json"
CARD: Final = "card.md"
MANIFEST: Final = "manifest.json"
CONFIG: Final = "config.json"

MEDIA_TYPES: Final = {
    MODEL: "application/vnd.cncf.model.weight.v1.raw",
    SIGNATURE: "application/vnd.cncf.model.weight.config.v1.raw",
    GOLDEN: "application/vnd.cncf.model.dataset.v1.raw",
    PROFILE: "application/vnd.cncf.model.dataset.v1.raw",
    CARD: "application/vnd.cncf.model.doc.v1.raw",
}
REQUIRED: Final = (MODEL, SIGNATURE, GOLDEN)


class Descriptor(BaseModel):
    """An OCI content descriptor: what a blob is, how big, and which bytes exactly."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    media_type: str = Field(alias="mediaType")
    digest: str = Field(pattern=f"^{DIGEST.pattern}$")
    size: int = Field(ge=0)
    annotations: dict[str, str] = Field(default_factory=dict)

    @property
    def title(self) -> str:
        """The file that this blob is, or nothing for a blob without a name."""
        return self.annotations.get(TITLE) or self.annotations.get(FILEPATH, "")

    def to_document(self) -> dict[str, object]:
        """Spell the descriptor as OCI does."""
        document: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        return document | ({"annotations": self.annotations} if self.annotations else {})


class Manifest(BaseModel):
    """The part of an OCI manifest that Regnant relies on."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    artifact_type: str = Field(alias="artifactType")
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def files(self) -> dict[str, Descriptor]:
        """The bundle's files by name; layers that other tools added are left alone."""
        return {layer.title: layer for layer in self.layers if layer.title in MEDIA_TYPES}

    @property
    def size_bytes(self) -> int:
        """What a server has to hold on disk, without the manifest itself."""
        return self.config.size + sum(descriptor.size for descriptor in self.files.values())


class Layer(NamedTuple):
    """A file of the bundle with the descriptor that names it."""

    descriptor: Descriptor
    content: bytes


@dataclass(frozen=True)
class Bundle:
    """The files of one model."""

    model_name: str
    model: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    golden: bytes = field(repr=False)
    profile: bytes | None = field(default=None, repr=False)
    card: bytes | None = field(default=None, repr=False)

    def files(self) -> dict[str, bytes]:
        """Return the files that are present, in the order of their layers."""
        present = {
            MODEL: self.model,
            SIGNATURE: self.signature,
            GOLDEN: self.golden,
            PROFILE: self.profile,
            CARD: self.card,
        }
        return {name: content for name, content in present.items() if content is not None}


@dataclass(frozen=True)
class BuiltManifest:
    """The manifest's bytes with all that they refer to, ready to be moved."""

    content: bytes = field(repr=False)
    config: Layer
    layers: tuple[Layer, ...]

    @property
    def descriptor(self) -> Descriptor:
        """Name the bundle."""
        return describe(self.content, MANIFEST_MEDIA_TYPE)

    @property
    def size_bytes(self) -> int:
        """The bytes of all blobs and the manifest, as a store counts them."""
        blobs = self.config.descriptor.size + sum(layer.descriptor.size for layer in self.layers)
        return blobs + len(self.content)


def describe(content: bytes, media_type: str, *, title: str = "") -> Descriptor:
    """Describe bytes; with a title they are a file."""
    annotations = {TITLE: title, FILEPATH: title} if title else {}
    return Descriptor(
        media_type=media_type,
        digest=sha256_digest(content),
        size=len(content),
        annotations=annotations,
    )


def build_manifest(bundle: Bundle) -> BuiltManifest:
    """Build the manifest of a bundle; the same files always give the same bytes."""
    layers = tuple(
        Layer(describe(content, MEDIA_TYPES[name], title=name), content)
        for name, content in bundle.files().items()
    )
    config_content = canonical_json(
        {
            "descriptor": {"name": bundle.model_name},
            "config": {"format": "onnx"},
            "modelfs": {
                "type": "layers",
                "diffIds": [layer.descriptor.digest for layer in layers],
            },
        }
    )
    config = Layer(describe(config_content, CONFIG_MEDIA_TYPE), config_content)
    content = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_MEDIA_TYPE,
            "artifactType": ARTIFACT_TYPE,
            "config": config.descriptor.to_document(),
            "layers": [layer.descriptor.to_document() for layer in layers],
        }
    )
    return BuiltManifest(content, config, layers)


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest and refuse one that cannot be a servable bundle."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BundleInvalid(
            f"manifest: {where}: {first['msg']}; the reference must name a model bundle"
        ) from error
    if manifest.artifact_type != ARTIFACT_TYPE:
        raise BundleInvalid(
            f"manifest: artifactType is {manifest.artifact_type!r}, not {ARTIFACT_TYPE!r}; "
            "the reference must name a model bundle"
        )
    titles = [layer.title for layer in manifest.layers]
    for name in MEDIA_TYPES:
        if titles.count(name) > 1:
            raise BundleInvalid(f"manifest: {name} appears {titles.count(name)} times, not once")
    missing = [name for name in REQUIRED if name not in titles]
    if missing:
        raise BundleInvalid(
            f"manifest: no layer is titled {', '.join(missing)}; push the bundle again with it"
        )
    return manifest

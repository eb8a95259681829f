"""What a model takes and gives, in words that trainer, server and operator share.

The signature is written by the trainer, carried in the bundle as `signature.json`, and read by the
server for its metadata and validation. Its tensors are those of the Open Inference Protocol V2; its
columns tie tensors back to the data that the user knows. The interface digest names the tensors
alone: two versions with the same digest can answer each other's requests.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from regnant.artifacts.canonical import canonical_json, sha256_digest
from regnant.artifacts.errors import BundleInvalid

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BYTES",
]  # fmt: skip
Task = Literal["Classification", "Regression", "Other"]
"""Other is what answers neither with classes nor with one number: an embedding, a picture."""
ColumnType = Literal["Float", "Integer", "Boolean", "Category", "String"]


class SignatureModel(BaseModel):
    """Camel case outside, frozen inside, and tolerant of fields that a newer trainer adds."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


class Tensor(SignatureModel):
    """One input or output as the Open Inference Protocol describes it; -1 is the batch."""

    name: str = Field(min_length=1)
    datatype: Datatype
    shape: tuple[int, ...] = Field(min_length=1)


class Column(SignatureModel):
    """One column of the user's data, and where in the inputs it goes."""

    name: str
    type: ColumnType
    tensor: str
    index: int = Field(ge=0)
    categories: tuple[str, ...] | None = None


class Signature(SignatureModel):
    """The whole of `signature.json`."""

    task: Task
    model_name: str
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    columns: tuple[Column, ...] = ()
    classes: tuple[str | int, ...] | None = None
    lineage: dict[str, JsonValue] = Field(default_factory=dict)

    def to_json(self) -> bytes:
        """Spell the signature canonically, as it lies in the bundle."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    def interface_digest(self) -> str:
        """Name what a caller depends on: the tensors, without the columns behind them."""
        tensors = self.model_dump(mode="json", by_alias=True, include={"inputs", "outputs"})
        return sha256_digest(canonical_json(tensors))


def parse_signature(content: bytes) -> Signature:
    """Read `signature.json`, naming the first field that is wrong."""
    try:
        return Signature.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BundleInvalid(
            f"signature.json: {where}: {first['msg']}; push the bundle again with a valid signature"
        ) from error

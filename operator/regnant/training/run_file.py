"""The one input of a training container: what to train, and where the bundle goes.

The operator mounts it as a file. It is parsed here, once; everything behind it gets typed values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from regnant.api.mounts import RUN_FILE
from regnant.api.training_pipeline import TrainingPipelineSpec
from regnant.training.errors import SpecInvalid

VARIABLE: Final = "REGNANT_RUN_FILE"


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


class PipelineName(_Part):
    """The TrainingPipeline that asked for the run."""

    name: str = ""
    uid: str = ""


class Store(_Part):
    """The root of the bundle repositories."""

    uri: str
    plain_http: bool = Field(default=False, alias="plainHTTP")


class RunFile(_Part):
    """Everything a run is told."""

    model_name: str
    version: int = Field(ge=1)
    namespace: str
    pipeline: PipelineName = PipelineName()
    inputs_digest: str = ""
    trainer_image: str = ""
    spec: TrainingPipelineSpec
    store: Store


def load_run_file() -> RunFile:
    """Read the mounted run file."""
    path = Path(os.environ.get(VARIABLE, RUN_FILE))
    try:
        return RunFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SpecInvalid(f"run file {path}: {error.strerror}; mount it there") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SpecInvalid(f"{where}: {first['msg']}") from error

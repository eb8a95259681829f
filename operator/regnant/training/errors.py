"""Why a training ends without a bundle.

    Failure
    ├── ArtifactFailure                      see regnant.artifacts.errors
    └── TrainingFailure
        ├── SpecInvalid                      the run file or spec cannot be used
        ├── EstimatorNotFound                no such name in scikit-learn
        ├── EstimatorNotAllowed              outside scikit-learn, private, or no estimator
        ├── InvalidParameter                 a parameter or setting that is not taken
        ├── DataNotFound, DataForbidden      the source says so
        ├── DataUnavailable                  the source cannot be reached; exit code 75
        ├── DataEmpty, DataMalformed         no rows; bytes that are no table, with the row
        ├── ColumnMissing, ColumnEmpty       a column that is not there, or all missing
        ├── ColumnRuleViolated               a row that breaks a rule of data.columns
        ├── TargetMissing, TargetConstant, TargetHasMissingValues
        ├── TaskMismatch                     the target does not fit the task
        ├── TooFewRows                       too few to split, or a class too small
        ├── SplitColumnMissing               data.split.column is not there
        ├── MetricUnknown                    a metric that the task does not have
        ├── TrainingFailed                   scikit-learn raised
        ├── ExportUnsupported                ONNX cannot express it, or not faithfully
        │   └── NotExpressible               the same reason: the export itself failed
        ├── ParityFailed                     ONNX Runtime answers differently
        ├── OutputMissing, OutputInvalid     of the user's container
        └── GoldenMismatch                   of the user's container: the model answers differently

Every message names the field and the remedy. All but DataUnavailable are the input's fault: exit
code 64, and no retry.
"""

from __future__ import annotations

from typing import ClassVar

from regnant.artifacts.termination import Failure


class TrainingFailure(Failure):
    """The root of this package's failures; the class's name is the reason."""

    def __init_subclass__(cls) -> None:
        if "reason" not in cls.__dict__:
            cls.reason = cls.__name__


class SpecInvalid(TrainingFailure):
    """The run file or the spec in it cannot be used."""


class EstimatorNotFound(TrainingFailure):
    """No such name in scikit-learn."""


class EstimatorNotAllowed(TrainingFailure):
    """Outside scikit-learn, private, or no estimator."""


class InvalidParameter(TrainingFailure):
    """A parameter or setting that is not taken."""


class DataNotFound(TrainingFailure):
    """The source has no such data."""


class DataForbidden(TrainingFailure):
    """The source refuses the credentials."""


class DataUnavailable(TrainingFailure):
    """The source cannot be reached, or fails."""

    transient: ClassVar[bool] = True


class DataEmpty(TrainingFailure):
    """The data has no rows."""


class DataMalformed(TrainingFailure):
    """The bytes are not a table."""


class ColumnMissing(TrainingFailure):
    """A column that the spec names is not there."""


class ColumnEmpty(TrainingFailure):
    """A column has no value in any row."""


class ColumnRuleViolated(TrainingFailure):
    """A row breaks a rule of `data.columns`."""


class TargetMissing(TrainingFailure):
    """The target is not a column of the data."""


class TargetConstant(TrainingFailure):
    """The target has one value only."""


class TargetHasMissingValues(TrainingFailure):
    """Some rows have no target."""


class TaskMismatch(TrainingFailure):
    """The target does not fit the task."""


class TooFewRows(TrainingFailure):
    """Too few rows to split, or a class with too few."""


class SplitColumnMissing(TrainingFailure):
    """The column that the split goes by is not there."""


class MetricUnknown(TrainingFailure):
    """A metric that the task does not have."""


class TrainingFailed(TrainingFailure):
    """The estimator raised."""


class ExportUnsupported(TrainingFailure):
    """ONNX cannot express the estimator, or not faithfully."""


class NotExpressible(ExportUnsupported):
    """The export itself failed; other refusals are not worth a second try in float32."""

    reason: ClassVar[str] = "ExportUnsupported"


class ParityFailed(TrainingFailure):
    """ONNX Runtime answers differently from scikit-learn."""


class OutputMissing(TrainingFailure):
    """The user's container left a file out."""


class OutputInvalid(TrainingFailure):
    """The user's container left a file that cannot be used."""


class GoldenMismatch(TrainingFailure):
    """The user's model does not give its own golden answers."""

"""What a user gets for bad input: the reason, the field, and the remedy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regnant.training.errors import EstimatorNotAllowed, TrainingFailure
from regnant.training.estimators import resolve
from regnant.training.progress import Progress, Stage
from regnant.training.sources import DataMounts
from regnant.training.train import make
from tests.unit.training.conftest import MakeModel, run_file

GOOD_ROWS = "\n".join(f"{index},{index % 3},{'ab'[index % 2]}" for index in range(40))
GOOD = f"x,group,label\n{GOOD_ROWS}\n"


def refusal(make_it: MakeModel, *arguments: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(TrainingFailure) as caught:
        make_it(*arguments, **options)
    assert caught.value.exit_code == 64
    return caught.value.reason, caught.value.message


@pytest.mark.parametrize(
    ("estimator", "reason", "says"),
    [
        ("sklearn.ensemble.RandomForestClasifier", "EstimatorNotFound", "RandomForestClassifier'?"),
        (
            "sklearn.linear.LogisticRegression",
            "EstimatorNotFound",
            "linear_model.LogisticRegression",
        ),
        ("sklearn.nothing.Whatever", "EstimatorNotFound", "scikit-learn has no"),
        ("sklearn.utils.Bunch", "EstimatorNotAllowed", "not a public estimator"),
        ("sklearn.metrics.accuracy_score", "EstimatorNotAllowed", "not an estimator"),
        ("sklearn.base.BaseEstimator", "EstimatorNotAllowed", "not an estimator"),
        ("sklearn.datasets.fetch_openml", "EstimatorNotAllowed", "not a public estimator"),
    ],
)
def test_an_estimator_that_is_none(
    make_model: MakeModel, estimator: str, reason: str, says: str
) -> None:
    found, message = refusal(make_model, estimator=estimator)
    assert found == reason
    assert message.startswith("trainer.sklearn.estimator: ")
    assert says in message


@pytest.mark.parametrize(
    "path", ["xgboost.XGBClassifier", "os.system", "sklearn", "subprocess.Popen"]
)
def test_nothing_outside_scikit_learn_is_imported(path: str) -> None:
    with pytest.raises(EstimatorNotAllowed, match=r"not in scikit-learn.*trainer\.container"):
        resolve(path)


def test_private_modules_of_scikit_learn_are_closed() -> None:
    with pytest.raises(EstimatorNotAllowed, match=r"not a public.*RandomForestClassifier"):
        resolve("sklearn.ensemble._forest.RandomForestClassifier")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"C": 0.5, "n_estimator": 3}, ["parameters.n_estimator", "no such parameter"]),
        ({"max_iters": 3}, ["parameters.max_iters", "did you mean 'max_iter'"]),
        ({"C": "much"}, ["parameters.C", "must be a float"]),
        ({"max_iter": -1}, ["parameters.max_iter", "range"]),
        ({"solver": "fastest"}, ["parameters.solver", "liblinear"]),
    ],
)
def test_a_parameter_that_the_estimator_does_not_take(
    make_model: MakeModel, parameters: dict[str, Any], says: list[str]
) -> None:
    reason, message = refusal(make_model, parameters=parameters)
    assert reason == "InvalidParameter"
    for words in says:
        assert words in message


def test_a_nested_estimator_passes_the_same_gate(make_model: MakeModel) -> None:
    nested = {"estimator": {"estimator": "os.system", "parameters": {}}}
    reason, message = refusal(
        make_model, estimator="sklearn.ensemble.BaggingClassifier", parameters=nested
    )
    assert reason == "EstimatorNotAllowed"
    assert message.startswith("trainer.sklearn.parameters.estimator.estimator: 'os.system'")


def test_a_nested_parameter_is_named_by_its_path(make_model: MakeModel) -> None:
    steps = [
        ["model", {"estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"c": 1}}]
    ]
    reason, message = refusal(
        make_model, estimator="sklearn.pipeline.Pipeline", parameters={"steps": steps}
    )
    assert reason == "InvalidParameter"
    assert message.startswith("trainer.sklearn.parameters.steps[0][1].parameters.c: ")


@pytest.mark.parametrize(
    ("task", "estimator"),
    [
        ("Regression", "sklearn.linear_model.LogisticRegression"),
        ("Classification", "sklearn.linear_model.Ridge"),
        ("Classification", "sklearn.cluster.KMeans"),
        ("Classification", "sklearn.preprocessing.StandardScaler"),
    ],
)
def test_an_estimator_of_another_task(make_model: MakeModel, task: str, estimator: str) -> None:
    reason, message = refusal(make_model, task=task, estimator=estimator)
    assert reason == "InvalidParameter"
    assert f"data.task is {task}" in message


def test_bad_parameters_are_found_before_any_data_is_fetched(mounts: DataMounts) -> None:
    output = io.StringIO()
    with pytest.raises(TrainingFailure):
        make(run_file(parameters={"c": 1}), Progress(output=output), mounts)
    assert output.getvalue() == ""


CASES: dict[str, tuple[str, dict[str, Any], str, list[str]]] = {
    "target column missing": (
        GOOD, {"target": "lable"}, "TargetMissing", ["data.target", "did you mean 'label'"],
    ),
    "target constant": (
        "x,label\n" + "1,a\n" * 40, {}, "TargetConstant", ["data.target", "'a' in every row"],
    ),
    "target with missing values": (
        GOOD + "1,1,\n", {}, "TargetHasMissingValues",
        ["data.target", "missing in 1 rows", "row 42"],
    ),
    "text for a regression": (
        GOOD, {"task": "Regression", "estimator": "sklearn.linear_model.Ridge"}, "TaskMismatch",
        ["data.task", "Regression predicts numbers"],
    ),
    "two numbers for a regression": (
        GOOD, {"task": "Regression", "estimator": "sklearn.linear_model.Ridge",
               "data": {"columns": [], "target": "two"}}, "TargetMissing", ["data.target"],
    ),
    "measurements for a classification": (
        GOOD, {"target": "x"}, "TaskMismatch", ["data.task", "40 different numbers"],
    ),
    "a text of its own for every row": (
        "x,label\n" + "".join(f"{i},name{i}\n" for i in range(40)), {}, "TaskMismatch",
        ["data.task", "every row of 'label' is different"],
    ),
    "a header alone": ("x,label\n", {}, "DataEmpty", ["data.uri", "no rows"]),
    "a row too long": (
        GOOD + "1,2,a,9\n", {}, "DataMalformed", ["row 42", "has 4 fields, the header has 3"],
    ),
    "a row too short": (
        GOOD + "1,2\n", {}, "DataMalformed", ["row 42", "has 2 fields, the header has 3"],
    ),
    "a quote that never ends": (GOOD + '1,2,"a\n', {}, "DataMalformed", ["row 42", "correct"]),
    "a word among numbers": (
        GOOD + "many,2,a\n", {}, "DataMalformed", ["column 'x'", "row 42", "'many'", "Category"],
    ),
    "a header with a name twice": (
        GOOD.replace("group", "x", 1), {}, "DataMalformed", ["'x' twice"],
    ),
    "a header with a name left out": (
        GOOD.replace("group", "", 1), {}, "DataMalformed", ["without a name"],
    ),
    "a column all missing": (
        "x,none,label\n" + "".join(f"{i},,{'ab'[i % 2]}\n" for i in range(40)), {}, "ColumnEmpty",
        ["column 'none'", "data.exclude"],
    ),
    "too few rows": ("x,label\n1,a\n2,b\n3,a\n", {}, "TooFewRows", ["3 rows", "at least 10"]),
    "a class with one row": (
        GOOD + "1,2,c\n", {}, "TooFewRows", ["data.target", "class 'c' has 1 row"],
    ),
    "an excluded column that is not there": (
        GOOD, {"data": {"exclude": ["grup"]}}, "ColumnMissing", ["data.exclude", "'group'"],
    ),
    "everything excluded": (
        GOOD, {"data": {"exclude": ["group", "x"]}}, "DataMalformed", ["data.exclude"],
    ),
    "a rule for a column that is not there": (
        GOOD, {"data": {"columns": [{"name": "y"}]}}, "ColumnMissing", ["data.columns"],
    ),
    "a value below its minimum": (
        GOOD, {"data": {"columns": [{"name": "x", "minimum": "3"}]}}, "ColumnRuleViolated",
        ["column 'x'", "row 2", "3 rows in all", "minimum: 3"],
    ),
    "a value above its maximum": (
        GOOD, {"data": {"columns": [{"name": "x", "maximum": "38"}]}}, "ColumnRuleViolated",
        ["column 'x'", "row 41", "maximum: 38"],
    ),
    "a value that is not allowed": (
        GOOD, {"data": {"columns": [{"name": "group", "allowedValues": ["0", "1"]}]}},
        "ColumnRuleViolated", ["column 'group'", "row 4", "allowedValues"],
    ),
    "a missing value that must be there": (
        GOOD + ",2,a\n", {"data": {"columns": [{"name": "x", "nullable": False}]}},
        "ColumnRuleViolated", ["column 'x'", "row 42", "nullable: false"],
    ),
    "a declared number that is none": (
        GOOD + "1,two,a\n", {"data": {"columns": [{"name": "group", "type": "Integer"}]}},
        "DataMalformed", ["column 'group'", "row 42", "no finite Integer"],
    ),
    "a declared integer with a fraction": (
        GOOD + "1.5,2,a\n", {"data": {"columns": [{"name": "x", "type": "Integer"}]}},
        "DataMalformed", ["column 'x'", "row 42", "1.5"],
    ),
    "a split column that is not there": (
        GOOD, {"data": {"split": {"method": "Group", "column": "grup"}}}, "SplitColumnMissing",
        ["data.split.column", "did you mean 'group'"],
    ),
    "a split column that is not named": (
        GOOD, {"data": {"split": {"method": "Time"}}}, "SplitColumnMissing", ["data.split.column"],
    ),
    "one group": (
        GOOD, {"data": {"exclude": [], "split": {"method": "Group", "column": "one"}}},
        "SplitColumnMissing", ["data.split.column"],
    ),
    "times that are none": (
        GOOD, {"target": "group", "data": {"split": {"method": "Time", "column": "label"}}},
        "DataMalformed", ["data.split.column", "ISO 8601"],
    ),
    "text without preprocessing": (
        GOOD, {"target": "group", "preprocessing": "None"}, "InvalidParameter",
        ["trainer.sklearn.preprocessing", "'label' is no number", "Auto"],
    ),
    "an unknown metric": (
        GOOD, {"evaluation": {"metrics": ["roc"]}}, "MetricUnknown",
        ["evaluation.metrics", "'roc_auc'"],
    ),
    "a metric of the other task": (
        GOOD, {"evaluation": {"metrics": ["rmse"]}}, "MetricUnknown", ["evaluation.metrics"],
    ),
    "a metric that needs probabilities": (
        GOOD, {"estimator": "sklearn.svm.LinearSVC", "evaluation": {"metrics": ["log_loss"]}},
        "InvalidParameter", ["evaluation.metrics", "'log_loss' needs probabilities"],
    ),
    "a training that raises": (
        GOOD, {"estimator": "sklearn.naive_bayes.GaussianNB",
               "parameters": {"priors": [0.9, 0.9]}}, "TrainingFailed",
        ["GaussianNB: The sum of the priors should be 1."],
    ),
    "an estimator that ONNX cannot express": (
        GOOD, {"estimator": "sklearn.neighbors.NearestCentroid"}, "ExportUnsupported",
        ["trainer.sklearn.estimator", "sklearn.neighbors.NearestCentroid"],
    ),
    "an imputer that ONNX cannot express": (
        GOOD, {"estimator": "sklearn.pipeline.Pipeline", "parameters": {"steps": [
            ["fill", {"estimator": "sklearn.impute.SimpleImputer",
                      "parameters": {"add_indicator": True}}],
            ["model", {"estimator": "sklearn.linear_model.LogisticRegression"}]]}},
        "ExportUnsupported", ["add_indicator"],
    ),
    "an export that cannot answer": (
        GOOD, {"estimator": "sklearn.neighbors.RadiusNeighborsClassifier",
               "parameters": {"radius": 0.5, "outlier_label": "a"}}, "ParityFailed",
        ["ONNX Runtime fails on rows that scikit-learn answers"],
    ),
    "an export that answers otherwise": (
        GOOD, {"estimator": "sklearn.discriminant_analysis.LinearDiscriminantAnalysis"},
        "ParityFailed", ["parity.tolerance", "worst: row", "scikit-learn [", "ONNX ["],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_data_is_refused_by_field_and_row(make_from_csv: MakeModel, case: str) -> None:
    text, options, reason, says = CASES[case]
    found, message = refusal(make_from_csv, text, **{"target": "label", **options})
    assert found == reason
    for words in says:
        assert words in message


def test_two_different_numbers_are_no_regression(make_from_csv: MakeModel) -> None:
    text = "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40))
    reason, message = refusal(
        make_from_csv,
        text,
        target="y",
        task="Regression",
        estimator="sklearn.linear_model.Ridge",
    )
    assert reason == "TaskMismatch"
    assert "use task: Classification" in message


def test_one_group_cannot_be_split(make_from_csv: MakeModel) -> None:
    text = "x,one,y\n" + "".join(f"{i},1,{'ab'[i % 2]}\n" for i in range(40))
    reason, message = refusal(
        make_from_csv, text, target="y", data={"split": {"method": "Group", "column": "one"}}
    )
    assert reason == "TooFewRows"
    assert message.startswith("data.split.column: all rows are of one group 1")


def test_a_time_split_that_leaves_a_class_untrained(make_from_csv: MakeModel) -> None:
    text = "t,x,y\n" + "".join(f"{i},{i},{'a' if i < 35 else 'b'}\n" for i in range(40))
    reason, message = refusal(
        make_from_csv, text, target="y", data={"split": {"method": "Time", "column": "t"}}
    )
    assert reason == "TooFewRows"
    assert "Time leaves one class 'a'" in message


def test_bytes_that_are_no_utf8(make_model: MakeModel, claim: Path) -> None:
    (claim / "data.csv").write_bytes(b"x,label\n1,a\n2,\xff\xfe\n")
    reason, message = refusal(make_model, "pvc://claim/data.csv", target="label")
    assert reason == "DataMalformed"
    assert "UTF-8" in message


def test_bytes_that_are_no_parquet(make_model: MakeModel, claim: Path) -> None:
    (claim / "data.parquet").write_text(GOOD)
    reason, message = refusal(make_model, "pvc://claim/data.parquet", target="label")
    assert reason == "DataMalformed"
    assert "data.format" in message


def test_a_damaged_gzip(make_model: MakeModel, claim: Path) -> None:
    (claim / "data.csv.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    reason, message = refusal(make_model, "pvc://claim/data.csv.gz", target="label")
    assert reason == "DataMalformed"
    assert "gzip" in message


def test_a_column_of_times(make_model: MakeModel, claim: Path) -> None:
    frame = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=40), "y": ["a", "b"] * 20})
    frame.to_parquet(claim / "data.parquet")
    reason, message = refusal(make_model, "pvc://claim/data.parquet", target="y")
    assert reason == "DataMalformed"
    assert "column 'at': holds times" in message
    assert "data.exclude" in message


@pytest.mark.parametrize(
    ("name", "reason", "says"),
    [
        ("linnerud", "InvalidParameter", "several targets"),
        ("irris", "DataNotFound", "did you mean 'iris'"),
        ("california_housing", "DataNotFound", "breast_cancer, diabetes, digits, iris, wine"),
    ],
)
def test_a_bundled_data_set_that_is_none(
    make_model: MakeModel, name: str, reason: str, says: str
) -> None:
    found, message = refusal(make_model, f"sklearn://{name}")
    assert found == reason
    assert message.startswith("data.uri: ")
    assert says in message


def test_a_failure_is_blamed_on_the_stage_that_it_happened_in(
    mounts: DataMounts, claim: Path
) -> None:
    (claim / "data.csv").write_text(GOOD)
    progress = Progress(output=io.StringIO())
    run = run_file(
        "pvc://claim/data.csv",
        target="label",
        estimator="sklearn.naive_bayes.GaussianNB",
        parameters={"priors": [0.9, 0.9]},
    )
    with pytest.raises(TrainingFailure):
        make(run, progress, mounts)
    assert progress.stage is Stage.TRAINING

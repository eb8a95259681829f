"""What is silently wrong elsewhere: each case is corrected, or refused aloud."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib import metadata
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from regnant.training import environment
from regnant.training.columns import FeatureColumn
from regnant.training.errors import ExportUnsupported, ParityFailed, SpecInvalid, TrainingFailed
from regnant.training.export import export_onnx
from regnant.training.fitting import fit
from regnant.training.layout import InputLayout
from regnant.training.preprocessing import Plan, build_pipeline
from regnant.training.progress import Progress
from regnant.training.runtime import open_session
from regnant.training.trees import contains_trees
from tests.unit.training.conftest import MakeModel
from tests.unit.training.test_every_estimator_answers_alike import part

FOREST: dict[str, Any] = {"n_estimators": 30}
SCALED_FOREST = {
    "steps": [
        ["scale", part("preprocessing.StandardScaler")],
        ["model", part("ensemble.RandomForestClassifier", **FOREST)],
    ]
}


def test_a_forest_behind_a_scaler_keeps_its_float64_inputs_and_its_answers(
    make_model: MakeModel,
) -> None:
    made = make_model(
        "sklearn://breast_cancer", estimator="sklearn.pipeline.Pipeline", parameters=SCALED_FOREST
    )
    assert made.signature.inputs[0].datatype == "FP64"
    assert made.report.max_difference < 1e-6


def answers_beside_thresholds() -> tuple[list[str], list[str]]:
    """Ask a tree rows that lie a hair above its thresholds, which float32 cannot tell from them."""
    data, target = load_iris(return_X_y=True)
    columns = tuple(FeatureColumn(f"x{index}", "Float") for index in range(4))
    layout = InputLayout(columns)
    pipeline = build_pipeline(
        Plan(layout, {}, ()), DecisionTreeClassifier(random_state=0), "None", float32=False
    )
    labels = np.array(["a", "b", "c"], dtype=object)[target]
    progress = Progress(output=io.StringIO())
    model = fit(pipeline, data / 3, labels, classification=True, progress=progress)
    tree = model.pipeline.steps[-1][1].tree_
    used = tree.feature >= 0
    rows = np.repeat(data.mean(axis=0, keepdims=True) / 3, used.sum(), axis=0)
    rows[np.arange(len(rows)), tree.feature[used]] = tree.threshold[used] * (1 + 1e-12)
    content = export_onnx(model, layout, "tree", "tree")
    (answers,) = open_session(content).run(["label"], {"features": rows})
    return model.predict(rows).tolist(), answers.tolist()


def test_a_tree_answers_alike_beside_its_thresholds() -> None:
    expected, answers = answers_beside_thresholds()
    assert expected == answers


def csv_with_missing_numbers() -> str:
    random = np.random.default_rng(0)
    rows = ["a,b,target"]
    for index in range(200):
        a, b = random.normal(), random.normal()
        first = "" if index % 7 == 0 else f"{a:.4f}"
        rows.append(f"{first},{b:.4f},{'yes' if a + b > 0 else 'no'}")
    return "\n".join(rows)


def test_missing_numbers_never_reach_a_forest_by_default(make_from_csv: MakeModel) -> None:
    made = make_from_csv(
        csv_with_missing_numbers(),
        estimator="sklearn.ensemble.RandomForestClassifier",
        parameters=FOREST,
    )
    assert made.report.label_flips == 0


@pytest.mark.parametrize("estimator", ["RandomForestClassifier", "HistGradientBoostingClassifier"])
def test_an_estimator_that_learns_from_missing_numbers_is_refused(
    make_from_csv: MakeModel, estimator: str
) -> None:
    with pytest.raises(ExportUnsupported, match=r"trainer\.sklearn\.preprocessing: .* Auto"):
        make_from_csv(
            csv_with_missing_numbers(),
            estimator=f"sklearn.ensemble.{estimator}",
            preprocessing="None",
        )


def test_an_imputer_of_ones_own_makes_missing_numbers_welcome(make_from_csv: MakeModel) -> None:
    steps = [
        ["fill", part("impute.SimpleImputer", strategy="mean")],
        ["model", part("ensemble.RandomForestClassifier", **FOREST)],
    ]
    made = make_from_csv(
        csv_with_missing_numbers(),
        estimator="sklearn.pipeline.Pipeline",
        parameters={"steps": steps},
        preprocessing="None",
    )
    assert made.report.label_flips == 0


@pytest.mark.parametrize("chosen", [[0], [True, False, False, False], ["c0"]])
def test_native_categories_of_histogram_boosting_are_refused(
    make_model: MakeModel, chosen: list[Any]
) -> None:
    with pytest.raises(ExportUnsupported, match=r"parameters\.categorical_features"):
        make_model(
            estimator="sklearn.ensemble.HistGradientBoostingClassifier",
            parameters={"categorical_features": chosen},
        )


def test_a_tuned_threshold_that_flips_labels_is_caught_by_parity(
    make_from_csv: MakeModel,
) -> None:
    random = np.random.default_rng(0)
    rows = ["a,b,target"]
    for a, b, noise in random.normal(size=(400, 3)):
        rows.append(f"{a:.4f},{b:.4f},{int(a + b + noise > 1.5)}")
    with pytest.raises(ParityFailed, match=r"flips the label.*scikit-learn [01], ONNX [01];"):
        make_from_csv(
            "\n".join(rows),
            estimator="sklearn.model_selection.TunedThresholdClassifierCV",
            parameters={"estimator": part("naive_bayes.GaussianNB"), "scoring": "recall"},
        )


@pytest.mark.parametrize(
    ("package", "version"),
    [("onnxruntime", "1.26.0"), ("onnxruntime", "1.27.0"), ("protobuf", "7.0.1")],
)
def test_a_package_that_exports_wrongly_is_refused(
    monkeypatch: pytest.MonkeyPatch, package: str, version: str
) -> None:
    monkeypatch.setattr(
        environment,
        "version",
        lambda name: version if name == package else metadata.version(name),
    )
    with pytest.raises(SpecInvalid, match=f"{package} {version}"):
        environment.check_packages()


def test_the_packages_of_this_image_are_accepted() -> None:
    environment.check_packages()


def test_the_process_starts_again_with_a_fixed_hash_seed() -> None:
    script = (
        "import os, sys\n"
        "from regnant.training import environment\n"
        "def started(path, command, variables):\n"
        "    print(command[1:], variables['PYTHONHASHSEED'])\n"
        "    raise SystemExit\n"
        "os.execve = started\n"
        "environment.fix_hash_seed(['pack'])\n"
        "print('went on')\n"
    )

    def run(seed: str) -> str:
        variables = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=variables, capture_output=True, check=True, text=True)
        return done.stdout.strip()

    assert run("random") == "['-m', 'regnant.training', 'pack'] 0"
    assert run("0") == "went on"


def test_trees_are_found_inside_other_estimators() -> None:
    from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    assert contains_trees(make_pipeline(LogisticRegression(), RandomForestClassifier()))
    assert contains_trees(AdaBoostClassifier())
    assert contains_trees(BaggingClassifier())
    assert not contains_trees(BaggingClassifier(LogisticRegression()))


def test_rows_that_a_transformer_refuses_are_left_out_of_the_comparison(
    make_from_csv: MakeModel,
) -> None:
    """Counts below the smallest category make CategoricalNB raise; nobody can ask them."""
    rows = "\n".join(f"{index % 3},{index % 4},{'ab'[index % 2]}" for index in range(60))
    made = make_from_csv(
        f"x,z,target\n{rows}\n",
        estimator="sklearn.naive_bayes.CategoricalNB",
        preprocessing="None",
    )
    assert made.report.rows == 1000


def test_a_training_that_runs_out_of_memory_says_what_to_raise(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*arguments: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression.fit", exhausted)
    with pytest.raises(TrainingFailed, match=r"resources\.limits\.memory"):
        make_model()

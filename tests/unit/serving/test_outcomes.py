"""The sample of answers that is kept: the same on every server, bounded, and never an input."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnant.serving.datatypes import BY_NAME, TensorSpec
from regnant.serving.messages import Request
from regnant.serving.outcomes import Outcomes, Sample
from regnant.serving.scoring import Scoring, scoring_of
from tests.unit.serving.bundles import classifier_bundle
from tests.unit.serving.running_server import INFER, running_server
from tests.unit.serving.test_protocol_v2 import features

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from regnant.artifacts.signature import Task
    from tests.unit.serving.running_server import RunningServer

CLASSIFIER = Scoring("label", "probabilities", 2)
ids = st.binary(min_size=1, max_size=128)
row_counts = st.integers(1, 10_000)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(classifier_bundle(tmp_path_factory.mktemp("classifier"))) as server:
        yield server


def page(server: RunningServer, after: int = 0, **query: int) -> dict[str, Any]:
    answer = server.client.get("/regnant/v1/outcomes", params={"after": after, **query})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def ask(server: RunningServer, request_id: str, *rows: list[float | None], **headers: str) -> Any:
    answer = server.client.post(
        INFER, json=features(*rows), headers={"x-request-id": request_id, **headers}
    )
    assert answer.status_code == 200
    return answer.json()["outputs"]


def request(request_id: bytes) -> Request:
    made = Request()
    made.request_id = request_id
    return made


def answered(rows: int) -> dict[str, Any]:
    return {
        "label": np.arange(rows, dtype=np.int64),
        "probabilities": np.linspace(0, 1, 2 * rows).reshape(rows, 2),
    }


# which requests


@given(request_id=ids, rows=row_counts, fraction=st.floats(0, 1))
def test_every_server_chooses_the_same_requests_and_rows(
    request_id: bytes, rows: int, fraction: float
) -> None:
    row = Sample(fraction).row(request_id, rows)
    assert row == Sample(fraction).row(request_id, rows)
    assert row is None or 0 <= row < rows


def test_the_choice_is_the_same_in_every_process_and_release() -> None:
    program = (
        "from regnant.serving.outcomes import Sample\n"
        "print([Sample(0.5).row(b'%d' % n, 7) for n in range(12)])"
    )
    chosen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert chosen == {"[None, None, 1, None, 6, None, 5, None, None, None, None, None]"}


@given(request_id=ids, rows=row_counts, one=st.floats(0, 1), other=st.floats(0, 1))
def test_a_larger_sample_holds_the_smaller_one(
    request_id: bytes, rows: int, one: float, other: float
) -> None:
    smaller, larger = (Sample(share).row(request_id, rows) for share in sorted((one, other)))
    assert smaller is None or smaller == larger


@given(request_id=ids, rows=row_counts)
def test_a_sample_of_nothing_is_empty_and_one_of_all_is_whole(request_id: bytes, rows: int) -> None:
    assert Sample(0.0).row(request_id, rows) is None
    assert Sample(1.0).row(request_id, rows) is not None
    assert Sample(1.0).row(request_id, 0) is None


def test_a_sample_is_as_large_as_asked_and_takes_all_rows_alike() -> None:
    names = [b"request-%d" % number for number in range(20_000)]
    rows = [row for name in names if (row := Sample(0.25).row(name, 4)) is not None]
    deviation = (20_000 * 0.25 * 0.75) ** 0.5
    assert abs(len(rows) - 5_000) < 4 * deviation
    assert all(
        abs(rows.count(row) - len(rows) / 4) < 4 * (len(rows) / 4) ** 0.5 for row in range(4)
    )


def test_two_versions_keep_the_same_rows_of_the_same_requests(tmp_path: Path) -> None:
    with ExitStack() as stack:
        champion, challenger = (
            stack.enter_context(running_server(classifier_bundle(tmp_path / name, weight=weight)))
            for name, weight in (("champion", 1.0), ("challenger", 0.1))
        )
        for number in range(30):
            rows: list[list[float | None]] = [
                [float(number - 10 * row), 0.5, 0.5] for row in range(number % 4 + 1)
            ]
            ask(champion, f"id-{number}", *rows)
            ask(challenger, f"id-{number}", *rows, **{"x-regnant-shadow": "true"})
        users, shadow = page(champion)["outcomes"], page(challenger)["outcomes"]
    assert {one["shadow"] for one in users} == {False}
    assert {one["shadow"] for one in shadow} == {True}
    keys = [[(one["id"], one["row"], one["rows"]) for one in side] for side in (users, shadow)]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 30
    assert {row for _, row, rows in keys[0] if rows == 4} > {0}
    assert [one["label"] for one in users] == [one["label"] for one in shadow]
    assert [one["score"] for one in users] != [one["score"] for one in shadow]


def test_the_row_that_is_kept_is_the_one_that_is_named(classifier: RunningServer) -> None:
    last = page(classifier)["lastSequence"]
    for number in range(20):
        rows: list[list[float | None]] = [[float(value), 0.1, 0.0] for value in range(-3, 4)]
        label, probabilities = ask(classifier, f"row-{number}", *rows)
        (kept,) = page(classifier, after=last + number)["outcomes"]
        assert (kept["id"], kept["rows"]) == (f"row-{number}", 7)
        assert kept["label"] == str(label["data"][kept["row"]])
        assert kept["score"] == probabilities["data"][2 * kept["row"] + 1]


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-request-id": "i" * 129}, {"x-request-id": "i", "x-regnant-verify-version": "3"}],
)
def test_what_cannot_be_joined_is_not_kept(
    classifier: RunningServer, headers: dict[str, str]
) -> None:
    last = page(classifier)["lastSequence"]
    assert classifier.client.post(INFER, json=features([1, 2, 3]), headers=headers).is_success
    assert page(classifier)["lastSequence"] == last


def test_only_answers_are_outcomes(classifier: RunningServer) -> None:
    last = page(classifier)["lastSequence"]
    own = {"x-request-id": "mine"}
    assert classifier.client.post(INFER, json={}, headers=own).status_code == 400
    assert classifier.client.post(INFER, json=features(), headers=own).status_code == 200
    assert classifier.client.get("/v2/health/live", headers=own).status_code == 200
    assert page(classifier)["lastSequence"] == last


# what of them


def test_an_output_that_was_not_asked_for_is_not_there(classifier: RunningServer) -> None:
    last = page(classifier)["lastSequence"]
    question = {**features([9, 9, 9]), "outputs": [{"name": "label"}]}
    classifier.client.post(INFER, json=question, headers={"x-request-id": "half"})
    (kept,) = page(classifier, after=last)["outcomes"]
    assert (kept["label"], kept["score"]) == ("1", None)


def test_a_model_without_a_label_or_a_score_keeps_nothing(doubling: RunningServer) -> None:
    ask(doubling, "three numbers a row", [1, 2, 3])
    assert page(doubling)["outcomes"] == []


def specs(**outputs: tuple[str, tuple[int, ...]]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(name, BY_NAME[datatype], shape)
        for name, (datatype, shape) in outputs.items()
    }


@pytest.mark.parametrize(
    ("task", "outputs", "expected"),
    [
        (
            "Classification",
            specs(label=("BYTES", (-1,)), probabilities=("FP64", (-1, 2))),
            CLASSIFIER,
        ),
        (
            "Classification",
            specs(y=("INT64", (-1, 1)), p=("FP32", (-1, 5))),
            Scoring("y", "p", 5),
        ),
        ("Classification", specs(y=("BOOL", (-1,))), Scoring("y")),
        ("Classification", specs(p=("FP64", (-1,))), Scoring(None, "p", 1)),
        (
            "Classification",
            specs(a=("FP64", (-1, 2)), probabilities=("FP64", (-1, 2)), label=("INT8", (-1,))),
            CLASSIFIER,
        ),
        ("Classification", specs(a=("INT8", (-1,)), b=("INT8", (-1,))), Scoring()),
        ("Classification", specs(label=("INT64", (-1, 3))), Scoring()),
        ("Classification", specs(label=("INT64", (4,)), p=("FP64", (-1, -1))), Scoring()),
        ("Regression", specs(prediction=("FP64", (-1,))), Scoring(None, "prediction", 1)),
        ("Regression", specs(y=("FP16", (-1, 1))), Scoring(None, "y", 1)),
        ("Regression", specs(y=("FP64", (-1, 3))), Scoring()),
        ("Regression", specs(y=("INT64", (-1,))), Scoring()),
        (
            "Regression",
            specs(prediction=("FP64", (-1,)), deviation=("FP64", (-1,))),
            Scoring(None, "prediction", 1),
        ),
        ("Regression", specs(low=("FP64", (-1,)), high=("FP64", (-1,))), Scoring()),
    ],
)
def test_label_and_score_are_found_by_what_they_are(
    task: Task, outputs: dict[str, TensorSpec], expected: Scoring
) -> None:
    assert scoring_of(task, outputs) == expected


@pytest.mark.parametrize(
    ("array", "label"),
    [
        (np.array([7, -8], np.int64), "-8"),
        (np.array([True, False]), "false"),
        (np.array(["a", "ü"], object), "ü"),
        (np.array(["a", "b" * 300], object), "b" * 256),
        (np.array([["a"], [""]], object), ""),
        (np.array([3, 2**64 - 1], np.uint64), str(2**64 - 1)),
    ],
)
def test_a_label_is_told_as_text(array: Any, label: str) -> None:
    outcomes = Outcomes(Sample(1.0), CLASSIFIER)
    name = next(name for name in (b"%d" % n for n in range(99)) if Sample(1.0).row(name, 2) == 1)
    outcomes.keep(request(name), 2, {"label": array})
    (kept,) = read(outcomes)
    assert (kept["label"], kept["row"]) == (label, 1)


@pytest.mark.parametrize(("width", "score"), [(1, 0.25), (2, 0.75), (3, 0.5), (40, 0.9)])
def test_a_score_is_of_the_second_class_or_the_highest(width: int, score: float) -> None:
    rows = {
        1: [0.25],
        2: [0.25, 0.75],
        3: [0.2, 0.5, 0.3],
        40: [0.1 / 39] * 20 + [0.9] + [0.1 / 39] * 19,
    }
    array = np.array([rows[width], [0.0] * width])
    assert Scoring(None, "p", width).read({"p": array}, 2, 0) == (None, score)


@given(
    rows=st.integers(1, 6),
    shape=st.lists(st.integers(0, 6), max_size=3),
    kind=st.sampled_from([*BY_NAME.values()]),
    width=st.integers(1, 4),
)
def test_outputs_of_any_shape_are_read_or_left(
    rows: int, shape: list[int], kind: Any, width: int
) -> None:
    array = np.full(shape, "x" if kind.is_text else 1, kind.numpy)
    label, _ = Scoring("a", None).read({"a": array}, rows, rows - 1)
    assert (label is None) == (array.size != rows)
    if kind.is_float:
        _, score = Scoring(None, "a", width).read({"a": array}, rows, rows - 1)
        assert score == (1.0 if array.size == rows * width else None)


# how many


def read(outcomes: Outcomes, after: int = 0, limit: int = 1000) -> Any:
    return outcomes.page(after, limit)["outcomes"]


@given(
    capacity=st.integers(1, 8),
    names=st.lists(ids, max_size=30),
    after=st.integers(0, 40),
    limit=st.integers(1, 10),
)
def test_the_ring_holds_the_newest_and_numbers_them(
    capacity: int, names: list[bytes], after: int, limit: int
) -> None:
    outcomes = Outcomes(Sample(1.0), CLASSIFIER, capacity)
    for name in names:
        outcomes.keep(request(name), 1, answered(1))
    everything = list(enumerate((name.decode("latin-1") for name in names), 1))
    held = everything[-capacity:]
    told = outcomes.page(after, limit)
    rows = [(one["sequence"], one["id"]) for one in read(outcomes, after, limit)]
    assert rows == [one for one in held if one[0] > after][:limit]
    assert told["lastSequence"] == len(names)
    assert told["oldestSequence"] == (held[0][0] if held else 1)
    counts = outcomes.to_document()
    assert counts["kept"] == len(held) <= capacity
    assert counts["kept"] + counts["dropped"] == counts["lastSequence"]


def test_whoever_pages_gets_everything_once(classifier: RunningServer) -> None:
    after = page(classifier)["lastSequence"]
    for number in range(25):
        ask(classifier, f"page-{number}", [1, 2, 3])
    found: list[str] = []
    while rows := page(classifier, after=after, limit=10)["outcomes"]:
        assert len(rows) <= 10
        found += [one["id"] for one in rows]
        after = rows[-1]["sequence"]
    assert found == [f"page-{number}" for number in range(25)]
    assert page(classifier, after=10**15)["outcomes"] == []


@pytest.mark.parametrize("rows", [1, 1000])
def test_no_output_is_kept_alive(rows: int) -> None:
    outcomes = Outcomes(Sample(1.0), CLASSIFIER)
    outputs = answered(rows)
    watched = [weakref.ref(array) for array in outputs.values()]
    outcomes.keep(request(b"name"), rows, outputs)
    del outputs
    gc.collect()
    assert [reference() for reference in watched] == [None, None]
    assert len(read(outcomes)) == 1


def test_an_infinite_score_is_told_as_json_can(tmp_path: Path) -> None:
    with running_server(classifier_bundle(tmp_path)) as server:
        ask(server, "whole", [1, 2, 3])
        server.client.post(INFER, json=features([None, 2, 3]), headers={"x-request-id": "missing"})
        whole, missing = page(server)["outcomes"]
    assert isinstance(whole["score"], float)
    assert (missing["id"], missing["score"]) == ("missing", None)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("after=-1", "after: '-1' is not a whole number from 0"),
        ("after=x", "after: 'x' is not"),
        ("after=", "after: '' is not"),
        ("after=1.5", "after: '1.5' is not"),
        ("after=%C2%B2", "after: "),
        ("after=" + "9" * 30, "after: '99999999999999999999' is not"),
        ("limit=0", "limit: '0' is not a whole number from 1 to 1000"),
        ("limit=1001", "limit: '1001' is not a whole number from 1 to 1000"),
        ("after=1&after=2", "after: given 2 times; give it once"),
        ("afer=1", "'afer' is no parameter here; known: after and limit"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(
    doubling: RunningServer, query: str, sentence: str
) -> None:
    answer = doubling.client.get(f"/regnant/v1/outcomes?{query}")
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]

"""Requests that are there together are computed together, and nobody can tell by the answers."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, cast

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from regnant.artifacts.layout import open_bundle
from regnant.artifacts.signature import Tensor
from regnant.serving.codec import InferRequest
from regnant.serving.cost import SHORT_SECONDS, Cost
from regnant.serving.executor import Executor
from regnant.serving.golden import read_golden
from regnant.serving.messages import RequestRefused
from regnant.serving.model import load_model
from regnant.serving.settings import Limits
from regnant.serving.statistics import Statistics
from tests.unit.serving.bundles import (
    doubling_bundle,
    gathering_bundle,
    graph,
    looping_bundle,
    signature,
    tensor,
    value_info,
    write_bundle,
)
from tests.unit.serving.running_server import INFER, LOOPBACK, running_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from regnant.serving.batching import Outcome
    from regnant.serving.datatypes import Array
    from regnant.serving.model import Model, Stop
    from tests.unit.serving.bundles import Written

QUICK = Cost(first=1e-5, row=1e-7)
LONG = Cost(first=1.0, row=0.001)
BAD = 7
"""An index that the gathering model has no value for."""


class Watched:
    """A real model, and how many rows each run of it had."""

    def __init__(self, written: Written) -> None:
        bundle = open_bundle(written.directory, written.digest)
        self._model = load_model(bundle.model, bundle.signature, 1)
        self.interface = self._model.interface
        self.has_loops = self._model.has_loops
        self.merges = read_golden(bundle.golden, self.interface).proves_rows_independent
        self.runs: list[int] = []
        self.gate = threading.Event()
        """Nothing is computed before it opens."""
        self.gate.set()

    def run(
        self, inputs: Mapping[str, Array], outputs: Sequence[str], stop: Stop | None = None
    ) -> dict[str, Array]:
        self.gate.wait(20)
        self.runs.append(next(iter(inputs.values())).shape[0])
        return self._model.run(inputs, outputs, stop)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return gathering_bundle(tmp_path_factory.mktemp("gathering"))


def asked(*rows: int) -> InferRequest:
    return InferRequest(None, {"index": np.array(rows, np.int64)}, ("value",), len(rows))


def features(*shape: int) -> InferRequest:
    return InferRequest(None, {"features": np.ones(shape)}, ("prediction",), shape[0])


def outcomes(
    model: Watched,
    requests: Sequence[InferRequest],
    cost: Cost = QUICK,
    limits: Limits | None = None,
) -> list[Outcome]:
    """Ask everything in one turn of the event loop."""

    async def ask() -> list[Outcome]:
        executor = Executor(
            cast("Model", model), cost, 1, limits or Limits(), Statistics(), merges=model.merges
        )
        told: list[asyncio.Future[Outcome]] = []
        for request in requests:
            future = asyncio.get_running_loop().create_future()
            executor.submit(request, future.set_result)
            told.append(future)
        found = await asyncio.gather(*told)
        executor.close()
        return found

    return asyncio.run(ask())


def told(outcome: Outcome) -> object:
    """What a client would see of it."""
    if isinstance(outcome, RequestRefused):
        return outcome.status, outcome.message
    assert isinstance(outcome, dict), outcome
    return {name: array.tolist() for name, array in outcome.items()}


@pytest.mark.parametrize("cost", [QUICK, LONG])
def test_what_comes_in_one_turn_is_computed_at_once(written: Written, cost: Cost) -> None:
    model = Watched(written)
    found = outcomes(model, [asked(0), asked(1, 1), asked(), asked(1)], cost)
    assert [told(one) for one in found] == [
        {"value": [10.0]},
        {"value": [20.0, 20.0]},
        {"value": []},
        {"value": [20.0]},
    ]
    assert model.runs == [4]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from([0, 1, BAD]), max_size=4), min_size=1, max_size=8))
def test_nobody_can_tell_who_else_was_there(written: Written, rows: list[list[int]]) -> None:
    requests = [asked(*one) for one in rows]
    together = outcomes(Watched(written), requests)
    alone = [outcomes(Watched(written), [request])[0] for request in requests]
    assert [told(one) for one in together] == [told(one) for one in alone]


def test_a_bad_row_fails_its_own_request_only(written: Written) -> None:
    model = Watched(written)
    found = outcomes(model, [asked(0), asked(1, BAD), asked(1)])
    assert [told(one) for one in (found[0], found[2])] == [{"value": [10.0]}, {"value": [20.0]}]
    assert isinstance(found[1], RequestRefused)
    assert "the model failed at these values" in found[1].message
    assert model.runs == [4, 1, 2, 1]


def test_a_batch_has_no_more_rows_than_it_may(written: Written) -> None:
    model = Watched(written)
    outcomes(model, [asked(0, 0), asked(1, 1), asked(0)], limits=Limits(batch_rows=3))
    assert model.runs == [2, 3]
    model.runs.clear()
    outcomes(model, [asked(0, 0), asked(1, 1), asked(0)], limits=Limits(batch_rows=1))
    assert model.runs == [2, 2, 1]


def test_a_batch_has_no_more_bytes_than_it_may(written: Written) -> None:
    model = Watched(written)
    outcomes(model, [asked(0, 0), asked(1, 1), asked(0)], limits=Limits(batch_bytes=24))
    assert model.runs == [2, 3]


def test_a_batch_takes_no_longer_than_anybody_would_notice(written: Written) -> None:
    model = Watched(written)
    outcomes(model, [asked(0)] * 6, Cost(first=SHORT_SECONDS / 2, row=SHORT_SECONDS / 4))
    assert model.runs == [3, 3]


def test_a_long_batch_takes_at_most_twice_what_one_request_does(written: Written) -> None:
    model = Watched(written)
    outcomes(model, [asked(0)] * 6, Cost(first=1.0, row=0.5))
    assert model.runs == [3, 3]


def test_those_who_wait_for_a_thread_are_computed_together(written: Written) -> None:
    async def ask() -> list[Outcome]:
        loop = asyncio.get_running_loop()
        executor = Executor(cast("Model", model), LONG, 1, Limits(), Statistics(), merges=True)
        told = [loop.create_future() for _ in range(4)]
        for future in told:
            executor.submit(asked(1), future.set_result)
            # Each comes in a turn of its own; the first one takes the only thread.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        model.gate.set()
        found = await asyncio.gather(*told)
        executor.close()
        return found

    model = Watched(written)
    model.gate.clear()
    assert [told(one) for one in asyncio.run(ask())] == [{"value": [20.0]}] * 4
    assert model.runs == [1, 3]


def test_everybody_who_waits_too_long_is_refused_whoever_came_before(written: Written) -> None:
    async def ask() -> list[Outcome]:
        loop = asyncio.get_running_loop()
        limits = Limits(queue_seconds=0.05)
        executor = Executor(cast("Model", model), LONG, 1, limits, Statistics(), merges=True)
        told = [loop.create_future() for _ in range(4)]
        for future in told:
            executor.submit(asked(1), future.set_result)
            # The clock of the loop goes on in between, so each came at a time of its own.
            await asyncio.sleep(0.01)
        late = await asyncio.wait_for(asyncio.gather(*told[1:]), 20)
        assert executor.queued == 0
        model.gate.set()
        await told[0]
        executor.close()
        return late

    model = Watched(written)
    model.gate.clear()
    refused = asyncio.run(ask())
    assert [isinstance(one, RequestRefused) and one.status for one in refused] == [503] * 3
    assert model.runs == [1]


def test_rows_of_other_shapes_and_outputs_are_kept_apart(tmp_path: Path) -> None:
    model = Watched(_any_width_bundle(tmp_path))
    requests = [features(1, 3), features(2, 2), features(2, 3)]
    requests.append(requests[0]._replace(outputs=("copy", "prediction")))
    found = outcomes(model, requests)
    assert [told(one) for one in found[:3]] == [
        {"prediction": [[2.0] * 3]},
        {"prediction": [[2.0] * 2] * 2},
        {"prediction": [[2.0] * 3] * 2},
    ]
    assert isinstance(found[3], dict)
    assert list(found[3]) == ["copy", "prediction"]
    assert sorted(model.runs) == [1, 2, 3]


def test_a_graph_with_loops_runs_each_request_alone(tmp_path: Path) -> None:
    model = Watched(looping_bundle(tmp_path))
    requests = [InferRequest(None, {"turns": np.array([n])}, ("counted",), 1) for n in (1, 2)]
    found = outcomes(model, requests)
    assert [told(one) for one in found] == [{"counted": [2.0]}, {"counted": [4.0]}]
    assert model.runs == [1, 1]


def test_nothing_is_merged_where_no_batch_was_held_against_its_rows(tmp_path: Path) -> None:
    """One golden row cannot show whether rows know of each other; here they do."""
    model = Watched(_sharing_bundle(tmp_path))
    found = outcomes(model, [features(1, 3), features(1, 3)])
    assert [told(one) for one in found] == [{"prediction": [[1.0] * 3]}] * 2
    assert model.runs == [1, 1]


def test_one_who_cannot_be_told_keeps_it_from_nobody(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> Outcome:
        model = Watched(written)
        executor = Executor(cast("Model", model), QUICK, 1, Limits(), Statistics(), merges=True)
        last: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        gone: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        gone.cancel()
        executor.submit(asked(0), gone.set_result)
        executor.submit(asked(1), last.set_result)
        found = await last
        executor.close()
        return found

    assert told(asyncio.run(ask())) == {"value": [20.0]}
    assert "an answer could not be given" in caplog.text


def test_many_connections_get_their_own_answers(tmp_path: Path) -> None:
    with running_server(doubling_bundle(tmp_path)) as server:
        answers = asyncio.run(_asked_by_many(server.port, 32))
    assert answers == [[[2.0 * number] * 3] * 20 for number in range(32)]


async def _asked_by_many(port: int, count: int) -> list[list[list[float]]]:
    base = f"http://{LOOPBACK}:{port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:

        async def ask(number: int) -> list[list[float]]:
            document = {"inputs": [tensor("features", "FP64", [1, 3], [number] * 3)]}
            post = partial(client.post, INFER, json=document)
            return [(await post()).json()["outputs"][0]["data"] for _ in range(20)]

        return await asyncio.gather(*(ask(number) for number in range(count)))


def _any_width_bundle(directory: Path) -> Written:
    """`features` FP64 [-1, -1], doubled, and as they are."""
    names = {"prediction": "Add", "copy": "Identity"}
    nodes = [
        helper.make_node("Add", ["features", "features"], ["prediction"]),
        helper.make_node("Identity", ["features"], ["copy"]),
    ]
    model = graph(
        nodes,
        [value_info("features", "FP64", [None, None])],
        [value_info(name, "FP64", [None, None]) for name in names],
    )
    golden = {
        "inputs": [tensor("features", "FP64", [2, 1], [1, 2])],
        "outputs": [
            tensor("prediction", "FP64", [2, 1], [2, 4]),
            tensor("copy", "FP64", [2, 1], [1, 2]),
        ],
    }
    shape = (-1, -1)
    return write_bundle(
        directory,
        model,
        signature(
            [Tensor(name="features", datatype="FP64", shape=shape)],
            [Tensor(name=name, datatype="FP64", shape=shape) for name in names],
        ),
        golden,
    )


def _sharing_bundle(directory: Path) -> Written:
    """`prediction` is `features` by the sum of their column: a row's share of its batch."""
    model = graph(
        [
            helper.make_node("ReduceSum", ["features", "axis"], ["sum"], keepdims=1),
            helper.make_node("Div", ["features", "sum"], ["prediction"]),
        ],
        [value_info("features", "FP64", [None, 3])],
        [value_info("prediction", "FP64", [None, 3])],
        [helper.make_tensor("axis", 7, [1], [0])],
    )
    golden = {
        "inputs": [tensor("features", "FP64", [1, 3], [1, 2, 4])],
        "outputs": [tensor("prediction", "FP64", [1, 3], [1, 1, 1])],
    }
    shape = (-1, 3)
    return write_bundle(
        directory,
        model,
        signature(
            [Tensor(name="features", datatype="FP64", shape=shape)],
            [Tensor(name="prediction", datatype="FP64", shape=shape)],
        ),
        golden,
    )

"""What KServe's own client hears from a server, printed as JSON; it runs where that client is.

`python kserve_calls.py URL URL_WITH_COLUMNS DATATYPES`, with the second server's model asked by the
first version of the protocol.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

MODEL = "churn"
ANN = {"the plan": "pro", "age": 40.5, "is member": True}


async def hear(url: str, with_columns: str, datatypes: list[str]) -> dict[str, Any]:
    heard: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        heard["live"] = await client.is_server_live(url)
        heard["ready"] = await client.is_server_ready(url)
        heard["model ready"] = await client.is_model_ready(url, MODEL)
        heard["other model ready"] = await client.is_model_ready(url, "other")
        for name, binary, wanted in (
            ("json", False, False),
            ("binary", True, True),
            ("binary to json", True, False),
            ("json to binary", False, True),
            ("as it comes", True, None),
        ):
            request = infer_request(datatypes, binary=binary, wanted=wanted)
            answer = await client.infer(url, request, model_name=MODEL)
            values = {one.name: one.as_numpy().tolist() for one in answer.outputs}
            heard[name] = {"id": answer.id, "model": answer.model_name, "values": values}
        try:
            await client.infer(url, {"inputs": []}, model_name=MODEL)
        except HTTPStatusError as refused:
            heard["refused"] = {"status": refused.response.status_code, "message": str(refused)}
    async with InferenceRESTClient(RESTConfig(protocol="v1", retries=0)) as client:
        heard["v1 live"] = await client.is_server_live(with_columns)
        heard["v1 model ready"] = await client.is_model_ready(with_columns, MODEL)
        heard["v1"] = await client.infer(with_columns, {"instances": [ANN]}, model_name=MODEL)
    return heard


def infer_request(datatypes: list[str], *, binary: bool, wanted: bool | None) -> InferRequest:
    inputs = []
    for name in datatypes:
        given = InferInput(f"in_{name.lower()}", [2, 2], name)
        # The protocol has no half numbers in JSON, and this client sends none.
        given.set_data_from_numpy(values_of(name), binary_data=binary or name == "FP16")
        inputs.append(given)
    outputs = None
    if wanted is not None:
        outputs = [
            RequestedOutput(f"out_{name.lower()}", {"binary_data": wanted}) for name in datatypes
        ]
    return InferRequest(
        model_name=MODEL, infer_inputs=inputs, request_id="seven", request_outputs=outputs
    )


def values_of(datatype: str) -> Any:
    if datatype == "BYTES":
        return np.array([["naïve", ""], ["x", "☃"]], dtype=object)
    kinds = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"}
    return np.array([[1, 0], [0, 1]], dtype=kinds.get(datatype, datatype.lower()))


if __name__ == "__main__":
    found = asyncio.run(hear(sys.argv[1], sys.argv[2], sys.argv[3].split(",")))
    json.dump(found, sys.stdout)

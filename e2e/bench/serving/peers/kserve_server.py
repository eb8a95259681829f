"""The model behind KServe's Python SDK, with its logs off."""

from __future__ import annotations

import logging
import os

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

from e2e.bench.serving.peers.onnx_session import (
    INPUT,
    LABEL,
    MODEL_NAME,
    PORT_VARIABLE,
    PROBABILITIES,
    open_session,
)


class OnnxModel(Model):  # type: ignore[misc]
    """A session, asked on the event loop."""

    def load(self) -> bool:
        """Open the session."""
        self._session = open_session()
        self.ready = True
        return True

    async def predict(
        self,
        payload: InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002 - as the SDK calls it
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> InferResponse:
        """Answer with labels and probabilities."""
        features = payload.inputs[0].as_numpy()
        answers = self._session.run([LABEL, PROBABILITIES], {INPUT: features})
        outputs = []
        for name, datatype, array in zip(
            (LABEL, PROBABILITIES), ("INT64", "FP32"), answers, strict=True
        ):
            output = InferOutput(name, list(array.shape), datatype)
            output.set_data_from_numpy(array, binary_data=False)
            outputs.append(output)
        return InferResponse(payload.id or "", self.name, outputs)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    model = OnnxModel(MODEL_NAME)
    model.load()
    server = ModelServer(
        http_port=int(os.environ[PORT_VARIABLE]), enable_grpc=False, enable_latency_logging=False
    )
    server.start([model])

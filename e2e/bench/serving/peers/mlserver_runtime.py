"""The model as a runtime of MLServer.

There is none for ONNX in the registry, so it is a custom one, as MLServer's documentation shows it.
The codec for arrays is its fastest.
"""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from e2e.bench.serving.peers.onnx_session import INPUT, LABEL, PROBABILITIES, open_session


class OnnxRuntime(MLModel):  # type: ignore[misc]
    """A session, asked on the event loop or in a worker, as the settings say."""

    async def load(self) -> bool:
        """Open the session."""
        self._session = open_session()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer with labels and probabilities."""
        features = NumpyCodec.decode_input(payload.inputs[0])
        label, probabilities = self._session.run([LABEL, PROBABILITIES], {INPUT: features})
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output(LABEL, label),
                NumpyCodec.encode_output(PROBABILITIES, probabilities),
            ],
        )

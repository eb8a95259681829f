"""The model as a service of BentoML, which has a JSON of its own instead of the open protocol."""

from __future__ import annotations

import bentoml
import numpy as np

from e2e.bench.serving.peers.onnx_session import INPUT, LABEL, PROBABILITIES, open_session


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Classifier:
    """A session, asked on the event loop."""

    def __init__(self) -> None:
        self._session = open_session()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, features: np.ndarray) -> dict[str, list[float]]:
        """Answer with labels and probabilities."""
        asked = features.astype(np.float32)
        label, probabilities = self._session.run([LABEL, PROBABILITIES], {INPUT: asked})
        return {LABEL: label.tolist(), PROBABILITIES: probabilities.ravel().tolist()}

"""Writes the networks of this directory, and what PyTorch itself answers with them.

PyTorch is too large to be a dependency of the tests, so what it exports is committed. To write it
anew:

    uv run --isolated --with torch --with onnx --with onnxscript --with numpy python \
        tests/unit/bundling/models/export_from_torch.py

`perceptron` goes through the exporter of old, `convolution` through the one of today. Each `.npz`
has the inputs and the answers of PyTorch under the names of the graph's tensors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
ROWS = 64


def perceptron() -> None:
    """A regression of four numbers."""
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    features = torch.randn(ROWS, 4)
    torch.onnx.export(
        network,
        (features[:2],),
        HERE / "perceptron.onnx",
        input_names=["features"],
        output_names=["prediction"],
        dynamic_axes={"features": {0: "batch"}, "prediction": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    with torch.no_grad():
        prediction = network(features)
    np.savez(HERE / "perceptron.npz", features=features.numpy(), prediction=prediction.numpy())


class Convolution(torch.nn.Module):  # type: ignore[misc]
    """A picture of 8 x 8 grey dots to one of five classes."""

    def __init__(self) -> None:
        super().__init__()
        self.seeing = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1),
            torch.nn.BatchNorm2d(4),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
        )
        self.choosing = torch.nn.Linear(64, 5)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The class, and the probability of each."""
        shares = torch.softmax(self.choosing(self.seeing(image)), dim=1)
        return shares.argmax(dim=1), shares


def convolution() -> None:
    """A classification of pictures."""
    network = Convolution().eval()
    images = torch.rand(ROWS, 1, 8, 8)
    torch.onnx.export(
        network,
        (images[:2],),
        HERE / "convolution.onnx",
        input_names=["image"],
        output_names=["label", "probabilities"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
    )
    with torch.no_grad():
        label, shares = network(images)
    np.savez(
        HERE / "convolution.npz",
        image=images.numpy(),
        label=label.numpy(),
        probabilities=shares.numpy(),
    )


if __name__ == "__main__":
    torch.manual_seed(7)
    perceptron()
    convolution()

"""A trainer of your own: anything may happen here, as long as three files are written."""

import hashlib
import json
import os
import pathlib

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

run = json.loads(pathlib.Path(os.environ["REGNANT_RUN_FILE"]).read_text())
output = pathlib.Path(os.environ["REGNANT_OUTPUT_DIR"])
output.mkdir(parents=True, exist_ok=True)
split = run["spec"]["data"]["split"]

rows, labels = load_wine(return_X_y=True)
train_rows, test_rows, train_labels, test_labels = train_test_split(
    rows, labels, test_size=float(split["testFraction"]), random_state=split["seed"]
)
units = int(os.environ.get("HIDDEN_UNITS", "8"))
network = MLPClassifier([units], max_iter=2000, random_state=split["seed"])
model = make_pipeline(StandardScaler(), network).fit(train_rows, train_labels)

# 1. The model. Its inputs and outputs become the interface of the service.
onnx = to_onnx(model, train_rows[:1], options={"zipmap": False})
(output / "model.onnx").write_bytes(onnx.SerializeToString())

# 2. What it is worth on rows that it was not trained on: gates are judged by these numbers.
accuracy = accuracy_score(test_labels, model.predict(test_rows))
(output / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))

# 3. Golden rows: requests, and how the model answers them. They are asked again before the version
#    is registered, and by every server before it is ready.
asked = test_rows[:20]
answers = {
    "label": (model.predict(asked), "INT64"),
    "probabilities": (model.predict_proba(asked), "FP64"),
}
tensor = {"name": "X", "datatype": "FP64", "shape": asked.shape, "data": asked.ravel().tolist()}
golden = {
    "inputs": [tensor],
    "outputs": [
        {"name": name, "datatype": kind, "shape": values.shape, "data": values.ravel().tolist()}
        for name, (values, kind) in answers.items()
    ],
}
(output / "golden.json").write_text(json.dumps(golden))

# What follows is optional: which bytes were trained on, and words for whoever meets the model.
digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
(output / "lineage.json").write_text(json.dumps({"dataDigest": f"sha256:{digest}"}))
(output / "card.md").write_text("# Wine\n\nTells three cultivars apart by thirteen measurements.\n")

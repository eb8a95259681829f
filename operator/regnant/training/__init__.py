"""What runs inside a training Job: from raw bytes to a proven, pushed bundle.

`python -m regnant.training` reads one run file, trains, exports to ONNX, refuses what does not
answer as scikit-learn does, and pushes. `python -m regnant.training pack` does the second half for
a model that the user's own image made. It knows the spec's models and the bundle's format; it knows
neither Kubernetes nor gates: what a metric must reach is judged by the operator.
"""

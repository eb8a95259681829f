"""The real data sets that scikit-learn brings, as CSV bytes that never change.

They pass through the same reader as everybody's CSV, so `sklearn://iris` exercises the whole path
and needs no network. Classes are written by name, numbers in their shortest exact form.
"""

from __future__ import annotations

import io
from typing import Final

from sklearn import datasets

from regnant.training.errors import DataNotFound, InvalidParameter
from regnant.training.wording import suggest

LOADERS: Final = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}
MULTIPLE_TARGETS: Final = frozenset({"linnerud"})


def bundled_csv(name: str) -> bytes:
    """Return a bundled data set as CSV with the column `target` last."""
    if name in MULTIPLE_TARGETS:
        raise InvalidParameter(
            f"data.uri: sklearn://{name} has several targets, and a pipeline predicts one; use "
            f"one of {', '.join(sorted(LOADERS))}"
        )
    if name not in LOADERS:
        raise DataNotFound(
            f"data.uri: scikit-learn brings no data set {name!r}{suggest(name, LOADERS)}; there "
            f"are {', '.join(sorted(LOADERS))}"
        )
    loaded = LOADERS[name](as_frame=True)
    frame = loaded.data.rename(columns=lambda column: str(column).replace(" (cm)", "").strip())
    names = [str(column).replace(" ", "_").replace("/", "_") for column in frame.columns]
    frame.columns = names
    labels = list(getattr(loaded, "target_names", ()))
    target = loaded.target
    named = len(labels) == target.nunique()
    frame["target"] = [str(labels[value]) for value in target] if named else target
    output = io.StringIO()
    frame.to_csv(output, index=False, lineterminator="\n")
    return output.getvalue().encode()

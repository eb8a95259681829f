"""From an import path and parameters to an estimator of scikit-learn, and nothing else.

A spec is written by a user and executed in the cluster, so a path is not simply imported: it must
lead into a public module of scikit-learn and to an estimator class. Parameters are checked against
the class before anything is trained. Nested estimators (a pipeline's steps, the members of a vote)
are written as `{"estimator": PATH, "parameters": {...}}` anywhere among the parameters and pass the
same gate.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from inspect import isabstract
from typing import Any, Final

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils import all_estimators
from sklearn.utils._param_validation import InvalidParameterError

from regnant.training.errors import EstimatorNotAllowed, EstimatorNotFound, InvalidParameter
from regnant.training.wording import nearest, suggest

ROOT: Final = "sklearn"
FIELD: Final = "trainer.sklearn"
# Modules that are on the path but do not train: loaders that download, and test machinery.
CLOSED_MODULES: Final = frozenset({"datasets", "tests", "externals", "experimental", "utils"})
PAIR: Final = 2


def resolve(path: str, where: str = f"{FIELD}.estimator") -> type[BaseEstimator]:
    """Return the class that a path names, or say why it may not be used."""
    parts = path.split(".")
    if parts[0] != ROOT or len(parts) < PAIR:
        raise EstimatorNotAllowed(
            f"{where}: {path!r} is not in scikit-learn; use a path that begins with 'sklearn.', or "
            "trainer.container for anything else"
        )
    if any(part.startswith("_") or part in CLOSED_MODULES for part in parts[1:]):
        raise EstimatorNotAllowed(
            f"{where}: {path!r} is not a public estimator of scikit-learn{_nearest(parts[-1])}"
        )
    try:
        module = importlib.import_module(".".join(parts[:-1]))
        found = getattr(module, parts[-1])
    except (ImportError, AttributeError) as error:
        raise EstimatorNotFound(
            f"{where}: scikit-learn has no {path!r}{_nearest(parts[-1])}"
        ) from error
    if not _is_estimator(found):
        raise EstimatorNotAllowed(f"{where}: {path!r} is not an estimator{_nearest(parts[-1])}")
    estimator: type[BaseEstimator] = found
    return estimator


def _is_estimator(found: object) -> bool:
    return (
        isinstance(found, type)
        and issubclass(found, BaseEstimator)
        and found.__module__.split(".")[0] == ROOT
        and not isabstract(found)
        and hasattr(found, "fit")
    )


def _nearest(name: str) -> str:
    public = {
        known: f"{'.'.join(p for p in cls.__module__.split('.') if not p.startswith('_'))}.{known}"
        for known, cls in all_estimators()
    }
    close = nearest(name, public)
    return f"; did you mean {public[close]!r}?" if close else ""


def build(path: str, parameters: Mapping[str, Any], *, seed: int) -> BaseEstimator:
    """Build an unfitted estimator whose every random choice starts from the seed."""
    estimator = _construct(path, parameters, f"{FIELD}.estimator", f"{FIELD}.parameters")
    for nested in nested_estimators(estimator):
        names = nested.get_params(deep=False)
        if "random_state" in names and names["random_state"] is None:
            nested.set_params(random_state=seed)
    for nested in nested_estimators(estimator):
        _validate(nested)
    return estimator


def _construct(
    path: str, parameters: Mapping[str, Any], where: str, parameters_where: str
) -> BaseEstimator:
    cls = resolve(path, where)
    known = cls._get_param_names()
    for name in parameters:
        if name not in known:
            raise InvalidParameter(
                f"{parameters_where}.{name}: {cls.__name__} has no such parameter"
                f"{suggest(name, known) or '; it takes ' + ', '.join(sorted(known))}"
            )
    values = {
        name: _value(value, f"{parameters_where}.{name}") for name, value in parameters.items()
    }
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"{parameters_where}: {cls.__name__}: {error}") from error


def _value(value: object, where: str) -> object:
    """Build the estimators among a parameter's value; a [name, estimator] pair becomes a tuple."""
    if isinstance(value, Mapping):
        if isinstance(value.get("estimator"), str) and set(value) <= {"estimator", "parameters"}:
            parameters = value.get("parameters") or {}
            if not isinstance(parameters, Mapping):
                raise InvalidParameter(f"{where}.parameters: must be an object")
            return _construct(
                value["estimator"], parameters, f"{where}.estimator", f"{where}.parameters"
            )
        return {key: _value(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        items = [_value(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
        named = len(items) >= PAIR and isinstance(items[0], str)
        return tuple(items) if named and isinstance(items[1], BaseEstimator) else items
    return value


def nested_estimators(estimator: BaseEstimator) -> Iterator[BaseEstimator]:
    """Yield an estimator and all that are set inside it, each once, outermost first."""
    yield estimator
    seen = {id(estimator)}
    for _, value in sorted(estimator.get_params(deep=True).items()):
        if isinstance(value, BaseEstimator) and id(value) not in seen:
            seen.add(id(value))
            yield value


def _validate(estimator: BaseEstimator) -> None:
    """Let scikit-learn check the values as `fit` would, before any data is fetched."""
    try:
        estimator._validate_params()  # noqa: SLF001 - the only way to check without training
    except InvalidParameterError as error:
        name = str(error).partition("'")[2].partition("'")[0]
        raise InvalidParameter(f"{FIELD}.parameters.{name}: {error}") from error
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"{FIELD}.parameters: {error}") from error


def check_task(estimator: BaseEstimator, path: str, task: str) -> None:
    """Refuse a regressor for classes, a classifier for numbers, and what predicts nothing."""
    fits = is_classifier(estimator) if task == "Classification" else is_regressor(estimator)
    if not fits:
        kind = "classifier" if task == "Classification" else "regressor"
        raise InvalidParameter(
            f"{FIELD}.estimator: {path!r} is no {kind}, but data.task is {task}; choose another "
            "estimator or task"
        )

"""Measuring several models side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.comparison.errors import code_errors, row_values, standard_errors
from isthmus.comparison.result import Comparison
from isthmus.data import Samples
from isthmus.errors import DataError, ParameterError
from isthmus.evaluate.extractor import some_rows
from isthmus.evaluate.extras import Given, check_same_extractor
from isthmus.evaluate.samples import choose_extractor
from isthmus.models.base import BaseAutoencoder
from isthmus.models.inputs import read_samples, restore_shape

if TYPE_CHECKING:
    from isthmus.evaluate.extractor import Extractor
    from isthmus.evaluate.extras import Metrics

MOST_ROWS = 10_000
"""Rows that models are compared on, chosen at random if there are more."""

Model = BaseAutoencoder | str | os.PathLike[str]


def compare(
    models: Sequence[Model] | Mapping[str, Model],
    X: Any,
    y: Any = None,
    *,
    factors: Any = None,
    reference: Any = None,
    extractor: Extractor | str | os.PathLike[str] | None = None,
    n_samples: int | None = None,
    random_state: int = 0,
    out: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Evaluate several models on the same rows, by the same features, with the same seeds.

    Parameters
    ----------
    models : sequence or mapping of str to estimator or path
        Fitted estimators or run folders, at least two. They are called by the names of the mapping, else by their
        folders, else by the names of their classes.
    X : array-like, data set, path, or built-in name
        Data that none of the models was trained on; of more than 10,000 rows, as many at random.
    y, factors, reference, extractor, n_samples, random_state
        As for `BaseAutoencoder.evaluate`. An extractor that is not fitted yet is fitted once, for all.
    out : path, optional
        Folder to write the comparison to; see `Comparison.write`.

    Returns
    -------
    Comparison
        ``table`` (dict of dicts), ``errors``, ``best``, ``notes``; printed, it is a table.

    Raises
    ------
    DataError
        The models were fitted on samples of different shapes, or what was passed does not fit.
    ParameterError
        There are fewer than two models.
    """
    named = _named(models)
    first = next(iter(named.values()))
    given = Given.of(first, X, y, factors)
    rows = read_samples(first, given.X, fitting=False)
    chosen = some_rows(len(rows), MOST_ROWS, random_state)
    events = np.asarray(rows[chosen])
    y, factors = _of_rows(given.y, chosen, len(rows)), _of_rows(given.factors, chosen, len(rows))
    by = None
    if reference is not None:
        reference = Given.of(first, reference).X
        train = read_samples(first, reference, fitting=False)
        labels = reference.y if isinstance(reference, Samples) else None
        by = choose_extractor(extractor, train, labels, random_state)
    results: dict[str, Metrics] = {}
    of_rows: dict[str, dict[str, np.ndarray]] = {}
    for name, model in named.items():
        own = _as_fitted(model, events)
        results[name] = model.evaluate(
            own,
            y,
            factors=factors,
            reference=None if reference is None else _reshaped(model, reference),
            extractor=by,
            n_samples=n_samples,
            random_state=random_state,
        )
        of_rows[name] = row_values(model, events, results[name], model.score_samples(own))
    check_same_extractor(results)
    errors = {
        name: standard_errors(results[name], of_rows[name])
        | code_errors(model.transform(_as_fitted(model, events)), y, factors, random_state)
        for name, model in named.items()
    }
    source = given.X.name if isinstance(given.X, Samples) else "the data"
    found = Comparison(dict(results), errors, of_rows, named, events, source, by, random_state)
    if out is not None:
        found.write(out)
    return found


def _named(models: Sequence[Model] | Mapping[str, Model]) -> dict[str, BaseAutoencoder]:
    """Estimators by name, which have to be fitted on samples of one shape."""
    from sklearn.utils.validation import check_is_fitted

    from isthmus.runs import load

    items = list(models.items() if isinstance(models, Mapping) else zip(_names(models), models, strict=True))
    if len(items) < 2:
        raise ParameterError(f"a comparison is of two models at least, and there are {len(items)}")
    named = {str(name): m if isinstance(m, BaseAutoencoder) else load(m) for name, m in items}
    for model in named.values():
        check_is_fitted(model)
    (first, model), *others = named.items()
    for name, other in others:
        if other.info_.shape != model.info_.shape:
            raise DataError(
                f"{first} was fitted on samples of shape {model.info_.shape} and {name} on samples of shape "
                f"{other.info_.shape}; only models of the same data can be compared"
            )
    return named


def _names(models: Sequence[Model]) -> list[str]:
    """Last part of the path or name of the model; the whole path, or a number, where that is not enough."""
    short = [m.name if isinstance(m, BaseAutoencoder) else os.path.basename(os.path.normpath(m)) for m in models]
    found: list[str] = []
    for name, model in zip(short, models, strict=True):
        if short.count(name) > 1 and not isinstance(model, BaseAutoencoder):
            name = os.path.normpath(model)
        found.append(f"{name} {found_before + 1}" if (found_before := _count(name, found)) else name)
    return found


def _count(name: str, names: Sequence[str]) -> int:
    """How many are called so, but for a number at the end."""
    return sum(other == name or other.rpartition(" ")[0] == name for other in names)


def _of_rows(values: Any, chosen: np.ndarray, n: int) -> Any:
    """Labels or factors of the chosen rows; what does not fit is left for `evaluate` to refuse."""
    if values is None:
        return None
    if isinstance(values, Mapping):
        return {name: _of_rows(column, chosen, n) for name, column in values.items()}
    values = np.asarray(values)
    if values.ndim < 1 or len(values) != n:
        raise DataError(f"there are {n:,} rows and labels or factors of shape {values.shape}; give one per row")
    return values[chosen]


def _as_fitted(model: BaseAutoencoder, events: np.ndarray) -> Any:
    """Samples (n, *event) in the shape, and with the names, that a model was fitted with."""
    names = getattr(model, "feature_names_in_", None)
    X = restore_shape(model, events)
    return X if names is None else Samples(X, "the data", feature_names=tuple(map(str, names)))


def _reshaped(model: BaseAutoencoder, reference: Any) -> Any:
    """Reference data for a model, which may have been fitted on pictures as rows of a table, or the other way round."""
    X = reference.X if isinstance(reference, Samples) else reference
    ndim = getattr(X, "ndim", 2)
    if (ndim == 2) == model.is_flat_ or not isinstance(X, np.ndarray):
        return reference
    X = X.reshape(len(X), -1) if model.is_flat_ else X.reshape(len(X), *model.info_.shape)
    return replace(reference, X=X) if isinstance(reference, Samples) else X

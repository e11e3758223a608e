"""From what a user passes to samples, in memory or read on demand, and back to the user's shape."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from isthmus.data import Samples, load
from isthmus.data.hub import is_hub_data
from isthmus.data.opening import opened
from isthmus.data.streams import MEMORY_LIMIT, AnyRows, Prepared, Rows, held
from isthmus.errors import DataError, DataTypeError, ParameterError

# torch lacks kernels for these; each goes to the next type that holds all its values.
_WIDER = {
    "float16": "float32",
    "uint16": "int32",
    "uint32": "int64",
    "uint64": "float64",
    "longdouble": "float64",
}
_FEW = 1 << 14
_PLAIN = frozenset(np.dtype(name) for name in ("uint8", "int32", "int64", "float32", "float64"))


def read_samples(estimator: Any, X: Any, *, fitting: bool) -> AnyRows:
    """Validate ``X`` for this estimator and return it as (n, *event), in a dtype that torch knows.

    Of data that are read on demand the values are checked as they are read.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitting records the shape of its data and the names of the features; otherwise they are compared.
    X : array-like, DataFrame, tensor, data set, path, or built-in name
        (n, d), (n, H, W) or (n, H, W, C).
    fitting : bool
        Whether this is the training data.

    Raises
    ------
    DataError
        The data are empty, not numbers, not finite, or of another shape than what the estimator was fitted on.
    """
    if not fitting and _needs_nothing(estimator, X):
        return X.reshape(len(X), *estimator.info_.shape)
    X, names = _load(X, estimator.trainer.memory_limit if estimator.trainer else MEMORY_LIMIT)
    if not isinstance(X, Rows):
        return _read_array(estimator, X, names, fitting)
    # The first rows say whether type and shape will do, in the words of arrays.
    few = _read_array(estimator, X[:2], names, fitting)
    return Prepared(X, few.shape[1:], few.dtype)


def _read_array(estimator: Any, X: Any, names: tuple[str, ...] | None, fitting: bool) -> np.ndarray:
    try:
        if _ndim(X) > 2:
            array = _read_pictures(estimator, X, fitting)
        elif names is not None:
            array = _read_named(estimator, X, names, fitting)
        else:
            array = _read_table(estimator, X, fitting)
    except DataError:
        raise
    except TypeError as error:
        raise DataTypeError(str(error)) from None
    except ValueError as error:
        raise DataError(str(error)) from None
    array = known_dtype(array)
    if estimator.image_shape is None:
        return array
    shape = _image_shape(estimator.image_shape, array[0].size)
    if array.ndim > 2 and array.shape[1:] != shape:
        raise ParameterError(f"image_shape={shape}, but the pictures have shape {array.shape[1:]}; leave it out")
    return array.reshape(len(array), *shape)


def restore_shape(estimator: Any, samples: np.ndarray) -> np.ndarray:
    """(..., *event) to the shape that the training data came in: rows, if ``image_shape`` made pictures of rows."""
    event = estimator.info_.shape
    if not estimator.is_flat_ or len(event) == 1:
        return samples
    return samples.reshape(*samples.shape[: samples.ndim - len(event)], -1)


def _needs_nothing(estimator: Any, X: Any) -> bool:
    """Whether these are samples that all checks would let pass as they are, found in microseconds.

    A plain array of a type that torch knows, not empty, of the shape that the model was fitted on, without NaN or
    infinity, for a model that knows no names of columns.
    """
    if type(X) is not np.ndarray or X.dtype not in _PLAIN or len(X.shape) < 2 or len(X) == 0:
        return False
    event = (estimator.n_features_in_,) if estimator.is_flat_ else estimator.info_.shape
    if X.shape[1:] != event or hasattr(estimator, "feature_names_in_"):
        return False
    return X.dtype.kind != "f" or _surely_finite(X)


def _surely_finite(X: np.ndarray) -> bool:
    """Whether there is no NaN or infinity; also False if a sum overflows, which the checks look at more closely."""
    if X.size <= _FEW and X.flags.forc:
        return math.isfinite(np.vdot(X, X))  # in half the time, and without NumPy's warnings
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(X.sum())


def _load(X: Any, limit: float) -> tuple[Any, tuple[str, ...] | None]:
    """What is behind ``X``: an array, a data frame or rows, and the names of its columns if its source gave them."""
    if isinstance(X, str | os.PathLike) or is_hub_data(X):
        X = load(X, memory_limit=limit)
    if isinstance(X, Samples):
        return held(X.X, limit), X.feature_names
    if hasattr(X, "detach") and hasattr(X, "cpu"):
        return X.detach().cpu().numpy(), None
    return opened(X, limit), None


def _ndim(X: Any) -> int:
    # numpy.ndim would be handed to an array-like that overrides NumPy's functions.
    return X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim


def _read_table(estimator: Any, X: Any, fitting: bool) -> np.ndarray:
    array: Any = validate_data(estimator, X, reset=fitting, dtype="numeric", ensure_min_samples=2 if fitting else 1)
    if fitting:
        estimator.is_flat_ = True
    elif not estimator.is_flat_:
        raise ValueError(f"X has shape {array.shape}, but the model was fitted on pictures {estimator.info_.shape}")
    return array


def _read_named(estimator: Any, X: Any, names: tuple[str, ...], fitting: bool) -> np.ndarray:
    """A table read from a file, with what scikit-learn does for data frames."""
    known = getattr(estimator, "feature_names_in_", None)
    if not fitting and known is not None:
        if list(names) != list(known):
            raise ValueError(
                f"the columns are {', '.join(names)[:200]}, but the model was fitted on {', '.join(known)[:200]}"
            )
        # The names agree, so there is nothing that the check for data without names could add.
        return check_array(X, dtype="numeric", estimator=estimator, input_name="X")
    array = _read_table(estimator, X, fitting)
    if fitting:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return array


def _read_pictures(estimator: Any, X: Any, fitting: bool) -> np.ndarray:
    array: Any = check_array(
        X,
        dtype="numeric",
        allow_nd=True,
        ensure_min_samples=2 if fitting else 1,
        estimator=estimator,
        input_name="X",
    )
    if array.ndim not in (3, 4):
        raise ValueError(f"pictures are (n, H, W) or (n, H, W, C), and X has shape {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"X has shape {array.shape}: there is nothing to learn from")
    if fitting:
        estimator.is_flat_ = False
        estimator.n_features_in_ = math.prod(array.shape[1:])
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif array.shape[1:] != estimator.info_.shape:
        raise ValueError(
            f"X holds samples of shape {array.shape[1:]}, but the model was fitted on samples of shape "
            f"{estimator.info_.shape}"
        )
    return array


def _image_shape(image_shape: Any, n_features: int) -> tuple[int, ...]:
    shape = tuple(int(side) for side in image_shape)
    if len(shape) not in (2, 3) or math.prod(shape) != n_features:
        raise ParameterError(
            f"image_shape={shape} does not fit rows of {n_features} values; give (H, W) or (H, W, C) with that product"
        )
    return shape


def known_dtype(array: np.ndarray) -> np.ndarray:
    """The array in a dtype that torch knows, and that holds all its values."""
    name = "longdouble" if array.dtype == np.longdouble and array.dtype.itemsize > 8 else array.dtype.name
    return array.astype(_WIDER.get(name, array.dtype.newbyteorder("=")), copy=False)

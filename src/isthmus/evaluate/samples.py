"""How close a model's samples are to data, beside how close other data are."""

from __future__ import annotations

import warnings
from typing import Any, get_args

import numpy as np

from isthmus.data.streams import AnyRows, chunks
from isthmus.errors import DataError, ParameterError, SharedRowsWarning
from isthmus.evaluate.extractor import Extractor, Name
from isthmus.evaluate.frechet import frechet_distance, frechet_error
from isthmus.evaluate.kernel import kernel_distance
from isthmus.evaluate.neighbours import density_coverage, precision_recall

MOST_ROWS, _FEWEST, _CHUNK = 10_000, 20, 1024


def compare_features(real: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Every number for two sets of features (n, d): ``fid``, ``kid``, their errors, ``precision`` and so on."""
    kid, kid_error = kernel_distance(real, made)
    precision, recall = precision_recall(real, made)
    density, coverage = density_coverage(real, made)
    return {
        "fid": frechet_distance(real, made),
        "fid_error": frechet_error(real, made),
        "kid": kid,
        "kid_error": kid_error,
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }


def sample_quality(
    samples: AnyRows, test: AnyRows, train: AnyRows, extractor: Extractor, *, random_state: int = 0
) -> dict[str, float]:
    """Numbers for a model's samples against test data, and for training data against the same test data.

    Parameters
    ----------
    samples : ndarray of shape (n, *event)
        Of the model; n must be no more than there are rows of either data.
    test, train : ndarray or Rows of shape (m, *event)
        Data that the model has not seen, and data of the same kind; as many rows of each as there are samples are used,
        chosen at random.
    extractor : Extractor
        By whose features they are compared.
    random_state : int
        Seed of the rows.

    Returns
    -------
    dict of str to float
        Keys of the group "samples" of `isthmus.evaluate.catalogue.EXTRAS`. Those that end in ``_floor`` are of training
        rows in place of the samples: about what a model that draws from the true distribution would get. A model that
        learns its training rows by heart gets the floor too.

    Raises
    ------
    DataError
        There are fewer than 20 samples, or fewer rows than samples.

    Warns
    -----
    SharedRowsWarning
        Most of the test rows are training rows.
    """
    n = len(samples)
    for rows, what in ((test, "test"), (train, "training")):
        if len(rows) < n:
            raise DataError(f"there are {n:,} samples and {len(rows):,} {what} rows; draw as many samples at most")
    if n < _FEWEST:
        raise DataError(f"samples are compared by {_FEWEST} of each kind at least, and there are {n}")
    order = np.random.RandomState(random_state)
    drawn_test, drawn_train = (rows[_random_order(len(rows), n, order)] for rows in (test, train))
    _warn_of_shared_rows(drawn_test, train)
    real, seen = extractor.features(drawn_test), extractor.features(drawn_train)
    made = extractor.features(samples)
    floor = {f"{key}_floor": value for key, value in compare_features(real, seen).items()}
    floor["kid_floor_error"], floor["fid_floor_error"] = floor.pop("kid_error_floor"), floor.pop("fid_error_floor")
    return {"n_generated": float(n), **compare_features(real, made), **floor}


def _warn_of_shared_rows(test: np.ndarray, train: AnyRows) -> None:
    """Say so if most test rows are among the training rows: the floor is then near 0, and no measure of chance."""
    seen = {row.tobytes() for chunk in chunks(train, _CHUNK) for row in np.asarray(chunk, dtype=np.float64)}
    shared = sum(row.tobytes() in seen for row in np.asarray(test, dtype=np.float64))
    if shared > len(test) / 2:
        warnings.warn(
            f"{shared:,} of {len(test):,} rows of the data are rows of the reference too, so that the floor is too "
            "low; keep rows aside that the model has not seen",
            SharedRowsWarning,
            stacklevel=2,
        )


def _random_order(n: int, most: int, generator: np.random.RandomState) -> np.ndarray:
    """Numbers of ``most`` of n rows, in random order: blocks of rows must be alike."""
    return generator.permutation(n)[:most]


def choose_extractor(wish: Any, train: AnyRows, y: Any, random_state: int) -> Extractor:
    """The extractor that was asked for: itself, one of this name to be fitted, or what is saved in a folder.

    Parameters
    ----------
    wish : Extractor, str, path or None
        None: as `Extractor.fit` chooses.
    train, y : ndarray or Rows, array-like or None
        Training data and their labels, for one that is to be fitted.
    random_state : int
        Seed of the fit.
    """
    if isinstance(wish, Extractor):
        return wish
    if wish is None:
        return Extractor.fit(train, y, random_state=random_state)
    if wish in get_args(Name):
        return Extractor.fit(train, y if wish == "classifier" else None, wish, random_state=random_state)
    try:
        return Extractor.load(wish)
    except OSError as error:
        names = ", ".join(get_args(Name))
        raise ParameterError(
            f"{str(wish)!r} is neither an extractor ({names}) nor a folder with one: {error}"
        ) from None


def number_of_samples(wish: int | None, n_test: int, n_train: int) -> int:
    """How many samples to draw: as asked, else as many as there are rows of either data, up to 10,000."""
    if wish is None:
        return min(MOST_ROWS, n_test, n_train)
    if wish < _FEWEST or wish > min(n_test, n_train):
        raise ParameterError(
            f"n_samples={wish} samples are compared with as many test and training rows, of which there are "
            f"{n_test:,} and {n_train:,}; use {_FEWEST} to {min(n_test, n_train):,}"
        )
    return wish

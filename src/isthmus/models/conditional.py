"""Variational models that are told the class of a sample, and make samples of a class."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import torch
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d
from torch import Tensor

from isthmus.core import Composed
from isthmus.data import Samples, load
from isthmus.data.streams import Rows
from isthmus.errors import DataError, ParameterError, RunError
from isthmus.models.base import BaseAutoencoder
from isthmus.models.fitting import fit_module
from isthmus.models.inference import Posterior, device_of
from isthmus.models.inputs import read_samples
from isthmus.models.iwae import IWAE
from isthmus.models.vae import VAE
from isthmus.networks.conditioned import Conditioned

_UNKNOWN_SHARE = 0.1
_MOST_CLASSES = 10_000


class ConditionalModule(Composed):
    """A composed model whose batches come with classes.

    Of a tenth of the samples the class is withheld while training, so that the model also knows samples of which none
    is given (as in Ho & Salimans, 2021).
    """

    network: Conditioned

    def forward(self, x: Tensor, target: Tensor | None = None) -> dict[str, Tensor]:
        """Cost of every term, unweighted, each of shape (B,), for samples of the classes ``target`` (B,)."""
        if target is not None and self.training:
            withheld = torch.rand(len(target), device=target.device) < _UNKNOWN_SHARE
            target = torch.where(withheld, self.network.n_classes, target)
        # The costs are part of it, as some of them decode.
        with self.network.told(target):
            return super().forward(x)


class Conditional(BaseAutoencoder):
    """What models have in common that are told the class of a sample. Registers no model of its own."""

    module_class = ConditionalModule

    classes_: np.ndarray
    class_prior_: np.ndarray

    def fit(self, X: Any, y: Any = None) -> Conditional:
        """Learn encoder and decoder of samples of known classes.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, H, W, C), data set, path, or built-in name
            Data.
        y : array-like of shape (n,), optional
            Class of every row: numbers or names. By default those that the data set has, if it has any; without them
            the model is one of samples of an unknown class.

        Returns
        -------
        self

        Raises
        ------
        DataError, ParameterError
            Data, classes or parameters that cannot be used; the message says what to do.
        DivergedError, KeyboardInterrupt
            As for every model; the estimator is usable.
        """
        self.check_parameters()
        if isinstance(X, str):
            X = load(X)
        if y is None and isinstance(X, Samples):
            y = X.y
        samples = read_samples(self, X, fitting=True)
        self.classes_, self.class_prior_, labels = np.zeros(0), np.zeros(0), None
        if y is not None:
            classes = _read_classes(y, len(samples))
            if isinstance(samples, Rows):
                raise DataError("classes need data that fit in memory; raise Trainer(memory_limit=...)")
            self.classes_, labels = np.unique(classes, return_inverse=True)
            self.class_prior_ = np.bincount(labels) / len(labels)
        fit_module(self, samples, labels=labels)
        return self

    def transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Codes of X, (n, latent_dim): the posterior mean of samples of the classes ``y``, or of unknown ones."""
        return self._told(super().transform, X, y)

    def reconstruct(self, X: Any, y: Any = None) -> np.ndarray:
        """Encode and decode X, in its own shape and units, with the classes ``y`` (n,), if these are given."""
        return self._told(super().reconstruct, X, y)

    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Lower bound on log p(x|y) of every row, in nats; of samples of unknown class, if ``y`` is not given."""
        return self._told(super().score_samples, X, y)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`, for model selection: higher is better."""
        return float(np.mean(self.score_samples(X, y), dtype=np.float64))

    def posterior(self, X: Any, y: Any = None) -> Posterior:  # pyright: ignore[reportIncompatibleVariableOverride]
        """q(z|x, y) of every row, with ``mean`` and ``std`` of shape (n, latent_dim) and ``sample(n)``."""
        if y is None:
            return super().posterior(X)

        def moments(rows: Any) -> np.ndarray:
            q = super(Conditional, self).posterior(rows)
            return np.stack([q.mean, q.std], 1)

        return Posterior(*np.moveaxis(self._told(moments, X, y), 1, 0))

    def log_likelihood(  # pyright: ignore[reportIncompatibleVariableOverride]
        self,
        X: Any,
        n_samples: int = 1000,
        *,
        y: Any = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> np.ndarray:
        """Importance-weighted estimate of log p(x|y) of every row, in nats; see `VAE.log_likelihood`."""

        def estimate(rows: Any) -> np.ndarray:
            return super(Conditional, self).log_likelihood(rows, n_samples, random_state=random_state)

        return self._told(estimate, X, y)

    def inverse_transform(self, Z: Any, y: Any = None) -> np.ndarray:
        """Decode codes (n, latent_dim) as samples of the classes ``y``: one for each, one for all, or unknown ones."""
        return self._told(super().inverse_transform, np.asarray(Z), y)

    def sample(
        self,
        n_samples: int = 1,
        *,
        y: Any = None,
        random_state: int | np.random.RandomState | None = None,
        noise: bool | Literal["auto"] = "auto",
    ) -> np.ndarray:
        """Draw new data, of a class that is asked for.

        Parameters
        ----------
        n_samples : int
            How many.
        y : array-like of shape (n_samples,), or one class
            Class of each sample, or of all. By default each is drawn, as often as it was among the training data.
        random_state : int, RandomState or None
            Seed of the draw.
        noise : bool or "auto"
            As for every model: ``"auto"`` draws from p(x|z, y) for tables, and takes its mean for pictures.

        Returns
        -------
        X : ndarray of shape (n_samples, *shape of a sample)
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ParameterError(f"n_samples must be at least 1, got {n_samples}")
        generator = check_random_state(random_state)
        if y is None and len(self.classes_):
            y = self.classes_[generator.choice(len(self.classes_), n_samples, p=self.class_prior_)]

        def draw(rows: np.ndarray) -> np.ndarray:
            seed = generator.randint(2**31 - 1)
            return super(Conditional, self).sample(len(rows), random_state=seed, noise=noise)

        return self._told(draw, np.zeros((n_samples, 1)), y)

    # ---------------------------------------------------------------- inside

    def compose(self, parts: dict[str, Any]) -> Composed:
        network = parts["network"]
        if not isinstance(network, Conditioned):
            parts = {**parts, "network": Conditioned(network, len(self.classes_))}
        return super().compose(parts)

    def fitted_arrays(self) -> dict[str, np.ndarray]:
        text = json.dumps({"classes": self.classes_.tolist(), "shares": self.class_prior_.tolist()})
        return {**super().fitted_arrays(), "classes": np.array(list(text.encode()), dtype=np.uint8)}

    def restore_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        rest = dict(arrays)
        n_classes = cast(Conditioned, self.module_.network).n_classes
        text = rest.pop("classes", np.zeros(0))
        if text.dtype != np.uint8 or text.ndim != 1:
            raise RunError(f"a {type(self).__name__} says which classes it knows, and this run does not")
        try:
            found = json.loads(text.tobytes())
            classes, shares = np.array(found["classes"]), np.array(found["shares"], dtype=np.float64)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError(f"a {type(self).__name__} says which classes it knows, and this run does not") from None
        known = n_classes == 0 or classes.dtype.kind in "biufU"
        if classes.shape != (n_classes,) or shares.shape != (n_classes,) or not known:
            raise RunError(f"a run declares {len(found['classes']):,} classes for a network of {n_classes}")
        if n_classes and not (np.isfinite(shares).all() and (shares >= 0).all() and abs(shares.sum() - 1) < 1e-6):
            raise RunError("a run declares shares of classes that do not add up to 1")
        self.classes_, self.class_prior_ = classes, shares
        super().restore_arrays(rest)

    def _told(self, function: Callable[[Any], np.ndarray], X: Any, y: Any) -> np.ndarray:
        """What a function makes of the rows of X, with those of each class in a call of its own."""
        if y is None:
            return function(X)
        check_is_fitted(self)
        if isinstance(X, str | Samples):
            X = load(X).X if isinstance(X, str) else X.X
        labels = self._numbers(y, len(X))
        network, device = cast(Conditioned, self.module_.network), device_of(self.module_)
        found: np.ndarray | None = None
        for number in np.unique(labels):
            rows = np.flatnonzero(labels == number)
            with network.told(torch.tensor([number], device=device)):
                made = function(_safe_indexing(X, rows))
            found = np.empty((len(labels), *made.shape[1:]), made.dtype) if found is None else found
            found[rows] = made
        assert found is not None
        return found

    def _numbers(self, y: Any, n: int) -> np.ndarray:
        """Number of the class of each of n rows."""
        if not len(self.classes_):
            raise ParameterError("this model was fitted without classes, so that it knows none; fit it with y")
        classes = np.asarray(y)
        classes = _read_classes(np.full(n, classes) if classes.ndim == 0 else classes, n)
        unknown = np.setdiff1d(classes, self.classes_)
        if len(unknown):
            raise ParameterError(
                f"the model knows no class {unknown[0]!r}; it was fitted on {', '.join(map(str, self.classes_[:20]))}"
            )
        return np.searchsorted(self.classes_, classes)


def _read_classes(y: Any, n: int) -> np.ndarray:
    try:
        classes = column_or_1d(y)
        check_classification_targets(classes)
    except ValueError as error:
        raise DataError(f"y must be one class for each row, numbers or names: {error}") from None
    if classes.dtype == object:
        classes = classes.astype(str)
    if len(classes) != n:
        raise DataError(f"there are {n:,} rows and {len(classes):,} classes; give one per row")
    if len(np.unique(classes)) > _MOST_CLASSES:
        raise DataError(f"y has more than {_MOST_CLASSES:,} different values; are these classes?")
    return classes


class ConditionalVAE(Conditional, VAE):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Variational autoencoder that is told the class of a sample, and can be asked for samples of one.

    With ``fit(X, y)`` the model learns p(x|z, y) and q(z|x, y) (Sohn et al., 2015, with the prior of Kingma et al.,
    2014): the code holds what the class does not tell, such as the style of a digit. ``sample(y=...)`` draws samples of
    a class, and `transform`, `reconstruct`, `score_samples` and the others take ``y`` as well. Where it is not given,
    the class counts as unknown.

    Parameters
    ----------
    %(inherited)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes that the model knows; empty if it was fitted without any.
    class_prior_ : ndarray of shape (n_classes,)
        How often each was among the training data.
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import ConditionalVAE
    >>> digits = load_digits()
    >>> vae = ConditionalVAE(latent_dim=4, max_epochs=2, random_state=0).fit(digits.images, digits.target)
    >>> vae.sample(5, y=3).shape, vae.score_samples(digits.images[:5], digits.target[:5]).shape
    ((5, 8, 8), (5,))
    """

    name = "conditional_vae"


class ConditionalIWAE(Conditional, IWAE):  # pyright: ignore[reportIncompatibleVariableOverride]
    """Importance-weighted autoencoder that is told the class of a sample, and can be asked for samples of one.

    As a `ConditionalVAE`, with the tighter bound of an `IWAE`, of log p(x|y).

    Parameters
    ----------
    %(inherited)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes that the model knows; empty if it was fitted without any.
    class_prior_ : ndarray of shape (n_classes,)
        How often each was among the training data.
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import ConditionalIWAE
    >>> digits = load_digits()
    >>> iwae = ConditionalIWAE(latent_dim=4, max_epochs=2, random_state=0).fit(digits.images, digits.target)
    >>> iwae.sample(3, y=[0, 1, 2]).shape
    (3, 8, 8)
    """

    name = "conditional_iwae"

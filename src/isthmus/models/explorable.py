"""What can be asked of the code of any fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.errors import DataError
from isthmus.evaluate.clustering import Clustering, Method, cluster
from isthmus.explore.attributes import MOST_ATTRIBUTES, Attribute, AttributePosterior, Codes, check_name, find_attribute
from isthmus.explore.axes import known_attribute
from isthmus.models.densities import Densities


class Explorable(Densities):
    """Attributes of samples, groups of them, and the density of their codes. A base of `BaseAutoencoder`."""

    attributes_: dict[str, Attribute]

    def fit_attribute(self, name: str, X_pos: Any, X_neg: Any) -> Explorable:
        """Learn an attribute, such as "smile", from examples that have it and examples that lack it.

        The model itself does not change. The attribute is kept in ``attributes_``, a dict, from which it can be
        deleted, and is saved with the model. Fitting the model anew drops all attributes, as their code is gone.

        Parameters
        ----------
        name : str
            What to call it; an attribute of the same name is replaced.
        X_pos, X_neg : array-like
            Data as for `transform`: at least two examples each, better 10 to 50. They should differ in nothing else on
            the whole: if all that smile look to the left, the attribute is a mixture of both.

        Returns
        -------
        self

        Raises
        ------
        DataError, ParameterError
            There are too few examples, the groups cannot be told apart, or the name cannot be one.

        See Also
        --------
        isthmus.explore.attributes.Attribute : How it is found, and how well it tells the examples apart.
        """
        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        check_name(name)
        if name not in self.attributes_ and len(self.attributes_) >= MOST_ATTRIBUTES:
            raise DataError(f"the model has {MOST_ATTRIBUTES} attributes already; delete some from attributes_")
        self.attributes_[name] = find_attribute(_codes(self, X_pos), _codes(self, X_neg))
        return self

    def attribute(self, name: str, X: Any) -> AttributePosterior:
        """How much of an attribute every sample has, as a distribution.

        On its axis 1 is the mean of the examples that had it, −1 that of those that lacked it, and 0 lies halfway.
        The spread is that of q(z|x): it is wide where the encoder is unsure of the sample, as for a smile behind a
        hand, if the model was trained to be unsure of what is hidden (``VAE(corruption="block")``). It is 0 where the
        code is deterministic.

        Parameters
        ----------
        name : str
            Of an attribute that `fit_attribute` has learned.
        X : array-like
            Data.

        Returns
        -------
        AttributePosterior
            With ``mean`` and ``std`` of shape (n,), and ``probability()`` of having it.
        """
        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        return known_attribute(self, name).measure(*_codes(self, X))

    def cluster(
        self,
        X: Any,
        n_clusters: int,
        *,
        method: Method = "kmeans",
        random_state: int | np.random.RandomState | None = 0,
    ) -> Clustering:
        """Group rows by their codes.

        Parameters
        ----------
        X : array-like
            Data.
        n_clusters : int
            How many groups.
        method : {"kmeans", "gmm"}
            ``"kmeans"``: the best of 10 starts, on the codes as they are, whose distances are what the model has
            learned. ``"gmm"``: a Gaussian mixture, the best of 5 starts, which finds ellipsoids of any shape and gives
            probabilities; on codes with each latent in its own standard deviations, so that its small floor of the
            variances means the same for each. With fewer than five rows for each latent of each cluster its axes are
            those of the latents.
        random_state : int, RandomState or None
            Seed of the starts.

        Returns
        -------
        Clustering
            With ``labels``, ``centres`` (codes), ``decoded_centres``, ``probabilities`` of a mixture, and
            ``scores(y)`` against known classes.

        Raises
        ------
        ParameterError
            An unknown method, or more clusters than rows.

        Notes
        -----
        Whitened codes were tried and were worse for k-means on digits: ``benchmarks/clustering.py`` has the numbers.
        """
        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        return cluster(self, X, n_clusters, method, random_state)  # pyright: ignore[reportArgumentType]


def _codes(estimator: Any, X: Any) -> Codes:
    """Means and variances of the codes."""
    if hasattr(estimator, "posterior"):
        q = estimator.posterior(X)
        return q.mean, q.std.astype(np.float64) ** 2
    mean = estimator.transform(X)
    return mean, np.zeros_like(mean)

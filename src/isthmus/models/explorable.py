"""What can be asked of the code of any fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.errors import DataError
from isthmus.explore.attributes import MOST_ATTRIBUTES, Attribute, AttributePosterior, Codes, check_name, find_attribute
from isthmus.explore.axes import known_attribute


class Explorable:
    """Attributes of samples, learned from a few examples. A base of `BaseAutoencoder`."""

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


def _codes(estimator: Any, X: Any) -> Codes:
    """Means and variances of the codes."""
    if hasattr(estimator, "posterior"):
        q = estimator.posterior(X)
        return q.mean, q.std.astype(np.float64) ** 2
    mean = estimator.transform(X)
    return mean, np.zeros_like(mean)

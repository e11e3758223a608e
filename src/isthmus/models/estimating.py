"""How likely data are under a fitted model, with errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from inspect import getattr_static
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch.distributions import constraints

from isthmus.bottlenecks.quantised import Quantised
from isthmus.engines.engine import engine_of
from isthmus.errors import ParameterError
from isthmus.models.inputs import restore_shape

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.data.streams import AnyRows
    from isthmus.evaluate.annealing import Annealing, BidirectionalEstimate, Start
    from isthmus.evaluate.curves import BoundCurve
    from isthmus.evaluate.likelihood import LikelihoodEstimate

_DRAWS, _CHAINS, _STEPS = 1000, 16, 250
_COUNTS = (1, 2, 10, 20, 100, 200, 1000)


def _is_that_of_its_prior(estimator: Any) -> bool:
    from isthmus.models.base import BaseAutoencoder

    kind = type(estimator)
    if getattr_static(kind, "log_likelihood") is getattr_static(BaseAutoencoder, "log_likelihood"):
        return True
    raise AttributeError(f"{kind.__name__} has a likelihood of its own, not that of decoded codes; use log_likelihood")


class Estimating:
    """Estimates of log p(x) under the model that a prior and a decoder make. A base of `BaseAutoencoder`."""

    module_: Composed

    @available_if(_is_that_of_its_prior)
    def estimate_likelihood(
        self,
        X: Any,
        n_samples: int | Literal["auto"] = "auto",
        *,
        method: Literal["importance", "annealed"] = "importance",
        n_steps: int = _STEPS,
        start: Start | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> LikelihoodEstimate:
        """Estimate log p(x) of every row in nats, with standard errors and a verdict.

        p(x) is the density of what `sample` draws: codes from the prior, decoded to p(x|z).

        Parameters
        ----------
        X : array-like
            Data.
        n_samples : int or "auto"
            Weights of every row; ``"auto"``: 1,000 importance samples, or 16 annealed chains.
        method : {"importance", "annealed"}
            ``"importance"``: codes from q(z|x), weighed; the same numbers as `log_likelihood`. ``"annealed"``: chains
            through the densities in between (Neal, 2001), which takes thousands of times as long for a row, is right
            where q(z|x) is far from p(z|x), and needs no posterior.
        n_steps : int
            Steps of annealing; the other method has none.
        start : {"auto", "posterior", "prior"}
            Where annealed chains begin; ``"auto"``: at q(z|x) if there is one, else at the prior.
        random_state : int, RandomState or None
            Seed.

        Returns
        -------
        LikelihoodEstimate
            ``log_p``, ``error``, ``effective`` and ``tail`` of every row; ``mean``, ``mean_error``, ``spread``;
            ``reliable`` and ``reason``.

        Warns
        -----
        LikelihoodWarning
            The estimate is not reliable; the message says why.

        Raises
        ------
        ParameterError
            A number that cannot be, or a method that does not apply to this model.

        See Also
        --------
        isthmus.evaluate.likelihood, isthmus.evaluate.annealing : How it is computed.
        """
        from isthmus.evaluate.annealing import annealed_estimate
        from isthmus.evaluate.likelihood import importance_estimate

        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        if method not in ("importance", "annealed"):
            raise ParameterError(f"method must be 'importance' or 'annealed', got {method!r}")
        n = {"importance": _DRAWS, "annealed": _CHAINS}[method] if n_samples == "auto" else n_samples
        _require_positive(n_samples=n, n_steps=n_steps)
        seed = check_random_state(random_state).randint(2**31 - 1)
        if method == "annealed":
            return annealed_estimate(self.module_, self._scored(X), n, seed, self._annealing(n_steps, start))
        _require_posterior(self, "codes to weigh cannot be drawn; use method='annealed'")
        return importance_estimate(engine_of(self.module_), self._scored(X), n, seed)

    @available_if(_is_that_of_its_prior)
    def bidirectional_likelihood(
        self,
        n_rows: int = 100,
        n_samples: int = _CHAINS,
        *,
        n_steps: int = _STEPS,
        start: Start | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> BidirectionalEstimate:
        """Bounds from below and above on log p(x) of rows that the model itself draws (Grosse et al., 2015).

        The gap between them says how far annealing with these settings can be off for this model. It says as much of
        other data only as far as they are like those which the model draws.

        Parameters
        ----------
        n_rows : int
            Rows to draw, at least 2.
        n_samples : int
            Chains of each row, in either direction.
        n_steps, start, random_state
            As for `estimate_likelihood`.

        Returns
        -------
        BidirectionalEstimate
            ``lower`` and ``upper`` of every row, ``gap`` and ``gap_error``, and the rows: ``X``.

        Raises
        ------
        ParameterError
            A number that cannot be, or a prior that has no density.
        """
        from isthmus.evaluate.annealing import bidirectional

        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        _require_positive(n_rows=n_rows, n_samples=n_samples, n_steps=n_steps)
        if n_rows < 2:
            raise ParameterError("n_rows must be at least 2, as the error of the gap comes from its spread over rows")
        seed = check_random_state(random_state).randint(2**31 - 1)
        found = bidirectional(self.module_, n_rows, n_samples, seed, self._annealing(n_steps, start))
        return replace(found, X=restore_shape(self, found.X))

    @available_if(_is_that_of_its_prior)
    def bound_curve(
        self, X: Any, counts: Sequence[int] = _COUNTS, *, random_state: int | np.random.RandomState | None = 0
    ) -> BoundCurve:
        """Importance-weighted bound on log p(x) for several numbers of samples, from one set of weights.

        Parameters
        ----------
        X : array-like
            Data.
        counts : sequence of int
            Numbers of samples. If each divides the next, as by default, the curve cannot fall, not even by chance.
        random_state : int, RandomState or None
            Seed.

        Returns
        -------
        BoundCurve
            ``counts``, ``bounds`` of every row, ``means`` and ``errors``.

        Raises
        ------
        ParameterError
            A count below 1, or a model without a posterior.
        """
        from isthmus.evaluate.curves import bound_curve

        check_is_fitted(self)  # pyright: ignore[reportArgumentType]
        if not len(counts):
            raise ParameterError("counts is empty; give numbers of samples, such as (1, 10, 100)")
        for count in counts:
            _require_positive(counts=count)
        _require_posterior(self, "there is no bound; use a VAE")
        seed = check_random_state(random_state).randint(2**31 - 1)
        return bound_curve(engine_of(self.module_), self._scored(X), counts, seed)

    def _scored(self, X: Any) -> AnyRows:
        return self._read(X, supported=True)  # pyright: ignore[reportAttributeAccessIssue]

    def _annealing(self, n_steps: int, start: str) -> Annealing:
        """Settings, once it is sure that chains can move under this prior."""
        from isthmus.evaluate.annealing import Annealing

        if start not in ("auto", "posterior", "prior"):
            raise ParameterError(f"start must be 'auto', 'posterior' or 'prior', got {start!r}")
        if start == "posterior":
            _require_posterior(self, "chains cannot begin at it; use start='prior'")
        prior = self.module_.prior
        if not _is_everywhere(self.module_):
            raise ParameterError(
                f"codes of the prior {prior!r} have no density over all real numbers, so chains cannot move among "
                "them; use a model with a Gaussian prior, or a mixture or flow"
            )
        if start == "auto":
            start = "posterior" if self.module_.bottleneck.stochastic else "prior"
        return Annealing(n_steps, start=start)  # pyright: ignore[reportArgumentType]


def _require_positive(**numbers: Any) -> None:
    for name, value in numbers.items():
        if not isinstance(value, Integral) or value < 1:
            raise ParameterError(f"{name} must be a whole number from 1 up, got {value!r}")


def _require_posterior(estimator: Any, why: str) -> None:
    if not estimator.module_.bottleneck.stochastic:
        raise ParameterError(f"{type(estimator).__name__} has a deterministic code, hence no posterior: {why}")


def _is_everywhere(module: Composed) -> bool:
    """Whether the prior has a density over all real vectors, as far as it says so."""
    prior = module.prior
    finite = isinstance(module.bottleneck, Quantised)
    if finite or not prior.has_density or "sphere" in (prior.support, module.bottleneck.support):
        return False
    with torch.no_grad():
        try:
            support: Any = prior().support
        except NotImplementedError:
            return True
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support is None or support == constraints.real

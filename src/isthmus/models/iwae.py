"""The importance-weighted autoencoder."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import Bottleneck
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.variational import choose_latents
from isthmus.priors import Prior
from isthmus.terms import KL, NLL, ImportanceWeighted


class IWAE(BaseAutoencoder):
    """Importance-weighted autoencoder: maximises a bound on log p(x) that is tighter than the evidence bound.

    log of the mean of K weights p(x, z) / q(z|x) (Burda et al., 2016, eq. 8). With K = 1 it is a `VAE`; the more draws,
    the nearer to maximum likelihood, and the less the encoder learns, which groups of draws, a mixture with the
    evidence bound (Rainforth et al., 2018) or a better estimate of the gradient (Tucker et al., 2019) mend.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    posterior_family : str or Bottleneck
        The family that q(z|x) is from, as for a `VAE`.
    prior : str or Prior
        p(z), as for a `VAE`.
    n_draws : int
        K, draws of a group. The cost of a step grows with all draws.
    n_groups : int
        M, groups whose bounds are averaged (MIWAE).
    partial : bool
        Teach the decoder by all M · K draws at once, and only the encoder by groups (PIWAE).
    evidence : float
        Share of the evidence bound, in [0, 1] (CIWAE).
    doubly_reparameterised : bool
        Take the encoder's gradient through the draws alone, of lower variance (DReG).
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import IWAE
    >>> X = load_digits().images
    >>> model = IWAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "iwae"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "posterior_family": [str, Bottleneck],
        "prior": [str, Prior],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "n_groups": [Interval(Integral, 1, None, closed="left")],
        "partial": ["boolean"],
        "evidence": [Interval(Real, 0, 1, closed="both")],
        "doubly_reparameterised": ["boolean"],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        posterior_family: str | Bottleneck = "gaussian",
        prior: str | Prior = "normal",
        n_draws: int = 8,
        n_groups: int = 1,
        partial: bool = False,
        evidence: float = 0.0,
        doubly_reparameterised: bool = False,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.posterior_family = posterior_family
        self.prior = prior
        self.n_draws = n_draws
        self.n_groups = n_groups
        self.partial = partial
        self.evidence = evidence
        self.doubly_reparameterised = doubly_reparameterised

    def recipe(self) -> dict[str, Any]:
        bound = ImportanceWeighted(
            self.n_draws, self.n_groups, self.partial, self.evidence, self.doubly_reparameterised
        )
        # What the bound of one draw is made of is only reported.
        terms = [NLL(0.0), KL(0.0), bound]
        return {**choose_latents(self.posterior_family, self.prior), "terms": terms}

"""The variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import Bottleneck
from isthmus.corruptions import Corruption, Sometimes
from isthmus.models.auto import choose_corruption
from isthmus.models.base import Shared
from isthmus.models.corrupting import Corrupting
from isthmus.models.variational import choose_latents
from isthmus.priors import Prior
from isthmus.terms import KL, NLL, Capacity, SeenNLL, Term


class VAE(Corrupting):
    """Variational autoencoder: a code with a distribution, from which new data can be drawn.

    Maximises the evidence lower bound E_q[log p(x|z)] − β KL(q(z|x) ‖ p(z)), with a posterior sampled by
    reparameterisation (Kingma & Welling, 2014, eqs. 3 and 10). By default that is a Gaussian with diagonal covariance,
    and p(z) = N(0, I). With a linear network and a Gaussian likelihood it then is probabilistic principal component
    analysis (Lucas et al., 2019).

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    posterior_family : str or Bottleneck
        The family that q(z|x) is from: "gaussian", "iaf" or "nsf" (flows, which need the extra ``flows``),
        "hyperspherical", "student_t", or a part.
    prior : str or Prior
        p(z): "normal" (the usual one: on a sphere it is uniform), "vamp", "mixture", "flow" (which needs the extra
        ``flows``), "student_t", or a part.
    beta : float
        Weight of the divergence (β-VAE; Higgins et al., 2017). It multiplies exactly the KL in nats.
    kl_warmup : float
        Share of the training, in [0, 1], over which that weight grows from ``kl_start``, against collapse.
    kl_start : float
        Weight at the start of that. One far above ``beta`` leaves room for little at first, so that latents are found
        one after the other, each for a factor of its own (Shao et al., 2020).
    free_bits : float
        Nats per latent and sample that cost nothing.
    corruption : str, Corruption, callable or None
        Noise on the encoder's input while training, as for a `DenoisingAutoencoder`, on half of the samples: the target
        stays clean (denoising VAE; Im et al., 2017). Of values that it hides ("masking", "block") nothing is asked
        back, so that the encoder learns to be unsure of them. The bound and every other result are those of the data
        as they come.
    noise : float or "auto"
        Strength of a corruption that is given by name.
    capacity : float, optional
        Nats that the divergence is asked to be, instead of as small as it may: the cost is beta times its distance from
        that, which grows from 0 to the capacity over the first 80 % of the training, so that latents are found one
        after the other (Burgess et al., 2018, who take beta = 100 and more).
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VAE
    >>> X = load_digits().images
    >>> vae = VAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> vae.transform(X).shape, vae.sample(3).shape, vae.score_samples(X[:5]).shape
    ((1797, 8), (3, 8, 8), (5,))
    """

    name = "vae"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **Corrupting._parameter_constraints,
        "posterior_family": [str, Bottleneck],
        "prior": [str, Prior],
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "kl_start": [Interval(Real, 0, None, closed="left")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "corruption": [str, Corruption, callable, None],
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "capacity": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        posterior_family: str | Bottleneck = "gaussian",
        prior: str | Prior = "normal",
        beta: float = 1.0,
        kl_warmup: float = 0.0,
        kl_start: float = 0.0,
        free_bits: float = 0.0,
        corruption: str | Corruption | Callable | None = None,
        noise: float | Literal["auto"] = "auto",
        capacity: float | None = None,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.posterior_family = posterior_family
        self.prior = prior
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.kl_start = kl_start
        self.free_bits = free_bits
        self.corruption = corruption
        self.noise = noise
        self.capacity = capacity

    def recipe(self) -> dict[str, Any]:
        parts = choose_latents(self.posterior_family, self.prior)
        if self.corruption is None:
            return {**parts, "terms": [NLL(), *self._divergence()]}
        corruption = choose_corruption(self.corruption, self.noise)
        if not isinstance(corruption, Sometimes):
            # Half of the samples stay as they are: these are what the model is for.
            corruption = Sometimes(corruption)
        return {**parts, "terms": [SeenNLL(), *self._divergence()], "corruption": corruption}

    def _divergence(self) -> list[Term]:
        if self.capacity is None:
            return [KL(self.beta, self.kl_warmup, self.free_bits, self.kl_start)]
        # The divergence itself is only reported.
        return [KL(0.0), Capacity(self.capacity, self.beta)]

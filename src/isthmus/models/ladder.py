"""The ladder, or hierarchical, variational autoencoder."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import LadderGaussian
from isthmus.models.auto import suits_convolutions
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.networks import Ladder
from isthmus.priors import LadderPrior
from isthmus.terms import KL, NLL

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_SMALLEST = 4


class LadderVAE(BaseAutoencoder):
    """Variational autoencoder whose code has several layers, the abstract ones first.

    Each layer of latents is drawn given those above it, in the prior p(z_l | z_{>l}) as in the posterior
    q(z_l | z_{>l}, x), by the same layers of the network (ladder; Sønderby et al., 2016; Kingma et al., 2016). Sampling
    goes from the abstract to the particular. Pictures that a `VAE` smooths away are described better, and training
    takes longer. The bound is E_q[log p(x|z)] − β Σ_l KL(q(z_l | z_{>l}, x) ‖ p(z_l | z_{>l})).

    For pictures with both sides at least 16, "auto" makes a convolutional `isthmus.networks.Ladder`, whose latents are
    small maps at several scales (Child, 2021); the width of the code follows from it. If ``latent_dim`` is given, or
    for other data, that many latents are divided among the layers, between encoder and decoder of the usual kind.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code: the latents of all layers together.
    n_layers : int or "auto"
        Layers of latents, the top one included. "auto": three; fewer if there are fewer latents.
    width : int or "auto"
        Channels, or units, of the layers between which latents are drawn. "auto": 32 channels, or 128 units.
    beta : float
        Weight of the divergence. It multiplies exactly the KL in nats.
    kl_warmup : float
        Share of the training, in [0, 1], over which that weight grows from 0. Without it the upper layers, which have
        nothing to say at first, are given up and stay unused.
    free_bits : float
        Nats per layer and sample that cost nothing.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import LadderVAE
    >>> X = load_digits().images
    >>> ladder = LadderVAE(latent_dim=8, n_layers=2, max_epochs=2, random_state=0).fit(X)
    >>> ladder.transform(X).shape, ladder.sample(3).shape, ladder.score_samples(X[:5]).shape
    ((1797, 8), (3, 8, 8), (5,))
    """

    name = "ladder"
    n_layers: int | Literal["auto"]
    width: int | Literal["auto"]
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "n_layers": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "width": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        n_layers: int | Literal["auto"] = "auto",
        width: int | Literal["auto"] = "auto",
        beta: float = 1.0,
        kl_warmup: float = 0.2,
        free_bits: float = 0.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.n_layers = n_layers
        self.width = width
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits

    def recipe(self) -> dict[str, Any]:
        return {
            "bottleneck": LadderGaussian(self.n_layers, 128 if self.width == "auto" else self.width),
            "prior": LadderPrior(),
            "terms": [NLL(), KL(self.beta, self.kl_warmup, self.free_bits)],
            "network": self._network,
        }

    def _network(self, info: DataInfo) -> Ladder | str:
        if self.latent_dim != "auto" or not suits_convolutions(info):
            return "auto"
        n_layers = 3 if self.n_layers == "auto" else self.n_layers
        return Ladder(spread_layers(n_layers, min(info.shape[:2])), 32 if self.width == "auto" else self.width)


def spread_layers(n_layers: int, side: int) -> tuple[int, ...]:
    """Layers at each scale of a picture, the smallest first: evenly, and one more at the smaller ones where need be.

    The largest scale has half the side; they are halved until at most 4 pixels remain.
    """
    n_scales, half = 1, -(-side // 2)
    while half > _SMALLEST:
        n_scales, half = n_scales + 1, -(-half // 2)
    return tuple((n_layers + n_scales - 1 - number) // n_scales for number in range(n_scales))

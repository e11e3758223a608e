"""A code of several layers of latents, each drawn given those above it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.nn import functional

from isthmus.bottlenecks.base import Bottleneck
from isthmus.core import Code
from isthmus.errors import ParameterError
from isthmus.networks.base import linear
from isthmus.networks.ladder import Ladder
from isthmus.networks.rungs import Descent, Residual, Rung, Shares, TopDown
from isthmus.priors.ladder import LadderDensity

if TYPE_CHECKING:
    from isthmus.networks import Network

_MOST_LAYERS = 3


class LadderGaussian(Bottleneck):
    """q(z|x) = Π q(z_l | z_{>l}, x), every factor a Gaussian with diagonal covariance (Sønderby et al., 2016).

    Inference goes the same way down as generation, through the same layers: each looks at what has been drawn above it,
    and at what the encoder says to it (bidirectional inference; Kingma et al., 2016, section 5). With a `Ladder` for a
    network, the layers of latents are that network's. Any other network is joined to layers of fully connected blocks,
    which are then a part of this bottleneck, and its decoder sees the latents of all layers.

    While evaluating, the code is what comes of taking the mean at every layer, unless ``sampling`` is set.

    Parameters
    ----------
    n_layers : int or "auto"
        Layers of latents, among which the width of the code is divided. "auto": three, if there are as many latents.
        A `Ladder` has its own number.
    width : int
        Units of the blocks, where the network is not a `Ladder`.
    """

    stochastic = True
    has_spare = True

    n_layers: int | Literal["auto"]
    own: TopDown
    _network: Ladder | None

    def __init__(self, n_layers: int | Literal["auto"] = "auto", width: int = 128) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.width = width

    @property
    def n_features(self) -> int:
        return self.width

    @property
    def ladder(self) -> TopDown:
        """The layers of latents."""
        return self.own if self._network is None else self._network.ladder

    def attach(self, network: Network) -> None:
        super().attach(network)
        # Not registered: no parameter may appear twice.
        self.__dict__["_network"] = network if isinstance(network, Ladder) else None
        if self._network is None:
            self._make_rungs()

    def forward(self, h: Tensor) -> Code:
        taps = self.taps(h)
        noise = None
        if self.training or self.sampling:
            noise = torch.randn(len(h), self.latent_dim_, device=h.device)
        descent = self.ladder.descend(h.shape[0], taps, noise=noise)
        q = LadderPosterior(self.ladder, taps, descent, is_mean=noise is None)
        return Code(descent.z, q, {} if descent.state is None else {"state": descent.state})

    def mean(self, h: Tensor) -> Tensor:
        return self.ladder.descend(h.shape[0], self.taps(h.double())).z.float()

    def taps(self, h: Tensor) -> list[Tensor]:
        """What features (B, n_features) say to each layer, the top one first."""
        h = self.ladder.taken(h)
        if self._network is not None:
            return self._network.taps(h)
        said = [self.says[0](h)]
        for climb, says in zip(self.climbs, self.says[1:], strict=True):  # pyright: ignore[reportArgumentType]
            h = climb(h)
            said.append(says(h))
        return said[::-1]

    def _make_rungs(self) -> None:
        n_layers = min(_MOST_LAYERS, self.latent_dim_) if self.n_layers == "auto" else self.n_layers
        if n_layers > self.latent_dim_:
            raise ParameterError(
                f"n_layers={n_layers}, but there are {self.latent_dim_} latents to be divided among the layers; use "
                f"fewer layers, or latent_dim={n_layers} or more"
            )
        # Codes that hardly vary at first take long to begin to: two activations have shrunk what they are made of.
        shares = Shares(1 / math.sqrt(n_layers), told=2.0)
        rungs = [
            Rung(_linear, self.width, n, shares, top=number == 0, last=number == n_layers - 1)
            for number, n in enumerate(divided(self.latent_dim_, n_layers))
        ]
        self.own = TopDown(rungs, [()] * n_layers, [nn.Identity() for _ in rungs], takes_doubles=True)
        # From the last layer, which is nearest to the data, to the top.
        self.says = nn.ModuleList(nn.Sequential(nn.SiLU(), _linear(self.width, self.width)) for _ in rungs)
        self.climbs = nn.ModuleList(Residual(_linear, self.width, shares.block) for _ in rungs[1:])


class LadderPosterior(Distribution):
    """q(z|x) of B samples, with batch shape (B,) and event shape (latent_dim,).

    Parameters
    ----------
    ladder : TopDown
        The layers of latents.
    taps : sequence of Tensor
        What the samples say to each.
    descent : Descent
        One way down, of which use is made where its code is asked about.
    is_mean : bool
        Whether that took the mean at every layer.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    has_rsample = True

    def __init__(self, ladder: TopDown, taps: Sequence[Tensor], descent: Descent, *, is_mean: bool = False) -> None:
        self.ladder, self.taps = ladder, taps
        self._known = descent.z, descent
        self._middle = descent if is_mean else None
        shape = descent.z.shape
        super().__init__(shape[:1], shape[1:], validate_args=False)

    @property
    def widths(self) -> list[int]:
        """Latents of each layer, the top one first."""
        return self.ladder.widths

    @property
    def mean(self) -> Tensor:
        """The code that comes of taking the mean at every layer."""
        return self._means().z

    @property
    def variance(self) -> Tensor:
        """Variance of each latent, given that those above it take their means."""
        return self.stddev.square()

    @property
    def stddev(self) -> Tensor:
        """Standard deviation of each latent, given that those above it take their means."""
        posterior = self._means().posterior
        assert posterior is not None
        return posterior[1].exp()

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.from_noise(torch.randn(shape, device=self._known[0].device))

    def from_noise(self, noise: Tensor) -> Tensor:
        """The code (..., B, latent_dim) that standard normal ``noise`` (..., 1 or B, latent_dim) leads to."""
        noise = self.ladder.taken(noise).expand(*noise.shape[:-2], *self._batch_shape, -1)
        rows = noise.reshape(-1, noise.shape[-1])
        return self._know(self.ladder.descend(len(rows), self.taps, noise=rows), noise.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.descent(value).log_posterior().reshape(value.shape[:-1])

    def kl(self, prior: Distribution, z: Tensor) -> Tensor | None:
        """Divergence of each latent from the prior, given those above it in ``z`` (..., B, latent_dim); the same shape.

        None for a prior that is not of the same ladder.
        """
        if not isinstance(prior, LadderDensity) or prior.ladder is not self.ladder:
            return None
        return self.descent(z).divergence().reshape(z.shape)

    def descent(self, z: Tensor) -> Descent:
        """The way down to codes (..., B, latent_dim), which is not gone twice for the same ones."""
        if z is not self._known[0]:
            rows = self.ladder.taken(z).expand(*z.shape[:-2], *self._batch_shape, -1).reshape(-1, z.shape[-1])
            self._known = z, self.ladder.descend(len(rows), self.taps, given=rows)
        return self._known[1]

    def _know(self, descent: Descent, shape: torch.Size) -> Tensor:
        self._known = descent.z.reshape(shape), descent
        return self._known[0]

    def _means(self) -> Descent:
        if self._middle is None:
            self._middle = self.ladder.descend(self._batch_shape[0], self.taps)
        return self._middle


class AnyLinear(nn.Linear):
    """Affine layer that computes in float64 if it is given that.

    PyTorch's functions of float32 round the last values of an array in another way than those before them; rounded from
    float64, a code has the same bits in whatever batch it is.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dtype != torch.float64:
            return super().forward(input)
        return functional.linear(input, self.weight.double(), self.bias.double())


def _linear(n_in: int, n_out: int) -> AnyLinear:
    layer = AnyLinear(n_in, n_out)
    layer.load_state_dict(linear(n_in, n_out).state_dict())
    return layer


def divided(total: int, n: int) -> list[int]:
    """``total`` latents among ``n`` layers, as evenly as can be; the lower ones, nearer to the data, have more."""
    return [(total + number) // n for number in range(n)]

"""A second variational autoencoder, of the codes of the first."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from isthmus.data.info import DataInfo
from isthmus.errors import CollapseWarning
from isthmus.priors.afterwards import check_hidden, check_rate, check_whole
from isthmus.priors.standardised import StandardisedPrior

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.models.vae import VAE

_DRAWS = 64
# Codes that are weighed at once.
_CHUNK = 1 << 10


class Decoded(Distribution):
    """Distribution of what a variational autoencoder of codes draws.

    Its ``log_prob`` is a lower bound, the importance-weighted one with at least 64 draws, which are
    the same for every code: of p(z) on average over such draws.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, module: Composed, latent_dim: int) -> None:
        self.module = module
        super().__init__(event_shape=torch.Size([latent_dim]), validate_args=False)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        with torch.no_grad():
            return self.module.decode(self.module.prior().sample(torch.Size(sample_shape))).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        from isthmus.evaluate.bounds import common_noise, log_weights

        flat = value.reshape(-1, *self.event_shape)
        noise = common_noise(_DRAWS, self.event_shape[0]).to(value.device)
        found = [log_weights(self.module, part, noise).logsumexp(0) for part in flat.split(_CHUNK)]
        return torch.cat(found).reshape(value.shape[:-1]) - math.log(len(noise))


class TwoStage(StandardisedPrior):
    """A variational autoencoder of the codes, with a code as wide as theirs (two-stage VAE; Dai & Wipf, 2019).

    The codes of a good autoencoder fill their space but are not normally distributed; and where the data fill their
    space, a second variational autoencoder learns their distribution. Its density is known by a lower bound only.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers of the encoder; the decoder has them in reverse.
    max_epochs : int or "auto"
        Passes over the codes, as for any model.
    learning_rate : float
        At the peak.
    """

    name = "two_stage"
    widest = 256

    def __init__(
        self,
        hidden: tuple[int, ...] = (128, 128),
        max_epochs: int | Literal["auto"] = "auto",
        learning_rate: float = 2e-3,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.max_epochs: int | Literal["auto"] = max_epochs
        self.learning_rate = learning_rate

    def check(self) -> None:
        check_hidden(self.hidden)
        if self.max_epochs != "auto":
            check_whole("max_epochs", self.max_epochs, 1, 10_000_000)
        check_rate(self.learning_rate)

    def lay_out(self, latent_dim: int) -> None:
        from isthmus.likelihoods import GaussianLikelihood
        from isthmus.networks import MLP, Scaling

        self.latent_dim_ = latent_dim
        parts = {
            "network": MLP(tuple(self.hidden)),
            "likelihood": GaussianLikelihood("per_feature"),
            "scaling": Scaling("none"),
        }
        self.second = self._vae(0).compose(parts).setup(_standard(latent_dim), latent_dim).eval()

    def learn(self, codes: Tensor) -> None:
        vae = self._vae(int(torch.randint(2**31 - 1, ()).item()))
        with warnings.catch_warnings():
            # Codes that are normally distributed already leave nothing to learn.
            warnings.simplefilter("ignore", CollapseWarning)
            vae.fit(codes.cpu().numpy())
        self.second.load_state_dict(vae.module_.state_dict())

    def standard(self) -> Decoded:
        return Decoded(self.second, self.latent_dim_)

    def _vae(self, seed: int) -> VAE:
        from isthmus.models.vae import VAE
        from isthmus.networks import MLP
        from isthmus.training import Trainer

        return VAE(
            self.latent_dim_,
            network=MLP(tuple(self.hidden)),
            likelihood="gaussian_per_feature",
            scaling="none",
            max_epochs=self.max_epochs,
            trainer=Trainer(learning_rate=self.learning_rate, devices=1),
            random_state=seed,
        )


def _standard(latent_dim: int) -> DataInfo:
    """What is known of codes before there are any: they will be standardised."""
    one = np.ones(latent_dim)
    return DataInfo(1, (latent_dim,), "float32", -one, one, 0 * one, one, integral=False, one_hot=False)

"""A network that learns to tell codes apart, and what it costs to be told apart by it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.networks.base import Paced, activation, linear
from isthmus.processes import own_rows, whole_batch
from isthmus.terms.aside import pass_aside
from isthmus.terms.base import Term

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

Against = Literal["prior", "shuffled"]


class Critic(Term, Paced):
    """Cross-entropy of a classifier of codes, in nats: codes of the batch against codes as they should be.

    It teaches the classifier alone: the codes are taken as they are. Its optimum tells the logarithm of the ratio of
    both densities (Goodfellow et al., 2014, proposition 1).

    Parameters
    ----------
    against : {"prior", "shuffled"}
        Codes as they should be: draws from p(z), or the codes of the batch with each latent shuffled by itself, which
        makes latents independent and leaves each as it is (Kim & Mnih, 2018, algorithm 1).
    hidden : tuple of int
        Widths of its hidden layers.
    pace : float
        Its share of the learning rate.
    """

    name = "critic"
    guides = False
    of_batch = True

    def __init__(
        self, against: Against = "prior", hidden: tuple[int, ...] = (256, 256, 256), pace: float = 0.3
    ) -> None:
        super().__init__()
        self.against = against
        self.hidden = hidden
        self.pace = pace

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        if self.against not in get_args(Against):
            known = ", ".join(map(repr, get_args(Against)))
            raise ParameterError(f"against must be one of {known}, got {self.against!r}")
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((latent_dim, *self.hidden)):
            layers += [linear(n_in, n_out), activation("leaky_relu")]
        self.net = nn.Sequential(*layers, linear(self.hidden[-1], 1))

    def paces(self) -> dict[Tensor, float]:
        return dict.fromkeys(self.parameters(), self.pace)

    def log_ratio(self, z: Tensor) -> Tensor:
        """Log of the density of codes as they should be over that of codes as they are, (B,); it does not learn."""
        return pass_aside(self.net, z)[:, 0].float()

    def forward(self, step: Step) -> Tensor:
        z = step.code.z.detach()
        wanted = self._shuffled(z) if self.against == "shuffled" else step.prior.sample(torch.Size([len(z)]))
        found, other = self.net(torch.cat([z, wanted])).float()[:, 0].chunk(2)
        return 0.5 * (softplus(found) + softplus(-other))

    @staticmethod
    def _shuffled(z: Tensor) -> Tensor:
        whole = whole_batch(z)
        return own_rows(whole.gather(0, torch.rand_like(whole).argsort(0)))


class AdversarialTerm(Term):
    """A cost that is read off a `Critic` among the terms."""

    def critic(self, step: Step) -> Critic:
        """The critic of this model."""
        if "critic" not in step.model.terms:
            raise ParameterError(f"{type(self).__name__} needs a Critic among the terms, and there is none")
        return cast(Critic, step.model.terms["critic"])


class DensityRatio(AdversarialTerm):
    """log q(z) − log q̄(z) by the critic, in nats; its mean is the divergence of the codes from codes as they should be.

    Against shuffled codes this is the total correlation (Kim & Mnih, 2018, eq. 3).
    """

    name = "density_ratio"

    def forward(self, step: Step) -> Tensor:
        return -self.critic(step).log_ratio(step.code.z)


class Fooling(AdversarialTerm):
    """−log of the probability that the critic takes the code for a draw from the prior (Makhzani et al., 2016)."""

    name = "fooling"

    def forward(self, step: Step) -> Tensor:
        return softplus(-self.critic(step).log_ratio(step.code.z))

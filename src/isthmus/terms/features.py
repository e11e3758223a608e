"""A network that learns to tell data from what the decoder makes, and what it costs to be told apart by it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.networks.base import Network, Paced, activation, linear
from isthmus.terms.aside import pass_aside
from isthmus.terms.base import Term

if TYPE_CHECKING:
    from isthmus.core import Composed


class Judge(Term, Paced):
    """Cross-entropy of a classifier of samples, in nats: data against reconstructions and against decoded draws.

    Its body is an encoder of the same kind as the model's. It teaches the classifier alone.

    Parameters
    ----------
    n_features : int
        Width of its last hidden layer, on which `FeatureNLL` compares samples.
    pace : float
        Its share of the learning rate.
    """

    name = "judge"
    guides = False
    of_batch = True

    def __init__(self, n_features: int = 64, pace: float = 0.1) -> None:
        super().__init__()
        self.n_features = n_features
        self.pace = pace

    def attach(self, module: Composed) -> None:
        self.body = _without_batches(module.network).make_encoder(module.event_shape, self.n_features)
        self.head = nn.Sequential(activation("leaky_relu"), linear(self.n_features, 1))

    def paces(self) -> dict[Tensor, float]:
        return dict.fromkeys(self.parameters(), self.pace)

    def features(self, x: Tensor) -> Tensor:
        """What it sees in scaled samples, (B, n_features); it does not learn from it."""
        return pass_aside(self.body, x).float()

    def verdict(self, features: Tensor) -> Tensor:
        """Log odds of being data, (B,); it does not learn from it."""
        return pass_aside(self.head, features)[:, 0].float()

    def forward(self, step: Step) -> Tensor:
        made = [made.detach() for made in (reconstructed(step), imagined(step))]
        n = len(step.x_in)
        odds = self.head(self.body(torch.cat([step.model.scaling(step.x), *made])).float())[:, 0].float()
        real, *fakes = odds.split(n)
        return 0.5 * softplus(-real) + 0.25 * torch.stack([softplus(fake) for fake in fakes]).sum(0)


class JudgedTerm(Term):
    """A cost that is read off a `Judge` among the terms."""

    def judge(self, step: Step) -> Judge:
        """The judge of this model."""
        if "judge" not in step.model.terms:
            raise ParameterError(f"{type(self).__name__} needs a Judge among the terms, and there is none")
        return cast(Judge, step.model.terms["judge"])


class FeatureNLL(JudgedTerm):
    """−log N(features of x | those of the reconstruction, I) in nats, less its constant (Larsen et al., 2016, eq. 7).

    The features are the judge's.
    """

    name = "feature_nll"

    def forward(self, step: Step) -> Tensor:
        judge = self.judge(step)
        wanted = judge.features(step.model.scaling(step.x)).detach()
        return 0.5 * (judge.features(reconstructed(step)) - wanted).square().sum(-1)


class Realism(JudgedTerm):
    """−log of the probability that the judge takes what is decoded for data: reconstructions, and draws.

    It teaches the decoder, and not the encoder, whose codes are taken as they are (Larsen et al., 2016, algorithm 1).
    """

    name = "realism"
    of_batch = True

    def forward(self, step: Step) -> Tensor:
        judge, model = self.judge(step), step.model
        codes = (step.code.z.detach(), step.prior.sample(torch.Size([len(step.x)])))
        verdicts = [judge.verdict(judge.features(model.scaling(model.decode(z).mean))) for z in codes]
        return 0.5 * torch.stack([softplus(-verdict) for verdict in verdicts]).sum(0)


def reconstructed(step: Step) -> Tensor:
    """The reconstruction, in the units that networks see."""
    return step.model.scaling(step.p.mean)


@torch.no_grad()
def imagined(step: Step) -> Tensor:
    """Decoded draws from the prior, in the units that networks see."""
    z = step.prior.sample(torch.Size([len(step.x)]))
    return step.model.scaling(step.model.decode(z).mean)


def _without_batches(network: Network) -> Network:
    """A network of the same kind, without normalisation by batches: these would tell data from what is made."""
    options: dict[str, Any] = copy.deepcopy(network.config())
    if options.get("norm") == "batch":
        options["norm"] = "layer"
    return type(network)(**options)

"""A distribution over the tokens of a quantised code, fitted once training is over."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.func import functional_call

from isthmus.bottlenecks.quantised import Quantised
from isthmus.core import Composed
from isthmus.errors import ParameterError
from isthmus.priors.base import Prior
from isthmus.priors.token_network import TokenNetwork
from isthmus.priors.token_training import fit_tokens

# Sequences that are drawn or measured at once.
_ROWS = 512


class TokenDistribution(Distribution):
    """Codes whose tokens follow an autoregressive network.

    Parameters
    ----------
    network : TokenNetwork
        Over sequences of n_tokens · depth tokens: all depths of the first token, then those of the next.
    quantiser : Quantised
        What tells tokens from codes.
    mean, stddev : Tensor of shape (latent_dim,)
        Moments of the codes it was fitted to.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, network: TokenNetwork, quantiser: Quantised, mean: Tensor, stddev: Tensor) -> None:
        self.network, self.quantiser = network, quantiser
        self._mean, self._stddev = mean, stddev
        super().__init__(event_shape=mean.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self._mean

    @property
    def stddev(self) -> Tensor:
        return self._stddev

    @property
    def variance(self) -> Tensor:
        return self._stddev.square()

    @torch.no_grad()
    def sample_tokens(self, n: int) -> Tensor:
        """Draw tokens, (n, n_tokens, depth)."""
        sizes = [min(_ROWS, n - start) for start in range(0, n, _ROWS)]
        drawn = torch.cat([self.network.draw(size) for size in sizes])
        return drawn.unflatten(1, (-1, self.quantiser.depth))

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = torch.Size(sample_shape)
        return self.quantiser.vectors(self.sample_tokens(shape.numel())).reshape(*shape, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log P of the tokens of codes (..., latent_dim), in nats and in float64; see `Quantised.find`."""
        found = self.quantiser.find(value.reshape(-1, value.shape[-1]))
        return self.log_prob_of_tokens(found).reshape(value.shape[:-1])

    @torch.no_grad()
    def log_prob_of_tokens(self, tokens: Tensor) -> Tensor:
        """Log P of tokens (n, n_tokens, depth), a probability mass in nats, of shape (n,)."""
        # In float64 no row depends on its batch in any digit that is left of it in float32.
        exact = {name: tensor.double() for name, tensor in self.network.state_dict().items()}
        sequences = tokens.flatten(1)
        parts = [
            functional_call(self.network, exact, (part,)).gather(-1, part.unsqueeze(-1)).sum((-2, -1))
            for part in sequences.split(_ROWS)
        ]
        return torch.cat(parts)


class TokenPrior(Prior):
    """P(tokens) of a quantised code: a small causal transformer (after van den Oord et al., 2017, section 4.1).

    It is fitted once training is over, to the codes of the training set, of which a tenth is held out. It predicts each
    token from those before it, in the order in which they lie in the code; of a residual quantiser all depths of a
    token follow each other. As the encoder is deterministic, log p(x|z) + log P(z) is a lower bound on log p(x).

    Parameters
    ----------
    width, n_layers, n_heads : int
        Size of the transformer.
    dropout : float
        Share of its hidden values that is dropped while it is fitted.
    """

    mean: Tensor
    std: Tensor
    quantiser: Quantised

    def __init__(self, width: int = 64, n_layers: int = 2, n_heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.dropout = dropout

    def setup(self, latent_dim: int) -> None:
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("std", torch.ones(latent_dim))

    def attach(self, module: Composed) -> None:
        if not isinstance(module.bottleneck, Quantised):
            raise ParameterError(
                f"a TokenPrior is a distribution of tokens, and a {type(module.bottleneck).__name__} code has none; "
                "use another prior"
            )
        # Past PyTorch, which would take the bottleneck for a part of this.
        object.__setattr__(self, "quantiser", module.bottleneck)
        self.network = _fixed(self._fresh(dropout=0.0))

    def forward(self) -> TokenDistribution:
        return TokenDistribution(self.network, self.quantiser, self.mean, self.std)

    def fit(self, codes: Tensor) -> None:
        device = self.mean.device
        codes = codes.to(device)
        self.mean.copy_(codes.mean(0))
        self.std.copy_(codes.std(0, correction=0))
        tokens = self.quantiser.find(codes).flatten(1)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = self._fresh(self.dropout).to(device)
            try:
                fit_tokens(network, tokens)
            finally:
                self.network.load_state_dict(network.state_dict())

    def _fresh(self, dropout: float) -> TokenNetwork:
        quantiser = self.quantiser
        return TokenNetwork(
            quantiser.n_tokens_ * quantiser.depth,
            quantiser.n_codes,
            depth=quantiser.depth,
            width=self.width,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            dropout=dropout,
        )


def _fixed(network: TokenNetwork) -> TokenNetwork:
    """The network with buffers for parameters: the training of the model is not to move them."""
    for part in network.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach())
    return network.eval()

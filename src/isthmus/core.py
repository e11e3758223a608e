"""The composed model: what flows through it, the parts it is made of, and the registry of variants.

    x --Corruption, Scaling--> x_in --encoder--> h --Bottleneck--> Code(z, q)
      --decoder--> y --Likelihood--> p(x|z)          Prior p(z)

All of it is one `Step`; each `Term` maps the `Step` to a cost per sample. This is the whole of the
contract between parts: a new variant picks other parts, never another loop.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

if TYPE_CHECKING:
    from isthmus.bottlenecks import Bottleneck
    from isthmus.corruptions import Corruption
    from isthmus.data.info import DataInfo
    from isthmus.likelihoods import Likelihood
    from isthmus.networks import Network
    from isthmus.networks.scaling import Scaling
    from isthmus.priors import Prior
    from isthmus.terms import Term


class Part(nn.Module):
    """A piece of a model, configured when it is constructed and given its tensors by ``setup``.

    The constructor only stores its arguments under their own names, so that a part can be shown,
    copied, and written to JSON; ``setup`` sees the data's description and creates parameters. Every
    subclass is registered under its class name, which is how a saved run finds it again.
    """

    kinds: ClassVar[dict[str, type[Part]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A tracer of PyTorch makes a subclass of a part to stand in for it, under its name; it is no part of ours.
        if not cls.__module__.startswith("torch."):
            Part.kinds[cls.__name__] = cls

    def config(self) -> dict[str, Any]:
        """Constructor arguments by name."""
        if type(self).__init__ is nn.Module.__init__:
            return {}
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        args = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({args})"


P = TypeVar("P", bound=Part)


def named_parts(kind: type[P]) -> dict[str, tuple[type[P], dict[str, Any]]]:
    """Every name that stands for a part of this kind, with the class and the constructor arguments it stands for.

    A part gives itself names with a class attribute ``names``: a dict from name to arguments.
    """
    classes = [part for part in Part.kinds.values() if issubclass(part, kind)]
    return {name: (part, args) for part in classes for name, args in part.__dict__.get("names", {}).items()}


@dataclass
class Code:
    """What the bottleneck makes of the encoder's features.

    Parameters
    ----------
    z : Tensor of shape (B, latent_dim)
        The code that is decoded.
    q : Distribution, optional
        The posterior q(z|x), with event shape (latent_dim,); None if the code is deterministic.
    aux : dict of str to Tensor
        Anything else that a term or a metric wants to read.
    """

    z: Tensor
    q: Distribution | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)

    @property
    def mean(self) -> Tensor:
        """The deterministic code: the posterior mean, or z itself."""
        return self.z if self.q is None else self.q.mean


@dataclass
class Step:
    """One pass of a batch through the model, everything that a `Term` may read.

    Parameters
    ----------
    x : Tensor of shape (B, *event)
        The target, in the data's own units.
    x_in : Tensor of shape (B, *event)
        What the encoder saw: corrupted and scaled.
    mask : Tensor or None
        What the corruption hid or chose, if it says so.
    code : Code
        The code and, if there is one, its distribution.
    p : Distribution
        p(x|z), in the data's own units.
    prior : Distribution
        p(z).
    data : Tensor of shape (B, *event)
        The batch as it came, before any corruption, in the data's own units.
    model : Composed
        For terms that pass something else through encoder or decoder.
    """

    x: Tensor
    x_in: Tensor
    mask: Tensor | None
    code: Code
    p: Distribution
    prior: Distribution
    data: Tensor
    model: Composed


class Composed(nn.Module):
    """Encoder, bottleneck, decoder, likelihood, prior and costs as one module.

    Its methods take batches in the data's own units and dtype (uint8 pictures stay uint8 until here).
    """

    event_shape: tuple[int, ...] = ()
    """Shape of one sample; known once the model is set up."""
    info: DataInfo
    """What the model was set up for."""

    def __init__(
        self,
        *,
        scaling: Scaling,
        corruption: Corruption,
        network: Network,
        bottleneck: Bottleneck,
        likelihood: Likelihood,
        prior: Prior,
        terms: list[Term],
    ) -> None:
        super().__init__()
        self.scaling = scaling
        self.corruption = corruption
        self.network = network
        self.bottleneck = bottleneck
        self.likelihood = likelihood
        self.prior = prior
        self.terms = nn.ModuleDict({term.name: term for term in terms})

    def setup(self, info: DataInfo, latent_dim: int) -> Composed:
        """Create every parameter, knowing the data and the width of the code."""
        self.event_shape, self.info = info.shape, info
        self.scaling.setup(info)
        self.corruption.setup(info, self.scaling)
        self.bottleneck.setup(latent_dim)
        self.likelihood.setup(info, self.scaling)
        self.prior.setup(latent_dim)
        self.network.setup(
            event_shape=info.shape,
            n_features=self.bottleneck.n_features,
            latent_dim=latent_dim,
            n_outputs=self.likelihood.n_outputs,
        )
        self.bottleneck.attach(self.network)
        for term in self.terms.values():
            cast("Term", term).setup(info, latent_dim)
        self.prior.attach(self)
        for term in self.terms.values():
            cast("Term", term).attach(self)
        return self.lay_out()

    def lay_out(self) -> Composed:
        """Bring kernels into the layout that convolutions want: channels last, as the data come. Values stay."""
        return self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def encode(self, x: Tensor) -> Code:
        """Code of clean data."""
        return self.bottleneck(self.features(x))

    def code(self, x: Tensor) -> Tensor:
        """The deterministic code of clean data, of shape (B, latent_dim): the posterior mean, or the code itself."""
        return self.bottleneck.mean(self.features(x))

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z) for codes of shape (..., latent_dim), in the data's own units."""
        y = self.outputs(z.reshape(-1, z.shape[-1]))
        return self.likelihood(y.reshape(*z.shape[:-1], *y.shape[1:]))

    def features(self, x: Tensor) -> Tensor:
        """What the encoder makes of clean data: (B, n_features), in fp32."""
        return self._features(self.scaling(x))

    def outputs(self, z: Tensor) -> Tensor:
        """What the decoder makes of codes (B, latent_dim): (B, *event, n_outputs), in fp32."""
        # Likelihoods are computed in fp32 whatever the precision of the network (log-sums lose nats in bf16).
        return self.network.decoder(z).float()

    def log_prob(self, x: Tensor, z: Tensor) -> Tensor:
        """Log p(x|z) in nats, for data (B, *event) and codes (..., B, latent_dim)."""
        return self.decode(z).log_prob(self.real(x))

    def real(self, x: Tensor) -> Tensor:
        """Data as floating-point numbers, in their own units: whole numbers are turned into them batch by batch."""
        return x if x.is_floating_point() else x.to(self.scaling.shift.dtype)

    def step(self, x: Tensor, target: Tensor | None = None) -> Step:
        """One pass.

        Without a ``target``, x is corrupted and the target is what the corruption says, which is x itself for all
        but the self-supervised ones. With one, x is taken to be corrupted already.
        """
        x = self.real(x)
        if target is not None:
            return self.complete(x, x, None, self.real(target))
        x_in, mask = self.corruption(x)
        return self.complete(x, x_in, mask, self.corruption.target(x, mask))

    def complete(self, x: Tensor, corrupted: Tensor, mask: Tensor | None, target: Tensor) -> Step:
        """The pass of a batch whose corruption is known, in the data's own units."""
        x_in = self.scaling(corrupted)
        code = self.bottleneck(self._features(x_in))
        p = self.likelihood(self.network.decode(code).float())
        return Step(target, x_in, mask, code, p, self.prior(), x, self)

    def forward(self, x: Tensor, target: Tensor | None = None) -> dict[str, Tensor]:
        """Cost of every term, unweighted, each of shape (B,)."""
        return self.costs(self.step(x, target))

    def costs(self, step: Step) -> dict[str, Tensor]:
        """Cost of every term, unweighted, each of shape (B,)."""
        return {name: term(step) for name, term in self.terms.items()}

    def loss(self, costs: dict[str, Tensor], weights: Tensor | None = None) -> Tensor:
        """Weighted sum of the terms, averaged over the batch; nats per sample where all terms are.

        ``weights`` of shape (terms,) are the final ones unless given; see `weights`.
        """
        means = torch.stack([cost.mean() for cost in costs.values()])
        if weights is None:
            weights = torch.tensor(list(self.weights().values()), device=means.device)
        return (weights * means).sum()

    def weights(self, progress: float = 1.0) -> dict[str, float]:
        """Weight of every term once this share of the training, in [0, 1], is done: some warm up."""
        return {name: cast("Term", term).weight_at(progress) for name, term in self.terms.items()}

    def advance(self, progress: float) -> None:
        """Tell the terms what share of the training, in [0, 1], is done."""
        for term in self.terms.values():
            cast("Term", term).advance(progress)

    def guiding_loss(self, values: dict[str, float]) -> float:
        """Weighted sum of the costs by which epochs are compared."""
        weights = self.weights()
        return sum(weights[name] * values[name] for name, term in self.terms.items() if cast("Term", term).guides)

    def _features(self, x_in: Tensor) -> Tensor:
        return self.network.encoder(x_in).float()

"""The stacked autoencoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor
from torch.distributions import Distribution

from isthmus.bottlenecks import Deterministic
from isthmus.corruptions import Corruption, NoCorruption
from isthmus.errors import ParameterError, RunError
from isthmus.models.auto import Choice, choose_corruption, choose_latent_dim, choose_network, suits_convolutions
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.inference import by_batch, encode_rows
from isthmus.models.inputs import restore_shape
from isthmus.models.pretraining import calibrate, first_stages, pretrain
from isthmus.models.stages import TrainedStage, from_table, to_table
from isthmus.networks import MLP, Conv, Network
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL, Contribution, Term

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.models.fitting import Fit
    from isthmus.training.checkpoint import Checkpoint
    from isthmus.training.loop import Loop

_MOST_HIDDEN = 3


class StackedAutoencoder(BaseAutoencoder):
    """Stacked autoencoder: an autoencoder inside an autoencoder, trained stage by stage and then as one.

    The widths fall gradually from the data to the code. Each layer of the encoder and its mirror image in the decoder
    are an autoencoder of what the layer before makes of the data, and are trained as one, from the data inwards
    (Bengio et al., 2007; with corrupted inputs, Vincent et al., 2010). Then the whole is trained (Hinton &
    Salakhutdinov, 2006).

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    widths : tuple of int or "auto"
        Widths of the layers between data and code, or the channels of a convolutional network. ``"auto"``: a geometric
        sequence from the data to the code, with one to three layers between them; for pictures of at least 16 x 16,
        convolutions with pooling, with twice the channels at each stage.
    pretraining : {"plain", "denoising", "sparse", None}
        How each stage is trained by itself: as it is, with its input corrupted, or with a penalty on its code. None:
        the whole is trained from scratch.
    corruption : {"masking", "gaussian", "salt_and_pepper"}
        Of the input of each stage, with ``pretraining="denoising"``.
    noise : float or "auto"
        Its strength, in the units of what the stage sees, as for a `DenoisingAutoencoder`.
    sparsity : float
        Weight of the penalty of ``pretraining="sparse"``, in nats for each unit of the size of the code.
    pretraining_epochs : int or "auto"
        Passes over the data for each stage. ``"auto"``: as many as for the whole, which makes all stages together about
        as expensive as the training of the whole.
    fine_tuning : bool
        Train the whole after its stages. Without it the features are those that each stage found by itself.
    %(shared)s

    Attributes
    ----------
    stages_ : list of TrainedStage
        Name, widths, and history of every stage that was trained by itself.
    %(fitted)s

    Notes
    -----
    ``history_`` is that of the last training: of the whole, or of the last stage if the whole was not trained.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import StackedAutoencoder
    >>> X = load_digits().images
    >>> stacked = StackedAutoencoder(8, widths=(32, 16), max_epochs=2, random_state=0).fit(X)
    >>> [(stage.n_in, stage.n_out) for stage in stacked.stages_]
    [(64, 32), (32, 16), (16, 8)]
    >>> stacked.features(X, stage=1).shape, stacked.transform(X).shape
    ((1797, 32), (1797, 8))
    """

    name = "stacked"
    report_sections = ("stacked:stages",)
    stages_: list[TrainedStage]
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "widths": ["array-like", StrOptions({"auto"})],
        "pretraining": [StrOptions({"plain", "denoising", "sparse"}), None],
        "corruption": [StrOptions({"masking", "gaussian", "salt_and_pepper"})],
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "sparsity": [Interval(Real, 0, None, closed="left")],
        "pretraining_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "fine_tuning": ["boolean"],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        widths: tuple[int, ...] | Literal["auto"] = "auto",
        pretraining: Literal["plain", "denoising", "sparse"] | None = "plain",
        corruption: Literal["masking", "gaussian", "salt_and_pepper"] = "masking",
        noise: float | Literal["auto"] = "auto",
        sparsity: float = 0.3,
        pretraining_epochs: int | Literal["auto"] = "auto",
        fine_tuning: bool = True,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.widths = widths
        self.pretraining = pretraining
        self.corruption = corruption
        self.noise = noise
        self.sparsity = sparsity
        self.pretraining_epochs = pretraining_epochs
        self.fine_tuning = fine_tuning

    def recipe(self) -> dict[str, Any]:
        return {"bottleneck": Deterministic(), "prior": FittedGaussian(), "terms": [NLL()]}

    def wish(self, name: str, info: DataInfo) -> Any:
        if name != "network":
            return super().wish(name, info)
        network = self._falling_network(self.network, info) if isinstance(self.network, str) else self.network
        if network.n_stages < 2:
            raise ParameterError(
                f"{network!r} is a single stage, so there is nothing to stack; use network='mlp' or 'conv'"
            )
        return network

    def can_copy(self) -> bool:
        return self.fine_tuning or self.pretraining not in ("denoising", "sparse")

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.pretraining is None and not self.fine_tuning:
            raise ParameterError("pretraining=None with fine_tuning=False trains nothing; ask for at least one of them")
        if isinstance(self.network, Network) and self._widths is not None:
            raise ParameterError(
                f"widths={self.widths} and network={self.network!r} both say how wide the layers are; leave one of "
                "them 'auto'"
            )

    def train_module(self, fit: Fit, loop: Loop, checkpoint: Checkpoint | None) -> None:
        n_epochs = fit.n_epochs if self.pretraining_epochs == "auto" else int(self.pretraining_epochs)
        self.stages_ = []
        self.choices_ |= self._plan(n_epochs)
        if self.verbose and fit.group.is_writer:
            print(self.describe())
        if self.pretraining is not None:
            if checkpoint is None:
                loop.save()  # the seed, which the stages need as well
            self.stages_.extend(pretrain(fit, n_epochs, self._corruption, self._terms))
            calibrate(fit)
        if self.fine_tuning:
            # Before its first step the whole has the weights of its stages, and a checkpoint has none of its own.
            fit.run(loop, checkpoint if checkpoint and checkpoint.position.step else None)

    def features(self, X: Any, stage: int) -> np.ndarray:
        """What the encoder makes of ``X`` in its first ``stage`` stages, laid flat; after the last it is the code.

        Returns
        -------
        H : ndarray of shape (n, width of the stage), float32
        """
        samples = self._read(X)
        encode, _ = self._first(stage)
        if stage == self.module_.network.n_stages:
            return encode_rows(self._engine, samples)
        return by_batch(self.module_, samples, lambda x: encode(x).flatten(1))

    def reconstruct(self, X: Any, *, stage: int | None = None) -> np.ndarray:
        """Encode and decode ``X``, in its own shape and units.

        Through all stages, or only through the first ``stage`` of them: to see what each loses, without fine-tuning.
        The training of the whole leaves the ways through a part of it out of tune.
        """
        samples = self._read(X)
        if stage is None:
            return super().reconstruct(X)
        encode, decode = self._first(stage)
        return restore_shape(self, by_batch(self.module_, samples, lambda x: decode(encode(x)).mean))

    def describe(self) -> str:
        lines = [
            f"  {stage.name:<12} {stage.n_in:,} to {stage.n_out:,} values: R² {stage.r2:.3f}, "
            f"best epoch {stage.best_epoch} of {stage.n_epochs}"
            for stage in self.stages_
        ]
        return "\n".join([super().describe(), *lines])

    def fitted_arrays(self) -> dict[str, np.ndarray]:
        return {} if self.pretraining is None else {"stages": to_table(self.stages_)}

    def restore_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.stages_ = []
        expected = set() if self.pretraining is None else {"stages"}
        if arrays.keys() != expected:
            raise RunError(f"a StackedAutoencoder has the arrays {sorted(expected)}, and this has {sorted(arrays)}")
        for table in arrays.values():
            terms = [term.name for term in self._terms()]
            self.stages_ = from_table(table, terms, self.module_.network.n_stages)

    def _first(self, stage: int) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Distribution]]:
        n_stages = self.module_.network.n_stages
        if not 1 <= stage <= n_stages:
            raise ParameterError(f"stage must be from 1 to {n_stages}, got {stage}")
        return first_stages(self.module_, stage)

    def _falling_network(self, network: str, info: DataInfo) -> Network:
        """Network of this name whose layers become gradually narrower."""
        if network == "auto":
            network = "conv_pool" if suits_convolutions(info) else "mlp"
        if network == "mlp":
            width, _ = choose_latent_dim(self.latent_dim, MLP(), info)
            return MLP(hidden=falling_widths(info.n_values, width) if self._widths is None else self._widths)
        chosen, _ = choose_network(network, info)
        if isinstance(chosen, Conv) and self._widths is not None:
            return Conv(**{**chosen.config(), "channels": self._widths})
        return chosen

    @property
    def _widths(self) -> tuple[int, ...] | None:
        asked = isinstance(self.widths, str)
        return None if asked else tuple(int(width) for width in self.widths)

    def _plan(self, n_epochs: int) -> dict[str, Choice]:
        """What "auto" came to, and what will be trained before the whole."""
        network = self.module_.network
        n_stages = network.n_stages
        found = {}
        if isinstance(self.network, str):
            reason = f"falls gradually from {self.info_.n_values:,} values to {self.latent_dim_:,}"
            found["network"] = Choice(repr(network), reason if self._widths is None else "widths as asked")
        if self.pretraining is None:
            return {**found, "stages": Choice(str(n_stages), "trained as one, from scratch")}
        reason = "as asked" if self.pretraining_epochs != "auto" else "as many as for the whole"
        return {
            **found,
            "stages": Choice(str(n_stages), f"{self.pretraining}, from the data inwards"),
            "pretraining_epochs": Choice(str(n_epochs), f"{reason}, for each stage"),
        }

    def _corruption(self) -> Corruption:
        return choose_corruption(self.corruption, self.noise) if self.pretraining == "denoising" else NoCorruption()

    def _terms(self) -> list[Term]:
        return [NLL(), *([Contribution(self.sparsity)] if self.pretraining == "sparse" else [])]


def falling_widths(n_values: int, latent_dim: int) -> tuple[int, ...]:
    """Layers between data and code: a geometric sequence that falls to about a quarter at each of them."""
    n_hidden = max(1, min(_MOST_HIDDEN, round(math.log(max(n_values / latent_dim, 1), 4))))
    ratio = (latent_dim / n_values) ** (1 / (n_hidden + 1))
    return tuple(max(1, round(n_values * ratio ** (i + 1))) for i in range(n_hidden))

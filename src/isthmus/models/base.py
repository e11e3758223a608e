"""The estimator behind every variant: scikit-learn's face on a composed model."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from isthmus.core import Composed, Part
from isthmus.corruptions import NoCorruption
from isthmus.data.info import DataInfo, describe_data
from isthmus.data.streams import AnyRows
from isthmus.engines.engine import Engine, describe_engine, engine_of
from isthmus.errors import DataError, ParameterError, RunError
from isthmus.likelihoods import Likelihood
from isthmus.models.auto import Choice
from isthmus.models.estimating import Estimating
from isthmus.models.evaluable import Evaluable
from isthmus.models.explorable import Explorable
from isthmus.models.fitting import Fit, fit_module
from isthmus.models.inference import (
    Posterior,
    by_batch,
    decode_rows,
    decoded,
    encode_rows,
    moments,
    rebuild,
    score_rows,
    weigh_rows,
)
from isthmus.models.inputs import read_samples, restore_shape
from isthmus.models.shared import Scale, Shared, spell_out
from isthmus.networks import Network
from isthmus.training import Trainer

if TYPE_CHECKING:
    from isthmus.onnx import Exported
    from isthmus.training.checkpoint import Checkpoint
    from isthmus.training.loop import Loop


def _is_stochastic(estimator: BaseAutoencoder) -> bool:
    if estimator.recipe()["bottleneck"].stochastic:
        return True
    raise AttributeError(
        f"{type(estimator).__name__} has a deterministic code, hence no posterior and no likelihood bound; use a VAE"
    )


class BaseAutoencoder(
    Explorable, Evaluable, Estimating, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Base of every variant. A subclass is a recipe: its parameters, and the parts that they pick.

    A subclass defines ``name`` (its name on the command line), ``__init__`` (which passes ``**shared`` on) and
    `recipe`. Registration, the signature and the documentation of the shared parameters follow.
    """

    name: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[BaseAutoencoder]]] = {}
    prevents_identity: ClassVar[bool] = False
    """Whether something other than a narrow code keeps the model from copying its input."""
    sampling: ClassVar[str] = "codes drawn at random from the prior, then decoded"
    """How `sample` makes new data."""
    module_class: ClassVar[type[Composed]] = Composed
    """What the parts are composed to."""
    report_sections: ClassVar[tuple[str, ...]] = ()
    """What the report of this variant shows besides: names of functions of `isthmus.report`, "module:function"."""

    module_: Composed
    info_: DataInfo
    history_: dict[str, list[float]]
    choices_: dict[str, Choice]
    latent_dim_: int
    best_epoch_: int
    active_units_: int
    is_flat_: bool
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "latent_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "network": [str, Network],
        "likelihood": [str, Likelihood],
        "scaling": [StrOptions({"auto", "common", "global", "standard", "center", "log", "none"})],
        "image_shape": ["array-like", None],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "trainer": [Trainer, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        spell_out(cls, BaseAutoencoder)
        # A user's subclass that does not name itself must not take its parent's place.
        if "name" in cls.__dict__:
            BaseAutoencoder.registry[cls.name] = cls

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        network: str | Network = "auto",
        likelihood: str | Likelihood = "auto",
        scaling: Scale = "auto",
        image_shape: tuple[int, ...] | None = None,
        max_epochs: int | Literal["auto"] = "auto",
        trainer: Trainer | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.latent_dim = latent_dim
        self.network = network
        self.likelihood = likelihood
        self.scaling = scaling
        self.image_shape = image_shape
        self.max_epochs = max_epochs
        self.trainer = trainer
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Parts of this variant: ``bottleneck``, ``prior``, ``terms``, and optionally ``corruption``.

        A variant may also say what "auto" means for it, for ``latent_dim``, ``network``, ``likelihood`` or ``scaling``:
        a value, or a function of the `DataInfo` that returns one.
        """

    def wish(self, name: str, info: DataInfo) -> Any:
        """What the user asked for by this name, or what the variant prefers (for these data) if that is "auto"."""
        value = getattr(self, name)
        if not (isinstance(value, str) and value == "auto"):
            return value
        preferred = self.recipe().get(name, value)
        return preferred(info) if callable(preferred) and not isinstance(preferred, Part) else preferred

    def can_copy(self) -> bool:
        """Whether only a narrow code keeps this model from copying its input."""
        return not self.prevents_identity

    # ------------------------------------------------------------------ fitting

    def fit(self, X: Any, y: Any = None) -> BaseAutoencoder:
        """Learn encoder and decoder from ``X``.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, H, W, C), data set, path, or built-in name
            Data, in any units. uint8 pictures stay uint8 in memory. Data from files and data sets that are larger than
            ``Trainer(memory_limit=...)`` are read in blocks.
        y : ignored
            For pipelines.

        Returns
        -------
        self

        Raises
        ------
        DataError, ParameterError
            Data or parameters that cannot be used; the message says what to do.
        DivergedError
            A cost became NaN or infinite; the estimator is fitted with the last good weights.
        KeyboardInterrupt
            After Ctrl-C, with the best weights so far in place: the estimator can be used and saved.
        """
        self.check_parameters()
        fit_module(self, read_samples(self, X, fitting=True))
        return self

    def train_module(self, fit: Fit, loop: Loop, checkpoint: Checkpoint | None) -> None:
        """Train the module, which is laid out; a variant that takes more than one training does so here."""
        if self.verbose and fit.group.is_writer:
            print(self.describe())
        fit.run(loop, checkpoint)

    # ---------------------------------------------------------------- code

    def transform(self, X: Any) -> np.ndarray:
        """Codes of ``X``: the posterior mean, without any noise.

        Returns
        -------
        Z : ndarray of shape (n, latent_dim), float32
        """
        samples = self._read(X)
        return encode_rows(self._engine, samples)

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decode codes of shape (n, latent_dim): the mean of p(x|z), in the shape and units of the data."""
        check_is_fitted(self)
        codes = np.asarray(Z, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.latent_dim_:
            raise DataError(f"codes must have shape (n, {self.latent_dim_}), and these have {codes.shape}")
        return restore_shape(self, decode_rows(self._engine, codes))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Encode and decode ``X``, in its own shape and units."""
        return restore_shape(self, rebuild(self._engine, self._read(X)))

    @available_if(_is_stochastic)
    def posterior(self, X: Any) -> Posterior:
        """q(z|x) of every row, with ``mean`` and ``std`` of shape (n, latent_dim) and ``sample(n)``."""
        samples = self._read(X)
        return moments(self._engine, samples)

    # ---------------------------------------------------------------- density

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        noise: bool | Literal["auto"] = "auto",
    ) -> np.ndarray:
        """Draw new data: codes from the prior, decoded.

        Parameters
        ----------
        n_samples : int
            How many.
        random_state : int, RandomState or None
            Seed of the draw.
        noise : bool or "auto"
            Whether to draw from p(x|z) rather than return its mean. ``"auto"``: yes for tables, whose spread would
            otherwise come out too small; no for pictures, where the noise is grain.

        Returns
        -------
        X : ndarray of shape (n_samples, *shape of a sample)
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ParameterError(f"n_samples must be at least 1, got {n_samples}")
        if noise == "auto":
            noise = not self.info_.is_picture
        seed = check_random_state(random_state).randint(2**31 - 1)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            engine = self._engine
            codes = engine.prior().sample(torch.Size([n_samples])).cpu().numpy()

            def decode(z: torch.Tensor) -> torch.Tensor:
                return engine.decode(z).sample() if noise else decoded(engine, z)

            return restore_shape(self, by_batch(engine, codes, decode))

    def score_samples(self, X: Any) -> np.ndarray:
        """Lower bound on log p(x) of every row, in nats, in the data's own units.

        A model with a deterministic code has no density of its own; it gives log p(x | z = f(x)), which ranks
        rows by how well they are reconstructed but is not a bound on log p(x).

        Returns
        -------
        scores : ndarray of shape (n,), float32
        """
        samples = self._read(X, supported=True)
        return score_rows(self._engine, samples)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`, for model selection: higher is better."""
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    @available_if(_is_stochastic)
    def log_likelihood(
        self, X: Any, n_samples: int = 1000, *, random_state: int | np.random.RandomState | None = 0
    ) -> np.ndarray:
        """Importance-weighted estimate of log p(x) of every row, in nats.

        A lower bound on average, tighter than `score_samples`, that does not fall as ``n_samples`` grows and
        tends to log p(x) (Burda et al., 2016).

        Parameters
        ----------
        X : array-like
            Data.
        n_samples : int
            Importance samples per row; all are used, whatever the memory.
        random_state : int, RandomState or None
            Seed of the importance samples.

        Returns
        -------
        log_p : ndarray of shape (n,), float64
        """
        samples = self._read(X, supported=True)
        if n_samples < 1:
            raise ParameterError(f"n_samples must be at least 1, got {n_samples}")
        seed = check_random_state(random_state).randint(2**31 - 1)
        return weigh_rows(self._engine, samples, n_samples, seed)

    # ---------------------------------------------------------------- looking

    def describe(self) -> str:
        """What the model is, and what "auto" chose and why, as text."""
        check_is_fitted(self)
        lines = [f"{type(self).__name__} on {self.info_.n_samples:,} samples of shape {self.info_.shape}"]
        lines += [f"  {name:<12} {choice.value}: {choice.reason}" for name, choice in self.choices_.items()]
        lines.append(f"  {'parameters':<12} {self.n_parameters_:,}")
        lines.append(f"  {'run by':<12} {describe_engine(self.module_)}")
        if self.best_epoch_:
            lines.append(f"  {'best epoch':<12} {self.best_epoch_} of {len(self.history_['epoch'])}")
        return "\n".join(lines)

    def to_onnx(self, folder: str | PathLike[str]) -> Exported:
        """Write ``encoder.onnx`` and ``decoder.onnx``, to be run without isthmus; see `isthmus.onnx.to_onnx`."""
        from isthmus.onnx import to_onnx

        return to_onnx(self, folder)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a run folder, which `isthmus.load` reads. An existing run is replaced only if asked to."""
        from isthmus.runs import save_run

        check_is_fitted(self)
        save_run(self, path, overwrite=overwrite)

    def learn_more(self, samples: AnyRows) -> None:
        """Learn what a variant needs beside its module, from training samples (n, *event), once the weights stand.

        They are what the decoder was to give back. Called too if the training was interrupted or diverged.
        """

    def own_choices(self, info: DataInfo, latent_dim: int) -> dict[str, Choice]:
        """What the variant's own parameters came to, and why, for `describe`."""
        return {}

    def fitted_arrays(self) -> dict[str, np.ndarray]:
        """What a variant learned beside its module, to be saved with it."""
        return {}

    def restore_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `fitted_arrays` gave."""
        if arrays:
            raise RunError(f"a {type(self).__name__} has no array {min(arrays)!r}")

    @property
    def n_parameters_(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.module_.parameters())

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim_

    # ---------------------------------------------------------------- inside

    def compose(self, parts: dict[str, Any]) -> Composed:
        """The composed model of chosen ``network``, ``likelihood`` and ``scaling``, not yet set up."""
        own = {"corruption": NoCorruption(), **self.recipe(), **parts}
        own.pop("latent_dim", None)  # a default, not a part
        return self.module_class(**own)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    @property
    def _engine(self) -> Engine:
        """The model as `isthmus.inference` wants it run here."""
        return engine_of(self.module_)

    def _read(self, X: Any, *, supported: bool = False) -> AnyRows:
        if not hasattr(self, "module_"):
            check_is_fitted(self)
        samples = read_samples(self, X, fitting=False)
        if supported and self.module_.likelihood.is_bounded:
            self.module_.likelihood.check(describe_data(samples))
        return samples

    def check_parameters(self) -> None:
        """Raise `ParameterError` for a value that does not fit, as `fit` does before anything else."""
        try:
            validate_parameter_constraints(
                dict(self._parameter_constraints), self.get_params(deep=False), caller_name=type(self).__name__
            )
        except ValueError as error:
            raise ParameterError(str(error)) from None
        if self.trainer is not None:
            self.trainer.validate()


__all__ = ["BaseAutoencoder", "Shared", "Unpack"]

"""Densities that are fitted to the codes once training is over, and one of them in the place of the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from torch.distributions import Distribution

from isthmus.core import Part
from isthmus.errors import ParameterError
from isthmus.priors.base import Prior

if TYPE_CHECKING:
    from isthmus.core import Composed


class FittedPrior(Prior):
    """A density that `fit` learns from codes (ex-post density estimation; Ghosh et al., 2020, section 4).

    `fit` is given codes in random order, those of one row together, so that the last of them can be held out.
    """

    name: ClassVar[str] = ""
    """What `BaseAutoencoder.fit_prior` calls it."""
    widest: ClassVar[int | None] = 1024
    """Latents of a code that it is meant for at most."""

    def setup(self, latent_dim: int) -> None:
        """Create buffers and parameters for codes of this width.

        Raises
        ------
        ParameterError
            The code is too wide, or an option has a value that does not fit.
        """
        if self.widest is not None and latent_dim > self.widest:
            raise ParameterError(
                f"a {self.name} density is meant for codes of at most {self.widest:,} latents, and these have "
                f"{latent_dim:,}; use kind='gaussian'"
            )
        self.check()

    def check(self) -> None:
        """Raise `ParameterError` for an option that does not fit."""


def fitted_priors() -> dict[str, type[FittedPrior]]:
    """Every density that can be fitted after training, by the name of its kind."""
    kinds = [part for part in Part.kinds.values() if issubclass(part, FittedPrior)]
    return {kind.name: kind for kind in kinds if kind.name}


def check_whole(name: str, value: object, least: int, most: int) -> None:
    """Raise `ParameterError` unless an option is a whole number in this range."""
    if type(value) is not int or not least <= value <= most:
        raise ParameterError(f"{name} must be a whole number from {least} to {most:,}, got {value!r}")


def check_rate(value: object) -> None:
    """Raise `ParameterError` unless this is a learning rate."""
    if type(value) not in (int, float) or not 0 < cast(float, value) <= 1:
        raise ParameterError(f"learning_rate must be above 0 and at most 1, got {value!r}")


def check_hidden(hidden: object, most: int = 8, widest: int = 2048) -> None:
    """Raise `ParameterError` unless these are widths of hidden layers."""
    if not isinstance(hidden, tuple | list) or not 1 <= len(hidden) <= most:
        raise ParameterError(f"hidden must have from 1 to {most} widths, got {hidden!r}"[:200])
    for width in hidden:
        check_whole("a width in hidden", width, 1, widest)


class Afterwards(Prior):
    """A density that was fitted to the codes, and stands in for the prior that the model was trained with.

    Both are kept, so that the model can be given back its own.

    Parameters
    ----------
    trained : Prior
        Of the model's recipe.
    fitted : FittedPrior
        What is used.
    """

    def __init__(self, trained: Prior, fitted: FittedPrior) -> None:
        super().__init__()
        self.trained = trained
        self.fitted = fitted

    @property
    def has_density(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.fitted.has_density

    def setup(self, latent_dim: int) -> None:
        self.trained.setup(latent_dim)
        self.fitted.setup(latent_dim)

    def attach(self, module: Composed) -> None:
        self.trained.attach(module)

    def forward(self) -> Distribution:
        return self.fitted()


def fitted_prior(module: Composed) -> FittedPrior | None:
    """The density that was fitted to the codes of a model after its training, if there is one."""
    return module.prior.fitted if isinstance(module.prior, Afterwards) else None

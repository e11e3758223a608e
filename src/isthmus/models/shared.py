"""The parameters that every variant takes: their types, their description, and how they get into its signature."""

from __future__ import annotations

import inspect
import textwrap
from typing import Literal, TypedDict

import numpy as np

from isthmus.likelihoods import Likelihood
from isthmus.networks import Network
from isthmus.training import Trainer

Scale = Literal["auto", "common", "global", "standard", "center", "log", "none"]


class Shared(TypedDict, total=False):
    """Parameters that every variant takes."""

    network: str | Network
    likelihood: str | Likelihood
    scaling: Scale
    image_shape: tuple[int, ...] | None
    max_epochs: int | Literal["auto"]
    trainer: Trainer | None
    random_state: int | np.random.RandomState | None
    verbose: bool


_SHARED_DOC = """network : "auto", "linear", "mlp", "conv", "conv_pool", "conv_grid", "unet" or Network
        Encoder and decoder. A name is sized by the data; an `isthmus.networks` object is taken as it is.
    likelihood : "auto", str or Likelihood
        p(x|z): "gaussian" (learned scale), "gaussian_per_feature", "l2" (fixed scale), "laplace", "bernoulli",
        "continuous_bernoulli", "categorical", "poisson", "negative_binomial", or an `isthmus.likelihoods` object.
    scaling : {"auto", "common", "global", "standard", "center", "log", "none"}
        Units in which the network sees the data; scores stay in the data's own.
    image_shape : tuple of int, optional
        (H, W) or (H, W, C) of the pictures that the rows of a flat matrix hold.
    max_epochs : int or "auto"
        Passes over the training data.
    trainer : Trainer, optional
        Everything about optimisation.
    random_state : int, RandomState or None
        Seed of split, weights, order and noise. The same seed gives the same model on the same machine.
    verbose : bool
        Print what "auto" chose, and show a progress bar."""


_FITTED_DOC = """module_ : Composed
        The trained model.
    history_ : dict of str to list
        Metrics per epoch; losses in nats per sample. Empty for a closed form.
    latent_dim_, best_epoch_, active_units_ : int
        Width of the code; epoch whose weights were kept; latents that vary with the data.
    choices_ : dict
        What "auto" came to, and why.
    attributes_ : dict
        What `fit_attribute` has found."""


def spell_out(cls: type, base: type) -> None:
    """Put the shared parameters (those of ``base``) where ``**shared`` stands, in the signature and in the docstring.

    scikit-learn's ``get_params``, the command line, and the studio's forms all read the signature.
    """
    own = inspect.signature(cls.__init__, eval_str=False)
    if any(p.kind is p.VAR_KEYWORD for p in own.parameters.values()):
        # Evaluated here, where the names that its annotations use are known.
        parent = inspect.signature(base.__init__, eval_str=True)
        named = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        inherited = [p for name, p in parent.parameters.items() if name not in own.parameters]
        cls.__init__.__signature__ = own.replace(parameters=[*named, *inherited])  # pyright: ignore[reportAttributeAccessIssue]
    known = {"shared": _SHARED_DOC, "fitted": _FITTED_DOC, "inherited": _parameters_of(cls)}
    for name, text in known.items():
        cls.__doc__ = (cls.__doc__ or "").replace(f"%({name})s", text)


def _parameters_of(cls: type) -> str:
    """What the docstring of the variant that a class extends says of its parameters."""
    named = next((base for base in cls.__mro__[1:] if base.__dict__.get("name")), None)
    described = inspect.cleandoc(named.__doc__ or "") if named else ""
    section = described.partition("Parameters\n----------\n")[2].partition("\n\nAttributes\n")[0]
    return textwrap.indent(section, " " * 4).lstrip()

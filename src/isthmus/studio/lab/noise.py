"""Noise of any strength on a sample, and what a model makes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.corruptions import (
    BlindSpot,
    Block,
    Corruption,
    CustomCorruption,
    FeatureSwap,
    GaussianNoise,
    Masking,
    NeighbourPairs,
    NoCorruption,
    NoisyTarget,
    PoissonNoise,
    SaltAndPepper,
    Sometimes,
    Speckle,
)
from isthmus.errors import ParameterError
from isthmus.evaluate.pictures import psnr
from isthmus.studio.lab.moments import moments_of, rows_of
from isthmus.studio.lab.results import reconstruct, squared_errors
from isthmus.training.runtime import random_numbers

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

_DONORS = 63


@dataclass(frozen=True)
class Kind:
    """A kind of noise that can be chosen, with the range of its slider; 0 is always no noise.

    Parameters
    ----------
    id, name : str
        For the server, and for people.
    unit : str
        What the strength counts.
    most, default : float
        End and start of the slider.
    make : callable
        From a strength to a `Corruption`.
    strength_of : callable
        From a corruption of this kind to its strength.
    part : type
        Class of the corruption.
    """

    id: str
    name: str
    unit: str
    most: float
    default: float
    make: Callable[[float], Corruption]
    strength_of: Callable[[Any], float]
    part: type[Corruption]


# Poisson noise is set by its relative spread at the top of the range, 1 / √counts: more is noisier, as for the others.
KINDS = (
    Kind("gaussian", "Gaussian", "sd of the data", 2.0, 0.5, GaussianNoise, lambda c: c.std, GaussianNoise),
    Kind("masking", "Hidden values", "share of the values", 0.95, 0.25, Masking, lambda c: c.share, Masking),
    Kind("salt_and_pepper", "Salt and pepper", "share of the values", 0.9, 0.1, SaltAndPepper, lambda c: c.share,
         SaltAndPepper),
    Kind("poisson", "Counting (Poisson)", "relative noise where it is brightest", 1.0, 0.22,
         lambda s: PoissonNoise(s**-2), lambda c: c.peak**-0.5, PoissonNoise),
    Kind("speckle", "Speckle", "sd of the factor", 2.0, 0.5, Speckle, lambda c: c.std, Speckle),
    Kind("block", "Hidden block", "side, as a share of the picture's", 0.95, 0.4, Block, lambda c: c.side, Block),
    Kind("feature_swap", "Values of other samples", "share of the values", 0.95, 0.15, FeatureSwap, lambda c: c.share,
         FeatureSwap),
)  # fmt: skip


def trained_with(estimator: Any) -> Corruption | None:
    """The corruption that a model was trained with, without what is wrapped around it; None if there was none."""
    corruption = estimator.module_.corruption
    while isinstance(corruption, NoisyTarget | Sometimes):
        corruption = corruption.corruption
    return None if isinstance(corruption, NoCorruption) or getattr(estimator, "paired_", False) else corruption


def restores(estimator: Any) -> bool:
    """Whether the model has learned to restore what is corrupted."""
    return hasattr(estimator, "denoise") or trained_with(estimator) is not None


def kinds_for(run: OpenedRun) -> list[dict[str, Any]]:
    """Kinds of noise for the page, the one that the model was trained with first."""
    own = trained_with(run.est)
    listed = []
    for kind in KINDS:
        trained = _is_own(own, kind)
        if (kind.id == "block" and not run.info.is_picture) or (kind.id == "feature_swap" and not _has_others(run)):
            continue
        default = kind.strength_of(own) if trained else kind.default
        most = max(kind.most, 2 * default) if kind.most > 1 or kind.id == "gaussian" else kind.most
        listed.append(
            {
                "id": kind.id,
                "name": kind.name,
                "unit": kind.unit,
                "most": float(most),
                "default": float(min(default, most)),
                "trained": trained,
            }
        )
    return sorted(listed, key=lambda kind: not kind["trained"])


def remark(estimator: Any) -> str | None:
    """What has to be known of the noise that this model was trained with, in a sentence; None if nothing."""
    corruption = trained_with(estimator)
    if getattr(estimator, "learned_from_noisy", False):
        return (
            "The model learned from data that are noisy themselves. At strength 0 you see what it takes away from "
            "them; errors are counted from the input as it came, noise and all."
        )
    if isinstance(corruption, CustomCorruption):
        return "The model was trained with a noise of its maker's own, which a saved run does not hold."
    if isinstance(corruption, BlindSpot | NeighbourPairs):
        return "The model was trained without any noise of its own making."
    return None


def corrupt(run: OpenedRun, sample: np.ndarray, kind: str, strength: float, seed: int) -> np.ndarray:
    """A noisy copy of a sample, in the data's own units.

    With equal seeds the noise is the same but for its strength, so that it grows evenly while a slider moves.

    Raises
    ------
    ParameterError
        There is no such kind for this model, or no such strength.
    """
    known = {listed["id"]: listed for listed in kinds_for(run)}
    if kind not in known:
        raise ParameterError(f"there is no noise of kind {kind[:40]!r} for this model; there are {', '.join(known)}")
    if not 0 <= strength <= known[kind]["most"]:
        raise ParameterError(f"strength must be from 0 to {known[kind]['most']:g} for {kind}, got {strength:g}")
    clean = sample.astype(np.float64)
    if strength == 0:
        return clean
    module = run.est.module_
    corruption = _corruption(run, next(k for k in KINDS if k.id == kind), strength)
    batch = np.concatenate([clean[None], _others(run)]) if corruption.takes_from_others else clean[None]
    with torch.no_grad(), random_numbers(seed, module.scaling.shift.device):
        noisy = corruption(torch.tensor(batch, device=module.scaling.shift.device))[0]
    return noisy[0].cpu().numpy()


def _corruption(run: OpenedRun, kind: Kind, strength: float) -> Corruption:
    """Of that strength, and laid out for the data; from the model's own, if it has one of that kind."""
    own, made = trained_with(run.est), kind.make(strength)
    if own is None or not _is_own(own, kind):
        made.setup(moments_of(run), run.est.module_.scaling)
        return made
    mine = copy.deepcopy(own)
    if isinstance(mine, GaussianNoise):
        mine.sd = mine.sd * (strength / mine.std)
    for name, value in made.config().items():
        setattr(mine, name, value)
    return mine


def _is_own(own: Corruption | None, kind: Kind) -> bool:
    """Whether the model was trained with this kind, in the unit that the slider has."""
    return type(own) is kind.part and getattr(own, "unit", "spread") == "spread"


def _has_others(run: OpenedRun) -> bool:
    return run.given is not None and len(run.given.rows) > 1


def _others(run: OpenedRun) -> np.ndarray:
    return rows_of(run, _DONORS).astype(np.float64)


def denoise(run: OpenedRun, noisy: np.ndarray) -> np.ndarray:
    """What the model makes of a noisy sample, in the same shape."""
    restore = getattr(run.est, "denoise", None)
    if restore is None:
        return reconstruct(run, noisy[None])[0]
    return restore(run.taken(noisy[None])).reshape(noisy.shape)


def compare(run: OpenedRun, clean: np.ndarray, noisy: np.ndarray, restored: np.ndarray) -> dict[str, Any]:
    """How far noisy and restored are from the clean sample.

    PSNR in dB for pictures (None where there is no difference at all); for rows the root mean square over the columns,
    each in standard deviations of the data.
    """
    errors = [float(squared_errors(run, (other - clean)[None])[0]) for other in (noisy, restored)]
    if run.info.is_picture:
        before, after = (psnr(error, run.info) if error > 0 else None for error in errors)
        return {"measure": "psnr", "before": before, "after": after}
    before, after = (error**0.5 for error in errors)
    return {"measure": "rms", "before": before, "after": after}

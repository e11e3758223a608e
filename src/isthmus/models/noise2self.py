"""Learning to denoise from single noisy samples."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack

import numpy as np
import torch
from sklearn.utils._param_validation import StrOptions

from isthmus.bottlenecks import Deterministic
from isthmus.corruptions import BlindSpot, NeighbourPairs
from isthmus.corruptions.neighbours import check_divisible
from isthmus.data.info import DataInfo
from isthmus.errors import ParameterError
from isthmus.likelihoods.continuous import LocationScale
from isthmus.models.base import Shared
from isthmus.models.denoiser import Denoiser, restoring_network
from isthmus.models.inference import by_batch
from isthmus.models.inputs import restore_shape
from isthmus.networks import UNet
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL, MaskedNLL, NeighbourConsistency


class Noise2Self(Denoiser):
    """Noise2self: a denoiser that sees each sample once, noisy, and nothing else.

    It needs noise that is independent from value to value and has mean zero, and data whose values tell something of
    each other, as those of pictures do.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code. "auto": for pictures, all that a U-Net passes on, else as for every model.
    method : {"blind_spot", "neighbours"}
        ``"blind_spot"``: some values are hidden and have to be told from the others, so that their noise cannot be
        copied (Noise2Void, Krull et al., 2019; Noise2Self, Batson & Royer, 2019). ``"neighbours"``, for pictures: one
        pixel of each 2 x 2 cell is the input, a neighbour the target (Neighbor2Neighbor, Huang et al., 2021).
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Notes
    -----
    For pictures of at least 8 x 8 pixels ``network="auto"`` is "unet", unless a ``latent_dim`` is asked for.
    ``method="neighbours"`` needs that network, and a Gaussian or Laplace likelihood of one scale.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import Noise2Self
    >>> from isthmus.data.shapes import shapes
    >>> X = shapes(200, 16, random_state=0) / 255
    >>> noisy = X + np.random.default_rng(0).normal(scale=0.3, size=X.shape)
    >>> restored = Noise2Self(max_epochs=40, random_state=0).fit(noisy).denoise(noisy)
    >>> bool(np.mean((restored - X) ** 2) < np.mean((noisy - X) ** 2) / 2)
    True
    """

    name = "noise2self"
    _parameter_constraints: ClassVar = {
        **Denoiser._parameter_constraints,
        "method": [StrOptions({"blind_spot", "neighbours"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        method: Literal["blind_spot", "neighbours"] = "blind_spot",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.method = method

    def recipe(self) -> dict[str, Any]:
        shared = {"bottleneck": Deterministic(), "prior": FittedGaussian()}
        if self.method == "blind_spot":
            network = restoring_network if self.latent_dim == "auto" else "auto"
            return {**shared, "corruption": BlindSpot(), "terms": [MaskedNLL()], "network": network}
        # Weight and ramp as in the paper's section 4.1.
        terms = [NLL(), NeighbourConsistency(2.0, warmup=1.0)]
        kinds = {"network": _network_of_pairs, "likelihood": "gaussian", "scaling": "global"}
        return {**shared, "corruption": NeighbourPairs(), "terms": terms, **kinds}

    @property
    def learned_from_noisy(self) -> bool:
        return True

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.method == "neighbours":
            self._check_size_free()

    def _check_size_free(self) -> None:
        """Complain about parts that depend on the size of the picture: half the size has to suit them too."""
        fine = {
            "network": self.network in ("auto", "unet") or isinstance(self.network, UNet),
            "likelihood": self.likelihood in ("auto", "gaussian", "laplace", "l1", "l2")
            or (isinstance(self.likelihood, LocationScale) and self.likelihood.scale != "per_feature"),
            "scaling": self.scaling in ("auto", "global"),
        }
        for name, suits in fine.items():
            if not suits:
                raise ParameterError(
                    f"method='neighbours' trains on pictures of half the size, for which {name}="
                    f"{getattr(self, name)!r} has no form; leave {name}='auto', or use method='blind_spot'"
                )

    def denoise(self, X: Any, *, blind: bool = False) -> np.ndarray:
        """Restore noisy data.

        Parameters
        ----------
        X : array-like
            Noisy data.
        blind : bool
            Whether every value is to be predicted from the others only, in as many passes as there are ways to place
            the spots. Then no noise can pass, whatever the network. By default the network sees the whole sample,
            which restores better.

        Returns
        -------
        restored : ndarray of the shape of X, in its units
        """
        if not blind:
            return super().denoise(X)
        samples = self._read(X)
        module, corruption = self.module_, self.module_.corruption
        if not isinstance(corruption, BlindSpot):
            raise ParameterError(f"a model with method={self.method!r} has no blind spots; leave blind=False")

        def restore(x: torch.Tensor) -> torch.Tensor:
            x = module.real(x)
            restored = torch.zeros_like(x)
            for hidden, mask in corruption.phases(x):
                restored = torch.where(mask, module.decode(module.encode(hidden).z).mean.to(x.dtype), restored)
            return restored

        return restore_shape(self, by_batch(module, samples, restore))


def _network_of_pairs(info: DataInfo) -> str:
    check_divisible(info)
    return "unet"

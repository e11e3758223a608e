"""The variational code with heavy tails."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Independent
from torch.distributions import StudentT as PlainStudentT
from torch.nn.functional import softplus

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.gaussian import MIN_STD, UNIT
from isthmus.core import Code
from isthmus.errors import ParameterError

_FEWEST = 2.0
_START = 8.0


class StudentTPosterior(Independent):
    """Independent latents with Student's t distribution, of more than 2 degrees of freedom.

    Parameters
    ----------
    dof : Tensor of shape (latent_dim,)
        Degrees of freedom ν of each latent.
    loc, scale : Tensor of shape (B, latent_dim)
        Location and scale.
    """

    def __init__(self, dof: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.dof, self.loc, self.scale = dof, loc, scale
        super().__init__(PlainStudentT(dof, loc, scale, validate_args=False), 1, validate_args=False)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = (*sample_shape, *self.loc.shape[:-1], 2 * self.loc.shape[-1])
        return self.from_noise(torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def from_noise(self, noise: Tensor) -> Tensor:
        """Draws made of two standard normal numbers (a, b) for each latent: noise of shape (..., B, 2 · latent_dim).

        t = a √(ν (exp(r²/ν) − 1) / r²) with r² = a² + b², which is Bailey's polar method (1994): exp(−r²/2) is uniform,
        and a/r is the cosine of a uniform angle. It is smooth in ν, and tends to a.
        """
        a, b = noise.to(self.loc.dtype).chunk(2, dim=-1)
        squared = (a.square() + b.square()).clamp_min(1e-12)
        return self.loc + self.scale * a * (torch.expm1(squared / self.dof) * self.dof / squared).sqrt()

    @property
    def stddev(self) -> Tensor:
        return self.scale * (self.dof / (self.dof - 2)).sqrt()


class StudentT(Bottleneck):
    """q(z|x): independent Student's t distributions with the location and scale that the encoder gives.

    Parameters
    ----------
    dof : float or "learned"
        Degrees of freedom, more than 2 so that there is a variance. "learned": a number for each latent, which all
        samples share; it starts at 8.
    """

    names: ClassVar = {"student_t": {}}
    stochastic = True
    mean_first = True

    def __init__(self, dof: float | str = "learned") -> None:
        super().__init__()
        self.dof = dof

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        if isinstance(self.dof, str):
            if self.dof != "learned":
                raise ParameterError(f"dof must be a number above 2 or 'learned', got {self.dof!r}")
            start = torch.full((latent_dim,), math.log(math.expm1(_START - _FEWEST)))
            self.raw_dof = nn.Parameter(start)
        elif not self.dof > _FEWEST:
            raise ParameterError(f"dof={self.dof:g} leaves no variance; give a number above 2")

    @property
    def n_features(self) -> int:
        return 2 * self.latent_dim_

    @property
    def noise_dim(self) -> int:
        return 2 * self.latent_dim_

    def posterior(self, h: Tensor) -> StudentTPosterior:
        loc, raw = h.chunk(2, dim=-1)
        if isinstance(self.dof, str):
            dof = _FEWEST + MIN_STD + softplus(self.raw_dof.to(h.dtype))
        else:
            dof = h.new_full((self.latent_dim_,), self.dof)
        return StudentTPosterior(dof, loc, softplus(raw + UNIT) + MIN_STD)

    def forward(self, h: Tensor) -> Code:
        q = self.posterior(h)
        return Code(q.rsample() if self.training or self.sampling else q.loc, q)

"""A prior with heavy tails."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Independent, StudentT

from isthmus.errors import ParameterError
from isthmus.priors.base import Prior


class StudentTPrior(Prior):
    """p(z): independent Student's t distributions, under which a code far out costs little more than one that is near.

    Parameters
    ----------
    dof : float
        Degrees of freedom, more than 2 so that there is a variance.
    """

    names: ClassVar = {"student_t": {}}
    mean: Tensor

    def __init__(self, dof: float = 5.0) -> None:
        super().__init__()
        self.dof = dof

    def setup(self, latent_dim: int) -> None:
        if not self.dof > 2:
            raise ParameterError(f"dof={self.dof:g} leaves no variance; give a number above 2")
        self.register_buffer("mean", torch.zeros(latent_dim))

    def forward(self) -> Independent:
        dof = torch.full_like(self.mean, self.dof)
        return Independent(
            StudentT(dof, self.mean, torch.ones_like(self.mean), validate_args=False), 1, validate_args=False
        )

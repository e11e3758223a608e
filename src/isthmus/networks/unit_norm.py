"""A linear layer whose inputs each stand for a direction of unit norm: a dictionary."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, normalize

# Costs per row in multiples of one multiplication of the dense product, as `benchmarks/sparse_decode.py` finds them on
# a CPU: looking at a latent whether it is zero, and adding one value of an atom.
_LOOK, _ADD = 65, 12


class UnitNormLinear(nn.Module):
    """y = Σ z_j d_j + b, where every d_j (an atom) has norm 1, so that the size of a code means something.

    Without it a penalty on the code could be dodged: smaller codes, larger weights. The norm is taken on the way and
    is no constraint of the optimiser, so that whatever updates or loads the weights, the atoms have unit norm.

    Parameters
    ----------
    layer : nn.Linear
        Its bias is taken over, and its columns become the atoms.
    n_active : int
        How many of the inputs are not zero; 0 if that is not known. From it and the sizes alone follows whether atoms
        are gathered, rather than multiplied by zero, where no gradient is needed.
    """

    def __init__(self, layer: nn.Linear, n_active: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(normalize(layer.weight.detach().T, dim=1).contiguous())
        self.bias = layer.bias
        self.gathers = n_active > 0 and gathering_pays(layer.in_features, layer.out_features, n_active)

    @property
    def atoms(self) -> Tensor:
        """The directions, of shape (latent_dim, n_out)."""
        return normalize(self.weight, dim=1)

    def forward(self, z: Tensor) -> Tensor:
        # A graph cannot hold as many steps as there are nonzeros.
        in_graph = torch.is_grad_enabled() or torch.compiler.is_compiling()
        pays = self.gathers and not in_graph and z.device.type == "cpu"
        y = gather(z, self.atoms) if pays else z @ self.atoms
        return y if self.bias is None else y + self.bias


def gathering_pays(latent_dim: int, n_out: int, n_active: int) -> bool:
    """Whether adding up the active atoms takes at most half the time of the dense product."""
    return _LOOK * latent_dim + _ADD * n_active * n_out < latent_dim * n_out / 2


def gather(z: Tensor, atoms: Tensor) -> Tensor:
    """Sum of z_j times atom j, for atoms (latent_dim, n_out), over the nonzeros of each row of z (B, latent_dim)."""
    rows, columns = z.nonzero(as_tuple=True)
    starts = torch.searchsorted(rows, torch.arange(len(z), device=z.device))
    return embedding_bag(columns, atoms, starts, mode="sum", per_sample_weights=z[rows, columns])

"""The oldest sparse code: a rectifier, to which a penalty is added."""

from __future__ import annotations

from torch import Tensor

from isthmus.bottlenecks.sparse import Sparse, sparse_start


class Rectified(Sparse):
    """z = max(0, h). It is a term that makes the code sparse: `L1` or `FiringRate`."""

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.bias = -sparse_start(latent_dim)

    def select(self, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return h.relu(), {}

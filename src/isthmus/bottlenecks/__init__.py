"""What the code is."""

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.batch_topk import BatchTopK
from isthmus.bottlenecks.deterministic import Deterministic
from isthmus.bottlenecks.gated import Gated
from isthmus.bottlenecks.gaussian import DiagonalGaussian
from isthmus.bottlenecks.jumprelu import JumpReLU
from isthmus.bottlenecks.lipschitz import Lipschitz
from isthmus.bottlenecks.rectified import Rectified
from isthmus.bottlenecks.sparse import Sparse
from isthmus.bottlenecks.topk import TopK
from isthmus.bottlenecks.unit_variance import UnitVariance

__all__ = [
    "BatchTopK",
    "Bottleneck",
    "Deterministic",
    "DiagonalGaussian",
    "Gated",
    "JumpReLU",
    "Lipschitz",
    "Rectified",
    "Sparse",
    "TopK",
    "UnitVariance",
]

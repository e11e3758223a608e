"""What the code is."""

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.batch_topk import BatchTopK
from isthmus.bottlenecks.deterministic import Deterministic
from isthmus.bottlenecks.flow import Flow
from isthmus.bottlenecks.fsq import FSQ
from isthmus.bottlenecks.gated import Gated
from isthmus.bottlenecks.gaussian import DiagonalGaussian
from isthmus.bottlenecks.hyperspherical import Hyperspherical
from isthmus.bottlenecks.iaf import InverseAutoregressive
from isthmus.bottlenecks.jumprelu import JumpReLU
from isthmus.bottlenecks.ladder import LadderGaussian
from isthmus.bottlenecks.lipschitz import Lipschitz
from isthmus.bottlenecks.nsf import NeuralSpline
from isthmus.bottlenecks.quantised import Quantised
from isthmus.bottlenecks.rectified import Rectified
from isthmus.bottlenecks.residual_quantised import ResidualQuantised
from isthmus.bottlenecks.sparse import Sparse
from isthmus.bottlenecks.student_t import StudentT
from isthmus.bottlenecks.topk import TopK
from isthmus.bottlenecks.unit_variance import UnitVariance
from isthmus.bottlenecks.vector_quantised import VectorQuantised

__all__ = [
    "FSQ",
    "BatchTopK",
    "Bottleneck",
    "Deterministic",
    "DiagonalGaussian",
    "Flow",
    "Gated",
    "Hyperspherical",
    "InverseAutoregressive",
    "JumpReLU",
    "LadderGaussian",
    "Lipschitz",
    "NeuralSpline",
    "Quantised",
    "Rectified",
    "ResidualQuantised",
    "Sparse",
    "StudentT",
    "TopK",
    "UnitVariance",
    "VectorQuantised",
]

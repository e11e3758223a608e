"""What every cost has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from isthmus.core import Composed, Part, Step
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class Term(Part):
    """One cost, read off the `Step`: a value per sample, in nats where it is a likelihood or a divergence.

    Parameters
    ----------
    weight : float
        Factor in the training loss. It multiplies exactly this cost; nothing else is rescaled.
    warmup : float
        Share of the training, in [0, 1], over which the weight grows linearly from 0.
    """

    name: ClassVar[str]
    start: float = 0.0
    """Weight that it grows from, or falls from."""
    guides: ClassVar[bool] = True
    """Whether it counts when epochs are compared. The cost of a critic, which rises as the model gets better, does not.
    """
    of_batch: ClassVar[bool] = False
    """Whether it estimates something of a whole batch, so that the cost of a sample depends on the others."""

    def __init__(self, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight = weight
        self.warmup = warmup

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        """Create the parameters that the term owns, if any."""

    def attach(self, module: Composed) -> None:
        """Create what depends on the other parts, which are set up by now."""

    def advance(self, progress: float) -> None:
        """Learn what share of the training, in [0, 1], is done, before each step."""

    def weight_at(self, progress: float) -> float:
        """Weight once this share of the training is done."""
        if self.warmup == 0:
            return self.weight
        return self.start + (self.weight - self.start) * min(1.0, progress / self.warmup)

    def given(self, step: Step, name: str) -> Tensor:
        """What the bottleneck gives besides the code.

        Raises
        ------
        ParameterError
            This bottleneck gives nothing of that name.
        """
        if name not in step.code.aux:
            given = ", ".join(map(repr, step.code.aux)) or "nothing"
            raise ParameterError(
                f"{type(self).__name__} needs a bottleneck that gives {name!r} besides the code, and this one gives "
                f"{given}; use it with a bottleneck that suits it"
            )
        return step.code.aux[name]

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """Cost per sample, of shape (B,)."""

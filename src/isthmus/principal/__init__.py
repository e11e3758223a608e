"""Principal components: one pass over the rows, the leading eigenvectors, and the density that they imply."""

from isthmus.principal.components import Principal, few_rows, orthonormal, polish, principal_components
from isthmus.principal.surveying import Survey, leading, moments, survey

__all__ = [
    "Principal",
    "Survey",
    "few_rows",
    "leading",
    "moments",
    "orthonormal",
    "polish",
    "principal_components",
    "survey",
]

"""scikit-learn's own checks, over every registered variant."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from isthmus import CollapseWarning, OvercompleteWarning


@pytest.mark.filterwarnings(f"ignore::{CollapseWarning.__module__}.{CollapseWarning.__name__}")
@pytest.mark.filterwarnings(f"ignore::{OvercompleteWarning.__module__}.{OvercompleteWarning.__name__}")
@parametrize_with_checks([cls(max_epochs=2) for cls in isthmus.models().values()])
def test_sklearn(estimator, check):
    check(estimator)

"""What the tour and the benchmark measure on drawn faces."""

import numpy as np
import pytest

from isthmus.data.faces import FACE_NEUTRAL
from isthmus.tour.portraits import VARIED, Portraits


@pytest.fixture(scope="module")
def portraits():
    return Portraits(lambda epochs: 1, seed=0)


def test_factors_told_from_pictures_are_those_they_were_drawn_from(portraits):
    X, factors = portraits.draw(300, seed=5)
    told = portraits.told(X)
    assert told.shape == (300, len(VARIED))
    for found, name in zip(told.T, VARIED, strict=True):
        spread = portraits.factors[name].std()
        slope = np.polyfit(factors[name] / spread, found, 1)[0]
        # A slope below 1 would make every movement look smaller than it is.
        assert slope == pytest.approx(1, abs=0.03)
        assert np.std(found - factors[name] / spread) < 0.1


def test_faces_differ_in_what_varies_alone(portraits):
    assert all((portraits.factors[name] == value).all() for name, value in FACE_NEUTRAL.items() if name not in VARIED)
    assert all(portraits.factors[name].std() > 0.2 for name in VARIED)


def test_examples_have_much_and_little_of_a_factor_and_were_not_trained_on(portraits):
    much, little = (portraits.told(X)[:, VARIED.index("smile")] for X in portraits.examples("smile", 25))
    assert len(much) == len(little) == 25
    assert much.min() > little.max() + 0.5
    seen = {face.tobytes() for face in portraits.faces}
    assert not any(face.tobytes() in seen for X in portraits.examples("smile", 25) for face in X)


def test_a_hidden_mouth_tells_nothing(portraits):
    hidden = [portraits.hide_mouth(portraits.unseen(smile=np.array([-0.9, 0.9]), seed=0))[:, 12:, 6:18]]
    assert np.ptp(hidden) == 0

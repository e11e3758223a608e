"""Every variant with convolutions, strided and pooled, on pictures of awkward sizes."""

import numpy as np
import pytest
import torch

import isthmus
from isthmus import CollapseWarning, LinearAutoencoder
from isthmus.networks import Conv

VARIANTS = [cls for cls in isthmus.models().values() if cls is not LinearAutoencoder]
NETWORKS = {None: "conv", "max": "conv_pool", "avg": Conv(channels=(4, 6), pool="avg", width=8)}
_rng = np.random.default_rng(0)
# Odd sides and three channels; the values of a picture go together, so that there is something to learn.
COLOUR = np.rint(255 * _rng.random((40, 1, 1, 3)) * _rng.random((1, 9, 7, 3))).astype(np.uint8)
SHAPES = {"9 x 7 x 3": COLOUR, "7 x 5": COLOUR[:, :7, :5, 0] / 255}

pytestmark = pytest.mark.filterwarnings(f"ignore::{CollapseWarning.__module__}.{CollapseWarning.__name__}")


@pytest.mark.parametrize("cls", VARIANTS, ids=lambda cls: cls.name)
@pytest.mark.parametrize(("pool", "network"), NETWORKS.items(), ids=["strided", "max", "average"])
@pytest.mark.parametrize("X", SHAPES.values(), ids=SHAPES)
def test_convolutions_take_any_picture(cls, pool, network, X, tmp_path):
    model = cls(2, network=network, max_epochs=1, random_state=0).fit(X)
    found = model.module_.network
    found = getattr(found, "network", found)  # of a conditional model
    assert isinstance(found, Conv)
    assert found.pool == pool
    assert model.transform(X).shape == (40, 2)
    assert model.reconstruct(X).shape == model.inverse_transform(model.transform(X)).shape == X.shape
    assert np.isfinite(model.score_samples(X)).all()
    module = model.module_.train()
    module.loss(module(torch.tensor(X))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    model.save(tmp_path / "run")
    np.testing.assert_array_equal(isthmus.load(tmp_path / "run").transform(X), model.transform(X))

"""An encoder that learns to be unsure of what it cannot see."""

import numpy as np
import pytest
import torch

import isthmus
from isthmus import VAE, ParameterError, Trainer
from isthmus.corruptions import Block, CustomCorruption, GaussianNoise, Masking, Sometimes
from isthmus.data.info import describe_data
from isthmus.networks import MLP, Scaling
from isthmus.terms import KL, NLL

PICTURES = np.random.default_rng(0).normal(size=(80, 8, 6)) + 3


def set_up(corruption, X):
    scaling, info = Scaling("common"), describe_data(X)
    scaling.setup(info)
    corruption.setup(info, scaling)
    return corruption


# ------------------------------------------------------------------ corrupting sometimes


@pytest.mark.parametrize("kind", [Block(0.5), Masking(0.9), GaussianNoise()])
def test_only_a_share_is_corrupted(kind):
    x = torch.tensor(np.tile(PICTURES, (50, 1, 1)))
    torch.manual_seed(0)
    corrupted, mask = set_up(Sometimes(kind, 0.3), PICTURES)(x)
    changed = (corrupted != x).flatten(1)
    assert changed.any(1).double().mean() == pytest.approx(0.3, abs=0.03)
    if mask is None:
        assert isinstance(kind, GaussianNoise)
        assert (changed.all(1) | ~changed.any(1)).all()
    else:
        # What the mean of the data stands for is hidden, and nothing else.
        assert torch.equal(mask.flatten(1), changed)
    assert torch.equal(kind.target(x, mask), x)


@pytest.mark.parametrize("share", [0, 1.1])
def test_shares_that_cannot_be(share):
    with pytest.raises(ParameterError, match="share of samples that are corrupted must be above 0 and at most 1"):
        set_up(Sometimes(Block(), share), PICTURES)


# ------------------------------------------------------------------ the VAE


def fitted(**params):
    return VAE(**{"latent_dim": 2, "max_epochs": 2, "random_state": 0, **params}).fit(PICTURES)


def test_half_of_the_samples_stay_clean_unless_another_share_is_asked_for():
    noisy = fitted(corruption="gaussian", noise=2.0)
    same = (noisy.corrupt(PICTURES, random_state=0) == PICTURES).reshape(80, -1).all(1)
    assert 0.3 < same.mean() < 0.7
    assert fitted(corruption=Sometimes(Block(), 0.9)).module_.corruption.share == 0.9
    assert repr(noisy.module_.corruption) == "Sometimes(corruption=GaussianNoise(std=2.0, unit='spread'), share=0.5)"


def test_corrupt_is_there_only_where_the_input_is_corrupted():
    assert not hasattr(fitted(), "corrupt")
    block = fitted(corruption="block")
    np.testing.assert_array_equal(block.corrupt(PICTURES, random_state=1), block.corrupt(PICTURES, random_state=1))


@pytest.mark.parametrize("corruption", ["block", "gaussian", Sometimes(Masking(0.5), 0.7), torch.sin])
def test_results_are_those_of_clean_data_and_survive_a_save(corruption, tmp_path):
    est = fitted(corruption=corruption)
    torch.manual_seed(0)
    scores = est.score_samples(PICTURES)
    torch.manual_seed(1)
    np.testing.assert_array_equal(scores, est.score_samples(PICTURES))
    est.save(tmp_path)
    loaded = isthmus.load(tmp_path)
    np.testing.assert_array_equal(loaded.score_samples(PICTURES), scores)
    if callable(corruption) and not isinstance(corruption, torch.nn.Module):
        assert isinstance(loaded.module_.corruption.corruption, CustomCorruption)
    else:
        np.testing.assert_array_equal(loaded.corrupt(PICTURES, random_state=0), est.corrupt(PICTURES, random_state=0))


class AskedForAll(VAE):
    """Asks the hidden values back as well."""

    def recipe(self):
        return {**super().recipe(), "terms": [NLL(), KL()]}


def test_what_is_hidden_widens_the_posterior_if_it_is_not_asked_back():
    """One latent behind six columns: with s of them seen, p(z | seen) has the variance 1 / (1 + s)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 1)) + rng.normal(size=(1500, 6))

    def widths(cls):
        trainer = Trainer(batch_size=64, learning_rate=1e-2, early_stopping=None)
        options = {"network": MLP((64, 64)), "scaling": "center", "max_epochs": 20, "random_state": 0}
        est = cls(1, corruption="masking", noise=0.7, trainer=trainer, **options).fit(X)
        hidden = np.tile(X.mean(0), (4, 300, 1))
        for row, seen in enumerate((6, 3, 1, 0)):
            hidden[row, :, :seen] = X[:300, :seen]
        return est.posterior(hidden.reshape(-1, 6)).std.reshape(4, 300).mean(1)

    unsure, sure = widths(VAE), widths(AskedForAll)
    assert (np.diff(unsure) > 0).all()
    assert unsure[3] / unsure[0] > 1.45
    assert sure[3] / sure[0] < 1.25

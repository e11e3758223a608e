"""Every corruption does what it says, in the data's own units."""

import numpy as np
import pytest
import torch
from helpers import make_scaling
from scipy import ndimage

from isthmus.core import named_parts
from isthmus.corruptions import (
    BlindSpot,
    Block,
    Corruption,
    CustomCorruption,
    FeatureSwap,
    GaussianNoise,
    Masking,
    NeighbourPairs,
    NoisyTarget,
    PoissonNoise,
    SaltAndPepper,
    Speckle,
)
from isthmus.corruptions.blind_spot import neighbour_mean
from isthmus.corruptions.neighbours import half
from isthmus.data.info import describe_data
from isthmus.errors import ParameterError

_rng = np.random.default_rng(0)
PICTURES = _rng.integers(0, 256, (400, 6, 7)).astype(np.uint8)
COLOUR = _rng.integers(0, 256, (50, 6, 7, 3)).astype(np.float32)
TABLE = np.array([0, -50, 5, 1e6]) + _rng.gamma(2.0, [1.0, 10.0, 100.0, 1000.0], (2000, 4))
DATA = {"pictures": PICTURES, "colour": COLOUR, "table": TABLE}
NAMED = named_parts(Corruption)


def ready(corruption, X, kind=None):
    """Corruption set up for data, with noise that is the same in every test."""
    kind = kind or ("common" if X.ndim > 2 else "standard")
    corruption.setup(describe_data(X), make_scaling(kind, X))
    torch.manual_seed(0)
    return corruption


def real(X):
    return torch.tensor(X).double()


@pytest.mark.parametrize("X", DATA.values(), ids=DATA)
@pytest.mark.parametrize("name", NAMED)
def test_every_named_corruption_keeps_shape_and_type_and_changes_something(name, X):
    kind, args = NAMED[name]
    if name == "block" and X.ndim == 2:
        with pytest.raises(ParameterError, match=r"'block' needs pictures, and a sample here has shape \(4,\)"):
            ready(kind(**args), X)
        return
    corruption = ready(kind(**args), X)
    for x in (real(X), real(X).float()):
        corrupted, mask = corruption(x)
        assert corrupted.shape == x.shape
        assert corrupted.dtype == x.dtype
        assert torch.isfinite(corrupted).all()
        assert not torch.equal(corrupted, x)
        assert torch.equal(corruption.target(x, mask), x)
        if mask is not None:
            assert torch.equal(corrupted[~mask], x[~mask])


@pytest.mark.parametrize("name", NAMED)
def test_strength_is_the_first_argument_and_must_make_sense(name):
    kind, _ = NAMED[name]
    for bad in (0.0, -1.0):
        with pytest.raises(ParameterError, match=f"got {bad}"):
            ready(kind(bad), PICTURES)


class TestGaussian:
    def test_spread_is_that_of_the_data_whatever_their_units(self):
        x = real(TABLE)
        noise = ready(GaussianNoise(0.3), TABLE)(x)[0] - x
        np.testing.assert_allclose(noise.numpy().std(0) / TABLE.std(0), 0.3, rtol=0.07)
        pictures = real(PICTURES)
        noise = ready(GaussianNoise(0.3), PICTURES)(pictures)[0] - pictures
        assert noise.std() == pytest.approx(0.3 * np.sqrt(PICTURES.var(0).mean()), rel=0.02)

    @pytest.mark.parametrize(("unit", "expected"), [("range", 255.0), ("data", 1.0)])
    def test_other_units(self, unit, expected):
        x = real(PICTURES)
        noise = ready(GaussianNoise(0.4, unit), PICTURES)(x)[0] - x
        assert noise.std() == pytest.approx(0.4 * expected, rel=0.02)
        assert abs(noise.mean()) < 4 * 0.4 * expected / x.numel() ** 0.5

    def test_an_unknown_unit_is_refused(self):
        with pytest.raises(ParameterError, match="unit must be one of spread, range, data, got 'pixels'"):
            ready(GaussianNoise(0.4, "pixels"), PICTURES)  # type: ignore[arg-type]


class TestHiding:
    def test_masked_values_become_their_mean(self):
        corrupted, mask = ready(Masking(0.3), TABLE)(real(TABLE))
        assert mask.double().mean() == pytest.approx(0.3, abs=0.02)
        expected = torch.tensor(TABLE.mean(0)).expand_as(mask)[mask]
        torch.testing.assert_close(corrupted[mask], expected)

    @pytest.mark.parametrize("X", [PICTURES, COLOUR])
    def test_a_block_is_one_rectangle_of_even_grey_at_any_place(self, X):
        corrupted, mask = ready(Block(0.5), X)(real(X))
        assert torch.allclose(corrupted[mask], torch.tensor(X.mean(dtype=np.float64)), rtol=1e-6)
        flat = mask if mask.ndim == 3 else mask.all(-1)
        assert torch.equal(flat, mask if mask.ndim == 3 else mask.any(-1))
        rows, columns = flat.any(2), flat.any(1)
        assert torch.equal(flat, rows[:, :, None] & columns[:, None, :])
        assert set(rows.sum(1).tolist()) == {3}
        assert set(columns.sum(1).tolist()) == {4}
        assert (rows.long().diff(dim=1).abs().sum(1) <= 2).all()
        assert len({tuple(row) for row in rows.long().tolist()}) == 4

    def test_swapped_values_come_from_the_same_column(self):
        corrupted, mask = ready(FeatureSwap(0.4), TABLE)(real(TABLE))
        assert mask.double().mean() == pytest.approx(0.4, abs=0.02)
        for j in range(4):
            assert np.isin(corrupted[:, j].numpy(), TABLE[:, j]).all()


class TestImpulses:
    def test_each_end_gets_half_the_share(self):
        x = real(PICTURES).clamp(1, 254)
        corrupted, _ = ready(SaltAndPepper(0.2), PICTURES)(x)
        assert (corrupted == 0).double().mean() == pytest.approx(0.1, abs=0.01)
        assert (corrupted == 255).double().mean() == pytest.approx(0.1, abs=0.01)
        untouched = (corrupted > 0) & (corrupted < 255)
        assert torch.equal(corrupted[untouched], x[untouched])

    def test_columns_of_a_table_have_their_own_ends(self):
        corrupted, _ = ready(SaltAndPepper(1.0), TABLE)(real(TABLE))
        for j in range(4):
            assert set(corrupted[:, j].unique().tolist()) == {TABLE[:, j].min(), TABLE[:, j].max()}


class TestShot:
    def test_poisson_has_the_value_as_mean_and_grows_with_it(self):
        X = np.repeat(np.linspace(0, 250, 6)[None], 20_000, 0)
        noisy, _ = ready(PoissonNoise(10.0), X, "common")(real(X))
        np.testing.assert_allclose(noisy.mean(0), X[0], atol=4 * 250 / 10 * 10**0.5 / 20_000**0.5)
        np.testing.assert_allclose(noisy.var(0), X[0] * 25, rtol=0.06)
        counts = noisy / 25
        torch.testing.assert_close(counts, counts.round())

    def test_speckle_is_proportional_to_the_height_above_the_lowest(self):
        X = np.repeat(np.linspace(-20, 230, 6)[None], 20_000, 0)
        noisy, _ = ready(Speckle(0.2), X, "common")(real(X))
        np.testing.assert_allclose(noisy.std(0), 0.2 * (X[0] + 20), rtol=0.03)
        np.testing.assert_allclose(noisy.mean(0), X[0], atol=4 * 50 / 20_000**0.5)


class TestBlindSpot:
    @pytest.mark.parametrize("X", DATA.values(), ids=DATA)
    @pytest.mark.parametrize("stride", [2, 4, 9])
    def test_the_phases_hide_every_value_once(self, X, stride):
        corruption = ready(BlindSpot(stride), X)
        masks = [mask for _, mask in corruption.phases(real(X))]
        assert len(masks) == corruption.n_phases(real(X))
        assert torch.stack(masks).sum(0).unique().tolist() == [1]

    @pytest.mark.parametrize("X", DATA.values(), ids=DATA)
    def test_nothing_of_a_hidden_value_is_left(self, X):
        corruption, x = ready(BlindSpot(), X), real(X)
        for hidden, mask in corruption.phases(x):
            changed = torch.where(mask, x + 1000, x)
            torch.testing.assert_close(corruption._hide(changed, mask), hidden)

    def test_every_sample_hides_something(self):
        _, mask = ready(BlindSpot(), TABLE)(real(TABLE))
        assert mask.sum(1).unique().tolist() == [1]
        assert mask.any(0).all()

    def test_the_mean_of_neighbours_is_scipys(self):
        kernel = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]])
        weight = ndimage.convolve(np.ones((6, 7)), kernel, mode="constant")
        expected = [ndimage.convolve(x.astype(float), kernel, mode="constant") / weight for x in PICTURES[:5]]
        np.testing.assert_allclose(neighbour_mean(real(PICTURES[:5])), expected)
        colour = neighbour_mean(real(COLOUR))
        for channel in range(3):
            torch.testing.assert_close(colour[..., channel], neighbour_mean(real(COLOUR[..., channel])))

    def test_stride_of_one_would_hide_everything(self):
        with pytest.raises(ParameterError, match="stride must be at least 2, got 1"):
            ready(BlindSpot(1), PICTURES)


class TestNeighbourPairs:
    @pytest.mark.parametrize("depth", [None, 3])
    def test_input_and_target_are_neighbours_in_the_same_cell(self, depth):
        place = np.stack(np.meshgrid(np.arange(6), np.arange(7), indexing="ij"), -1)[None].repeat(300, 0)
        at = real(place if depth is None else place[..., None].repeat(depth, -1).reshape(300, 6, 7, -1))
        corruption = NeighbourPairs()
        torch.manual_seed(0)
        first, choice = corruption(at)
        second = corruption.target(at, choice)
        assert first.shape == (300, 3, 3, at.shape[-1])
        apart = (first - second).abs().reshape(300, 3, 3, -1, 2 if depth is None else 2 * depth).sum(-1)
        assert apart.unique().tolist() == [1.0 if depth is None else depth]
        cells = first.reshape(300, 3, 3, -1)[..., [0, -1]] // 2
        expected = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij"), -1)
        torch.testing.assert_close(cells, expected.double().expand_as(cells))
        assert len(choice.reshape(-1, 2).unique(dim=0)) == 8

    def test_half_takes_the_same_pixels_from_another_picture(self):
        x = real(PICTURES)
        corruption = NeighbourPairs()
        first, choice = corruption(x)
        torch.testing.assert_close(half(2 * x + 1, choice[..., 0]), 2 * first + 1)


def test_noise_of_the_target_is_independent_of_the_inputs():
    x = real(TABLE)
    corruption = ready(NoisyTarget(GaussianNoise(1.0)), TABLE)
    corrupted, mask = corruption(x)
    first, second = (corrupted - x)[:, 1], (corruption.target(x, mask) - x)[:, 1]
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / len(x) ** 0.5
    assert second.std() == pytest.approx(float(first.std()), rel=0.1)


def test_a_function_has_to_keep_the_shape():
    x = real(PICTURES)
    assert torch.equal(CustomCorruption(lambda x: x + 1)(x)[0], x + 1)
    with pytest.raises(ParameterError, match=r"of the shape it got, \(400, 6, 7\); it returned \(400, 42\)"):
        CustomCorruption(lambda x: x.flatten(1))(x)
    with pytest.raises(ParameterError, match="it returned ndarray"):
        CustomCorruption(lambda x: x.numpy())(x)  # type: ignore[arg-type, return-value]

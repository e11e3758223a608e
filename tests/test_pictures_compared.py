"""Similarity of pictures, against the formula written out with SciPy's filters."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from isthmus import VAE, Autoencoder, DataError
from isthmus.evaluate.pictures import psnr, ssim

PICTURES = load_digits().images[:100]


def written_out(x: np.ndarray, y: np.ndarray, data_range: float, radius: int = 5) -> float:
    """Of two grey pictures: as scikit-image does it with gaussian_weights and without the sample covariance."""

    def smooth(picture: np.ndarray) -> np.ndarray:
        # The picture's ends are cut off, so that it does not matter how it is continued.
        return gaussian_filter(picture, 1.5, truncate=(radius + 0.1) / 1.5)

    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(index[radius : x.shape[0] - radius, radius : x.shape[1] - radius].mean())


def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(100, 40, shape)
    return x, 0.8 * x + rng.normal(10, 20, shape)


@pytest.mark.parametrize("sides", [(28, 28), (11, 11), (17, 40)])
def test_is_the_formula(sides):
    x, y = pair(3, *sides)
    expected = [written_out(a, b, 255) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ssim(x, y, 255), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("side", "radius"), [(10, 4), (9, 4), (8, 3), (3, 1), (2, 0), (1, 0)])
def test_small_pictures_have_the_largest_odd_window_that_fits(side, radius):
    x, y = pair(2, side, side)
    expected = [written_out(a, b, 255, radius) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ssim(x, y, 255), expected, rtol=0, atol=1e-6)


def test_a_narrow_picture_has_a_narrow_window():
    x, y = pair(1, 30, 5)
    turned = ssim(x.swapaxes(1, 2), y.swapaxes(1, 2), 255)
    np.testing.assert_allclose(ssim(x, y, 255), turned, rtol=1e-12)


def test_colours_are_averaged():
    x, y = pair(3, 20, 16, 3)
    single = np.mean([ssim(x[..., c], y[..., c], 255) for c in range(3)], axis=0)
    np.testing.assert_allclose(ssim(x, y, 255), single, rtol=1e-12)


def test_laws(monkeypatch):
    from isthmus.evaluate import pictures

    x, y = pair(7, 16, 16)
    whole = ssim(x, y, 255)
    np.testing.assert_allclose(ssim(x, x, 255), 1)
    np.testing.assert_allclose(ssim(y, x, 255), whole, rtol=1e-12)
    np.testing.assert_allclose(ssim(x / 255, y / 255, 1), whole, rtol=1e-9)
    assert (whole < 1).all()
    assert ssim(x, 2 * x.mean() - x, 255).max() < 0
    monkeypatch.setattr(pictures, "_MOST_VALUES", 2 * 256)
    np.testing.assert_array_equal(ssim(x, y, 255), whole)
    as_bytes = x.clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(ssim(as_bytes, y, 255), ssim(as_bytes.astype(float), y, 255))


@pytest.mark.parametrize(
    ("shapes", "data_range", "message"),
    [
        (((2, 8, 8), (2, 8, 7)), 1.0, "of one shape"),
        (((2, 64), (2, 64)), 1.0, "are compared"),
        (((2, 8, 8),) * 2, 0.0, "positive"),
    ],
)
def test_says_what_is_wrong(shapes, data_range, message):
    with pytest.raises(DataError, match=message):
        ssim(np.zeros(shapes[0]), np.zeros(shapes[1]), data_range)


@pytest.mark.parametrize("cls", [VAE, Autoencoder])
def test_evaluate_has_it_for_pictures_alone(cls):
    model = cls(4, max_epochs=5, random_state=0).fit(PICTURES)
    metrics = model.evaluate(PICTURES)
    low, high = model.info_.display_range
    assert metrics["ssim"] == pytest.approx(ssim(PICTURES, model.reconstruct(PICTURES), high - low).mean(), rel=1e-6)
    assert metrics["psnr"] == pytest.approx(psnr(metrics["mse"], model.info_))
    better = cls(4, max_epochs=60, random_state=0).fit(PICTURES).evaluate(PICTURES)
    assert better["ssim"] > metrics["ssim"] + 0.05
    flat = cls(4, max_epochs=1, random_state=0).fit(PICTURES.reshape(-1, 64)).evaluate(PICTURES.reshape(-1, 64))
    assert "ssim" not in flat

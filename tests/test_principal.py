"""Principal components in closed form and by descent, against NumPy and scikit-learn."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from isthmus.principal import Principal, few_rows, leading, moments, polish, principal_components, sums


def table(n: int, d: int, *, rank: int | None = None, offset: float = 0.0, seed: int = 0) -> np.ndarray:
    """Correlated columns with a spread-out spectrum."""
    rng = np.random.default_rng(seed)
    rank = min(n, d) if rank is None else rank
    scores = rng.normal(size=(n, rank)) * np.geomspace(3, 0.3, rank)
    return scores @ np.linalg.qr(rng.normal(size=(d, rank)))[0].T + offset


def components(X: np.ndarray, k: int) -> Principal:
    """Principal components by the cheaper of the two closed forms."""
    return principal_components(moments(X), k) if len(X) >= X[0].size else few_rows(X, k)


def largest_angle(a: np.ndarray, b: np.ndarray) -> float:
    """Largest principal angle between the spans of orthonormal columns, exact for small angles."""
    return float(np.arcsin(min(1.0, np.linalg.norm(a - b @ (b.T @ a), 2))))


class TestMoments:
    @pytest.mark.parametrize(
        ("dtype", "rtol"),
        [("float64", 1e-9), ("float32", 1e-5), ("float16", 1e-5), ("uint8", 1e-5), ("bool", 1e-5), ("int64", 1e-9)],
    )
    @pytest.mark.parametrize("chunk", [7, 1000])
    def test_numpys_in_any_dtype_and_chunk(self, dtype, rtol, chunk, monkeypatch):
        monkeypatch.setattr(sums, "_MOST_ROWS", chunk)
        X = (100 * np.random.default_rng(0).random((60, 4))).astype(dtype)
        if dtype == "bool":
            X[::2] = False
        found, exact = moments(X), X.astype(np.float64)
        centred = exact - exact.mean(0)
        assert found.n == 60
        np.testing.assert_allclose(found.mean, exact.mean(0), rtol=rtol)
        scatter = centred.T @ centred
        np.testing.assert_allclose(found.scatter, scatter, rtol=0, atol=rtol * scatter.max())

    @pytest.mark.parametrize("chunk", [7, 1000])
    @pytest.mark.parametrize(
        ("dtype", "offset"),
        [("float64", 1e6), ("float32", 1e4), ("float32", 700.0), ("int32", 10**9), ("int64", 10**9)],
    )
    def test_a_large_offset_costs_no_precision(self, dtype, offset, chunk, monkeypatch):
        monkeypatch.setattr(sums, "_MOST_ROWS", chunk)
        X = (offset + 30 * np.random.default_rng(0).normal(size=(60, 4))).astype(dtype)
        found, exact = moments(X), X.astype(np.float64) - offset
        np.testing.assert_allclose(found.mean - offset, exact.mean(0), rtol=0, atol=1e-4)
        scatter = 60 * np.cov(exact.T, bias=True)
        np.testing.assert_allclose(found.scatter, scatter, rtol=0, atol=1e-5 * scatter.max())

    def test_first_chunk_unlike_the_rest(self, monkeypatch):
        monkeypatch.setattr(sums, "_MOST_ROWS", 20)
        X = np.sort(table(200, 3), axis=0).astype(np.float32)
        scatter = 200 * np.cov(X.astype(np.float64).T, bias=True)
        np.testing.assert_allclose(moments(X).scatter, scatter, rtol=0, atol=1e-5 * scatter.max())

    def test_pictures_are_flattened(self):
        X = table(30, 6)
        flat, pictures = moments(X), moments(X.reshape(30, 2, 3))
        assert torch.equal(flat.scatter, pictures.scatter)
        assert pictures.mean.shape == (6,)


DATA = {
    "tall": (table(80, 6), 3),
    "tall, all components": (table(80, 6), 6),
    "one column": (table(80, 1), 1),
    "square": (table(20, 20), 4),
    "wide": (table(12, 40), 4),
    "wide, as many as rows less one": (table(12, 40), 11),
    "far from the origin": (table(80, 6, offset=1e6), 3),
    "pictures": (table(60, 12).reshape(60, 3, 4), 4),
}


class TestComponents:
    @pytest.mark.parametrize(("X", "k"), DATA.values(), ids=DATA)
    def test_scikit_learns(self, X, k):
        flat = X.reshape(len(X), -1)
        found, reference = components(X, k), PCA(k, svd_solver="full").fit(flat)
        np.testing.assert_allclose(found.mean, reference.mean_)
        np.testing.assert_allclose(found.variance, reference.explained_variance_, rtol=1e-6)
        np.testing.assert_allclose(found.noise_variance, reference.noise_variance_, rtol=1e-5, atol=1e-9)
        assert found.total_variance == pytest.approx(flat.var(0, ddof=1).sum(), rel=1e-8)
        signs = np.sign((found.components * reference.components_).sum(1))
        np.testing.assert_allclose(found.components, signs[:, None] * reference.components_, atol=1e-6)
        peaks = np.abs(found.components).argmax(1)
        assert (found.components[np.arange(k), peaks] > 0).all()

    @pytest.mark.parametrize(
        ("X", "k"),
        [
            (table(80, 6, rank=2), 4),
            (table(12, 40, rank=3), 6),
            (table(12, 40), 12),
            (np.ones((10, 4)), 2),
            (np.ones((4, 9)), 3),
        ],
        ids=["tall", "wide", "as many as rows", "constant", "constant and wide"],
    )
    def test_directions_without_variance_are_still_orthonormal_and_never_negative(self, X, k):
        found, reference = components(X, k), PCA(k, svd_solver="full")
        np.testing.assert_allclose(found.components @ found.components.T, np.eye(k), atol=1e-9)
        assert (found.variance >= 0).all()
        assert found.noise_variance >= 0
        if X.std() > 0:
            np.testing.assert_allclose(found.variance, reference.fit(X).explained_variance_, atol=1e-9)

    @pytest.mark.parametrize(("n", "d"), [(80, 6), (12, 40)])
    @pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
    def test_whole_numbers_and_single_precision(self, n, d, dtype):
        X = (40 * table(n, d)).round().__add__(128).clip(0, 255).astype(dtype)
        found = components(X, 3)
        reference: Any = PCA(3, svd_solver="full").fit(X.astype(np.float64))
        np.testing.assert_allclose(found.variance, reference.explained_variance_, rtol=1e-5)
        assert largest_angle(found.components.T, reference.components_.T) < 1e-5
        assert found.components.dtype == np.float64

    def test_both_closed_forms_agree(self):
        X = table(12, 40)
        gram, covariance = few_rows(X, 5), principal_components(moments(X), 5)
        np.testing.assert_allclose(gram.components, covariance.components, atol=1e-9)
        np.testing.assert_allclose(gram.variance, covariance.variance)
        assert gram.noise_variance == pytest.approx(covariance.noise_variance)

    def test_rounding_makes_no_variance_negative(self):
        # Centred rows have one direction less than there are of them; its variance is rounding of either sign.
        for seed in range(30):
            assert (few_rows(np.random.default_rng(seed).normal(size=(6, 20)), 6).variance >= 0).all()

    def test_data_are_left_as_they_were(self):
        for X in (table(30, 5), table(5, 30)):
            before = X.copy()
            components(X, 2)
            assert np.array_equal(X, before)

    def test_within_a_subspace(self):
        X = table(80, 6)
        basis = torch.linalg.qr(torch.tensor(np.random.default_rng(1).normal(size=(6, 3)))).Q
        found = principal_components(moments(X), 2, basis)
        inside = PCA(2).fit(X @ basis.numpy())
        np.testing.assert_allclose(found.variance, inside.explained_variance_)
        assert largest_angle(found.components.T, basis.numpy()) < 1e-7
        assert found.total_variance == pytest.approx(X.var(0, ddof=1).sum())
        whole = components(X, 2)
        everything = principal_components(moments(X), 2, torch.eye(6, dtype=torch.float64))
        np.testing.assert_allclose(everything.components, whole.components)


class TestLeading:
    @pytest.mark.parametrize(("n", "d"), [(200, 9), (20, 40)])
    def test_scikit_learns(self, n, d):
        X = table(n, d).reshape(n, -1, 1)
        found, reference = leading(X, 4), PCA(4, svd_solver="full").fit(X.reshape(n, d))
        np.testing.assert_allclose(found.variance, reference.explained_variance_, rtol=1e-6)
        np.testing.assert_allclose(np.abs(found.components @ reference.components_.T), np.eye(4), atol=1e-6)

    def test_directions_without_variance_are_left_out(self):
        assert leading(table(100, 8, rank=2), 5).components.shape == (2, 8)
        assert leading(table(100, 3), 5).components.shape == (3, 3)
        assert leading(table(4, 30), 8).components.shape == (3, 30)  # the mean takes one


class TestLogLikelihood:
    @pytest.mark.parametrize(("n", "d", "k"), [(80, 6, 3), (80, 6, 6), (200, 3, 1), (12, 40, 4)])
    @pytest.mark.parametrize("offset", [0.0, 1e5])
    def test_scikit_learns(self, n, d, k, offset):
        X = table(n, d, offset=offset)
        reference = PCA(k, svd_solver="full").fit(X)
        found = components(X, k).log_likelihood(X)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, reference.score_samples(X), rtol=1e-6, atol=1e-6)

    def test_chunks_and_pictures(self, monkeypatch):
        X = table(50, 6)
        fitted = components(X, 2)
        whole = fitted.log_likelihood(X)
        monkeypatch.setattr("isthmus.principal.components._ROWS", 7)
        np.testing.assert_allclose(fitted.log_likelihood(X.reshape(50, 2, 3)), whole)

    def test_finite_without_noise(self):
        X = table(50, 6, rank=2)
        for k in (2, 4):
            assert np.isfinite(components(X, k).log_likelihood(X)).all()


class TestPolish:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize(
        ("X", "k"),
        [
            (table(100, 10), 3),
            (table(100, 10, offset=1e4), 1),
            (table(60, 5), 5),
            (table(15, 40), 5),
            (table(300, 8) * np.geomspace(1, 1e-3, 8), 4),
            # A gap of 1 % between the last component kept and the first left out.
            (np.diag(np.sqrt([5.0, 3.0, 1.01, 1.0, 0.5])).repeat(2, 0) * np.tile([1, -1], 5)[:, None], 3),
        ],
        ids=["tall", "offset", "all", "wide", "wide range", "small gap"],
    )
    def test_reaches_the_optimum_from_a_random_start(self, X, k, seed):
        start = torch.randn(X.shape[1], k, generator=torch.Generator().manual_seed(seed))
        basis = polish(moments(X), start).numpy()
        np.testing.assert_allclose(basis.T @ basis, np.eye(k), atol=1e-10)
        centred = X - X.mean(0)
        singular, axes = np.linalg.svd(centred)[1:]
        best = (singular[k:] ** 2).sum()
        loss = ((centred - centred @ basis @ basis.T) ** 2).sum()
        assert loss - best <= 1e-6 * best + 1e-12 * (singular**2).sum()
        assert largest_angle(basis, axes[:k].T) <= 1e-3

    def test_leaves_the_optimum_where_it_is(self):
        X = table(100, 10)
        axes = components(X, 3).components
        assert largest_angle(polish(moments(X), torch.tensor(axes.T)).numpy(), axes.T) < 1e-7

    def test_data_without_variance(self):
        basis = polish(moments(np.ones((10, 4))), torch.randn(4, 2))
        np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-10)

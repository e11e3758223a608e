"""Leading eigenvectors by block Lanczos iteration: what is found, and that the bounds on its error are bounds."""

import numpy as np
import pytest

from isthmus.principal import eigenpairs
from isthmus.principal.eigenpairs import Eigenpairs, block_width, largest_eigenpairs, leading_eigenpairs

D, K = 400, 5
ONES = np.arange(1, D + 1)
SPECTRA = {
    "geometric": 0.9**ONES,
    "harmonic": 1 / ONES,
    "slow": ONES**-0.5,
    "gap": np.where(ONES <= K, 2.0, 0.1) + 1e-3 / ONES,
    "noise floor": 0.5**ONES + 1e-6,
    "tie within": np.r_[np.full(3, 2.0), np.geomspace(1.5, 1e-3, D - 3)],
    "tie across": np.r_[3.0, np.full(8, 2.0), np.geomspace(1.0, 1e-3, D - 9)],
    "rank 3": np.r_[3.0, 2.0, 1.0, np.zeros(D - 3)],
    "wide range": np.geomspace(1e8, 1e-4, D),
}
every_spectrum = pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)


def start(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(D, block_width(K)))


def excess(spectrum: np.ndarray, vectors: np.ndarray) -> float:
    """By how much the first K vectors miss the sum of the leading eigenvalues of a diagonal matrix."""
    return spectrum[:K].sum() - (vectors[:, :K] ** 2 * spectrum[:, None]).sum()


def sine(vectors: np.ndarray) -> float:
    """Of the largest angle to the first K unit vectors."""
    return float(np.linalg.norm(vectors[K:, :K], 2))


@every_spectrum
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_finds_the_leading_eigenvectors(spectrum, scale):
    found = leading_eigenpairs(lambda v: scale * spectrum[:, None] * v, start(), K, scale * spectrum.sum(), passes=D)
    assert found is not None
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(block_width(K)), atol=1e-10)
    assert excess(spectrum, found.vectors) <= 1e-6 * spectrum[K:].sum() + 1e-12 * spectrum.sum()
    if spectrum[K - 1] > spectrum[K]:
        assert sine(found.vectors) <= 1e-3


@every_spectrum
def test_the_bounds_are_bounds(spectrum, monkeypatch):
    seen = []

    def look(self: Eigenpairs, k: int, total: float) -> bool:
        seen.append(self)
        return len(seen) == 20

    monkeypatch.setattr(Eigenpairs, "settled", look)
    leading_eigenpairs(lambda v: spectrum[:, None] * v, start(), K, spectrum.sum(), passes=20)
    rounding = 1e-12 * spectrum[0]
    assert len(seen) == 20
    for found in seen:
        assert excess(spectrum, found.vectors) <= found.excess(K) + rounding
        if spectrum[K - 1] > spectrum[K] and found.angle(K) < 0.1:
            assert sine(found.vectors) <= found.angle(K) + rounding / (spectrum[K - 1] - spectrum[K])
        residuals = spectrum[:, None] * found.vectors - found.vectors * found.values
        np.testing.assert_allclose(found.residuals, np.linalg.norm(residuals, axis=0), atol=rounding)


def test_more_passes_than_allowed_are_not_made():
    calls = []
    assert leading_eigenpairs(lambda v: calls.append(v) or v / ONES[:, None], start(), K, 6.6, passes=2) is None
    assert len(calls) == 2


def test_rounding_errors_of_the_products_are_seen():
    spectrum, rng = SPECTRA["harmonic"], np.random.default_rng(0)

    def apply(v: np.ndarray) -> np.ndarray:
        return spectrum[:, None] * v + noise * rng.normal(size=v.shape)

    noise = 1e-9
    found = leading_eigenpairs(apply, start(), K, spectrum.sum())
    assert found is not None
    assert sine(found.vectors) <= 1e-3
    noise = 1e-3
    assert leading_eigenpairs(apply, start(), K, spectrum.sum()) is None


@pytest.mark.parametrize("single", [False, True])
@every_spectrum
def test_explicit_matrices(spectrum, single):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
    matrix = turn * spectrum @ turn.T
    found = largest_eigenpairs((matrix + matrix.T) / 2, K, single=single)
    assert len(found.values) > K
    vectors = turn.T @ found.vectors
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=1e-10)
    assert excess(spectrum, vectors) <= 1e-6 * spectrum[K:].sum() + 1e-12 * spectrum.sum()
    if spectrum[K - 1] > spectrum[K]:
        assert sine(vectors) <= 1e-3
    np.testing.assert_allclose(found.values[:K], spectrum[:K], rtol=1e-6, atol=1e-12 * spectrum[0])


@pytest.mark.parametrize("matrix", [np.eye(D), np.zeros((D, D)), np.diag(np.r_[np.ones(200), np.zeros(200)])])
def test_what_has_many_equal_eigenvalues(matrix):
    found = largest_eigenpairs(matrix, K)
    np.testing.assert_allclose(found.values[:K], np.sort(np.diag(matrix))[: -K - 1 : -1], atol=1e-12)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(found.vectors.shape[1]), atol=1e-10)


def test_what_lapack_gets_wrong_is_not_believed(monkeypatch):
    spectrum = SPECTRA["harmonic"]
    for wrong in (None, start()):
        monkeypatch.setattr(eigenpairs, "_some_eigenvectors", lambda *_, wrong=wrong: wrong)
        found = largest_eigenpairs(np.diag(spectrum), K)
        assert sine(found.vectors) <= 1e-3

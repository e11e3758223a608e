"""The description of the data, and the scaling that is fitted on it."""

import numpy as np
import pytest
import torch
from helpers import make_scaling

from isthmus.data import info as info_module
from isthmus.data.info import DataInfo, describe_data, with_range_of

DTYPES = ["uint8", "bool", "int32", "int64", "float16", "float32", "float64"]


def table(dtype: str, shape: tuple[int, ...] = (50, 4)) -> np.ndarray:
    X = np.random.default_rng(0).random(shape)
    return X < 0.4 if dtype == "bool" else (120 * X).astype(dtype)


class TestDescribe:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(50, 4), (50, 1), (20, 3, 5), (20, 3, 5, 2)])
    @pytest.mark.parametrize("chunk", [None, 7])
    def test_numpys_moments_in_any_dtype_and_chunk(self, dtype, shape, chunk, monkeypatch):
        X = table(dtype, shape)
        if chunk:
            monkeypatch.setattr(info_module, "_CHUNK_BYTES", 8 * chunk * X[0].size)
        info, exact = describe_data(X), X.astype(np.float64)
        assert (info.n_samples, info.shape, info.dtype) == (len(X), shape[1:], dtype)
        assert info.n_values == X[0].size
        assert info.is_picture == (len(shape) > 2)
        np.testing.assert_allclose(info.mean, exact.mean(0), rtol=1e-12)
        np.testing.assert_allclose(info.std, exact.std(0), rtol=1e-10)
        assert np.array_equal(info.minimum, exact.min(0))
        assert np.array_equal(info.maximum, exact.max(0))
        assert (info.low, info.high) == (exact.min(), exact.max())
        assert info.integral == (dtype not in ("float16", "float32", "float64"))

    @pytest.mark.parametrize("chunk", [1, 7, 100])
    def test_a_large_offset_costs_no_precision(self, chunk, monkeypatch):
        monkeypatch.setattr(info_module, "_CHUNK_BYTES", 8 * chunk * 3)
        X = 1e9 + np.random.default_rng(0).normal(size=(60, 3))
        np.testing.assert_allclose(describe_data(X).std, (X - 1e9).std(0), rtol=1e-6)

    def test_only_the_rows_that_are_named(self, monkeypatch):
        monkeypatch.setattr(info_module, "_CHUNK_BYTES", 8 * 4 * 4)
        X = table("float32")
        chosen = np.array([3, 5, 40, 7, 7, 11, 0, 2, 30])
        some, alone = describe_data(X, chosen), describe_data(X[chosen])
        assert some.n_samples == 9
        assert some.summary() == alone.summary()
        assert np.array_equal(some.mean, alone.mean)
        assert np.array_equal(some.std, alone.std)

    def test_moments_that_are_known_are_taken_as_they_are(self):
        X = table("float32", (20, 3, 5))
        whole = describe_data(X)
        given = describe_data(X, moments=(np.arange(15.0), np.ones(15)))
        assert np.array_equal(given.mean, np.arange(15.0).reshape(3, 5))
        assert np.array_equal(given.std, np.ones((3, 5)))
        assert given.summary() == whole.summary()

    def test_constant_columns_have_no_spread(self):
        for dtype in ("float32", "float64"):
            X = np.full((1000, 3), [0.0, 0.1, 1e9], dtype=dtype)
            assert (describe_data(X).std <= 1e-12 * np.abs(X[0])).all()

    @pytest.mark.parametrize(
        ("X", "integral"),
        [
            (np.array([[1.0, -2.0]]), True),
            (np.array([[1.0, 2.5]]), False),
            (np.array([[True, False]]), True),
            (np.array([[3, 4]], dtype=np.uint8), True),
            (np.array([[1e15 + 0.5, 1.0]]), False),
        ],
    )
    def test_integral(self, X, integral):
        assert describe_data(X).integral is integral

    @pytest.mark.parametrize("late", [False, True])
    def test_one_fraction_or_one_bad_row_is_enough_in_any_chunk(self, late, monkeypatch):
        monkeypatch.setattr(info_module, "_CHUNK_BYTES", 8 * 4 * 4)
        X = np.eye(4)[np.arange(40) % 4]
        assert describe_data(X).integral
        assert describe_data(X).one_hot
        row = -1 if late else 0
        X[row, 0] = 0.5
        assert not describe_data(X).integral
        X[row] = 1
        assert describe_data(X).integral
        assert not describe_data(X).one_hot

    @pytest.mark.parametrize(
        ("X", "one_hot"),
        [
            (np.eye(3), True),
            (np.eye(3, dtype=bool), True),
            (np.eye(3, dtype=np.uint8), True),
            (np.zeros((3, 3)), False),
            (2 * np.eye(3), False),
            (np.eye(3) - 2 * np.eye(3)[::-1], False),
            (np.array([[0.5, 0.5]]), False),
            (np.array([[2.0, -1.0]]), False),
            (np.ones((3, 1)), False),
            (np.eye(4).reshape(4, 2, 2), False),
        ],
    )
    def test_one_hot(self, X, one_hot):
        assert describe_data(X).one_hot is one_hot

    @pytest.mark.parametrize(
        ("X", "binary"),
        [
            (np.array([[0, 1], [1, 0]]), True),
            (np.array([[False, True]]), True),
            (np.zeros((2, 2)), True),
            (np.array([[0.0, 0.5, 1.0]]), False),
            (np.array([[-1, 1]]), False),
            (np.array([[0, 2]]), False),
        ],
    )
    def test_is_binary(self, X, binary):
        assert describe_data(X).is_binary is binary

    @pytest.mark.parametrize(
        ("minimum", "maximum", "commensurate"),
        [
            ([0, 0, 0], [16, 16, 16], True),
            ([0, 0, 0], [16, 16, 5], True),
            ([0, 0, 0], [16, 5, 5], False),
            ([0, 0.5, 0], [16, 15.5, 5], True),
            ([0, 0, 1.5], [16, 5, 16], False),
            # Columns that never vary are no evidence either way.
            ([0, 0, 0, 0], [16, 16, 0, 0], True),
            ([0, 3, 3], [16, 3, 3], False),
            ([2, 2], [2, 2], False),
        ],
    )
    def test_columns_of_one_common_range(self, minimum, maximum, commensurate):
        assert describe_data(np.array([minimum, maximum], dtype=float)).is_commensurate is commensurate

    def test_pictures_always_share_one_scale(self):
        assert describe_data(np.zeros((3, 2, 2))).is_commensurate

    def test_a_summary_is_enough_to_lay_out_a_model_again(self):
        info = describe_data(table("uint8", (20, 3, 5)))
        again = DataInfo.from_summary(info.summary())
        assert again.summary() == info.summary()
        assert again.mean.shape == again.std.shape == (3, 5)
        assert (again.std > 0).all()

    def test_widened_range(self):
        here, there = describe_data(np.eye(3)), describe_data(np.array([[0.5, 4.0, -1.0]]))
        both = with_range_of(here, there)
        assert (both.low, both.high) == (-1, 4)
        assert both.minimum.tolist() == [0, 0, -1]
        assert both.maximum.tolist() == [1, 4, 1]
        assert (both.integral, both.one_hot, both.n_samples) == (False, False, 3)
        assert np.array_equal(both.mean, here.mean)


class TestScaling:
    @pytest.mark.parametrize("kind", ["common", "standard", "center", "log", "none"])
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(50, 4), (20, 3, 5, 2)])
    def test_each_kind_on_each_dtype(self, kind, dtype, shape):
        X = table(dtype, shape)
        found = make_scaling(kind, X)(torch.tensor(X))
        assert found.dtype == torch.float32
        assert found.shape == X.shape
        np.testing.assert_allclose(found, self.expected(kind, X), rtol=2e-5, atol=1e-5)

    @pytest.mark.parametrize("kind", ["common", "global", "standard", "center", "log", "none"])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_the_inverse_leads_back(self, kind, dtype):
        X = table(dtype)
        scaling = make_scaling(kind, X)
        np.testing.assert_allclose(scaling.inverse(scaling(torch.tensor(X))), X, rtol=1e-4, atol=1e-4)

    def test_counts_that_a_corruption_took_below_zero_count_as_none(self):
        scaling = make_scaling("log", np.arange(6.0).reshape(3, 2))
        x = torch.tensor([[-3.0, -1.0, -0.5, 0.0, 2.0]])
        assert scaling(x)[0, :4].tolist() == [0, 0, 0, 0]
        assert scaling(x)[0, 4] == scaling(torch.tensor([2.0]))

    def expected(self, kind: str, X: np.ndarray) -> np.ndarray:
        exact = X.astype(np.float64)
        return {
            "common": (exact - exact.mean(0)) / np.sqrt(exact.var(0).mean()),
            "standard": (exact - exact.mean(0)) / exact.std(0),
            "center": exact - exact.mean(0),
            "log": np.log1p(exact) / np.log1p(exact.max()),
            "none": exact,
        }[kind]

    @pytest.mark.parametrize("kind", ["common", "standard", "center"])
    @pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
    def test_a_large_offset_costs_no_precision(self, kind, dtype):
        X = (1e9 + 30 * np.random.default_rng(0).normal(size=(50, 3))).astype(dtype)
        found = make_scaling(kind, X)(torch.tensor(X))
        np.testing.assert_allclose(found, self.expected(kind, X), rtol=1e-5, atol=1e-5)

    def test_a_common_scale_leaves_quiet_values_quiet(self):
        X = np.random.default_rng(0).normal(size=(500, 2)) * [100, 1]
        spread = make_scaling("common", X)(torch.tensor(X)).std(0)
        assert spread[1] / spread[0] == pytest.approx(0.01, rel=0.2)

    @pytest.mark.parametrize("kind", ["common", "standard", "center", "log", "none"])
    @pytest.mark.parametrize("value", [0.0, 0.1, 7.0, 1e9])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_value_that_never_varied_keeps_the_scale_one(self, kind, value, dtype):
        X = np.full((1000, 2), value, dtype=dtype)
        scaling = make_scaling(kind, X)
        assert torch.isfinite(scaling(torch.tensor(X))).all()
        if kind != "log":
            assert (scaling.scale == 1).all()
        if kind in ("common", "standard", "center"):
            assert scaling(torch.tensor(X)).abs().max() <= 1e-6 * value

    def test_one_constant_column_among_others_is_not_blown_up(self):
        X = np.random.default_rng(0).normal(size=(500, 3)) * 5
        X[:, 1] = 0.1
        u = make_scaling("standard", X)(torch.tensor(X)).numpy()
        np.testing.assert_allclose(u[:, [0, 2]].std(0), 1, rtol=1e-5)
        assert np.abs(u[:, 1]).max() < 1e-9

    def test_buffers_are_double_only_where_the_data_are(self):
        for dtype, expected in (("float64", torch.float64), ("float32", torch.float32), ("uint8", torch.float32)):
            assert make_scaling("standard", table(dtype)).shift.dtype == expected
        assert set(make_scaling("common", table("uint8")).state_dict()) == {"shift", "scale"}

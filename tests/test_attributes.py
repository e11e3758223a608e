"""Attributes: found from a few examples, measured as a distribution, moved along, and saved."""

import json
from functools import cache, reduce
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from test_runs import TENSORS, WRONG, forge, paths, seal

import isthmus
from isthmus import VAE, Autoencoder, DataError, IsthmusError, ParameterError, RunError
from isthmus.explore import traverse
from isthmus.explore.attribute_figures import attribute_figure
from isthmus.explore.attributes import Attribute, AttributePosterior, check_name, find_attribute
from isthmus.runs import PARAMS, WEIGHTS

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS.reshape(-1, 8, 8)[:600]
ONES, SEVENS = (DIGITS[LABELS[:600] == digit] for digit in (1, 7))
every_model = pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)


@cache
def fitted(cls, latent_dim: int = 4, max_epochs: int = 2):
    est = cls(latent_dim=latent_dim, max_epochs=max_epochs, random_state=0).fit(DIGITS)
    return est.fit_attribute("seven", SEVENS[:20], ONES[:20])


def certain(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return codes, np.zeros_like(codes)


def groups(n: int, d: int, *, shift: float = 2.0, seed: int = 0, covariance: np.ndarray | None = None):
    rng = np.random.default_rng(seed)
    factor = np.eye(d) if covariance is None else np.linalg.cholesky(covariance)
    first, second = (rng.normal(size=(n, d)) @ factor.T for _ in range(2))
    return first + shift * np.eye(d)[0], second


# ------------------------------------------------------------------ how it is found


def test_the_groups_lie_at_minus_one_and_one():
    positive, negative = groups(15, 6)
    found = find_attribute(certain(positive), certain(negative))
    assert found.value(positive).mean() == pytest.approx(1)
    assert found.value(negative).mean() == pytest.approx(-1)
    assert found.weights @ found.direction == pytest.approx(1)
    np.testing.assert_allclose(found.direction, (positive.mean(0) - negative.mean(0)) / 2)
    assert (found.n_positive, found.n_negative) == (15, 15)
    turned = find_attribute(certain(negative), certain(positive))
    np.testing.assert_allclose(turned.weights, -found.weights)


@pytest.mark.parametrize(("n", "d"), [(30, 5), (8, 5), (12, 40)])
def test_weights_are_those_of_scikit_learns_shrunken_discriminant(n, d):
    positive, negative = groups(n, d, covariance=np.eye(d) + 0.7)
    positive[:, 1] *= 100  # a latent in other units
    negative[:, 1] *= 100
    found = find_attribute(certain(positive), certain(negative))
    X, y = np.concatenate([positive, negative]), np.repeat([1, 0], n)
    # Ours pools both groups before it shrinks, theirs shrinks each; with groups of one shape both are close.
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, y)
    fresh = groups(4000, d, covariance=np.eye(d) + 0.7, seed=1)
    for group in fresh:
        group[:, 1] *= 100
    points = np.concatenate(fresh)
    assert np.corrcoef(found.value(points), theirs.decision_function(points))[0, 1] > 0.97


def test_weights_are_the_exact_discriminant_of_many_examples():
    covariance = np.array([[1.0, 0.9, 0], [0.9, 1.0, 0], [0, 0, 4.0]])
    found = find_attribute(*(certain(part) for part in groups(20_000, 3, covariance=covariance)))
    exact = np.linalg.solve(covariance, [1.0, 0, 0])
    np.testing.assert_allclose(found.weights / found.weights[0], exact / exact[0], atol=0.03)
    # Latent 1 tells nothing of the groups: it is weighed to take away noise, and not moved along.
    assert found.weights[1] / found.weights[0] < -0.8
    assert abs(found.direction[1] / found.direction[0]) < 0.03


def test_wide_and_narrow_codes_take_the_same_road():
    """The solution by the Woodbury identity is the direct one."""
    from isthmus.explore.attributes import _solve

    rng = np.random.default_rng(0)
    within, noise, right = rng.normal(size=(9, 30)), rng.random(30), rng.normal(size=30)
    wide = _solve(within, noise, right)
    repeated = np.repeat(within, 4, axis=0)  # the same covariance from more rows than columns
    from sklearn.covariance import ledoit_wolf_shrinkage

    shrinkage = ledoit_wolf_shrinkage(within, assume_centered=True)
    matrix = (1 - shrinkage) * within.T @ within / 9 + np.diag(shrinkage * np.mean(within**2) + noise)
    np.testing.assert_allclose(matrix @ wide, right, atol=1e-9)
    direct = _solve(repeated, noise, right)
    shrinkage = ledoit_wolf_shrinkage(repeated, assume_centered=True)
    matrix = (1 - shrinkage) * within.T @ within / 9 + np.diag(shrinkage * np.mean(within**2) + noise)
    np.testing.assert_allclose(matrix @ direct, right, atol=1e-9)


def test_few_examples_of_a_wide_code_will_do():
    rng = np.random.default_rng(0)
    d = 64
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    effect = 1.5 * rng.normal(size=d) / np.sqrt(d) * 2
    positive, negative = (rng.normal(size=(n, d)) @ mixing.T + sign * effect for n, sign in ((10, 1), (10, -1)))
    found = find_attribute(certain(positive), certain(negative))
    fresh = [rng.normal(size=(500, d)) @ mixing.T + sign * effect for sign in (1, -1)]
    accuracy = np.mean([(found.value(fresh[0]) > 0).mean(), (found.value(fresh[1]) < 0).mean()])
    assert accuracy > 0.9


def test_a_latent_left_at_the_prior_gets_no_weight():
    positive, negative = groups(25, 2)
    rng = np.random.default_rng(1)
    # Means of an unused latent hardly differ, and neither do they vary: without its variance it would look precious.
    unused = [np.concatenate([part, 1e-3 * rng.normal(size=(25, 1))], 1) for part in (positive, negative)]
    unused[0][:, 2] += 2e-3
    variances = np.tile([0.1, 0.1, 1.0], (25, 1))
    found = find_attribute((unused[0], variances), (unused[1], variances))
    assert abs(found.weights[2]) < 0.02 * abs(found.weights[0])
    naive = find_attribute(certain(unused[0]), certain(unused[1]))
    assert abs(naive.weights[2]) > 10 * abs(naive.weights[0])


def test_accuracy_is_of_examples_left_out():
    rng = np.random.default_rng(0)
    alike = [find_attribute(certain(a), certain(b)).accuracy for a, b in rng.normal(size=(40, 2, 10, 30))]
    assert abs(np.mean(alike) - 0.5) < 0.06
    assert find_attribute(*(certain(part) for part in groups(10, 3, shift=20))).accuracy == 1


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [
        (np.ones((1, 3)), np.zeros((5, 3)), "at least 2 examples with it and 2 without, and there are 1 and 5"),
        (np.ones((3, 3)), np.ones((3, 3)), "the same mean code"),
    ],
)
def test_examples_that_say_nothing(positive, negative, message):
    with pytest.raises(DataError, match=message):
        find_attribute(certain(positive), certain(negative))


def test_examples_that_do_not_vary_within_their_group():
    found = find_attribute(certain(np.ones((2, 3))), certain(np.zeros((2, 3))))
    np.testing.assert_allclose(found.value(np.array([[1.0, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5]])), [1, -1, 0], atol=1e-9)
    partly = np.array([[1.0, 0.3], [1.0, -0.3]])
    assert np.isfinite(find_attribute(certain(partly), certain(partly - [1, 0])).weights).all()


# ------------------------------------------------------------------ what it measures


def test_the_distribution_is_that_of_draws_from_the_posterior():
    vae = fitted(VAE, max_epochs=4)
    attribute, q = vae.attributes_["seven"], vae.posterior(DIGITS[:50])
    drawn = attribute.value(q.sample(20_000, random_state=0))
    found = vae.attribute("seven", DIGITS[:50])
    np.testing.assert_allclose(found.mean, drawn.mean(0), atol=0.05)
    np.testing.assert_allclose(found.std, drawn.std(0), rtol=0.03)
    np.testing.assert_allclose(found.probability(), (drawn > 0).mean(0), atol=0.02)
    np.testing.assert_allclose(found.probability(1.0), (drawn > 1).mean(0), atol=0.02)


def test_probability_is_the_normal_one_and_a_step_without_spread():
    found = AttributePosterior(np.array([-1.0, 0, 1, 2]), np.array([0.5, 1, 2, 1e-6]))
    expected = stats.norm.sf(0, found.mean, found.std)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.probability(), expected)
    np.testing.assert_array_equal(AttributePosterior(found.mean, np.zeros(4)).probability(), [0, 0.5, 1, 1])
    np.testing.assert_array_equal(AttributePosterior(found.mean, np.zeros(4)).probability(above=1), [0, 0, 0.5, 1])


@every_model
def test_every_model_learns_attributes(cls):
    est = fitted(cls)
    found = est.attribute("seven", DIGITS)
    assert found.mean.shape == found.std.shape == (len(DIGITS),)
    assert est.attribute("seven", SEVENS[:20]).mean.mean() == pytest.approx(1, abs=1e-4)
    assert est.attribute("seven", ONES[:20]).mean.mean() == pytest.approx(-1, abs=1e-4)
    assert (found.std > 0).all() == hasattr(est, "posterior")
    if not hasattr(est, "posterior"):
        assert set(np.unique(found.probability())) <= {0, 0.5, 1}
    walk = traverse(est, "seven", start=ONES[0], reach=1, steps=3)
    code = est.transform(ONES[:1])[0].astype(float)
    moved = code + np.outer([-1, 0, 1] - est.attributes_["seven"].value(code), est.attributes_["seven"].direction)
    np.testing.assert_allclose(walk, est.inverse_transform(moved), rtol=1e-3, atol=1e-3)


def test_a_trained_model_tells_ones_from_sevens():
    for cls in (VAE, Autoencoder):
        est = fitted(cls, max_epochs=15)
        assert est.attributes_["seven"].accuracy > 0.9
        groups = ((SEVENS[20:], 1), (ONES[20:], -1))
        unseen = np.concatenate([sign * est.attribute("seven", part).mean for part, sign in groups])
        assert (unseen > 0).mean() > 0.85


def test_attributes_are_dropped_with_the_code_they_were_found_in():
    est = fitted(VAE)
    again = clone(est)
    assert not hasattr(again, "attributes_")
    again.fit(DIGITS).fit_attribute("a", SEVENS, ONES).fit_attribute("b", ONES, SEVENS)
    first = again.attributes_["a"]
    again.fit_attribute("a", SEVENS[:5], ONES[:5])
    assert again.attributes_["a"].n_positive == 5 != first.n_positive
    del again.attributes_["b"]
    with pytest.raises(ParameterError, match="no attribute 'b'; it has 'a'"):
        again.attribute("b", DIGITS)
    assert again.fit(DIGITS).attributes_ == {}
    with pytest.raises(NotFittedError):
        VAE().fit_attribute("a", ONES, SEVENS)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "\0", "x" * 61, "\ud800", 3, None])
def test_names_that_cannot_be(name):
    with pytest.raises(ParameterError, match="the name of an attribute must be"):
        check_name(name)


def test_a_table_with_names():
    iris: Any = load_iris(as_frame=True)
    X, y = iris.data, iris.target
    est = VAE(2, max_epochs=40, random_state=0).fit(X)
    est.fit_attribute("virginica", X[y == 2][:15], X[y == 0][:15])
    found = est.attribute("virginica", X)
    assert found.probability()[y == 2].mean() > 0.9 > 0.1 > found.probability()[y == 0].mean()
    attribute_figure(
        est, "virginica", X.iloc[[0, 75, 149]], labels=["a", "b", "c"], order=True
    ).draw_without_rendering()


@pytest.mark.parametrize("cls", [VAE, Autoencoder])
def test_the_figure_has_a_row_for_each_sample(cls):
    figure = attribute_figure(fitted(cls), "seven", DIGITS[:4])
    figure.draw_without_rendering()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    shares = [f"{100 * p:.0f} %" for p in fitted(cls).attribute("seven", DIGITS[:4]).probability()]
    assert [text for text in texts if "%" in text] == shares


# ------------------------------------------------------------------ saved with the run


@cache
def with_two():
    est = clone(fitted(VAE)).fit(DIGITS)
    return est.fit_attribute("seven", SEVENS[:20], ONES[:20]).fit_attribute("../naïve/7 of 9", ONES[:9], SEVENS[:7])


@pytest.fixture
def run(tmp_path):
    with_two().save(tmp_path / "run")
    return tmp_path / "run"


@every_model
def test_attributes_come_back_with_equal_bits(cls, tmp_path):
    est = fitted(cls)
    est.save(tmp_path)
    loaded = isthmus.load(tmp_path)
    assert loaded.attributes_.keys() == est.attributes_.keys()
    before, after = est.attribute("seven", DIGITS), loaded.attribute("seven", DIGITS)
    assert before.mean.tobytes() == after.mean.tobytes()
    assert before.std.tobytes() == after.std.tobytes()
    assert loaded.attributes_["seven"].record() == est.attributes_["seven"].record()
    loaded.save(tmp_path, overwrite=True)
    assert isthmus.load(tmp_path).attribute("seven", DIGITS).mean.tobytes() == before.mean.tobytes()


def test_a_run_of_an_earlier_version_has_no_attributes(tmp_path):
    est = clone(fitted(VAE)).fit(DIGITS)
    est.save(tmp_path)
    forge(tmp_path, lambda params: params["fitted"].pop("attributes"))
    assert isthmus.load(tmp_path).attributes_ == {}


def test_many_attributes_of_a_wide_code_can_be_saved(tmp_path):
    est = Autoencoder(30, network="linear", max_epochs=1, random_state=0).fit(DIGITS)
    wide = np.ones(30)
    est.attributes_ |= {f"a{i}": Attribute(wide, wide / 30, 0.5, 2, 2, 0.5) for i in range(1000)}
    with pytest.raises(DataError, match="1000 attributes already"):
        est.fit_attribute("one more", SEVENS, ONES)
    est.fit_attribute("a0", SEVENS, ONES).save(tmp_path)
    assert len(isthmus.load(tmp_path).attributes_) == 1000


RECORDS = {
    "no such attribute": lambda a: a.update(ghost=a["seven"]),
    "renamed": lambda a: a.update(eight=a.pop("seven")),
    "not listed": lambda a: a.pop("seven"),
    "no records": lambda a: a.clear(),
    "empty name": lambda a: a.update({"": a["seven"]}),
    "long name": lambda a: a.update({"x" * 100: a["seven"]}),
    "no counts": lambda a: a["seven"].pop("n_positive"),
    "more than known": lambda a: a["seven"].update(command="id"),
    "too few": lambda a: a["seven"].update(n_negative=1),
    "too many": lambda a: a["seven"].update(n_negative=1 << 70),
    "half an example": lambda a: a["seven"].update(n_positive=2.5),
    "true examples": lambda a: a["seven"].update(n_positive=True),
    "accuracy": lambda a: a["seven"].update(accuracy=1.5),
    "accuracy NaN": lambda a: a["seven"].update(accuracy=float("nan")),
    "accuracy of other type": lambda a: a["seven"].update(accuracy="high"),
    "a thousand and one": lambda a: a.update({f"a{i}": a["seven"] for i in range(1001)}),
}


@pytest.mark.parametrize("name", RECORDS)
def test_forged_records(run, name):
    forge(run, lambda params: RECORDS[name](params["fitted"]["attributes"]))
    with pytest.raises(RunError, match=r"^[^\n]{1,500}$"):
        isthmus.load(run)


def forge_tensor(run, change):
    tensors = {key: tensor.clone() for key, tensor in load_file(run / WEIGHTS).items()}
    change(tensors)
    save_file(tensors, run / WEIGHTS)
    forge(run, lambda params: None)
    with pytest.raises(RunError, match=r"^[^\n]{1,500}$"):
        isthmus.load(run)


W, B = "attribute/seven/weights", "attribute/seven/offset"
FORGED = {
    "shorter": lambda t: t.update({W: t[W][:-1].clone()}),
    "longer": lambda t: t.update({W: t[W].repeat(2)}),
    "other axes": lambda t: t.update({W: t[W][None].clone()}),
    "single": lambda t: t.update({W: t[W].float()}),
    "whole": lambda t: t.update({W: t[W].long()}),
    "NaN": lambda t: t[W].fill_(float("nan")),
    "infinite": lambda t: t[B].fill_(float("inf")),
    "offset with axes": lambda t: t.update({B: t[B][None].clone()}),
    "missing": lambda t: t.pop(W),
    "another": lambda t: t.update({"attribute/eight/weights": t[W].clone()}),
    "no name": lambda t: t.update({"attribute/weights": t[W].clone()}),
    "of nothing": lambda t: t.update({"attribute/": t[W].clone()}),
    "more": lambda t: t.update({"attribute/seven/more": t[W].clone()}),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_attribute_tensors(run, name):
    forge_tensor(run, FORGED[name])


@pytest.mark.parametrize("name", TENSORS)
def test_forged_tensors_of_a_run_with_attributes(run, name):
    forge_tensor(run, TENSORS[name])


def test_every_key_of_a_record_with_other_types(run):
    genuine, harmful = (run / PARAMS).read_text(), []
    for path in paths(json.loads(genuine)["fitted"]["attributes"]):
        for value in WRONG:
            params = json.loads(genuine)
            reduce(lambda inner, key: inner[key], path[:-1], params["fitted"]["attributes"])[path[-1]] = value
            seal(run, params)
            try:
                loaded = isthmus.load(run)
                assert loaded.attribute("seven", DIGITS[:3]).probability().shape == (3,)
            except IsthmusError:
                continue
            except Exception as error:
                harmful.append(f"{path}={value!r}: {error!r}")
    assert not harmful, "\n".join(harmful)

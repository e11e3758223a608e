"""Models that are told the class of a sample."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import isthmus
from isthmus import ConditionalIWAE, ConditionalVAE, DataError, ParameterError, RunError, Trainer
from isthmus.data import Samples
from isthmus.files import read_json, write_json

X, Y = load_digits(n_class=4, return_X_y=True)
X = X.reshape(-1, 8, 8)
NAMES = np.array(["zero", "one", "two", "three"])[Y]

both = pytest.mark.parametrize("cls", [ConditionalVAE, ConditionalIWAE], ids=lambda cls: cls.name)


@pytest.fixture(scope="module")
def vae():
    trainer = Trainer(batch_size=64, learning_rate=3e-3)
    return ConditionalVAE(4, max_epochs=60, random_state=0, trainer=trainer).fit(X, NAMES)


@both
def test_samples_are_of_the_class_that_was_asked_for(cls):
    model = cls(4, max_epochs=60, random_state=0, trainer=Trainer(batch_size=64)).fit(X, Y)
    judge = LogisticRegression(max_iter=2000).fit(X.reshape(len(X), -1), Y)
    for digit in range(4):
        drawn = model.sample(50, y=digit, random_state=0).reshape(50, -1)
        assert (judge.predict(drawn) == digit).mean() > 0.8
    y = np.repeat([3, 0], 10)
    assert (judge.predict(model.sample(20, y=y, random_state=1).reshape(20, -1)) == y).mean() > 0.8


def test_classes_that_are_not_asked_for_come_as_often_as_in_the_data(vae):
    np.testing.assert_array_equal(vae.classes_, np.unique(NAMES))
    np.testing.assert_allclose(vae.class_prior_, [np.mean(name == NAMES) for name in vae.classes_])
    assert vae.sample(7, random_state=0).shape == (7, 8, 8)
    np.testing.assert_array_equal(vae.sample(7, random_state=0), vae.sample(7, random_state=0))


def test_the_right_class_is_the_likeliest(vae):
    known = vae.score_samples(X, NAMES)
    wrong = vae.score_samples(X, np.roll(np.unique(NAMES), 1)[np.searchsorted(np.unique(NAMES), NAMES)])
    assert (known > wrong).mean() > 0.95
    assert known.mean() > vae.score_samples(X).mean() > wrong.mean()
    assert vae.score(X, NAMES) == pytest.approx(known.mean())
    assert vae.log_likelihood(X[:50], 100, y=NAMES[:50]).mean() > known[:50].mean()


def test_the_code_tells_the_class_less_than_without_it(vae):
    def accuracy(Z):
        return LogisticRegression(max_iter=2000).fit(Z[::2], Y[::2]).score(Z[1::2], Y[1::2])

    plain = isthmus.VAE(4, max_epochs=60, random_state=0, trainer=vae.trainer).fit(X)
    assert accuracy(vae.transform(X, NAMES)) < accuracy(plain.transform(X)) - 0.1


def test_a_row_has_the_result_of_its_class_whatever_else_is_asked(vae):
    for method in (vae.transform, vae.reconstruct, vae.score_samples):
        whole = method(X[:60], NAMES[:60])
        alone = np.concatenate([method(X[i : i + 1], NAMES[i : i + 1]) for i in range(10)])
        np.testing.assert_allclose(whole[:10], alone, rtol=1e-4, atol=1e-4 * np.abs(whole).max())
    q = vae.posterior(X[:9], NAMES[:9])
    np.testing.assert_allclose(q.mean, vae.transform(X[:9], NAMES[:9]), atol=1e-5)
    assert (q.std > 0).all()
    Z = vae.transform(X[:9], NAMES[:9])
    np.testing.assert_allclose(vae.inverse_transform(Z, NAMES[:9]), vae.reconstruct(X[:9], NAMES[:9]), atol=1e-4)
    assert vae.inverse_transform(Z, "one").shape == (9, 8, 8)
    # What was asked leaves nothing behind.
    np.testing.assert_array_equal(vae.transform(X[:9]), vae.transform(X[:9]))


def test_loading_brings_the_classes_back(vae, tmp_path: Path):
    vae.save(tmp_path / "run")
    loaded = isthmus.load(tmp_path / "run")
    assert loaded.classes_.tolist() == vae.classes_.tolist()
    np.testing.assert_array_equal(loaded.sample(5, y="two", random_state=3), vae.sample(5, y="two", random_state=3))
    np.testing.assert_array_equal(loaded.transform(X, NAMES), vae.transform(X, NAMES))


def test_classes_of_a_data_set_are_used_and_those_of_numbers_keep_their_kind(tmp_path: Path):
    model = ConditionalVAE(2, max_epochs=1, random_state=0).fit(Samples(X, "digits", y=Y))
    assert model.classes_.tolist() == [0, 1, 2, 3]
    model.save(tmp_path / "run")
    assert isthmus.load(tmp_path / "run").classes_.dtype.kind == "i"
    assert ConditionalVAE(2, max_epochs=1, random_state=0).fit("digits").classes_.size == 10


def test_without_classes_it_is_a_model_of_unknown_ones():
    model = ConditionalVAE(2, max_epochs=1, random_state=0).fit(X)
    assert model.classes_.size == 0
    assert model.sample(2).shape == (2, 8, 8)
    with pytest.raises(ParameterError, match="fitted without classes"):
        model.sample(2, y=1)


def test_bad_classes_are_told(vae):
    model = ConditionalVAE(2, max_epochs=1)
    with pytest.raises(DataError, match=r"720 rows and 10 classes|rows and 10 classes"):
        model.fit(X, Y[:10])
    with pytest.raises(DataError, match="y must be one class for each row"):
        model.fit(X, np.random.default_rng(0).normal(size=len(X)))
    with pytest.raises(DataError, match="y must be one class for each row"):
        model.fit(X, np.stack([Y, Y], 1))
    with pytest.raises(ParameterError, match=r"knows no class .*'four'.* one, three, two, zero"):
        vae.sample(3, y="four")
    with pytest.raises(DataError, match="3 rows and 2 classes"):
        vae.transform(X[:3], NAMES[:2])


def test_a_forged_number_of_classes_is_refused(vae, tmp_path: Path):
    vae.save(tmp_path / "run")
    params = read_json(tmp_path / "run" / "params.json")
    params["fitted"]["network"]["args"]["n_classes"] = 3
    from isthmus.runs import _digest

    params["digest"] = _digest(params)
    write_json(tmp_path / "run" / "params.json", params)
    with pytest.raises(RunError):
        isthmus.load(tmp_path / "run")


@both
def test_compiled_and_resumed_trainings_work(cls, tmp_path: Path):
    def build(**options):
        return cls(2, max_epochs=3, random_state=0, trainer=Trainer(batch_size=100, checkpoint=tmp_path, **options))

    whole = build().fit(X, Y)
    again = build(resume=True).fit(X, Y)
    np.testing.assert_array_equal(whole.transform(X, Y), again.transform(X, Y))


def test_the_command_line_samples_a_class(vae, tmp_path: Path, capsys):
    from isthmus.cli import main

    vae.save(tmp_path / "run")
    command = ["sample", str(tmp_path / "run"), "--out", f"{tmp_path}/s.npy"]
    assert main([*command, "--n", "5", "--y", "two", "--seed", "1"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), vae.sample(5, y="two", random_state=1))
    assert main([*command, "--y", "nine"]) == 2
    assert "knows no class 'nine'; it was fitted on one, three, two, zero" in capsys.readouterr().err

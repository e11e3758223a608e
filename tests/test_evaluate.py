"""`evaluate` with labels, factors and reference data, from Python and from the command line."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import isthmus
from isthmus import VAE, Autoencoder, DataError, LinearAutoencoder, ParameterError, SharedRowsWarning, Trainer
from isthmus.cli import main
from isthmus.data import load
from isthmus.evaluate.catalogue import EXTRAS, FLOORED, GROUPS, grouped, quantity
from isthmus.evaluate.extractor import Extractor
from isthmus.evaluate.metrics import METRICS
from isthmus.evaluate.representation import probes
from isthmus.evaluate.samples import sample_quality

SHAPES = load("shapes:n=120,size=8")
TRAIN = load("shapes:n=150,size=8,seed=1")


@cache
def fitted(cls=VAE):
    return cls(2, max_epochs=2, random_state=0).fit(TRAIN)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    fitted().save(folder)
    return str(folder)


def everything(model, **given):
    asked = {"y": True, "factors": True, "reference": TRAIN, "extractor": "pca-64"}
    return model.evaluate(SHAPES, **(asked | given))


# ------------------------------------------------------------------ Python


def test_data_alone_give_the_keys_they_always_gave():
    plain = fitted().evaluate(SHAPES)
    assert plain.keys() <= METRICS.keys()
    assert plain == fitted().evaluate(SHAPES.X)
    assert plain.extractor is None


def test_each_argument_adds_its_group_and_changes_nothing_else():
    model, plain = fitted(), fitted().evaluate(SHAPES)
    for given, group in (({"y": SHAPES.y}, "representation"), ({"factors": SHAPES.factors}, "disentanglement")):
        found = model.evaluate(SHAPES, **given)
        assert found.keys() == plain.keys() | GROUPS[group].keys()
        assert {key: found[key] for key in plain} == plain
    assert model.evaluate(SHAPES, reference=TRAIN, extractor="pixels").keys() == plain.keys() | GROUPS["samples"].keys()


def test_everything_at_once_is_finite_documented_and_repeatable():
    found = everything(fitted())
    assert found.keys() == fitted().evaluate(SHAPES).keys() | EXTRAS.keys()
    assert all(type(value) is float and np.isfinite(value) for value in found.values())
    assert everything(fitted()) == found
    assert found.extractor is not None
    assert found.extractor.digest == Extractor.fit(TRAIN.X).digest


def test_numbers_are_those_of_the_functions():
    model = fitted()
    found = model.evaluate(SHAPES, SHAPES.y, reference=TRAIN, n_samples=100, random_state=3)
    extractor = Extractor.fit(TRAIN.X, TRAIN.y, random_state=3)
    drawn = np.clip(model.sample(100, random_state=3), 0, 255)
    expected = sample_quality(drawn, SHAPES.X, TRAIN.X, extractor, random_state=3)
    expected |= probes(model.transform(SHAPES), SHAPES.y, 3)
    assert found.extractor.name == "classifier"
    assert {key: found[key] for key in expected} == expected
    assert found["n_generated"] == 100


@pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)
def test_every_model_has_every_group(cls):
    X, y = load_iris(return_X_y=True)
    model = cls(2, max_epochs=2, random_state=0).fit(X)
    found = model.evaluate(X, y, factors=np.rint(X), reference=X + 0.01)
    assert found.keys() >= EXTRAS.keys() - {"mig_chen"}
    assert found.keys() - EXTRAS.keys() == model.evaluate(X).keys()
    assert np.isfinite(list(found.values())).all()


def test_a_variant_adds_numbers_of_its_own():
    X = load_iris().data
    found = LinearAutoencoder(2).fit(X).evaluate(X)
    assert found["log_likelihood"] == pytest.approx(LinearAutoencoder(2).fit(X).score(X))


def test_data_frames_and_flat_pictures():
    frame = load_iris(as_frame=True)
    model = VAE(2, max_epochs=1, random_state=0).fit(frame.data)
    assert "fid" in model.evaluate(frame.data, frame.target, reference=frame.data + 0.01)
    flat = SHAPES.X.reshape(len(SHAPES.X), -1)
    model = Autoencoder(2, image_shape=(8, 8), max_epochs=1, random_state=0).fit(flat)
    assert model.evaluate(flat, reference=TRAIN.X.reshape(len(TRAIN.X), -1)).extractor.shape == (8, 8)


def test_rows_that_are_in_both_sets_are_warned_about():
    with pytest.warns(SharedRowsWarning, match="120 of 120 rows of the data are rows of the reference too"):
        found = fitted().evaluate(SHAPES, reference=SHAPES, extractor="pixels")
    assert found["fid_floor"] < 1e-6


def test_data_that_are_read_on_demand_give_the_same_numbers(tmp_path):
    np.save(tmp_path / "train.npy", TRAIN.X)
    np.save(tmp_path / "test.npy", SHAPES.X)
    paths = str(tmp_path / "test.npy"), str(tmp_path / "train.npy")
    model = VAE(2, max_epochs=1, trainer=Trainer(memory_limit=1e-6), random_state=0).fit(paths[1])
    streamed = model.evaluate(paths[0], SHAPES.y, factors=SHAPES.factors, reference=paths[1])
    held = model.evaluate(SHAPES.X, SHAPES.y, factors=SHAPES.factors, reference=TRAIN.X)
    assert streamed == pytest.approx(held)
    assert streamed.extractor.digest == held.extractor.digest


def test_a_saved_extractor_is_used_as_it_is(tmp_path):
    first = everything(fitted(), y=None, factors=None)
    first.extractor.save(tmp_path)
    other = fitted(Autoencoder).evaluate(SHAPES, reference=TRAIN, extractor=tmp_path)
    assert other.extractor.label == first.extractor.label
    assert other["fid_floor"] == first["fid_floor"]
    assert other.differences(first)["fid_floor"] == 0


def test_what_does_not_fit_is_said():
    model = fitted()
    for given, error, message in (
        ({"y": True}, DataError, "come without labels"),
        ({"factors": True}, DataError, "come without factors"),
        ({"y": [1, 2]}, DataError, r"120 rows and labels of shape \(2,\)"),
        ({"reference": SHAPES.X, "n_samples": 500}, ParameterError, "n_samples=500 .* use 20 to 120"),
        ({"reference": SHAPES.X, "extractor": "inception"}, ParameterError, "neither an extractor"),
        ({"reference": load_iris().data}, DataError, "X has 4 features"),
    ):
        with pytest.raises(error, match=message):
            model.evaluate(SHAPES.X, **given)
    with pytest.raises(DataError, match="20 of each kind at least, and there are 9"):
        model.evaluate(SHAPES.X[:9], reference=TRAIN)


# ------------------------------------------------------------------ catalogue


def test_the_catalogue_knows_every_key():
    assert not EXTRAS.keys() & METRICS.keys()
    assert {key.removesuffix("_floor") for key in EXTRAS if key.endswith("_floor")} == set(FLOORED)
    for key in (*METRICS, *EXTRAS):
        assert quantity(key).meaning
    assert quantity("fid").better == quantity("mse").better == "lower"
    assert quantity("recall").better == quantity("elbo").better == "higher"
    assert quantity("n_samples").better is None
    assert grouped(["fid", "mse", "sap"]) == {"model": ["mse"], "disentanglement": ["sap"], "samples": ["fid"]}


# ------------------------------------------------------------------ command line


def test_the_command_prints_groups_and_writes_numbers(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = [run, "shapes:n=120,size=8", "--labels", "--factors", "--reference", "shapes:n=150,size=8,seed=1"]
    assert main(["evaluate", *asked, "--extractor", "pca-64", "--out", "m.json"]) == 0
    shown = capsys.readouterr().out
    expected = everything(fitted())
    assert json.loads(Path("m.json").read_text()) == pytest.approx({**expected, "extractor": expected.extractor.label})
    assert f"by features of {expected.extractor.label}" in shown
    assert f"{expected['fid']:.4f} ± {expected['fid_error']:.2g}" in shown
    assert f"(data: {expected['fid_floor']:.4f}" in shown
    assert Extractor.load("m.extractor").digest == expected.extractor.digest
    assert main(["evaluate", *asked[:2], "--reference", asked[-1], "--extractor", "m.extractor", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["extractor"] == expected.extractor.label
    assert again["fid"] == pytest.approx(expected["fid"])


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("digits", ["--factors"], "the data come without factors"),
        ("shapes:n=120,size=8", ["--reference", "shapes:n=50,size=8", "--n_samples", "60"], "use 20 to 50"),
        ("shapes:n=120,size=8", ["--reference", "shapes:n=50,size=8", "--extractor", "x"], "'x' is neither"),
    ],
)
def test_the_command_says_what_does_not_fit(run, data, options, message, capsys):
    assert main(["evaluate", run, data, *options]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line

"""Models side by side: the same rows, features and seeds, and no more claimed than is certain."""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers import Page
from sklearn.datasets import load_iris

import isthmus
from isthmus import VAE, Autoencoder, DataError, LinearAutoencoder, ParameterError
from isthmus.cli import main
from isthmus.comparison.errors import is_certain, row_values, standard_errors
from isthmus.comparison.table import cell
from isthmus.data import load
from isthmus.evaluate.catalogue import quantity
from isthmus.evaluate.extractor import Extractor
from isthmus.evaluate.jackknife import jackknife

SHAPES, TRAIN = load("shapes:n=120,size=8"), load("shapes:n=150,size=8,seed=1")
ASKED = {"y": True, "factors": True, "reference": TRAIN, "extractor": "pca-64"}


@cache
def model(kind, epochs=2):
    cls = isthmus.models()[kind]
    return cls(2, max_epochs=epochs, random_state=0).fit(TRAIN)


@cache
def compared():
    return isthmus.compare(
        {"short": model("vae"), "long": model("vae", 12), "plain": model("autoencoder")}, SHAPES, **ASKED
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    model("vae").save(folder / "vae")
    model("autoencoder").save(folder / "plain")
    return str(folder / "vae"), str(folder / "plain")


# ------------------------------------------------------------------ numbers


def test_numbers_are_those_of_evaluate_with_one_extractor():
    found = compared()
    assert list(found.table) == ["short", "long", "plain"]
    extractor = Extractor.fit(TRAIN.X)
    assert found.extractor.digest == extractor.digest
    alone = model("vae").evaluate(SHAPES, **{**ASKED, "extractor": extractor})
    assert found.table["short"] == pytest.approx(alone)
    assert len({values["fid_floor"] for values in found.table.values()}) == 1


def test_rows_add_up_to_the_numbers_they_are_parts_of():
    for kind in ("vae", "autoencoder", "vqvae"):
        metrics = model(kind).evaluate(SHAPES)
        parts = row_values(model(kind), SHAPES.X, metrics, model(kind).score_samples(SHAPES))
        assert parts.keys() >= {"mse", "r2", "reconstruction_nll", "bits_per_dim"}
        for key, values in parts.items():
            assert values.mean() == pytest.approx(metrics[key], rel=1e-5), key
        errors = standard_errors(metrics, parts)
        assert errors["mse"] == pytest.approx(parts["mse"].std() / 120**0.5)
        low, high = (10 * np.log10(255**2 / (metrics["mse"] + sign * errors["mse"])) for sign in (1, -1))
        assert errors["psnr"] == pytest.approx((high - low) / 2, rel=0.05)


def test_the_best_is_marked_where_it_is_certain():
    found = compared()
    assert found.best["elbo"] == "long"
    for key, name in found.best.items():
        if name is not None:
            sign = 1 if quantity(key).better == "higher" else -1
            values = {n: sign * v[key] for n, v in found.table.items() if key in v}
            assert max(values, key=values.__getitem__) == name
    assert found.best["kl"] is found.best["active_units"] is found.best["n_samples"] is None
    same = isthmus.compare([model("vae"), model("vae")], SHAPES, True, reference=TRAIN)
    assert list(same.table) == ["vae", "vae 2"]
    assert set(same.best.values()) == {None}


def test_rows_are_compared_in_pairs():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 500)
    first, second = {"mse": hard + rng.normal(0, 0.1, 500)}, {"mse": hard + 0.1 + rng.normal(0, 0.1, 500)}
    means, errors = (first["mse"].mean(), second["mse"].mean()), (0.45, 0.45)
    assert is_certain("mse", means, errors, (first, second))
    assert is_certain("psnr", means, errors, (first, second))
    assert not is_certain("mse", means, errors, ({}, {}))
    assert is_certain("fid", (1.0, 3.0), (0.5, 0.5), ({}, {}))
    assert not is_certain("fid", (1.0, 3.0), (None, 0.5), ({}, {}))


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=(5000, 3)) * [1, 2, 5]
    found = np.mean([jackknife(lambda kept, v=v: v[kept].mean(0), 1000) for v in values.reshape(5, 1000, 3)], axis=0)
    assert found == pytest.approx(np.array([1, 2, 5]) / 1000**0.5, rel=0.35)


def test_what_means_different_things_is_not_ranked():
    binary = (load_iris().data > 3).astype(float)
    binary[:2] = [[0, 0, 0, 0], [1, 1, 1, 1]]
    masses = VAE(1, likelihood="bernoulli", max_epochs=1, random_state=0).fit(binary)
    densities = VAE(1, likelihood="gaussian", max_epochs=1, random_state=0).fit(binary)
    found = isthmus.compare({"a": masses, "b": densities}, binary)
    assert found.best["elbo"] is found.best["bits_per_dim"] is None
    assert "likelihood of a is a probability" in found.notes[0]
    assert "no bound of plain, whose code is deterministic" in compared().notes[0]
    assert compared().best["bits_per_dim"] is None


def test_models_of_pictures_and_of_flat_rows_and_of_named_columns():
    flat = Autoencoder(2, image_shape=(8, 8), max_epochs=1, random_state=0).fit(TRAIN.X.reshape(len(TRAIN.X), -1))
    found = isthmus.compare({"flat": flat, "pictures": model("vae")}, SHAPES, reference=TRAIN, extractor="pixels")
    assert found.table["flat"]["fid_floor"] == found.table["pictures"]["fid_floor"]
    frame = load_iris(as_frame=True).data
    named, plain = LinearAutoencoder(2).fit(frame), LinearAutoencoder(2).fit(frame.to_numpy())
    both = isthmus.compare({"named": named, "plain": plain}, frame)
    assert both.table["named"] == pytest.approx(both.table["plain"])


def test_what_cannot_be_compared_is_said():
    iris = LinearAutoencoder(2).fit(load_iris().data)
    with pytest.raises(
        DataError, match=r"vae was fitted on samples of shape \(8, 8\) and linear on samples of shape \(4,\)"
    ):
        isthmus.compare([model("vae"), iris], SHAPES)
    with pytest.raises(ParameterError, match="two models at least, and there are 1"):
        isthmus.compare([model("vae")], SHAPES)
    with pytest.raises(DataError, match=r"120 rows and labels or factors of shape \(3,\)"):
        isthmus.compare([model("vae"), model("autoencoder")], SHAPES, [1, 2, 3])


# ------------------------------------------------------------------ words and files


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (12.3456, 0.0312, "12.346 ± 0.031"),
        (-1234.5, 12.0, "−1,234 ± 12"),
        (0.5, None, "0.5"),
        (None, None, "–"),
        (3.0, 0.0, "3"),
    ],
)
def test_digits_end_where_the_error_begins(value, error, text):
    assert cell(value, error) == text


def test_everything_is_written(tmp_path):
    found = compared()
    page = Page(found.write(tmp_path))
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "numbers_disentanglement.png",
        "numbers_model.png",
        "numbers_representation.png",
        "numbers_samples.png",
        "plane.png",
        "reconstructions.png",
        "samples.png",
    ]
    assert not page.open
    assert len(page.named("svg")) == 7
    assert page.named("strong")
    for name in found.table:
        assert name in page.text
    assert Extractor.load(tmp_path / "extractor").digest == found.extractor.digest
    with open(tmp_path / "table.csv") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert rows.keys() == set(found.keys)
    assert float(rows["fid"]["long"]) == found.table["long"]["fid"]
    assert float(rows["fid"]["long error"]) == found.table["long"]["fid_error"]
    assert float(rows["recall"]["data"]) == found.table["long"]["recall_floor"]
    assert rows["elbo"]["plain"] == ""
    assert rows["elbo"]["best"] == "long"
    markdown = (tmp_path / "table.md").read_text()
    assert f"**{cell(found.table['long']['elbo'], found.errors['long']['elbo'])}**" in markdown
    assert found.extractor.label in markdown


def test_a_table_of_columns_is_written(tmp_path):
    frame = load_iris(as_frame=True).data
    models = {"a & b": VAE(1, max_epochs=1, random_state=0).fit(frame), "c": LinearAutoencoder(1).fit(frame)}
    page = Page(isthmus.compare(models, frame, out=tmp_path).write(tmp_path))
    assert "a & b" in page.text
    assert "petal width (cm)" in page.text


# ------------------------------------------------------------------ command line


def test_the_command(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = [
        *runs,
        "--data",
        "shapes:n=120,size=8",
        "--reference",
        "shapes:n=150,size=8,seed=1",
        "--extractor",
        "pixels",
    ]
    assert main(["compare", *asked, "--out", "out"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split() == ["vae", "plain", "data"]
    assert Path("out/compare.html").is_file()
    assert main(["compare", *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"]["vae"] == pytest.approx(
        dict(model("vae").evaluate(SHAPES, reference=TRAIN, extractor="pixels"))
    )
    assert found["extractor"].startswith("pixels ")
    assert main(["compare", *asked[2:], runs[0]]) == 2
    assert "two models at least" in capsys.readouterr().err

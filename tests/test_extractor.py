"""Feature extractors: named, repeatable, saved without pickle, and never taken for one another."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

from isthmus import DataError, ParameterError, RunError
from isthmus.evaluate.extractor import Extractor
from isthmus.evaluate.extras import Metrics, check_same_extractor

DIGITS = load_digits()
PICTURES, WHICH = DIGITS.images[:600].astype(np.uint8), DIGITS.target[:600]
IRIS = load_iris()


def classifier(seed=0, epochs=2):
    return Extractor.fit(PICTURES, WHICH, max_epochs=epochs, random_state=seed)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (classifier, (600, 64)),
        (lambda: Extractor.fit(PICTURES), (600, 58)),  # six pixels are always 0
        (lambda: Extractor.fit(PICTURES, name="pixels"), (600, 64)),
        (lambda: Extractor.fit(PICTURES[..., None].repeat(3, -1)[:50]), (600, 49)),
    ],
)
def test_features_are_repeatable_and_survive_saving(make, shape, tmp_path):
    first, again = make(), make()
    X = PICTURES if first.shape == (8, 8) else PICTURES[..., None].repeat(3, -1)
    features = first.features(X)
    assert features.shape == shape
    assert features.dtype == np.float64
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.features(X), features)
    first.save(tmp_path / "e")
    loaded = Extractor.load(tmp_path / "e")
    assert (loaded.name, loaded.digest, loaded.label) == (first.name, first.digest, first.label)
    assert loaded.accuracy == first.accuracy
    np.testing.assert_array_equal(loaded.features(X), features)


def test_components_are_those_of_pca_on_standardised_columns():
    X = IRIS.data
    features = Extractor.fit(X).features(X)
    expected = PCA(4).fit_transform((X - X.mean(0)) / X.std(0))
    np.testing.assert_allclose(np.abs(features), np.abs(expected), atol=1e-4)


def test_pixels_are_less_the_mean_picture_over_one_spread():
    features = Extractor.fit(PICTURES, name="pixels").features(PICTURES)
    assert features.mean() == pytest.approx(0, abs=1e-6)
    assert np.mean(features**2) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("X", "y"), [(PICTURES, WHICH), (IRIS.data, IRIS.target_names[IRIS.target])])
def test_a_classifier_learns_to_tell_classes_apart(X, y):
    found = Extractor.fit(X, y)
    assert found.name == "classifier"
    assert found.accuracy > 0.8
    assert found.features(X).shape == (len(X), 64)


def test_another_seed_kind_or_data_set_is_another_extractor():
    some = [classifier(), classifier(1), classifier(epochs=1), Extractor.fit(PICTURES), Extractor.fit(PICTURES[:500])]
    assert len({found.digest for found in some}) == len(some)


def test_results_of_two_extractors_are_not_compared():
    first, second = (Metrics({"fid": float(i)}, Extractor.fit(PICTURES[: 300 + i])) for i in range(2))
    with pytest.raises(DataError, match=r"different extractors \(this by 'pca-64 .+', the other by 'pca-64 .+'\)"):
        first.differences(second)
    same = Metrics({"fid": 3.0, "mse": 1.0}, first.extractor)
    assert same.differences(first) == {"fid": 3.0}
    assert same.differences(Metrics({"mse": 2.0})) == {"mse": -1.0}
    check_same_extractor({"a": first, "b": same, "c": Metrics({})})


def test_what_cannot_be_fitted_or_read_is_said():
    with pytest.raises(ParameterError, match="unknown extractor 'inception'; choose from classifier, pca-64, pixels"):
        Extractor.fit(PICTURES, name="inception")
    with pytest.raises(ParameterError, match="learns from labels, and there are none"):
        Extractor.fit(PICTURES, name="classifier")
    with pytest.raises(DataError, match=r"there are 600 rows and labels of shape \(3,\)"):
        Extractor.fit(PICTURES, [1, 2, 3])
    with pytest.raises(DataError, match="are no classes"):
        Extractor.fit(IRIS.data, IRIS.data[:, 0])
    with pytest.raises(DataError, match="all rows are of one class"):
        Extractor.fit(PICTURES, np.zeros(600))
    with pytest.raises(DataError, match=r"fitted on samples of shape \(8, 8\), and these have \(4,\)"):
        Extractor.fit(PICTURES).features(IRIS.data)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "inception"},
        {"shape": [8, 9]},
        {"shape": [1 << 40]},
        {"shape": "88"},
        {"n_classes": 7},
        {"n_classes": 1 << 30},
        {"digest": "0"},
        {"n_classes": "x"},
    ],
)
def test_a_forged_description_is_refused(change, tmp_path):
    classifier(epochs=1).save(tmp_path)
    path = tmp_path / "extractor.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError):
        Extractor.load(tmp_path)


def test_changed_weights_are_refused(tmp_path):
    Extractor.fit(PICTURES).save(tmp_path)
    path = tmp_path / "extractor.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"components": tensors["components"] * 2}, path)
    with pytest.raises(RunError, match="do not match their digest"):
        Extractor.load(tmp_path)
    save_file(tensors | {"more": tensors["shift"]}, path)
    with pytest.raises(RunError, match="are not what they should be"):
        Extractor.load(tmp_path)
    path.write_bytes(b"not tensors")
    with pytest.raises(RunError, match="damaged"):
        Extractor.load(tmp_path)

"""Every registered model can be explored: told about, put on a map, decoded and asked for its posterior."""

import json
import warnings

import numpy as np
import pytest
from studio_server import LABELS, PICTURES, labelled_data, make_run

import isthmus
from isthmus import VAE, Autoencoder, CollapseWarning, DenoisingAutoencoder, OvercompleteWarning
from isthmus.data import Samples
from isthmus.networks import UNet
from isthmus.studio.frames import unpack
from isthmus.studio.library import RunSummary
from isthmus.studio.map.frame import map_frame
from isthmus.studio.opened import OpenedRun
from isthmus.studio.positions import position
from isthmus.studio.run_info import run_info
from isthmus.studio.runs_api import posterior_of
from isthmus.studio.settings import Limits
from isthmus.studio.shown import shown

MODELS = isthmus.models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def explore(run, channels=1):
    """Everything that the page asks for, checked against itself; returns the info and the header of the map."""
    rows = run.rows(run.numbers)
    places = run.drawn if run.given is None else run.place(rows)
    info = json.loads(json.dumps(run_info(run, RunSummary("run", figures={}), places), allow_nan=False))
    width = info["width"]
    assert places.shape == (len(run.numbers), width)
    assert 1 <= len(info["latents"]) <= min(64, width)
    for latent in info["latents"]:
        assert latent["low"] < latent["high"]
        column = places[:, latent["index"]]
        assert np.mean((column >= latent["low"] - 1e-6) & (column <= latent["high"] + 1e-6)) >= 0.97
    activity = [latent["activity"] for latent in info["latents"]]
    assert activity == sorted(activity, reverse=True)

    header, arrays = unpack(map_frame(run, places, None, x=None, y=None, colour="none", limit=10**6))
    assert arrays["x"].shape == arrays["y"].shape == arrays["rows"].shape == (len(places),)
    assert all(np.isfinite(arrays[name]).all() for name in "xy")
    masses = [] if "strip" in (header["x"], header["y"]) else [0.5, 0.9, 0.99]
    assert [contour["mass"] for contour in header["contours"]] == masses
    assert all(contour["lines"] for contour in header["contours"])
    for axis in header["axes"]:
        other = next(choice["id"] for choice in header["axes"] if choice["id"] != axis["id"])
        map_frame(run, places, None, x=axis["id"], y=other, colour="none", limit=10)

    if header["plane"] is not None:
        plane = {name: np.array(values) for name, values in header["plane"].items()}
        place = position(run, (plane["origin"] + 0.1 * plane["across"] - 0.2 * plane["up"]).tolist())
        assert np.isfinite(run.decode(place[None])).all()

    shape = (*run.info.shape[:2], channels) if run.info.is_picture else run.info.shape
    for z in (places[:3], run.draw(3, seed=1)):
        assert shown(run.decode(z), run.info).shape == (3, *shape)
    # What a slider says is what the model makes of the row: positions stand for its code.
    if run.given is not None:
        made = run.decode(places[:3]).reshape(3, -1)
        again = run.est.reconstruct(run.taken(rows[:3])).reshape(3, -1)
        np.testing.assert_allclose(made, again, rtol=1e-4, atol=1e-4 * np.abs(again).max())

    found = json.loads(json.dumps(posterior_of(run, 2), allow_nan=False))
    assert len(found["mean"]) == width
    if found["std"] is not None:
        assert min(found["std"]) >= 0
    assert found["error"] >= 0
    return info, header


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_explored(name, folder):
    source = labelled_data(folder)
    path = folder / name
    make_run(path, MODELS[name](latent_dim=4, max_epochs=2, random_state=0), source, source)
    run = OpenedRun(name, path, None, Limits())
    info, header = explore(run)
    assert info["has"]["data"]
    assert info["has"]["labels"]
    assert info["classes"] == [str(label) for label in range(10)]
    assert info["model"] == name
    assert info["code"] == ("whole" if name in ("vqvae", "rvqvae", "fsq") else "real")
    assert header["of"] == "data"
    assert info["conditions"] == (list(range(10)) if name.startswith("conditional") else None)


@pytest.mark.parametrize(
    ("model", "data", "channels"),
    [
        (VAE(3, posterior_family="iaf"), "grey", 1),
        (VAE(3, posterior_family="hyperspherical"), "grey", 1),
        (VAE(1), "grey", 1),
        (VAE(2), "colour", 3),
        (VAE(2), "float", 1),
        (VAE(2), "many channels", 1),
        (Autoencoder(2), "table", 1),
        (VAE(2, image_shape=(8, 8)), "flat", 1),
        (DenoisingAutoencoder(network=UNet()), "grey", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_data_of_every_kind_can_be_explored(model, data, channels, tmp_path):
    rng = np.random.default_rng(0)
    X = {
        "grey": PICTURES,
        "colour": np.stack([PICTURES, 255 - PICTURES, PICTURES // 2], -1),
        "many channels": rng.normal(size=(100, 6, 5, 5)).astype(np.float32),
        "float": PICTURES / 17.0 - 3,
        "table": rng.normal(size=(100, 5)),
        "flat": PICTURES.reshape(len(PICTURES), -1).astype(float),
    }[data]
    source = str(tmp_path / "data.npy")
    np.save(source, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OvercompleteWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        make_run(tmp_path / "run", model.set_params(max_epochs=2, random_state=0), source, source)
    info, header = explore(OpenedRun("run", tmp_path / "run", None, Limits()), channels)
    assert info["kind"] == ("row" if data == "table" else "picture")
    if data == "table":
        assert info["features"] == [f"x{i}" for i in range(5)]
        np.testing.assert_allclose(info["ranges"]["low"], X.min(0))
    if info["latent_dim"] == 1:
        assert {header["x"], header["y"]} == {"z0", "strip"}
    if info["latent_dim"] == 2:
        assert (header["x"], header["y"]) == ("z0", "z1")
    if info["latent_dim"] > 64:
        assert len(info["latents"]) == 64
        assert any("64 most active" in note for note in info["notes"])


def test_a_run_without_data_shows_draws_from_the_prior(folder):
    make_run(folder / "bare", VAE(latent_dim=3, max_epochs=2, random_state=0), PICTURES)
    run = OpenedRun("bare", folder / "bare", None, Limits())
    info, header = explore(run)
    assert not info["has"]["data"]
    assert header["of"] == "prior"
    assert "--data" in info["notes"][0]


@pytest.mark.parametrize(("data", "said"), [("no-such-file.npy", "no file"), ("wrong.npy", "3 features")])
def test_data_that_cannot_be_used_are_said_to_be_so(folder, data, said):
    np.save(folder / "wrong.npy", np.zeros((5, 3)))
    make_run(folder / "lost", VAE(latent_dim=2, max_epochs=1, random_state=0), PICTURES)
    run = OpenedRun("lost", folder / "lost", str(folder / data), Limits())
    assert run.given is None
    assert said in (run.data_problem or "")
    assert str(folder) not in (run.data_problem or "")


def test_more_rows_than_the_map_may_have_are_sampled(folder):
    source = labelled_data(folder)
    make_run(folder / "many", VAE(latent_dim=2, max_epochs=1, random_state=0), source, source)
    run = OpenedRun("many", folder / "many", None, Limits(points=40))
    info, _ = explore(run)
    assert (info["n_rows"], info["n_points"]) == (150, 40)
    assert "40 of the 150 rows" in info["notes"][0]
    assert len(set(run.numbers.tolist())) == 40
    # Rows that are not on the map can be asked for all the same.
    left = next(row for row in range(150) if row not in run.numbers)
    np.testing.assert_array_equal(run.rows(np.array([left]))[0], PICTURES[left])
    assert run.label(left) == LABELS[left]


def test_attributes_move_what_they_measure(folder):
    source = labelled_data(folder)
    model = VAE(latent_dim=3, max_epochs=3, random_state=0).fit(Samples(PICTURES, "digits"))
    model.fit_attribute("nought", PICTURES[LABELS == 0], PICTURES[LABELS == 1])
    from isthmus.runs import write_run

    write_run(model, folder / "named", {"data": source, "options": {}})
    run = OpenedRun("named", folder / "named", None, Limits())
    info, header = explore(run)
    (attribute,) = info["attributes"]
    weights, axis = np.array(attribute["weights"]), np.array(attribute["axis"])
    assert weights @ axis == pytest.approx(1)
    assert "attribute:nought" in [choice["id"] for choice in header["axes"]]
    assert "attribute:nought" in [choice["id"] for choice in header["colours"]]
    found = posterior_of(run, 0)
    expected = model.attribute("nought", PICTURES[:1])
    assert found["attributes"][0]["mean"] == pytest.approx(expected.mean[0], rel=1e-4)
    assert found["attributes"][0]["std"] == pytest.approx(expected.std[0], rel=1e-4)
    moved = np.array(found["mean"]) + 2 * axis
    assert weights @ moved - attribute["offset"] == pytest.approx(found["attributes"][0]["mean"] + 2, rel=1e-4)

"""traverse, interpolate, cluster and animate, run as a user runs them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_iris
from test_cli import QUICK, complaint

import isthmus
from isthmus.cli import main
from isthmus.data import load
from isthmus.data.faces import FACE_RANGES, faces
from isthmus.explore import interpolate, traverse

FACES = "faces:n=60,size=8"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    iris = load_iris(as_frame=True)
    iris.data.assign(species=iris.target_names[iris.target]).to_csv(folder / "iris.csv", index=False)
    table = ["--label", "species"]
    for name, data, options in (("faces", FACES, []), ("iris", str(folder / "iris.csv"), table)):
        assert main(["fit", "vae", data, *options, "--latent_dim", "3", "--out", str(folder / name), *QUICK]) == 0
    return folder


@pytest.fixture
def face_run(runs):
    return str(runs / "faces")


# ------------------------------------------------------------------ traverse


def test_traverse_latents(face_run, capsys):
    est, X = isthmus.load(face_run), load(FACES).X
    args = ["traverse", face_run, FACES, "--latents", "[2,0]", "--start", "4", "--reach", "2", "--steps", "5"]
    assert main([*args, "--out", "w.npy"]) == 0
    expected = [traverse(est, k, X=X, start=X[4], reach=2, steps=5) for k in (2, 0)]
    np.testing.assert_array_equal(np.load("w.npy"), expected)
    assert "2 walks of 5 steps, from -2 to 2" in capsys.readouterr().out
    for name, n_frames in (("w.png", 1), ("w.gif", 5), ("w.webp", 5)):
        assert main([*args, "--out", name, "--fps", "5"]) == 0
        with Image.open(name) as film:
            assert getattr(film, "n_frames", 1) == n_frames
    assert main([*args, "--out", "pp.webp", "--ping_pong"]) == 0
    with Image.open("pp.webp") as film:
        assert getattr(film, "n_frames", 1) == 8


def test_traverse_without_data_walks_through_the_prior(face_run):
    est = isthmus.load(face_run)
    assert main(["traverse", face_run, "--out", "w.npy"]) == 0
    np.testing.assert_array_equal(np.load("w.npy"), [traverse(est, k) for k in range(3)])
    assert main(["traverse", face_run, FACES, "--out", "d.npy"]) == 0
    order = np.argsort(-est.transform(FACES).std(0))
    np.testing.assert_array_equal(np.load("d.npy"), [traverse(est, k, X=FACES) for k in order])


def test_an_attribute_of_built_in_faces_is_learned_and_kept(runs, face_run, capsys):
    out = runs / "copy"
    isthmus.load(face_run).save(out, overwrite=True)
    groups = ["--positive", "faces:n=9,size=8,smile=0.5..1", "--negative", "faces:n=7,size=8,smile=-1..-0.5"]
    args = ["traverse", str(out), "--attribute", "smile"]
    assert main([*args, *groups, "--out", "w.npy"]) == 0
    assert "smile: learned from 9 examples with it and 7 without" in capsys.readouterr().out
    assert "the model has no attribute 'smile'" in complaint(capsys, *args, "--out", "w.npy")
    assert main([*args, *groups, "--save", "--out", "kept.npy"]) == 0
    assert isthmus.load(out).attributes_["smile"].n_positive == 9
    assert main([*args, "--out", "again.npy"]) == 0
    np.testing.assert_array_equal(np.load("again.npy"), np.load("kept.npy"))
    walk = traverse(isthmus.load(out), "smile", reach=1.5)
    np.testing.assert_array_equal(np.load("again.npy"), walk)


def test_an_attribute_from_two_folders_of_pictures(capsys):
    for name, smile in (("all", 0.0), ("smiling", 0.9), ("calm", -0.9)):
        Path(name).mkdir()
        for i, picture in enumerate(faces(24, 20, random_state=1, factors={"smile": smile})):
            Image.fromarray(picture).save(f"{name}/{i}.png")
    assert main(["fit", "vae", "all", "--resize", "8", "--latent_dim", "2", "--out", "run", *QUICK]) == 0
    args = ["traverse", "run", "--attribute", "smile", "--positive", "smiling", "--negative", "calm"]
    assert main([*args, "--out", "smile.gif"]) == 0
    assert "24 examples with it and 24 without" in capsys.readouterr().out


def test_factors_of_built_in_data_are_chosen_without_moving_the_others():
    plain = load("faces:n=20,size=8,seed=3").factors
    chosen = load("faces:n=20,size=8,seed=3,smile=0.2..0.6,light=-1").factors
    assert plain is not None
    assert chosen is not None
    assert 0.2 <= chosen["smile"].min() < chosen["smile"].max() <= 0.6
    np.testing.assert_allclose(np.argsort(chosen["smile"]), np.argsort(plain["smile"]))
    np.testing.assert_array_equal(chosen["light"], -1)
    for name in FACE_RANGES.keys() - {"smile", "light"}:
        np.testing.assert_array_equal(chosen[name], plain[name])
    assert set(load("shapes:n=5,size=8,shape=2").y) == {2}  # type: ignore[arg-type]


# ------------------------------------------------------------------ interpolate


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_interpolate(face_run, kind):
    est, X = isthmus.load(face_run), load(FACES).X
    args = ["interpolate", face_run, FACES, "--rows", "3", "8", "--kind", kind, "--steps", "4"]
    assert main([*args, "--out", "w.npy"]) == 0
    np.testing.assert_array_equal(np.load("w.npy"), interpolate(est, X[3], X[8], steps=4, kind=kind))  # type: ignore[arg-type]
    assert main([*args, "--out", "w.png"]) == 0
    assert main([*args, "--out", "w.gif"]) == 0


# ------------------------------------------------------------------ tables


def test_tables_are_walked_through_by_name(runs, capsys):
    run, data = str(runs / "iris"), str(runs / "iris.csv")
    assert main(["traverse", run, data, "--start", "0", "--out", "w.png"]) == 0
    assert main(["interpolate", run, data, "--rows", "0", "140", "--out", "w.npy"]) == 0
    assert np.load("w.npy").shape == (9, 4)
    assert "only pictures can be written as .gif" in complaint(capsys, "traverse", run, "--out", "w.gif")


# ------------------------------------------------------------------ cluster


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_cluster_of_a_table_with_labels(runs, method, capsys):
    run, data = str(runs / "iris"), str(runs / "iris.csv")
    args = ["cluster", run, data, "--n_clusters", "3", "--method", method, "--out", "c.csv", "--centres", "m.csv"]
    assert main(args) == 0
    est = isthmus.load(run)
    samples = load(data, label="species")
    found = est.cluster(samples, 3, method=method)  # type: ignore[arg-type]
    with open("c.csv") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["cluster"] + (["p0", "p1", "p2"] if method == "gmm" else [])
    np.testing.assert_array_equal([float(row[0]) for row in rows[1:]], found.labels)
    with open("m.csv") as file:
        assert next(csv.reader(file)) == list(est.feature_names_in_)
    shown = capsys.readouterr().out
    assert f"accuracy {found.scores(samples.y)['accuracy']:.3f}" in shown


def test_cluster_of_pictures_without_labels(face_run, capsys):
    assert main(["cluster", face_run, FACES, "--n_clusters", "2", "--centres", "m.png"]) == 0
    shown = capsys.readouterr().out
    assert "60 rows in 2 clusters" in shown
    assert "against the labels" not in shown
    assert Path("m.png").exists()


# ------------------------------------------------------------------ animate


def test_animate_a_training(capsys):
    args = ["vae", FACES, "--latent_dim", "2", "--max_epochs", "3", "--random_state", "0", "--rows", "4"]
    assert main(["animate", *args, "--out", "film.webp"]) == 0
    assert "film.webp: 3 epochs" in capsys.readouterr().out
    with Image.open("film.webp") as film:
        assert getattr(film, "n_frames", 1) == 3
    assert main(["animate", *args, "--out", "film.npy", "--quiet"]) == 0
    est = isthmus.VAE(2, max_epochs=3, random_state=0).fit(load(FACES).X)
    np.testing.assert_array_equal(np.load("film.npy")[est.best_epoch_ - 1], est.reconstruct(load(FACES).X[:4]))


# ------------------------------------------------------------------ wrong calls


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["traverse", "RUN", "--out", "w.avi"], "a walk goes to .gif, .webp, .mp4, .png, .npy"),
        (["traverse", "RUN", "--latents", "[3]", "--out", "w.npy"], "there is no latent 3"),
        (["traverse", "RUN", "--latents", "x", "--out", "w.npy"], "latents"),
        (["traverse", "RUN", "--start", "0", "--out", "w.npy"], "--start names a row of DATA"),
        (["traverse", "RUN", FACES, "--start", "60", "--out", "w.npy"], "there is no row 60"),
        (["traverse", "RUN", "--attribute", "smile", "--out", "w.npy"], "no attribute 'smile'"),
        (["traverse", "RUN", "--attribute", "smile", "--positive", FACES, "--out", "w.npy"], "all three"),
        (["traverse", "RUN", "--save", "--out", "w.npy"], "all three"),
        (["traverse", "RUN", "faces:n=5,size=8,smile=2", "--out", "w.npy"], "use a number from -1 to 1"),
        (["traverse", "RUN", "faces:n=5,size=8,smile=1..0", "--out", "w.npy"], "as in -1..1"),
        (["interpolate", "RUN", FACES, "--rows", "0", "--out", "w.npy"], "rows"),
        (["interpolate", "RUN", FACES, "--rows", "0", "-1", "--out", "w.npy"], "there is no row -1"),
        (["interpolate", "RUN", FACES, "--rows", "0", "1", "--kind", "cubic", "--out", "w.npy"], "'spherical'"),
        (["cluster", "RUN", FACES], "n_clusters"),
        (["cluster", "RUN", FACES, "--n_clusters", "61"], "between 1 and the number of rows, 60"),
        (["cluster", "RUN", FACES, "--n_clusters", "2", "--method", "x"], "'kmeans', 'gmm'"),
        (["animate", "vaee", FACES, "--out", "w.gif"], "did you mean 'vae'"),
        (["animate", "vae", FACES, "--out", "w.avi"], "an animation goes to"),
        (["animate", "vae", FACES, "--rows", "0", "--out", "w.gif"], "rows must be at least 1"),
        (["animate", "vae", "IRIS", "--out", "w.gif"], "only pictures can be shown as .gif"),
        (["animate", "linear", FACES, "--latent_dim", "2", "--out", "w.gif", "--quiet"], "solved in closed form"),
    ],
)
def test_wrong_calls(args, message, runs, face_run, capsys):
    names = {"RUN": face_run, "IRIS": str(runs / "iris.csv")}
    options = ["--label", "species"] if "IRIS" in args else []
    assert message in complaint(capsys, *[names.get(arg, arg) for arg in args], *options)


@pytest.mark.parametrize("command", ["traverse", "interpolate", "cluster", "animate"])
def test_help(command, capsys):
    if command == "animate":
        assert main([command, "--help"]) == 0
        assert "Variational" in capsys.readouterr().out
        command = [command, "vae"]
    else:
        command = [command]
    with pytest.raises(SystemExit) as leave:
        main([*command, "--help"])
    assert leave.value.code == 0
    assert "--out" in capsys.readouterr().out

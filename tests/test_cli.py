"""The installed command, run as a user runs it."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris

import isthmus
import isthmus.data
from isthmus.cli import main
from isthmus.runs import PARAMS

QUICK = ["--max_epochs", "1", "--quiet", "--report", "false"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["fit", "vae", "digits", "--latent_dim", "3", "--out", str(folder), *QUICK]) == 0
    return str(folder)


@pytest.fixture
def table(tmp_path):
    iris = load_iris(as_frame=True)
    frame = iris.data.assign(species=iris.target_names[iris.target])
    frame.to_csv("iris.csv", index=False)
    iris.data.to_parquet("iris.parquet")
    return iris.data


def complaint(capsys, *args):
    """The one line that a wrong call prints on stderr; it must exit with 2 and show no traceback."""
    assert main(list(args)) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("isthmus: ")
    return lines[0]


def test_the_installed_command():
    command = Path(sys.executable).with_name("isthmus")
    done = subprocess.run([command, "models"], capture_output=True, text=True, check=True)
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(isthmus.models())
    wrong = subprocess.run([command, "fti"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (2, "isthmus: unknown command 'fti'; did you mean 'fit'?\n")


@pytest.mark.parametrize("name", isthmus.models())
def test_fit_and_use_every_model(name, capsys):
    assert (
        main(["fit", name, "digits", "--latent_dim", "2", "--out", "run", "--max_epochs", "1", "--report", "false"])
        == 0
    )
    shown = capsys.readouterr()
    assert "isthmus encode run digits" in shown.out
    assert main(["encode", "run", "digits", "--out", "codes.npy"]) == 0
    model, X = isthmus.load("run"), isthmus.data.load("digits").X
    np.testing.assert_array_equal(np.load("codes.npy"), model.transform(X))
    assert main(["reconstruct", "run", "digits", "--out", "r.npy"]) == 0
    np.testing.assert_array_equal(np.load("r.npy"), model.reconstruct(X))
    assert main(["sample", "run", "-n", "9", "--seed", "1", "--out", "s.npy"]) == 0
    np.testing.assert_array_equal(np.load("s.npy"), model.sample(9, random_state=1))
    assert main(["score", "run", "digits", "--out", "scores.npy"]) == 0
    np.testing.assert_array_equal(np.load("scores.npy"), model.score_samples(X))
    assert main(["evaluate", "run", "digits", "--out", "m.json"]) == 0
    assert json.loads(Path("m.json").read_text()) == pytest.approx(model.evaluate(X))


def test_sheets_of_pictures(digits_run):
    assert main(["sample", digits_run, "-n", "10", "--out", "s.png"]) == 0
    assert main(["reconstruct", digits_run, "digits", "--out", "r.png"]) == 0
    sheet = np.asarray(Image.open("s.png"))
    assert sheet.ndim == 2
    assert sheet.shape[1] > 300
    assert 0 < sheet.mean() < 255


def test_a_table_keeps_its_columns(table, capsys):
    assert main(["fit", "vae", "iris.csv", "--label", "species", "--latent_dim", "2", "--out", "run", *QUICK]) == 0
    for source in ("iris.csv", "iris.parquet"):
        assert main(["encode", "run", source, "--out", "codes.csv"]) == 0
        assert main(["sample", "run", "-n", "5", "--out", "s.csv"]) == 0
        assert main(["reconstruct", "run", source, "--out", "r.parquet"]) == 0
    with open("codes.csv") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["vae0", "vae1"]
    assert len(rows) == 151
    with open("s.csv") as file:
        assert next(csv.reader(file)) == list(table.columns)
    capsys.readouterr()
    table.iloc[:, :3].to_csv("short.csv", index=False)
    assert "petal width (cm)" in complaint(capsys, "encode", "run", "short.csv", "--out", "c.npy")


def test_pictures_in_a_folder_are_read_as_the_runs_own_were(capsys):
    Path("pictures").mkdir()
    for i, picture in enumerate(load_digits().images[:30]):
        size = (16, 16) if i % 2 else (20, 24)
        Image.fromarray((picture * 15).astype(np.uint8)).resize(size).save(f"pictures/{i}.png")
    assert "--resize" in complaint(capsys, "fit", "vae", "pictures", "--out", "run", *QUICK)
    assert not Path("run").exists()
    assert main(["fit", "vae", "pictures", "--resize", "16x16", "--out", "run", *QUICK]) == 0
    assert main(["encode", "run", "pictures", "--out", "codes.npy"]) == 0
    assert np.load("codes.npy").shape == (30, 16)


def test_npz_and_idx(capsys):
    np.savez("two.npz", first=np.random.default_rng(0).random((40, 5)), second=np.ones((3, 3)))
    assert "two.npz:first" in complaint(capsys, "fit", "linear", "two.npz", "--out", "run", *QUICK)
    assert main(["fit", "linear", "two.npz:first", "--out", "run", *QUICK]) == 0
    header = bytes([0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 8, 0, 0, 0, 8])
    Path("x-images-idx3-ubyte").write_bytes(header + (load_digits().images[:30] * 15).astype(np.uint8).tobytes())
    assert main(["fit", "vae", "x-images-idx3-ubyte", "--out", "run2", *QUICK]) == 0


def test_report_again_from_the_recorded_source(digits_run, capsys):
    assert main(["report", digits_run]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == Path(digits_run) / "report.html"
    assert "digits" in page.read_text()


def test_config_file_says_what_the_options_would(capsys):
    options = ["--latent_dim", "3", "--beta", "2.5", "--trainer.batch_size", "50", "--random_state", "7", *QUICK]
    with pytest.raises(SystemExit) as leave:
        main(["fit", "vae", "digits", "--out", "a", *options, "--print_config"])
    assert leave.value.code == 0
    Path("c.yaml").write_text(capsys.readouterr().out)
    assert main(["fit", "vae", "digits", "--out", "a", *options]) == 0
    assert main(["fit", "vae", "--config", "c.yaml", "digits", "--out", "b"]) == 0
    first, second = isthmus.load("a"), isthmus.load("b")
    assert second.get_params()["trainer__batch_size"] == 50
    assert second.beta == 2.5
    X = isthmus.data.load("digits").X
    np.testing.assert_array_equal(first.transform(X), second.transform(X))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "vaee", "digits", "--out", "r"], "did you mean 'vae'"),
        (["fit", "vae", "digitz", "--out", "r"], "digits"),
        (["fit", "vae", "digits"], "out"),
        (["fit", "vae", "digits", "--out", "/proc/no/run"], "cannot make the folder /proc/no/run"),
        (["fit", "vae", "digits", "--out", "r", "--latent_dim", "two"], "latent_dim"),
        (["fit", "vae", "digits", "--out", "r", "--latent_dim", "0"], "latent_dim"),
        (["fit", "vae", "digits", "--out", "r", "--latent_dims", "2"], "latent_dims"),
        (["fit", "vae", "digits", "--out", "r", "--likelihood", "bernoulli"], "divide by 255"),
        (["fit", "vae", "digits", "--out", "r", "--resume"], "nothing to resume"),
        (["encode", "nowhere", "digits", "--out", "c.npy"], "no run folder nowhere"),
        (["encode", "RUN", "digits", "--out", "c.txt"], "c.txt"),
        (["encode", "RUN", "faces:n=5,size=8,seed=x", "--out", "c.npy"], "seed"),
        (["encode", "RUN", "faces:n=5,size=16", "--out", "c.npy"], r"samples of shape (16, 16)"),
        (["sample", "RUN", "-n", "0", "--out", "s.npy"], "n_samples"),
        (["score", "RUN", "digits", "--n_samples", "0"], "n_samples"),
        (["fit", "vae", "digits", "--out", "RUN"], "already holds a run"),
    ],
)
def test_wrong_calls(args, message, digits_run, capsys):
    line = complaint(capsys, *[digits_run if arg == "RUN" else arg for arg in args])
    assert message in line


def test_debug_shows_where_an_error_came_from():
    with pytest.raises(isthmus.DataSourceError):
        main(["fit", "vae", "digitz", "--out", "r", "--debug"])


def test_help(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert main(["fit", "--help"]) == 0
    assert "Variational" in capsys.readouterr().out
    for command in (["fit", "vae"], ["encode"], ["sample"], ["score"], ["evaluate"], ["report"], ["models"]):
        with pytest.raises(SystemExit) as leave:
            main([*command, "--help"])
        assert leave.value.code == 0
    assert "Weight of the divergence" in capsys.readouterr().out


def test_warnings_are_one_line_on_stderr(table, capsys):
    table.to_csv("plain.csv", index=False)
    assert main(["fit", "autoencoder", "plain.csv", "--latent_dim", "4", "--out", "run", *QUICK]) == 0
    assert "isthmus: warning: latent_dim=4 is at least as wide as the data" in capsys.readouterr().err


def test_ctrl_c_saves_the_best_model_and_resume_finishes_it():
    command = [sys.executable, "-m", "isthmus.cli", "fit", "vae", "digits", "--latent_dim", "2", "--out", "run"]
    command += ["--max_epochs", "60", "--report", "false", "--random_state", "0", "--trainer.early_stopping", "null"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        seen = ""
        while "3/60" not in seen:
            piece = process.stderr.read(1)
            assert piece, seen
            seen += piece
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(60) == 130
    assert isthmus.load("run").best_epoch_ >= 1
    assert (Path("run") / PARAMS).exists()
    assert main(["fit", "vae", "digits", "--latent_dim", "2", "--out", "run", "--resume", *_rest(command)]) == 0
    assert len(isthmus.load("run").history_["epoch"]) == 60


def _rest(command):
    return [*command[command.index("--max_epochs") :], "--quiet"]


def test_parts_are_configured_from_the_shell():
    shared = ["--latent_dim", "2", *QUICK]
    network = ["--network", "Conv", "--network.pool", "max", "--network.channels", "[4,8]"]
    noise = ["--corruption", "GaussianNoise", "--corruption.std", "2", "--corruption.unit", "data"]
    assert main(["fit", "denoising", "digits", "--out", "run", *shared, *network, *noise]) == 0
    model = isthmus.load("run")
    assert repr(model.module_.network).startswith("Conv(channels=(4, 8), pool='max'")
    assert repr(model.module_.corruption) == "GaussianNoise(std=2.0, unit='data')"


def test_denoising_from_the_shell(capsys):
    X = isthmus.data.load("digits").X.astype(np.float32)
    rng = np.random.default_rng(0)
    for name in ("first.npy", "second.npy"):
        np.save(name, X + rng.normal(scale=50, size=X.shape).astype(np.float32))
    options = ["--out", "run", "--max_epochs", "10", "--quiet", "--report", "false"]
    assert main(["fit", "noise2noise", "first.npy", "--target", "second.npy", *options]) == 0
    assert main(["denoise", "run", "first.npy", "--out", "restored.npy"]) == 0
    restored = np.load("restored.npy")
    np.testing.assert_array_equal(restored, isthmus.load("run").denoise(np.load("first.npy")))
    assert ((restored - X) ** 2).mean() < 50**2 / 2
    assert main(["denoise", "run", "first.npy", "--out", "pairs.png"]) == 0
    assert main(["denoise", "run", "digits", "--corrupt", "--seed", "0", "--out", "triples.png"]) == 0
    assert "mean squared error against the clean data" in capsys.readouterr().out
    # Eight columns of pictures, and six.
    with Image.open("pairs.png") as pairs, Image.open("triples.png") as triples:
        assert pairs.width > triples.width
    assert "each row of X needs its own target" in complaint(
        capsys, "fit", "noise2noise", "first.npy", "--target", "faces:n=9", "--out", "other", *QUICK
    )
    assert "unrecognized arguments" in complaint(
        capsys, "fit", "vae", "first.npy", "--target", "second.npy", "--out", "other", *QUICK
    )


def test_only_denoisers_denoise(capsys, digits_run):
    assert "(VAE) was not trained to denoise" in complaint(capsys, "denoise", digits_run, "digits", "--out", "d.npy")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--max_epochs 1.5", "--max_epochs can be a whole number or auto, and not 1.5"),
        ("--beta x", "--beta can be a number, and not x"),
        ("--scaling no", "--scaling can be auto, common, global, standard, center, log, none, and not no"),
        ("--image_shape 3", "--image_shape can be whole numbers such as [28,28] or null, and not 3"),
        ("--network.pool max", "--network.pool needs --network to name a class that has this option"),
    ],
)
def test_values_that_do_not_fit_are_told_in_words(options, complaint, capsys):
    assert main(["fit", "vae", "digits", *options.split(), "--out", "run"]) == 2
    assert capsys.readouterr().err == f"isthmus: {complaint} (see isthmus fit vae --help)\n"

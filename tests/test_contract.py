"""The estimators' face: parameters, pipelines, errors."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import isthmus
import isthmus.data
from isthmus import VAE, Autoencoder, DataError, IsthmusError, LinearAutoencoder, ParameterError, Trainer
from isthmus.networks import MLP, Conv

PICTURES = load_digits().images[:200]
TABLE = load_iris().data


def test_import_and_help_do_not_import_torch():
    code = (
        "import sys, isthmus; from isthmus.cli import main; main(['--help']); main(['--version']);"
        "heavy = {'torch', 'sklearn', 'matplotlib', 'pandas', 'jsonargparse', 'numpy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "commands:" in done.stdout


def test_models_is_both_a_function_and_a_package():
    import isthmus.models

    assert isthmus.models()["vae"] is VAE
    assert set(isthmus.models()) >= {"autoencoder", "linear", "vae"}
    assert "VAE" in dir(isthmus)
    with pytest.raises(AttributeError, match="no attribute 'VAEE'"):
        isthmus.VAEE  # noqa: B018


def test_every_error_is_ours_and_what_a_caller_expects():
    for name in isthmus.__all__:
        kind = getattr(isthmus, name)
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning):
            assert issubclass(kind, IsthmusError)
    assert issubclass(isthmus.DataError, ValueError)
    assert issubclass(isthmus.RunError, OSError)


def test_pipeline_and_grid_search():
    pipeline = make_pipeline(StandardScaler(), VAE(latent_dim=2, max_epochs=2, random_state=0))
    assert pipeline.fit_transform(TABLE).shape == (150, 2)
    search = GridSearchCV(
        Autoencoder(max_epochs=2, random_state=0, trainer=Trainer()),
        {"latent_dim": [1, 3], "trainer__batch_size": [16, 64]},
        cv=2,
    ).fit(TABLE)
    assert search.best_params_["latent_dim"] in (1, 3)
    assert np.isfinite(search.best_score_)


def test_feature_names_go_through():
    frame = load_iris(as_frame=True).data
    vae = VAE(latent_dim=2, max_epochs=1).fit(frame).set_output(transform="pandas")
    assert list(vae.feature_names_in_) == list(frame.columns)
    assert list(vae.transform(frame).columns) == ["vae0", "vae1"]


@pytest.mark.parametrize(
    "as_given",
    [list, torch.tensor, lambda X: torch.utils.data.TensorDataset(torch.tensor(X)), np.asfortranarray],
    ids=["list", "tensor", "dataset", "fortran"],
)
def test_the_same_data_in_other_clothes(as_given):
    X = TABLE.astype(np.float32)
    expected = Autoencoder(2, max_epochs=1, random_state=0).fit(X).transform(X)
    given = as_given(X) if as_given is not list else [[float(v) for v in row] for row in X]
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(given)
    np.testing.assert_allclose(model.transform(given), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [bool, np.float16, np.uint16, np.uint32, np.int8, np.int64, ">f4", np.longdouble])
def test_every_numeric_type(dtype):
    X = (PICTURES[:50] > 4).astype(dtype) * np.array(1).astype(dtype)
    model = VAE(latent_dim=2, max_epochs=1, random_state=0).fit(X)
    assert np.isfinite(model.score(X))


def test_memmap_and_path(tmp_path):
    np.save(tmp_path / "x.npy", PICTURES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    first = Autoencoder(2, max_epochs=1, random_state=0).fit(mapped)
    second = Autoencoder(2, max_epochs=1, random_state=0).fit(tmp_path / "x.npy")
    np.testing.assert_array_equal(first.transform(mapped), second.transform(str(tmp_path / "x.npy")))


def test_rows_above_the_limit_train_the_same_model():
    small, large = (Trainer(batch_size=16, memory_limit=limit) for limit in (0, 2))
    scores = [VAE(2, max_epochs=2, random_state=0, trainer=t).fit(PICTURES).score(PICTURES) for t in (small, large)]
    assert scores[0] == pytest.approx(scores[1], rel=0.02)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((20, 2, 2, 2, 2)), r"pictures are \(n, H, W\) or \(n, H, W, C\), and X has shape"),
        (np.ones((0, 4)), "0 sample"),
        (np.array([[1.0, np.nan]] * 30), "NaN"),
        (np.array([["a", "b"]] * 30), "numeric"),
        ("no-such-data", "no-such-data"),
    ],
)
def test_bad_data(X, message):
    with pytest.raises(IsthmusError, match=message):
        VAE().fit(X)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (VAE(latent_dim=0), "latent_dim"),
        (VAE(beta=-1.0), "beta"),
        (VAE(likelihood="normal"), "unknown likelihood 'normal'; choose from 'auto', .*'bernoulli'"),
        (VAE(network="resnet"), "unknown network 'resnet'; choose from 'auto', 'linear', 'mlp', 'conv'"),
        (VAE(network="conv"), r"a convolutional network needs pictures .* image_shape"),
        (VAE(image_shape=(3, 3)), r"image_shape=\(3, 3\) does not fit rows of 4 values"),
        (VAE(trainer=Trainer(learning_rate=0.0)), "learning_rate"),
        (VAE(trainer=Trainer(device="tpu")), "unknown device 'tpu'; choose 'auto'"),
        (VAE(trainer=Trainer(device="cuda:99")), "there is no device 'cuda:99' here"),
        (VAE(trainer=Trainer(resume=True)), "resume=True needs checkpoint"),
        (VAE(trainer=Trainer(loggers=["wandb"])), "unknown logger 'wandb'"),
        (VAE(scaling="log", likelihood="gaussian", latent_dim=1), None),
        (LinearAutoencoder(5), "latent_dim=5 is more than the 4 components"),
        (LinearAutoencoder(network="mlp"), "a LinearAutoencoder has network='linear'"),
        (LinearAutoencoder(likelihood="poisson"), "a LinearAutoencoder has likelihood='gaussian'"),
        (Autoencoder(1, network=MLP(hidden=(0,))), "at least one unit"),
        (Autoencoder(1, network=MLP(activation="mish")), "unknown activation 'mish'"),  # type: ignore[arg-type]
        (Autoencoder(1, network=Conv(pool="mean")), None),  # type: ignore[arg-type]
    ],
)
def test_bad_parameters(model, message):
    X = -TABLE if message is None else TABLE
    with pytest.raises(ParameterError, match=message):
        model.fit(X)


def test_an_image_shape_must_be_that_of_the_pictures():
    with pytest.raises(ParameterError, match=r"image_shape=\(4, 16\), but the pictures have shape \(8, 8\)"):
        VAE(2, image_shape=(4, 16)).fit(PICTURES)
    np.testing.assert_array_equal(
        VAE(2, image_shape=(8, 8), max_epochs=1, random_state=0).fit(PICTURES).transform(PICTURES),
        VAE(2, max_epochs=1, random_state=0).fit(PICTURES).transform(PICTURES),
    )


def test_models_refuse_other_shapes():
    model = VAE(2, max_epochs=1).fit(PICTURES)
    with pytest.raises(
        DataError, match=r"samples of shape \(9, 9\), but the model was fitted on samples of shape \(8, 8\)"
    ):
        model.transform(np.ones((3, 9, 9)))
    with pytest.raises(DataError, match=r"fitted on pictures \(8, 8\)"):
        model.transform(np.ones((3, 64)))
    with pytest.raises(DataError, match=r"codes must have shape \(n, 2\)"):
        model.inverse_transform(np.ones((3, 5)))
    with pytest.raises(ParameterError, match="n_samples must be at least 1"):
        model.sample(0)


def test_scores_are_refused_outside_the_support():
    vae = VAE(2, max_epochs=1).fit(PICTURES > 8)
    with pytest.raises(DataError, match=r"needs values in \[0, 1\]"):
        vae.score_samples(PICTURES)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(300, 20), (30, 80)])
@pytest.mark.parametrize("solver", ["svd", "gradient"])
def test_linear_autoencoder_is_pca(solver, shape, dtype):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(shape[0], 5)) @ rng.normal(size=(5, shape[1])) * 8 + rng.normal(size=shape) + 100).clip(
        0, 255
    )
    X = X.astype(dtype)
    ours = LinearAutoencoder(5, solver=solver, max_epochs=2, random_state=0).fit(X)
    pca = PCA(5, svd_solver="full").fit(X.astype(np.float64))
    np.testing.assert_allclose(ours.components_, pca.components_, atol=1e-3)
    np.testing.assert_allclose(ours.explained_variance_, pca.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(ours.explained_variance_ratio_, pca.explained_variance_ratio_, rtol=1e-4)
    assert ours.noise_variance_ == pytest.approx(pca.noise_variance_, rel=1e-3)
    np.testing.assert_allclose(ours.transform(X), pca.transform(X), atol=0.05)
    np.testing.assert_allclose(ours.score_samples(X), pca.score_samples(X), rtol=1e-3)
    residual = ((X - ours.reconstruct(X)) ** 2).sum()
    best = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum()
    assert residual / best - 1 <= 1e-6


@pytest.mark.parametrize(
    ("X", "name"),
    [
        (PICTURES > 8, "bernoulli"),
        ((PICTURES > 8).astype(np.uint8), "bernoulli"),
        (np.eye(4)[np.arange(60) % 4], "categorical"),
        (PICTURES, "gaussian"),
        (TABLE, "gaussian"),
    ],
)
def test_auto_likelihood(X, name):
    model = VAE(latent_dim=1, max_epochs=1, random_state=0).fit(X)
    assert model.choices_["likelihood"].value == name
    assert name in model.describe()


def test_auto_follows_its_table():
    table = VAE(max_epochs=1, random_state=0).fit(TABLE)
    assert table.latent_dim_ == 2
    assert table.module_.scaling.kind == "standard"
    assert isinstance(table.module_.network, MLP)
    pictures = Autoencoder(max_epochs=1).fit(isthmus.data.load("faces:n=40,size=32").X)
    assert pictures.latent_dim_ == 16
    assert pictures.module_.scaling.kind == "common"
    assert isinstance(pictures.module_.network, Conv)
    digits = Autoencoder(max_epochs=1).fit(PICTURES.reshape(-1, 64))
    assert digits.module_.scaling.kind == "common"


def test_verbose_shows_choices_and_progress(capsys):
    VAE(2, max_epochs=2, verbose=True).fit(TABLE)
    captured = capsys.readouterr()
    assert "likelihood" in captured.out
    assert "2/2" in captured.err

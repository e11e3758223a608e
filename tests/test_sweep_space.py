"""What is searched, and by what it is compared, before anything is trained."""

import math
from functools import cache

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.pipeline import make_pipeline

import isthmus
from isthmus import VAE, Autoencoder, LinearAutoencoder, Trainer
from isthmus.data import load
from isthmus.data.streams import Rows
from isthmus.errors import DataError, IsthmusWarning, ParameterError
from isthmus.evaluate.metrics import METRICS
from isthmus.networks import MLP, Conv
from isthmus.sweep import held_out
from isthmus.sweep.metric import Metric, choose_metric
from isthmus.sweep.names import configure, searchable
from isthmus.sweep.options import fit_command
from isthmus.sweep.page import at_an_end
from isthmus.sweep.planning import make_plan
from isthmus.sweep.space import Choices, Range, from_scalar, read_space, to_scalar

WINE = load(load_wine().data)
FACES = load("faces:n=60,size=16")


def plan(estimator, data=WINE, **options):
    return make_plan(estimator, data, **options)


# ------------------------------------------------------------------ the grammar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=2..32", Range(2, 32, whole=True)),
        ("a=2..32:log", Range(2, 32, log=True, whole=True)),
        ("a = 1e-4 .. 1e-2 :log", Range(1e-4, 1e-2, log=True)),
        ("a=-1..1.5", Range(-1, 1.5)),
        ("a=.5..2", Range(0.5, 2)),
        ("a=mlp,linear", Choices(("mlp", "linear"))),
        ("a=2,2.5,true,null", Choices((2, 2.5, True, None))),
        ("a=[64,64],[128]", Choices(((64, 64), (128,)))),
        ("a=auto", Choices(("auto",))),
    ],
)
def test_what_users_write_is_read(text, expected):
    assert read_space([text]) == {"a": expected}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "is written NAME=LOW..HIGH"),
        ("=1..2", "is written NAME=LOW..HIGH"),
        ("a=", "is written NAME=LOW..HIGH"),
        ("a=2..1", "the first number must be below the second"),
        ("a=1..1", "the first number must be below the second"),
        ("a=1..inf", "the first number must be below the second"),
        ("a=nan..1", "the first number must be below the second"),
        ("a=0..1:log", "must begin above 0"),
        ("a=0..1:lin", "can come ':log', and not ':lin'"),
        ("a=x..y", "its ends must be numbers"),
        ("a=1..true", "its ends must be numbers"),
        ("a=1,1", "must differ"),
        ("a=1,true", "must differ"),
    ],
)
def test_what_cannot_be_read_is_told(text, message):
    with pytest.raises(ParameterError, match=message):
        read_space([text])


def test_python_says_it_in_its_own_ways():
    found = read_space(
        {
            "latent_dim": "2..32:log",
            "beta": (0.5, 2.0),
            "network": ["mlp", "linear"],
            "trainer__learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
            "trainer.batch_size": optuna.distributions.IntDistribution(16, 64),
            "scaling": optuna.distributions.CategoricalDistribution(["standard", "none"]),
        }
    )
    assert found == {
        "latent_dim": Range(2, 32, log=True, whole=True),
        "beta": Range(0.5, 2.0),
        "network": Choices(("mlp", "linear")),
        "trainer.learning_rate": Range(1e-4, 1e-2, log=True),
        "trainer.batch_size": Range(16, 64, whole=True),
        "scaling": Choices(("standard", "none")),
    }
    for wrong in (3, optuna.distributions.FloatDistribution(0, 1, step=0.1), []):
        with pytest.raises(ParameterError):
            read_space({"a": wrong})


@pytest.mark.parametrize("value", [(64, 64), (), None, True, 3, 0.1, "mlp", ("a", "b")])
def test_a_study_gives_back_what_it_stores(value):
    stored = to_scalar(value)
    assert stored is None or isinstance(stored, bool | int | float | str)
    assert from_scalar(stored) == value


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("latent=2..4", "did you mean 'latent_dim'"),
        ("learning_rate=1e-4..1e-2", "did you mean 'trainer.learning_rate'"),
        ("trainer.lerning_rate=1e-4..1e-2", "did you mean 'trainer.learning_rate'"),
        ("hidden=[3],[4]", "did you mean 'network.hidden'"),
        ("zzz=1..2", "names are beta, capacity"),
        ("random_state=0..3", "which rows are held out"),
        ("trainer.validation_fraction=0.1..0.2", "which rows are held out"),
        ("verbose=true,false", "changes nothing about the model"),
        ("trainer.device=cpu,cuda", "changes nothing about the model"),
        ("trainer.n_threads=1..2", "changes nothing about the model"),
        ("trainer.memory_limit=0..2", "which rows are held out"),
        ("trainer=a,b", "such as trainer.learning_rate"),
        ("beta=-1..1", r"must be a float in the range \[0.0, inf\)"),
        ("latent_dim=0..3", "latent_dim=0..3 does not fit"),
        ("latent_dim=1.5..3", "latent_dim=1.5..3 does not fit"),
        ("scaling=standard,foo", "Got 'foo'"),
        ("trainer.learning_rate=0..1", "learning_rate"),
    ],
)
def test_names_and_values_that_do_not_fit_are_told_before_any_training(space, message):
    with pytest.raises(ParameterError, match=message):
        plan(VAE(network=MLP()), space=[space])


def test_a_parameter_and_its_own_parts_are_not_searched_at_once():
    with pytest.raises(ParameterError, match=r"network and network\.dropout cannot both"):
        plan(VAE(), space=["network=mlp,linear", "network.dropout=0..0.5"])
    assert "network.hidden" not in plan(VAE(), space=["network=mlp,linear"]).space


def test_whole_numbers_stay_whole_only_where_the_parameter_wants_that():
    space = plan(VAE(), space=["latent_dim=2..8", "beta=1..4", "network.dropout=0..0.5"], use_defaults=False).space
    assert space["latent_dim"] == Range(2, 8, whole=True)
    assert space["beta"] == Range(1, 4)
    assert space["network.dropout"] == Range(0, 0.5)


def test_values_are_set_where_they_belong():
    base = VAE(network=MLP(activation="tanh"), trainer=Trainer(warmup=0.2))
    params = {"latent_dim": 3, "network.hidden": (7,), "trainer.learning_rate": 0.1, "beta": 2.0}
    made = configure(base, params)
    assert (made.latent_dim, made.beta, made.network.hidden, made.network.activation) == (3, 2.0, (7,), "tanh")
    assert (made.trainer.learning_rate, made.trainer.warmup) == (0.1, 0.2)
    assert (base.latent_dim, base.network.hidden, base.trainer.learning_rate) == ("auto", (512, 512), 3e-3)
    assert configure(VAE(), {"trainer.batch_size": 5}).trainer.batch_size == 5


def test_all_that_can_be_searched_can_be_set():
    base = VAE(network=Conv(), likelihood="gaussian", random_state=0)
    current = {**base.get_params(deep=False), **{f"trainer.{k}": v for k, v in Trainer().get_params().items()}}
    current |= {f"network.{name}": value for name, value in Conv().config().items()}
    for name in searchable(base):
        configure(base, {name: current[name]}).check_parameters()


# ------------------------------------------------------------------ what is searched by default


@pytest.mark.parametrize("data", [WINE, FACES, load(load_iris().data[:, :1])], ids=["table", "pictures", "one column"])
@pytest.mark.parametrize("name", isthmus.models())
def test_every_model_has_a_space_of_its_own(name, data):
    n_values = data.X[0].size
    if name == "linear" and n_values == 1:
        with pytest.raises(ParameterError, match="nothing to search"):
            plan(LinearAutoencoder(), data)
        return
    space = plan(isthmus.models()[name](), data).space
    assert all(len(set(dimension.examples)) > 1 for dimension in space.values())
    # A code that costs nothing is as wide as one lets it be.
    stochastic = isthmus.models()[name]().recipe()["bottleneck"].stochastic
    has_its_own = name == "ladder" and data is FACES
    wide = name == "linear" or (stochastic and not has_its_own)
    assert ("latent_dim" in space) == (wide and n_values > 1)


def test_what_a_user_has_set_is_left_alone():
    default = plan(VAE()).space
    assert set(default) == {"latent_dim", "beta", "trainer.learning_rate", "trainer.batch_size", "network.hidden"}
    mine = VAE(4, beta=2.0, network="linear", trainer=Trainer(batch_size=16))
    assert set(plan(mine).space) == {"trainer.learning_rate"}
    assert set(plan(VAE(), fixed=["beta"]).space) == set(default) - {"beta"}
    asked = plan(mine, space={"latent_dim": "2..4"}).space
    assert asked["latent_dim"] == Range(2, 4, whole=True)
    assert set(plan(VAE(), space={"beta": "1..2"}, use_defaults=False).space) == {"beta"}
    with pytest.raises(ParameterError, match="nothing to search"):
        plan(VAE(), use_defaults=False)


def test_layers_are_searched_about_those_that_auto_chooses():
    network = plan(VAE()).estimator.network
    assert isinstance(network, MLP)
    assert network.hidden in plan(VAE()).space["network.hidden"].examples
    channels = plan(VAE(), FACES).space["network.channels"].examples
    assert plan(VAE(), FACES).estimator.network.channels in channels


# ------------------------------------------------------------------ the metric


@cache
def fitted(epochs):
    return VAE(3, max_epochs=epochs, random_state=0, trainer=Trainer(early_stopping=None)).fit(load_iris().data)


@pytest.mark.parametrize("name", ["score", "elbo", "bits_per_dim", "mse", "r2", "reconstruction_nll"])
def test_training_makes_every_metric_better(name):
    rows = load(load_iris().data)
    metric = choose_metric(name, VAE(), fitted(1).info_)
    short, long = (metric.measure(fitted(epochs), rows)[0] for epochs in (1, 20))
    assert metric.better(long, short)
    assert not metric.better(short, long)


def test_every_metric_of_evaluate_has_a_direction():
    up = {"elbo", "log_likelihood", "r2", "active_units", "mutual_information"}
    info = fitted(1).info_
    for key in METRICS.keys() - {"n_samples", "psnr", "ssim"}:
        assert choose_metric(key, VAE(), info).direction == ("maximize" if key in up else "minimize")


@pytest.mark.parametrize("name", ["score", "mse", "r2", "reconstruction_nll", "bits_per_dim", "val_nll", "val_loss"])
def test_what_is_watched_gets_better_with_training_too(name):
    seen = []
    rows = load_iris().data
    metric = choose_metric(name, VAE(), fitted(1).info_)
    watch = metric.watch(VAE())

    class Look(isthmus.training.Callback):
        def on_epoch_end(self, epoch):
            seen.append(watch(epoch, rows))

    VAE(3, max_epochs=20, random_state=0, trainer=Trainer(callbacks=[Look()])).fit(rows)
    assert metric.better(seen[-1], seen[0])


def test_the_bound_that_is_watched_is_the_one_that_is_compared():
    vae, rows = fitted(20), load_iris().data
    watch = Metric("score", "maximize").watch(vae)
    epoch = isthmus.training.Epoch(1, 1, {}, vae.module_, is_best=True)
    # Two draws for each row against 32.
    assert watch(epoch, rows) == pytest.approx(vae.score(rows), abs=0.2)
    deterministic = Autoencoder(2, max_epochs=5, random_state=0).fit(rows)
    watch = Metric("score", "maximize").watch(deterministic)
    epoch = isthmus.training.Epoch(1, 1, {}, deterministic.module_, is_best=True)
    assert watch(epoch, rows) == pytest.approx(deterministic.score(rows), rel=1e-6)


@pytest.mark.parametrize(
    ("estimator", "metric", "message"),
    [
        (VAE(), "elboo", "did you mean 'elbo'"),
        (VAE(), "n_samples", "unknown metric"),
        (VAE(), "val_kll", "did you mean 'val_kl'"),
        (Autoencoder(), "elbo", "is for models whose code is a distribution"),
        (Autoencoder(), "val_kl", "unknown metric"),
        (VAE(), "psnr", "is for pictures"),
    ],
)
def test_metrics_that_do_not_apply_are_told_before_any_training(estimator, metric, message):
    with pytest.raises(ParameterError, match=message):
        plan(estimator, metric=metric)


def test_trials_that_could_not_be_compared_are_refused():
    with pytest.raises(ParameterError, match="beta may change what val_loss measures"):
        plan(VAE(), metric="val_loss", space=["beta=0.5..2"])
    with pytest.raises(ParameterError, match="noise may change what val_nll measures"):
        plan(isthmus.DenoisingAutoencoder(), space=["noise=0.1..1"])
    with pytest.raises(ParameterError, match="probabilities and some densities"):
        plan(VAE(), space=["likelihood=gaussian,poisson"])
    assert "likelihood" in plan(VAE(), space=["likelihood=gaussian,laplace"]).space
    assert "likelihood" in plan(VAE(), metric="mse", space=["likelihood=gaussian,poisson"]).space
    assert "beta" not in plan(VAE(), metric="val_loss").space


def test_a_code_that_costs_nothing_is_warned_about():
    with pytest.warns(IsthmusWarning, match="will drive latent_dim to an end"):
        plan(Autoencoder(), space=["latent_dim=2..8"])


def test_auto_is_what_the_model_is_for():
    names = {name: plan(cls()).metric.name for name, cls in isthmus.models().items()}
    assert names == {
        name: "val_nll" if name in ("denoising", "noise2noise", "noise2self") else "score" for name in names
    }


# ------------------------------------------------------------------ the rows


def test_trials_are_measured_on_the_rows_that_training_held_out():
    made = plan(Autoencoder(2, max_epochs=3, random_state=5))
    model = made.fit({})
    at_best = model.history_["val_nll"][model.best_epoch_ - 1]
    assert model.score(made.held_out()) == pytest.approx(-at_best, rel=1e-5)
    assert model.info_.n_samples == len(made.split.train)


def test_the_linear_model_sees_no_held_out_row():
    made = plan(LinearAutoencoder())
    mean = WINE.X[made.split.train].mean(0)
    np.testing.assert_allclose(made.fit({"latent_dim": 2}).mean_, mean, rtol=1e-6)
    assert not np.allclose(WINE.X.mean(0), mean, rtol=1e-6)


@pytest.mark.parametrize("model", [Autoencoder, LinearAutoencoder])
def test_rows_of_a_stream_are_held_out_too(tmp_path, model):
    np.save(tmp_path / "wine.npy", WINE.X)
    streamed = Trainer(memory_limit=0)
    data = load(tmp_path / "wine.npy", memory_limit=0)
    assert isinstance(data.X, Rows)
    made = plan(model(2, max_epochs=2, random_state=5, trainer=streamed), data, space=["scaling=auto"])
    rows = {name: part[:] for name, part in (("train", made.split.train), ("held out", made.split.validation))}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(len(WINE.X)))
    fitted = made.fit({})
    np.testing.assert_array_equal(made.held_out().X[:], WINE.X[rows["held out"]])
    np.testing.assert_array_equal(made.watched, WINE.X[rows["held out"]])
    if model is LinearAutoencoder:
        np.testing.assert_allclose(fitted.mean_, WINE.X[rows["train"]].mean(0), rtol=1e-6)
    else:
        at_best = fitted.history_["val_nll"][fitted.best_epoch_ - 1]
        assert fitted.score(made.held_out()) == pytest.approx(-at_best, rel=1e-5)


def test_of_many_held_out_rows_a_few_are_watched(monkeypatch):
    monkeypatch.setattr(held_out, "_WATCHED_BYTES", 5 * WINE.X[:1].nbytes)
    made = plan(VAE())
    assert len(made.watched) == 5
    assert len(made.held_out().X) == len(made.split.validation) > 5


@pytest.mark.parametrize("several", [{"devices": 2}, {"devices": 1, "num_nodes": 2}])
def test_a_trial_is_trained_by_one_process(several):
    with pytest.raises(ParameterError, match="trains each model in one process"):
        plan(VAE(trainer=Trainer(**several)))
    assert plan(VAE(trainer=Trainer(devices=1))).fit({"latent_dim": 2}).trainer.devices == 1
    assert plan(VAE(max_epochs=1)).fit({"latent_dim": 2}).trainer.devices == "auto"


@pytest.mark.parametrize("data", [load(load_iris().data[:12]), load(load_iris().data)])
def test_there_must_be_held_out_rows(data):
    estimator = VAE() if len(data.X) < 20 else VAE(trainer=Trainer(validation_fraction=0))
    with pytest.raises(DataError, match="none are held out"):
        plan(estimator, data)


@pytest.mark.parametrize("wrong", [VAE, "vae", make_pipeline(VAE())], ids=str)
def test_what_is_searched_is_a_model(wrong):
    with pytest.raises(ParameterError, match=r"an unfitted model such as VAE\(\)"):
        plan(wrong)


def test_a_generator_is_no_seed():
    with pytest.raises(ParameterError, match="an int as random_state"):
        plan(VAE(random_state=np.random.RandomState(0)))
    assert plan(VAE()).seed == 0
    assert plan(VAE(random_state=7)).seed == 7


# ------------------------------------------------------------------ what is said of it


def test_values_at_the_end_of_a_range_are_pointed_out():
    space = {
        "latent_dim": Range(2, 64, log=True, whole=True),
        "trainer.learning_rate": Range(1e-4, 1e-2, log=True),
        "kl_warmup": Range(0, 0.5),
        "beta": Range(0.5, 2),
        "scaling": Choices(("none", "standard")),
    }
    params = {"latent_dim": 64, "trainer.learning_rate": 1e-3, "kl_warmup": 0.0, "beta": 0.51, "scaling": "none"}
    assert set(at_an_end(params, space)) == {"latent_dim", "beta"}


def test_the_command_of_a_model_is_quoted_and_complete():
    model = VAE(
        3, beta=2.0, network=Conv(channels=(4, 8), norm="batch"), image_shape=(8, 8), trainer=Trainer(batch_size=9)
    )
    command = fit_command(model, "my data.npy", {"grey": True, "resize": "8x8"}, "runs/x")
    assert command == (
        "isthmus fit vae 'my data.npy' --grey --resize 8x8 --beta 2.0 --image_shape '[8,8]' --latent_dim 3 "
        "--network Conv --network.channels '[4,8]' --network.norm batch --trainer.batch_size 9 --out runs/x"
    )
    assert fit_command(isthmus.DenoisingAutoencoder(corruption=lambda x: x), "d", {}, "o") is None


def test_pictures_of_digits_have_widths_up_to_64():
    digits = load(load_digits().images)
    assert plan(VAE(), digits).space["latent_dim"] == Range(2, 64, log=True, whole=True)
    assert math.isclose(plan(VAE(), digits).space["beta"].low, 0.5)

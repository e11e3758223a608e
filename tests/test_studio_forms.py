"""The form of every model says what ``isthmus fit`` takes, and accepts what that accepts."""

import contextlib
import inspect
import sys
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits

import isthmus
from isthmus import VAE, Trainer
from isthmus.cli import main
from isthmus.commands.fit import known_model, make_model
from isthmus.core import named_parts
from isthmus.errors import DataError, IsthmusWarning, ParameterError
from isthmus.likelihoods import Likelihood
from isthmus.networks import Conv
from isthmus.studio.fits.choices import describe_source, look_ahead
from isthmus.studio.fits.fields import Field, option_words, plain, same
from isthmus.studio.fits.filling import build, faults
from isthmus.studio.fits.forms import make_form
from isthmus.studio.fits.job import command

MODELS = list(isthmus.models())


def every(fields):
    """All fields, with those of parts."""
    for own in fields:
        yield own
        for inner in own.parts.values():
            yield from every(inner)


def model_of(name, values, data="digits"):
    config, _ = build(make_form(name), values, data)
    return make_model(known_model(name), config)


@pytest.mark.parametrize("name", MODELS)
def test_every_default_can_be_typed_and_is_that_of_the_class(name, monkeypatch):
    form, cls = make_form(name), known_model(name)
    spelt = {own.name: plain(own.default) for own in form.fields}
    # As if all were different from the defaults, so that the command line says every one of them.
    monkeypatch.setattr("isthmus.studio.fits.forms.same", lambda one, other: False)
    grey = spelt.pop("grey")
    words = form.words(spelt)
    assert grey is False
    assert {word[2:] for word in words if word.startswith("--")} == set(spelt)
    made = model_of(name, spelt)
    for parameter, default in cls().get_params(deep=False).items():
        if parameter not in ("trainer", "verbose"):
            assert same(getattr(made, parameter), default), parameter
    usual = Trainer().get_params()
    typed = [key.partition(".")[2] for key in spelt if key.startswith("trainer.")]
    assert all(same(getattr(made.trainer, key), usual[key]) for key in typed)


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_of_the_signature_has_a_field_with_help(name):
    form, cls = make_form(name), known_model(name)
    own = {field.name for field in form.fields}
    assert set(inspect.signature(cls).parameters) - {"trainer", "verbose"} <= own
    training = {"batch_size", "learning_rate", "validation_fraction", "early_stopping", "precision"}
    assert {f"trainer.{key}" for key in training} <= {field.name for field in form.fields if not field.folded}
    assert all(field.help for field in form.fields)
    assert ("target" in own) == ("target" in inspect.signature(cls.fit).parameters)
    assert form.words({}) == []


def test_kinds_domains_and_choices():
    fields = {own.name: own for own in make_form("vae").fields}
    width = fields["latent_dim"]
    assert (width.kind, width.whole, width.low, width.choices) == ("number", True, 1, ("auto",))
    rate = fields["trainer.learning_rate"]
    assert (rate.kind, rate.whole, rate.low, rate.low_open, rate.high) == ("number", False, 0, True, None)
    assert fields["trainer.early_stopping"].choices == (None,)
    assert fields["grey"].kind == "bool"
    assert fields["trainer.precision"].choices == ("auto", "32", "bf16")
    assert set(named_parts(Likelihood)) < set(fields["likelihood"].choices)
    network = fields["network"].parts["Conv"]
    assert [own.name for own in network] == [f"network.{key}" for key in inspect.signature(Conv).parameters]
    assert {own.name: plain(own.default) for own in network} == {
        f"network.{key}": plain(parameter.default) for key, parameter in inspect.signature(Conv).parameters.items()
    }


def test_values_become_the_parameters_that_they_say():
    values = {
        "latent_dim": "3",
        "beta": 2,
        "network": "Conv",
        "network.channels": "8, 16",
        "network.pool": "max",
        "likelihood": "laplace",
        "corruption": "Masking",
        "corruption.share": "0.5",
        "image_shape": [8, 8],
        "random_state": 7,
        "trainer.batch_size": "16",
        "trainer.early_stopping": None,
        "trainer.precision": "32",
    }
    made = model_of("vae", values)
    assert (made.latent_dim, made.beta, made.likelihood, made.random_state) == (3, 2.0, "laplace", 7)
    assert repr(made.network) == repr(Conv((8, 16), pool="max"))
    assert made.corruption.share == 0.5  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    assert tuple(made.image_shape) == (8, 8)
    assert (made.trainer.batch_size, made.trainer.early_stopping, made.trainer.precision) == (16, None, "32")


def test_a_class_of_which_nothing_is_changed_is_still_that_class():
    assert repr(model_of("vae", {"network": "Conv"}).network) == repr(Conv())
    assert model_of("vae", {"likelihood": "gaussian"}).likelihood == "gaussian"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"beta": "x"}, ["--beta", "x"]),
        ({"latent_dim": 2.5}, ["--latent_dim", "2.5"]),
        ({"latent_dim": 0}, ["--latent_dim", "0"]),
        ({"beta": -1}, ["--beta", "-1"]),
        ({"max_epochs": "none"}, ["--max_epochs", "none"]),
        ({"scaling": "big"}, ["--scaling", "big"]),
        ({"trainer.precision": "64"}, ["--trainer.precision", "64"]),
        ({"trainer.batch_size": "x"}, ["--trainer.batch_size", "x"]),
        ({"trainer.validation_fraction": 1}, ["--trainer.validation_fraction", "1"]),
        ({"image_shape": "3x3"}, ["--image_shape", "3x3"]),
        ({"capacity": "x"}, ["--capacity", "x"]),
        ({"prior": "nothing"}, None),
    ],
)
def test_a_wrong_value_is_refused_in_the_words_of_the_command(values, words, capsys, tmp_path):
    [name] = values
    _, errors, problem = faults(values, lambda given: build(make_form("vae"), given))
    assert set(errors) == {name}
    assert problem is None
    if words is not None:
        assert main(["fit", "vae", "digits", "--out", str(tmp_path / "run"), *words]) == 2
        told = capsys.readouterr().err.strip().removeprefix("isthmus: ")
        assert errors[name] == told.partition(" (see ")[0]


def test_each_wrong_value_is_told_beside_its_own_field():
    values = {"beta": -1, "latent_dim": 3, "kl_warmup": 2, "trainer.warmup": "x", "bta": 1}
    (config, args), errors, problem = faults(values, lambda given: build(make_form("vae"), given))
    assert set(errors) == {"beta", "kl_warmup", "trainer.warmup", "bta"}
    assert "did you mean 'beta'" in errors["bta"]
    assert problem is None
    assert config.latent_dim == 3
    assert args == ["digits", "--latent_dim", "3"]


def test_data_whose_name_is_an_option_are_refused():
    with pytest.raises(ParameterError, match=r"write \./--config"):
        build(make_form("vae"), {}, "--config")


def build_if_possible(name, value):
    with contextlib.suppress(ParameterError):
        build(make_form("vae"), {name: value})


def test_no_value_makes_the_parser_import_or_read_anything(tmp_path, monkeypatch):
    (tmp_path / "trap_of_the_form.py").write_text("thing = print\n")
    (tmp_path / "trap.yaml").write_text("latent_dim: 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = str(tmp_path / "trap.yaml")
    traps = ["trap_of_the_form.thing", {"class_path": "trap_of_the_form.thing"}, '{"class_path": "trap_of_the_form.x"}']
    texts = {own.name for own in make_form("vae").fields if own.kind in ("text", "texts")}
    for own in make_form("vae").fields:
        for trap in [*traps, path, f"[{path}]", [traps[0]]]:
            build_if_possible(own.name, trap)
            if own.name not in texts:
                with pytest.raises(ParameterError):
                    make_form("vae").words({own.name: trap})
    assert "trap_of_the_form" not in sys.modules


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, {}, [[1]], "[" * 5000, "1e999", ["x"]])
def test_what_is_no_number_is_refused(value):
    for name in ("beta", "trainer.n_threads", "image_shape"):
        _, errors, _ = faults({name: value}, lambda given: build(make_form("vae"), given))
        assert set(errors) == {name}


def test_words_that_begin_with_a_dash_stay_values():
    assert option_words(Field("label", "text", None, "", choices=(None,)), "--help") == ["--label=--help"]
    config, _ = build(make_form("vae"), {"label": "--help"})
    assert config.label == "--help"


def test_the_command_can_be_copied_into_a_shell():
    _, args = build(make_form("vae"), {"network": "MLP", "network.hidden": [8, 8], "label": "my label"}, "a b.csv")
    assert command("vae", args) == "isthmus fit vae 'a b.csv' --network MLP --network.hidden '[8,8]' --label 'my label'"


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "few.npz"
    digits = load_digits()
    np.savez(path, images=digits.images[:60].astype(np.uint8), labels=digits.target[:60])
    return str(path)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_foreseen_is_what_a_fit_chooses(name, few):
    values = {"max_epochs": 1, "random_state": 0, "trainer.compile": False}
    values |= {"pretraining_epochs": 1} if name in ("stacked", "mixture_vae") else {}
    config, _ = build(make_form(name), values, few)
    outlook = look_ahead(name, config, describe_source(name, config))
    made = make_model(known_model(name), config).set_params(verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)  # after one epoch codes have collapsed
        made.fit(isthmus.data.load(few))
    common = set(outlook.choices) & set(made.choices_)
    assert {"latent_dim", "network", "likelihood", "scaling"} <= common
    for key in common:
        assert outlook.choices[key].value == made.choices_[key].value, key
        if name != "stacked" or key != "network":  # which says more once it is trained
            assert outlook.choices[key].reason == made.choices_[key].reason, key
    assert outlook.n_parameters == made.n_parameters_


def test_a_model_that_would_not_fit_in_memory_is_looked_at_all_the_same(few):
    config, _ = build(make_form("vae"), {"network": "MLP", "network.hidden": [300_000, 300_000]}, few)
    assert look_ahead("vae", config, describe_source("vae", config)).n_parameters > 1e11


def test_sizes_beyond_any_memory_are_refused(few):
    config, _ = build(make_form("vae"), {"network": "MLP", "network.hidden": [10**12, 10**12]}, few)
    with pytest.raises(ParameterError, match="a model of these sizes cannot be laid out"):
        look_ahead("vae", config, describe_source("vae", config))


def test_what_does_not_suit_the_data_is_told_beside_its_field(few):
    def attempt(values):
        config, _ = build(make_form("vae"), values, few)
        return look_ahead("vae", config, seen)

    seen = describe_source("vae", build(make_form("vae"), {}, few)[0])
    outlook, errors, problem = faults({"likelihood": "bernoulli", "beta": 2}, attempt)
    assert set(errors) == {"likelihood"}
    assert "[0, 1]" in errors["likelihood"]
    assert problem is None
    assert outlook is not None


def test_a_warning_comes_before_the_fit(few):
    config, _ = build(make_form("autoencoder"), {"latent_dim": 64}, few)
    [warning] = look_ahead("autoencoder", config, describe_source("autoencoder", config)).warnings
    assert "at least as wide as the data" in warning


def test_data_that_cannot_be_learned_from_are_refused(tmp_path):
    np.save(tmp_path / "holes.npy", np.full((9, 3), np.nan))
    config, _ = build(make_form("vae"), {}, str(tmp_path / "holes.npy"))
    with pytest.raises(DataError, match="NaN"):
        describe_source("vae", config)


def test_the_description_of_data_is_a_sentence(few):
    seen = describe_source("vae", build(make_form("vae"), {}, few)[0])
    assert seen.sentence() == ("60 pictures of 8 x 8, uint8 from 0 to 16, 10 different labels; 54 to train on")
    fitted = VAE(max_epochs=1, random_state=0).fit(isthmus.data.load(few))
    assert fitted.info_.n_samples == seen.n_train

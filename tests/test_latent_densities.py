"""Densities fitted to the codes after training: they are densities, they are near the truth, and they are kept."""

import functools
import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from test_runs import ONE_LINE, forge

import isthmus
from isthmus import VAE, Autoencoder, DataError, MissingExtraError, ParameterError, RunError, SparseAutoencoder
from isthmus.cli import main
from isthmus.priors import (
    FittedFlow,
    FittedGaussian,
    FittedMixture,
    FittedPrior,
    FlowMatching,
    StandardNormal,
    TwoStage,
)
from isthmus.priors.afterwards import fitted_prior, fitted_priors
from isthmus.runs import PARAMS

X = load_digits().images[:200]
# As quick as they can be and still learn something.
QUICK = {
    "gaussian": {},
    "gmm": {},
    "flow": {"transforms": 2, "hidden": (16,), "max_steps": 10},
    "flow_matching": {"width": 32, "n_steps": 5, "max_steps": 10},
    "two_stage": {"hidden": (16,), "max_epochs": 1},
}
every_kind = pytest.mark.parametrize("kind", QUICK)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_kind_is_tested_here():
    assert fitted_priors().keys() == QUICK.keys()


# ---------------------------------------------------------------- against a density that is known


class Banana:
    """(x, y) with x normal and y normal about a parabola in x, in units of their own."""

    shift, unit, narrow = torch.tensor([10.0, -4.0]), torch.tensor([3.0, 0.5]), 0.5

    def sample(self, n: int, seed: int) -> torch.Tensor:
        x, noise = torch.randn(2, n, generator=torch.Generator().manual_seed(seed))
        return self.shift + self.unit * torch.stack([x, x**2 - 1 + self.narrow * noise], 1)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        x, y = ((z - self.shift) / self.unit).unbind(-1)
        noise = (y - x**2 + 1) / self.narrow
        return -0.5 * (x**2 + noise**2) - math.log(2 * math.pi * self.narrow) - self.unit.log().sum()


# Nats above the entropy on codes that were not seen, at most.
LEARNERS: dict[str, tuple[FittedPrior, float]] = {
    "gmm": (FittedMixture(6), 0.06),
    "gmm, number by rows": (FittedMixture("auto"), 0.06),
    "flow": (FittedFlow(transforms=2, hidden=(16,), max_steps=200, learning_rate=1e-2), 0.15),
    "flow_matching": (FlowMatching(width=32, n_steps=8, max_steps=500, learning_rate=1e-2), 0.15),
    "two_stage": (TwoStage(hidden=(64, 64), max_epochs=20, learning_rate=5e-3), 0.35),
}
learners = pytest.mark.parametrize("name", LEARNERS)


@functools.cache
def learned(name: str) -> FittedPrior:
    prior, _ = LEARNERS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior.setup(2)
        prior.fit(Banana().sample(2000, 0))
    return prior


@torch.no_grad()
def excess(prior: FittedPrior) -> tuple[float, float]:
    """Nats by which codes are less likely under a prior than in truth, which is a divergence, and its error."""
    codes = Banana().sample(4000, 1)
    difference = Banana().log_prob(codes) - prior().log_prob(codes)
    return difference.mean().item(), difference.std().item() / 4000**0.5


@learners
def test_codes_that_were_not_seen_are_nearly_as_likely_as_in_truth(name):
    found, error = excess(learned(name))
    assert -3 * error < found < LEARNERS[name][1]
    plain = FittedGaussian()
    plain.setup(2)
    plain.fit(Banana().sample(2000, 0))
    assert found < 0.6 * excess(plain)[0]


@learners
@torch.no_grad()
def test_the_density_has_mass_one(name):
    x, y = torch.linspace(-8, 28, 75), torch.linspace(-6, 4, 100)
    mass = learned(name)().log_prob(torch.cartesian_prod(x, y)).exp().sum() * (x[1] - x[0]) * (y[1] - y[0])
    if name == "two_stage":  # a lower bound, but for its noise
        assert 0.7 < mass < 1.03
    else:
        assert mass == pytest.approx(1, abs=0.01)


@learners
@torch.no_grad()
def test_samples_have_the_moments_of_the_codes(name):
    torch.manual_seed(0)
    codes, drawn = Banana().sample(4000, 2), learned(name)().sample((4000,))
    assert drawn.shape == (4000, 2)
    spread = codes.std(0)
    assert ((drawn.mean(0) - codes.mean(0)).abs() < 0.15 * spread).all()
    assert ((drawn.std(0) / spread - 1).abs() < 0.25).all()
    # The parabola: y goes with x², which a Gaussian does not know.
    x, y = ((drawn - Banana.shift) / Banana.unit).T
    assert torch.corrcoef(torch.stack([x**2, y]))[0, 1] > 0.6


@torch.no_grad()
def test_samples_of_a_mixture_are_of_its_density():
    distribution = learned("gmm")()
    torch.manual_seed(0)
    drawn = distribution.sample((20_000,)).double()
    assert ((drawn.mean(0) - distribution.mean).abs() < 0.03 * distribution.stddev).all()
    torch.testing.assert_close(drawn.std(0).float(), distribution.stddev, rtol=0.03, atol=0)


@torch.no_grad()
def test_a_divergence_is_the_trace_of_the_jacobian():
    velocity = learned("flow_matching").velocity
    x, t = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)), torch.full((1, 1), 0.3)
    v, divergence = velocity.with_divergence(x, t)
    torch.testing.assert_close(v, velocity(x, t))
    for i in range(5):
        jacobian = torch.func.jacrev(lambda row: velocity(row[None], t)[0])(x[i])
        torch.testing.assert_close(divergence[i], jacobian.trace())


def test_an_untrained_flow_matching_is_standard_normal():
    prior = FlowMatching(width=8)
    prior.setup(3)
    z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    standard = StandardNormal()
    standard.setup(3)
    torch.testing.assert_close(prior().log_prob(z).float(), standard().log_prob(z), rtol=1e-3, atol=1e-3)


def test_units_of_the_codes_do_not_matter():
    codes = Banana().sample(500, 0)
    for kind in ("gmm", "flow", "flow_matching", "two_stage"):
        found = []
        for factor in (1.0, 1024.0):
            prior = fitted_priors()[kind](**QUICK[kind])
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(0)
                prior.setup(2)
                prior.fit(codes * factor)
                found.append(prior().log_prob(codes[:50] * factor).double())
        torch.testing.assert_close(found[0], found[1] + 2 * math.log(1024), rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------- in a model


@functools.cache
def trained(cls):
    return cls(latent_dim=3, max_epochs=8, random_state=0).fit(X)


def with_prior(cls, kind, **options):
    """A copy of a trained model with a density of its codes."""
    import copy

    return copy.deepcopy(trained(cls)).fit_prior(kind, X, random_state=0, **{**QUICK[kind], **options})


@pytest.mark.parametrize("cls", [Autoencoder, VAE])
@every_kind
def test_a_saved_model_has_the_same_prior(cls, kind, tmp_path):
    model = with_prior(cls, kind)
    model.save(tmp_path / "run")
    loaded = isthmus.load(tmp_path / "run")
    assert loaded.describe() == model.describe()
    assert type(fitted_prior(loaded.module_)) is fitted_priors()[kind]
    for one, other in (
        (loaded.sample(4, random_state=1), model.sample(4, random_state=1)),
        (loaded.score_samples(X[:20]), model.score_samples(X[:20])),
        (loaded.transform(X), model.transform(X)),
    ):
        assert one.tobytes() == other.tobytes()
    own = trained(cls)
    assert loaded.drop_prior().sample(4, random_state=1).tobytes() == own.sample(4, random_state=1).tobytes()
    assert loaded.describe() == own.describe()


@pytest.mark.parametrize("cls", [Autoencoder, VAE])
@every_kind
def test_samples_follow_the_prior_and_codes_stay(cls, kind):
    model, own = with_prior(cls, kind), trained(cls)
    assert model.transform(X).tobytes() == own.transform(X).tobytes()
    if (cls, kind) != (Autoencoder, "gaussian"):  # which has that density already, but of fewer rows
        assert not np.array_equal(model.sample(20, random_state=0), own.sample(20, random_state=0))
    again = with_prior(cls, kind)
    assert again.sample(20, random_state=0).tobytes() == model.sample(20, random_state=0).tobytes()
    assert not np.array_equal(model.sample(20, random_state=0), model.sample(20, random_state=1))
    assert "prior" in model.describe()
    assert "prior" not in own.describe()


@every_kind
def test_the_bound_stays_below_the_likelihood(kind):
    model = with_prior(VAE, kind)
    few = X[:60]
    likelihood = model.log_likelihood(few, n_samples=200).mean()
    assert np.isfinite(likelihood)
    assert model.score(few) < likelihood
    metrics = model.evaluate(few)
    assert metrics["elbo"] == pytest.approx(model.score(few), rel=1e-5)
    assert np.isfinite(metrics["kl"])


@pytest.mark.filterwarnings("ignore::isthmus.errors.LikelihoodWarning")
@every_kind
def test_annealed_chains_move_under_the_prior(kind):
    model = with_prior(VAE, kind)
    by_chains = model.estimate_likelihood(X[:2], method="annealed", n_samples=4, n_steps=20)
    by_weights = model.estimate_likelihood(X[:2], n_samples=200)
    np.testing.assert_allclose(by_chains.log_p, by_weights.log_p, atol=2)


def test_a_prior_that_fits_the_codes_raises_the_bound():
    own, fitted = trained(VAE), with_prior(VAE, "gmm")
    assert fitted.score(X) > own.score(X)
    rows = [fitted.score_samples(X[i : i + 1])[0] for i in range(5)]
    np.testing.assert_allclose(rows, fitted.score_samples(X)[:5], rtol=1e-5)


def test_stochastic_codes_are_drawn_from_the_posterior():
    """The variance of a Gaussian fitted to them is that of the means and the mean variance (law of total variance)."""
    model = with_prior(VAE, "gaussian")
    q = model.posterior(X)
    expected = q.mean.var(0) + (q.std**2).mean(0)
    found = fitted_prior(model.module_)().stddev.numpy() ** 2
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_fitting_anew_drops_it_and_so_does_none():
    model = with_prior(Autoencoder, "gmm")
    assert fitted_prior(clone(model).fit(X).module_) is None
    assert fitted_prior(model.fit_prior(None).module_) is None
    assert fitted_prior(model.drop_prior().module_) is None
    model.fit_prior("gmm", X, random_state=0).fit_prior("gaussian", X)
    assert isinstance(fitted_prior(model.module_), FittedGaussian)
    assert fitted_prior(model.drop_prior().module_) is None
    model.fit_prior("gmm", X).fit(X)
    assert fitted_prior(model.module_) is None


def test_an_object_is_taken_as_it_is():
    prior = FittedMixture(3)
    model = with_prior(Autoencoder, "gmm").fit_prior(prior, X, random_state=0)
    assert len(fitted_prior(model.module_)().weight) == 3
    assert not hasattr(prior, "weight")
    with pytest.raises(ParameterError, match="its own"):
        model.fit_prior(prior, X, n_components=3)


def test_a_denoiser_samples_from_it_rather_than_by_its_chain():
    model = isthmus.DenoisingAutoencoder(3, network="mlp", max_epochs=1, random_state=0).fit(X)
    chain = model.sample(4, random_state=0)
    model.fit_prior("gmm", X, random_state=0)
    assert not np.array_equal(model.sample(4, random_state=0), chain)
    assert model.drop_prior().sample(4, random_state=0).tobytes() == chain.tobytes()


def test_users_of_the_prior_do_without_its_moments():
    from isthmus.explore import traverse
    from isthmus.report.results import latent, samples
    from isthmus.report.view import View

    model = VAE(2, max_epochs=2, random_state=0).fit(X).fit_prior("flow_matching", X, **QUICK["flow_matching"])
    with pytest.raises(NotImplementedError):
        _ = model.module_.prior().mean
    assert traverse(model, 0, steps=3).shape == (3, 8, 8)
    view = View(model, isthmus.data.load("digits"))
    assert "Rings" not in latent(view).plates[0].caption
    assert "fitted to the codes after the training (flow_matching)" in samples(view).intro
    assert view.divergences is None


# ---------------------------------------------------------------- codes and options that do not fit


def test_a_mixture_has_no_more_components_than_the_rows_allow():
    model = trained(Autoencoder)
    few = isthmus.models()["autoencoder"](3, max_epochs=1, random_state=0).fit(X)
    few.fit_prior("gmm", X[:30], n_components=10)
    assert len(fitted_prior(few.module_)().weight) == 3
    assert "n_components=3" in few.describe()
    assert fitted_prior(model.module_) is None


@pytest.mark.parametrize("kind", ["gaussian", "gmm", "flow_matching"])
def test_more_latents_than_rows_and_dead_latents(kind):
    codes = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    codes[:, 7] = 2.0
    prior = fitted_priors()[kind](**QUICK[kind])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior.setup(50)
        prior.fit(codes)
        with torch.no_grad():
            drawn = prior().sample((100,))
            assert torch.isfinite(prior().log_prob(codes)).all()
    assert torch.isfinite(drawn).all()
    assert (drawn[:, 7] - 2).abs().max() < 0.05


@pytest.mark.parametrize(
    "model",
    [
        SparseAutoencoder(16, max_epochs=1, random_state=0),
        isthmus.models()["vqvae"](4, max_epochs=1, random_state=0),
        isthmus.models()["fsq"](4, max_epochs=1, random_state=0),
        VAE(3, posterior_family="hyperspherical", max_epochs=1, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::isthmus.errors.IsthmusWarning")
def test_codes_without_such_a_density(model):
    model.fit(X)
    before = model.sample(3, random_state=0)
    with pytest.raises(ParameterError, match="mostly zeros, chosen from a list or on a sphere"):
        model.fit_prior("gmm", X)
    assert model.sample(3, random_state=0).tobytes() == before.tobytes()


def test_clusters_are_those_of_the_prior_that_was_trained():
    model = isthmus.models()["mixture_vae"](2, max_epochs=1, random_state=0).fit(X)
    before = model.cluster_centers_
    np.testing.assert_array_equal(model.fit_prior("gmm", X).cluster_centers_, before)


def test_very_wide_codes():
    wide = Autoencoder(2000, network="linear", max_epochs=1, random_state=0)
    with pytest.warns(isthmus.OvercompleteWarning):
        wide.fit(X)
    with pytest.raises(ParameterError, match="at most 1,024 latents, and these have 2,000"):
        wide.fit_prior("gmm", X)
    wide.fit_prior("gaussian", X)
    assert np.isfinite(wide.sample(3, random_state=0)).all()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("vamp", {}, "unknown kind of prior 'vamp'; choose from 'flow', 'flow_matching', 'gaussian'"),
        ("gaussian", {"n_components": 3}, "no option 'n_components'; it has none"),
        ("gmm", {"components": 3}, "no option 'components'; it has n_components"),
        ("gmm", {"n_components": 0}, "n_components must be a whole number from 1"),
        ("flow", {"hidden": (0,)}, "a width in hidden must be a whole number"),
        ("flow", {"hidden": ()}, "hidden must have from 1 to 4 widths"),
        ("flow", {"learning_rate": 0.0}, "learning_rate must be above 0"),
        ("flow_matching", {"width": 2.5}, "width must be a whole number"),
        ("two_stage", {"max_epochs": 0}, "max_epochs must be a whole number"),
    ],
)
def test_bad_options(kind, options, message):
    model, before = trained(Autoencoder), trained(Autoencoder).sample(3, random_state=0)
    with pytest.raises(ParameterError, match=message):
        model.fit_prior(kind, X, **options)
    assert model.sample(3, random_state=0).tobytes() == before.tobytes()


def test_bad_data():
    model = trained(Autoencoder)
    with pytest.raises(ParameterError, match="needs the data whose codes"):
        model.fit_prior("gmm")
    with pytest.raises(DataError, match="at least 2 rows"):
        model.fit_prior("gmm", X[:1])
    with pytest.raises(DataError, match="shape"):
        model.fit_prior("gmm", X[:, :4])


def test_an_interrupt_leaves_the_prior_there_was(monkeypatch):
    model = with_prior(Autoencoder, "gmm")
    before = model.sample(3, random_state=0)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.priors.flow_matching.train_density", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit_prior("flow_matching", X)
    assert model.sample(3, random_state=0).tobytes() == before.tobytes()


def test_without_zuko(monkeypatch, tmp_path):
    model = with_prior(Autoencoder, "flow")
    model.save(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(MissingExtraError, match=r"isthmus\[flows\]"):
        model.fit_prior("flow", X)
    with pytest.raises(RunError, match="zuko"):
        isthmus.load(tmp_path / "run")


# ---------------------------------------------------------------- runs


@pytest.fixture
def run(tmp_path) -> Path:
    with_prior(Autoencoder, "flow").save(tmp_path / "run")
    return tmp_path / "run"


def part(name, **args):
    return lambda p: p["fitted"].update(prior={"part": name, "args": args})


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["fitted"].update(prior=None),
        lambda p: p["fitted"].pop("prior"),
        lambda p: p["fitted"].update(prior="flow"),
        lambda p: p["fitted"].update(prior={}),
        part("FittedGaussian"),
        part("StandardNormal"),
        part("KL"),
        part("Afterwards"),
        part("FittedFlow", transforms=10**9),
        part("FittedFlow", transforms=-1),
        part("FittedFlow", hidden=[10**9]),
        part("FittedFlow", hidden=[8] * 100),
        part("FittedFlow", hidden=8),
        part("FittedFlow", bins=10**9),
        part("FittedFlow", command="id"),
        part("FittedMixture", n_components=10**9),
        part("FittedMixture", n_components=[1]),
        part("FlowMatching", width=10**9),
        part("TwoStage", hidden=[1 << 30] * 3),
        part("TwoStage", hidden=[16], max_epochs="x"),
    ],
)
def test_forged_priors(run, change):
    forge(run, change)
    with pytest.raises(RunError, match=ONE_LINE):
        isthmus.load(run)


def test_a_run_of_an_earlier_version_has_none(tmp_path):
    model = trained(VAE)
    model.save(tmp_path)
    forge(tmp_path, lambda p: p["fitted"].pop("prior"))
    assert isthmus.load(tmp_path).sample(3, random_state=0).tobytes() == model.sample(3, random_state=0).tobytes()


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = ["--max_epochs", "1", "--latent_dim", "2", "--quiet", "--report", "false", "--random_state", "0"]
    assert main(["fit", "autoencoder", "digits", "--out", "run", *quick]) == 0
    shutil.copytree("run", "before")
    assert main(["fit_prior", "gmm", "run", "--n_components", "4", "--out", "other", "--seed", "1"]) == 0
    assert "FittedMixture(n_components=4)" in capsys.readouterr().out
    assert fitted_prior(isthmus.load("run").module_) is None
    assert json.loads(Path("other", PARAMS).read_text())["source"] == {"data": "digits", "options": {}}
    expected = isthmus.load("run").fit_prior("gmm", "digits", n_components=4, random_state=1)
    assert isthmus.load("other").sample(3, random_state=0).tobytes() == expected.sample(3, random_state=0).tobytes()
    assert main(["fit_prior", "gaussian", "run", "digits"]) == 0
    assert isinstance(fitted_prior(isthmus.load("run").module_), FittedGaussian)
    assert main(["sample", "run", "-n", "4", "--out", "s.npy"]) == 0
    assert main(["fit_prior", "none", "run"]) == 0
    restored, before = isthmus.load("run"), isthmus.load("before")
    assert restored.sample(3, random_state=0).tobytes() == before.sample(3, random_state=0).tobytes()
    capsys.readouterr()
    for args, message in (
        (["gmn", "run"], "did you mean 'gmm'?"),
        (["gmm", "run", "--out", "other"], "already holds a run"),
        (["gmm", "nowhere"], "there is no"),
        (["gmm", "run", "--n_components", "0"], "n_components"),
        (["gmm", "run", "--bins", "3"], "bins"),
    ):
        assert main(["fit_prior", *args]) == 2
        complaint = capsys.readouterr().err
        assert message in complaint
        assert complaint.count("\n") == 1
    assert main(["fit_prior", "--help"]) == 0
    assert "flow_matching" in capsys.readouterr().out

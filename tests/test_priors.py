"""Priors other than the standard normal: against naive formulas and quadrature; pseudo-inputs; clusters."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import isthmus
from isthmus import VAE, DataError, MixtureVAE, ParameterError, Trainer
from isthmus.bottlenecks import DiagonalGaussian, Hyperspherical
from isthmus.bottlenecks.von_mises_fisher import VonMisesFisher
from isthmus.core import Step
from isthmus.models.variational import choose_latents
from isthmus.networks import Conv
from isthmus.priors import FlowPrior, MixturePrior, StudentTPrior, UniformSphere, VampPrior
from isthmus.priors.mixtures import Mixture, gaussian_log_prob_of_each, log_prob_of_each
from isthmus.terms.mixture_kl import MixtureKL, expected_log_joint

X = load_digits().images[:120]
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")


def set_up(prior, latent_dim, seed=0):
    torch.manual_seed(seed)
    prior.setup(latent_dim)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return prior.eval()


# ------------------------------------------------------------------ densities


@pytest.mark.parametrize("prior", [MixturePrior(4), FlowPrior(), FlowPrior("affine"), StudentTPrior(4.0)], ids=repr)
@pytest.mark.parametrize("latent_dim", [1, 2])
@torch.no_grad()
def test_a_density_integrates_to_one_and_samples_are_of_it(prior, latent_dim):
    prior = set_up(copy.deepcopy(prior), latent_dim)
    p = prior()
    torch.manual_seed(1)
    drawn = p.sample(torch.Size([5000]))
    assert drawn.shape == (5000, latent_dim)
    reach = 12.0
    axis = torch.linspace(-reach, reach, 241)
    grid = torch.cartesian_prod(*[axis] * latent_dim).reshape(-1, latent_dim)
    mass = p.log_prob(grid).double().exp() * float(axis[1] - axis[0]) ** latent_dim
    assert float(mass.sum()) == pytest.approx(1, abs=5e-3)
    for power in (1, 2):
        expected = (grid.double().abs() ** power * mass[:, None]).sum(0)
        np.testing.assert_allclose((drawn.double().abs() ** power).mean(0), expected, rtol=0.15)


@torch.no_grad()
def test_a_mixtures_density_is_that_of_the_naive_formula():
    prior = set_up(MixturePrior(300), 24)
    z = 3 * torch.randn(3, 50, 24)
    gaussians = Independent(Normal(prior.means.double(), prior.stds.double()), 1)
    naive = MixtureSameFamily(Categorical(logits=prior.logits.double()), gaussians)
    np.testing.assert_allclose(prior().log_prob(z), naive.log_prob(z.double()), rtol=1e-6)
    np.testing.assert_allclose(prior().log_prob(z.double()), naive.log_prob(z.double()), rtol=1e-12)
    np.testing.assert_allclose(prior().mean, naive.mean, atol=1e-5)
    np.testing.assert_allclose(prior().stddev, naive.stddev, rtol=1e-5)


def test_squares_multiplied_out_lose_no_digits_that_matter():
    """Codes in float32, far from 0 and close to narrow components."""
    torch.manual_seed(0)
    mean, std = 20 + torch.randn(40, 10), torch.full((40, 10), 1e-2)
    z = (mean + std * torch.randn(40, 10)).requires_grad_()
    found = gaussian_log_prob_of_each(z, mean, std)
    naive = Normal(mean.double(), std.double()).log_prob(z.double()[:, None]).sum(-1)
    torch.testing.assert_close(found, naive, rtol=1e-9, atol=1e-6)
    slope, expected = (torch.autograd.grad(value.diagonal().sum(), z)[0] for value in (found, naive))
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-3)


def test_components_of_any_family_are_mixed():
    torch.manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(6, 3), dim=-1)
    components = VonMisesFisher(direction, 1 + 5 * torch.rand(6))
    mixture = Mixture(torch.zeros(6), components, components.select)
    drawn = mixture.sample(torch.Size([20_000]))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(20_000))
    torch.testing.assert_close(drawn.mean(0), mixture.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.std(0), mixture.stddev, rtol=0.05, atol=0)
    each = torch.stack(
        [VonMisesFisher(direction[i : i + 1], components.kappa[i : i + 1]).log_prob(drawn[:5]) for i in range(6)], -1
    )
    torch.testing.assert_close(log_prob_of_each(components, drawn[:5]).float(), each, rtol=1e-4, atol=1e-4)


def test_uniform_on_the_sphere():
    prior = UniformSphere()
    prior.setup(3)
    drawn = prior().sample(torch.Size([20_000]))
    assert float(prior().log_prob(drawn[:2])[0]) == pytest.approx(-math.log(4 * math.pi))
    torch.testing.assert_close(drawn.mean(0), prior().mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.std(0), prior().stddev, rtol=0.03, atol=0)


def test_student_t_prior_is_scipys():
    prior = StudentTPrior(4.0)
    prior.setup(3)
    z = torch.randn(5, 3)
    np.testing.assert_allclose(prior().log_prob(z), stats.t(4).logpdf(z).sum(-1), rtol=1e-5)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (MixturePrior(0), "n_components must be from 1"),
        (VampPrior(0), "n_components must be from 1"),
        (StudentTPrior(2.0), "dof=2 leaves no variance"),
        (FlowPrior("cubic"), "unknown transform 'cubic'"),
        (FlowPrior(n_transforms=0), "n_transforms must be from 1"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_arguments_out_of_range(prior, message):
    with pytest.raises(ParameterError, match=message):
        prior.setup(2)


def test_parameters_of_a_mixture_can_be_set():
    prior = MixturePrior(3)
    prior.setup(2)
    weights, means, stds = torch.tensor([0.2, 0.3, 0.5]), torch.randn(3, 2), 0.05 + 30 * torch.rand(3, 2)
    prior.set_parameters(weights, means, stds)
    torch.testing.assert_close(prior().log_weights.exp().float(), weights)
    torch.testing.assert_close(prior.means.detach(), means)
    torch.testing.assert_close(prior.stds.detach(), stds)


# ------------------------------------------------------------------ pseudo-inputs


def vamp(n_components=10, **params):
    params = {"max_epochs": 2, "random_state": 0, **params}
    model = VAE(2, prior=VampPrior(n_components), **params).fit(X)
    prior = model.module_.prior
    assert isinstance(prior, VampPrior)
    return model, prior


def test_the_prior_is_the_mean_of_the_posteriors_of_its_pseudo_inputs():
    model, prior = vamp()
    z = torch.randn(7, 2)
    with torch.no_grad():
        q = model.module_.encode(prior.inputs).q
        assert q is not None
        naive = q.log_prob(z[:, None]).logsumexp(-1) - math.log(10)
        torch.testing.assert_close(prior().log_prob(z), naive, rtol=1e-4, atol=1e-4)


def test_pseudo_inputs_start_at_rows_and_stay_in_the_range_of_the_data():
    _, prior = vamp()
    low, high = X.min(0), X.max(0)
    inputs = prior.inputs.detach().numpy()
    assert inputs.shape == (10, 8, 8)
    assert (inputs >= low - 1e-6).all()
    assert (inputs <= high + 1e-6).all()
    # Each is closer to some row than the rows are to each other on average.
    distances = np.abs(inputs[:, None] - X[None]).mean((2, 3))
    assert distances.min(1).max() < np.abs(X[:60] - X[60:]).mean()
    with torch.no_grad():
        prior.places.add_(7.3)
    assert prior.inputs.min() >= float(low.min())
    assert prior.inputs.max() <= float(high.max())


@pytest.mark.parametrize("n_components", [1, 50, 107])
def test_any_number_of_pseudo_inputs_starts_at_rows_of_its_own(n_components):
    _, prior = vamp(n_components, max_epochs=1)
    assert len(prior.inputs) == n_components
    assert len(torch.unique(prior.inputs.detach().flatten(1), dim=0)) == n_components


def test_pseudo_inputs_learn_and_are_no_more_than_the_rows():
    _, before = vamp(n_components=1000, max_epochs=1)
    assert len(before.places) == 108  # a tenth of the rows was held out
    _, after = vamp(n_components=1000, max_epochs=3)
    assert not torch.equal(before.places, after.places)


def test_no_parameter_of_the_encoder_is_counted_twice():
    model, _ = vamp()
    names = list(model.module_.state_dict())
    assert len(names) == len(set(names))
    assert sum(name.startswith("prior.") for name in names) == 3
    assert model.n_parameters_ == sum(p.numel() for p in model.module_.parameters())


def test_what_is_kept_of_the_prior_follows_the_weights():
    model, prior = vamp()
    z = torch.zeros(1, 2)
    with torch.no_grad():
        kept = prior()
        assert prior() is kept
        first = next(model.module_.network.encoder.parameters())
        first.add_(0.1)
        changed = prior()
    assert changed is not kept
    assert not torch.equal(changed.log_prob(z), kept.log_prob(z))
    with torch.no_grad():
        first.sub_(0.1)


def test_a_copy_of_a_model_has_a_prior_of_its_own():
    model, _ = vamp()
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.module_.network.encoder.parameters():
            parameter.zero_()
    z = torch.zeros(1, 2)
    with torch.no_grad():
        assert not torch.equal(model.module_.prior().log_prob(z), other.module_.prior().log_prob(z))


def test_batch_normalisation_does_not_learn_from_pseudo_inputs():
    model, prior = vamp(network=Conv(channels=(4,), norm="batch"), max_epochs=1)
    module = model.module_.train()
    norms = [m for m in module.network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    prior()
    assert norms
    assert all(norm.training for norm in norms)
    for norm, mean in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean)


def test_a_resumed_training_has_the_same_pseudo_inputs(tmp_path):
    options = {"batch_size": 30, "checkpoint": tmp_path}
    whole, prior = vamp(max_epochs=4, trainer=Trainer(batch_size=30))

    class Stop(isthmus.training.callbacks.Callback):
        def on_epoch_end(self, epoch):
            if epoch.number == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vamp(max_epochs=4, trainer=Trainer(callbacks=[Stop()], **options))
    again, resumed = vamp(max_epochs=4, trainer=Trainer(resume=True, **options))
    assert torch.equal(prior.places, resumed.places)
    np.testing.assert_array_equal(whole.transform(X), again.transform(X))


# ------------------------------------------------------------------ clusters

BLOBS, WHICH = make_blobs(150, 6, centers=3, cluster_std=1.0, center_box=(-8, 8), random_state=1)


@pytest.fixture(scope="module")
def blobs():
    return MixtureVAE(2, n_clusters=3, max_epochs=15, random_state=0).fit(BLOBS)


def test_clusters_are_found_and_numbered_from_the_largest(blobs):
    assert adjusted_rand_score(WHICH, blobs.labels_) > 0.9
    sizes = np.bincount(blobs.labels_, minlength=3)
    assert (np.diff(sizes) <= 0).all()
    np.testing.assert_array_equal(blobs.labels_, blobs.predict(BLOBS))
    shares = blobs.predict_proba(BLOBS)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_array_equal(shares.argmax(1), blobs.labels_)


def test_centres_are_in_the_middle_of_their_clusters(blobs):
    assert blobs.cluster_centers_.shape == (3, 2)
    codes = blobs.transform(BLOBS)
    for k in range(3):
        nearest = np.linalg.norm(blobs.cluster_centers_ - codes[blobs.labels_ == k].mean(0), axis=1)
        assert nearest.argmin() == k
        decoded = np.linalg.norm(blobs.decoded_centers_ - BLOBS[blobs.labels_ == k].mean(0), axis=1)
        assert decoded.argmin() == k


def test_a_run_of_clusters_can_be_read_back(blobs, tmp_path):
    blobs.save(tmp_path / "run")
    again = isthmus.load(tmp_path / "run")
    assert isinstance(again, MixtureVAE)
    np.testing.assert_array_equal(again.predict_proba(BLOBS), blobs.predict_proba(BLOBS))
    np.testing.assert_array_equal(again.cluster_centers_, blobs.cluster_centers_)


def test_more_clusters_than_samples():
    with pytest.raises(DataError, match="n_clusters=200, and there are 135 samples"):
        MixtureVAE(2, n_clusters=200, max_epochs=1).fit(BLOBS)


def test_one_cluster_is_a_vae_whose_prior_is_learned():
    model = MixtureVAE(2, n_clusters=1, max_epochs=2, random_state=0).fit(BLOBS)
    assert not model.labels_.any()
    module = model.module_
    step = module.step(torch.tensor(BLOBS[:20]))
    assert step.code.q is not None
    component = step.prior.components
    closed = torch.distributions.kl_divergence(step.code.q.base_dist, component.base_dist).sum(-1)
    torch.testing.assert_close(module.terms["kl"](step), closed, rtol=1e-4, atol=1e-4)


def make_step(q, prior):
    nothing = torch.zeros(len(q.mean), 1)
    code = isthmus.core.Code(q.mean, q)
    return Step(nothing, nothing, None, code, q, prior, nothing, None)


def test_the_clusters_cost_is_the_bound_of_the_paper_at_its_best_shares():
    """Against Monte Carlo over z and c for the optimal q(c|x), and no other q(c|x) does better."""
    prior = set_up(MixturePrior(4), 3)
    bottleneck = DiagonalGaussian()
    bottleneck.setup(3)
    with torch.no_grad():
        q = bottleneck.posterior(torch.randn(5, 6).double())
        p = prior()
        cost = MixtureKL()(make_step(q, p))
        z = q.rsample(torch.Size([40_000]))
        joint = p.log_joint(z).mean(0)
        torch.testing.assert_close(expected_log_joint(q, p), joint, rtol=0.02, atol=0.05)
        entropy = -q.log_prob(z).mean(0)
        shares = expected_log_joint(q, p).softmax(-1)

        def bound(shares):
            return -entropy - (shares * (joint - shares.clamp_min(1e-30).log())).sum(-1)

        torch.testing.assert_close(cost, bound(shares), rtol=0.02, atol=0.05)
        for other in (p.log_joint(q.mean).softmax(-1), torch.full_like(shares, 0.25)):
            assert (cost <= bound(other) + 0.05).all()
        # It is an upper bound of the divergence from the mixture itself.
        assert (cost >= (q.log_prob(z) - p.log_prob(z)).mean(0) - 0.05).all()


def test_the_cost_of_clusters_needs_a_mixture():
    q = DiagonalGaussian()
    q.setup(2)
    standard = choose_latents("gaussian", "normal")["prior"]
    standard.setup(2)
    with pytest.raises(ParameterError, match="needs a Gaussian posterior and a mixture"):
        MixtureKL()(make_step(q.posterior(torch.zeros(3, 4)), standard()))


def test_pretraining_keeps_clusters_from_staying_empty():
    digits = load_digits().images[:400]
    with_it = MixtureVAE(6, max_epochs=8, random_state=0).fit(digits)
    assert len(np.unique(with_it.labels_)) == 10
    assert with_it.choices_["pretraining_epochs"].value == "8"
    none = MixtureVAE(6, pretraining_epochs=0, max_epochs=1, random_state=0).fit(digits)
    assert none.choices_["pretraining_epochs"].value == "0"


def test_a_mixture_on_a_sphere_is_of_its_posteriors():
    model = VAE(3, posterior_family=Hyperspherical(), prior=VampPrior(4), max_epochs=1, random_state=0).fit(X)
    with torch.no_grad():
        drawn = model.module_.prior().sample(torch.Size([6]))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(6))

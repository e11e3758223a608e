"""What a sparse code costs, the care for its dead latents, and its prior."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers import compose_linear, mean_and_error
from scipy import stats
from test_sparse_codes import ROWS, WIDTH, B, D, compose, draw, first_layer, reached
from torch import Tensor

from isthmus.bottlenecks import BatchTopK, Deterministic, Gated, Rectified, TopK
from isthmus.core import Composed
from isthmus.data.info import describe_data
from isthmus.errors import ParameterError
from isthmus.likelihoods import GaussianLikelihood
from isthmus.priors import FittedSpike
from isthmus.priors.spiked import SpikedLogNormal
from isthmus.terms import L0, L1, DeadLatents, FiringRate, GateNLL, NestedNLL, Term

lognormal: Any = stats.lognorm


# ---------------------------------------------------------------- what teaches the gates


def test_what_teaches_the_gates_leaves_decoder_likelihood_and_magnitudes_alone():
    module = compose(Gated(), GateNLL(), L1(2.0))
    with torch.no_grad():
        cast(Gated, module.bottleneck).offset.fill_(0.5)
    step = module.step(torch.tensor(ROWS))
    costs = module.costs(step)
    gate = step.code.aux["gate"]
    torch.testing.assert_close(costs["gate_nll"], -module.decode(gate).log_prob(step.x))
    torch.testing.assert_close(costs["l1"], gate.sum(1))
    assert not torch.equal(gate, step.code.z)
    encoder = {name for name, _ in module.named_parameters() if name.startswith("network.encoder")}
    assert reached(module, module.costs(step)["gate_nll"]) == encoder
    assert reached(module, module.costs(module.step(torch.tensor(ROWS)))["l1"]) == encoder


def test_without_gates_the_l1_norm_is_that_of_the_code():
    module = compose(Rectified(), L1())
    step = module.step(torch.tensor(ROWS))
    torch.testing.assert_close(module.costs(step)["l1"], step.code.z.sum(1))


# ---------------------------------------------------------------- firing rates


def rate_cost(h: Tensor, term: FiringRate) -> Tensor:
    step: Any = SimpleNamespace(code=SimpleNamespace(aux={"pre": h}))
    return term(step)


def set_up(term: Term, latent_dim: int = WIDTH, X: np.ndarray = ROWS) -> Any:
    term.setup(describe_data(X), latent_dim)
    return term


def test_mean_cost_of_a_firing_rate_is_the_divergence_and_so_is_its_gradient():
    term = set_up(FiringRate(n_active=2))
    h = draw(200, WIDTH).double().requires_grad_()
    cost = rate_cost(h, term)  # the first batch of a training: its own rate is the running one
    r = (h / 0.2).sigmoid().mean(0)
    rho = 2 / WIDTH
    reference = sum(stats.entropy([rho, 1 - rho], [q, 1 - q]) for q in r.detach().numpy())
    assert cost.shape == (200,)
    assert cost.mean().item() == pytest.approx(reference, rel=1e-5)
    divergence = (rho * (rho / r).log() + (1 - rho) * ((1 - rho) / (1 - r)).log()).sum()
    expected, found = (torch.autograd.grad(loss, h, retain_graph=True)[0] for loss in (divergence, cost.mean()))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)


def test_the_running_rate_moves_while_training_only():
    term = set_up(FiringRate(n_active=2))
    batches = [draw(50, WIDTH, seed=seed) for seed in range(8)]
    for h in batches:
        rate_cost(h, term)
    mean = torch.stack([(h / 0.2).sigmoid().mean(0) for h in batches]).mean(0)
    torch.testing.assert_close(term.rate, mean)
    term.eval()
    alone = torch.cat([rate_cost(row, term) for row in batches[0].split(1)])
    torch.testing.assert_close(alone, rate_cost(batches[0], term))
    torch.testing.assert_close(term.rate, mean)


@pytest.mark.parametrize("h", [-1e4, 1e4])
def test_latents_that_never_or_always_fire_cost_a_finite_amount(h):
    for n_active in (1, WIDTH):
        at = torch.full((B, WIDTH), h, requires_grad=True)
        cost = rate_cost(at, set_up(FiringRate(n_active))).sum()
        cost.backward()
        assert torch.isfinite(cost)
        assert at.grad is not None
        assert torch.isfinite(at.grad).all()


# ---------------------------------------------------------------- nested prefixes


@pytest.mark.parametrize(("n_prefixes", "lengths"), [(4, [1, 2, 4]), (2, [2, 4]), (1, [4])])
def test_nested_cost_is_that_of_each_prefix_by_itself(n_prefixes, lengths):
    module = compose(BatchTopK(4), NestedNLL(n_prefixes))
    step = module.step(torch.tensor(ROWS))
    expected = torch.zeros(len(ROWS))
    for length in lengths:
        z = step.code.z.clone()
        z[:, length:] = 0
        expected -= module.decode(z).log_prob(step.x)
    torch.testing.assert_close(module.costs(step)["nested_nll"], expected)


def test_nested_cost_teaches_the_atoms_of_the_prefixes_and_not_the_scale():
    module = compose(BatchTopK(4), NestedNLL())
    names = reached(module, module(torch.tensor(ROWS))["nested_nll"])
    assert names == {name for name, _ in module.named_parameters() if name.startswith("network")}
    gradient = first_layer(module).weight.grad
    assert gradient is not None
    assert (gradient.abs().sum(1) > 0).tolist() == [True] * 4 + [False] * 4


# ---------------------------------------------------------------- dead latents


@pytest.mark.parametrize(
    ("window", "n", "n_active", "expected"),
    [(1.0, 60, 1, 60), (2.0, 60, 1, 120), (0.1, 55, 1, 6), (1.0, 5000, 2, 400), (1.0, 5000, 8, 100)],
)
def test_after_how_many_samples_a_latent_is_dead(window, n, n_active, expected):
    X = np.zeros((n, D)) + np.arange(n)[:, None]
    assert set_up(DeadLatents(window, n_active), WIDTH, X).patience == expected


@pytest.mark.parametrize("batch", [6, 30])
def test_silence_is_counted_in_samples_whatever_the_batch(batch):
    module = compose(TopK(1), DeadLatents())
    dead = cast(DeadLatents, module.terms["dead"])
    with torch.no_grad():
        encoder: Any = module.network.encoder[-1]
        encoder.bias[:2] = -100.0
    x = torch.tensor(ROWS)
    for rows in x.split(batch):
        module(rows)
    assert dead.silent[:2].tolist() == [60, 60]
    active = module.encode(x).z > 0
    expected = [
        60 if not column.any() else len(x) - batch * (int(column.nonzero().max()) // batch + 1) for column in active.T
    ]
    assert dead.silent.tolist() == expected


def with_dead(n_dead: int) -> Composed:
    """Model whose first latents answer to samples, but too faintly to be among the largest."""
    module = compose(
        TopK(
            1,
        ),
        DeadLatents(n_active=1),
    )
    with torch.no_grad():
        encoder: Any = module.network.encoder[-1]
        encoder.weight[:n_dead] *= 1e-2
        encoder.bias[:n_dead] = 1e-3
        encoder.bias[n_dead:] = 2.0
    return module


def test_cost_of_a_dead_latent_is_what_it_would_save():
    module = with_dead(2)
    term, x = cast(DeadLatents, module.terms["dead"]), torch.tensor(ROWS)
    term.n_helped = WIDTH
    assert module(x)["dead"].abs().max() > 0  # a whole pass over the data without them
    step = module.step(x)
    pre = step.code.aux["pre"][:, :2]
    answer, at = pre.relu().max(1)
    more = step.code.z.clone()
    more[torch.arange(len(x)), at] = answer
    gain = module.decode(more).log_prob(x) - module.decode(step.code.z).log_prob(x)
    torch.testing.assert_close(module.costs(step)["dead"], -gain, rtol=1e-4, atol=1e-5)


def test_care_for_dead_latents_moves_nothing_else():
    module = with_dead(2)
    x = torch.tensor(ROWS)
    module(x)
    assert reached(module, module(x)["dead"]) == {
        "network.encoder.1.weight",
        "network.encoder.1.bias",
        "network.decoder.0.weight",
    }
    for p in (*module.network.encoder[-1].parameters(), first_layer(module).weight):
        assert p.grad is not None
        assert p.grad[2:].abs().max() == 0


def test_without_dead_latents_or_training_there_is_no_cost():
    module = with_dead(2)
    x = torch.tensor(ROWS)
    assert torch.equal(module(x[:30])["dead"], torch.zeros(30))  # not silent for long enough
    before = cast(DeadLatents, module.terms["dead"]).silent.clone()
    module.eval()
    for _ in range(3):
        assert torch.equal(module(x)["dead"], torch.zeros(60))
    assert torch.equal(cast(DeadLatents, module.terms["dead"]).silent, before)


@pytest.mark.parametrize(
    ("term", "name"),
    [(L0(), "on"), (GateNLL(), "gate"), (FiringRate(), "pre"), (DeadLatents(), "active")],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_cost_of_something_that_the_bottleneck_does_not_give(term, name):
    module = compose_linear(ROWS, 2, GaussianLikelihood(), bottleneck=Deterministic()).train()
    set_up(term, 2)
    with pytest.raises(ParameterError, match=f"^{type(term).__name__} needs a bottleneck that gives '{name}'.*nothing"):
        term(module.step(torch.tensor(ROWS)))


# ---------------------------------------------------------------- the prior


def spiked() -> SpikedLogNormal:
    return SpikedLogNormal(torch.tensor([0.2, 0.7, 1.0]), torch.tensor([0.0, -1.0, 0.5]), torch.tensor([0.5, 0.2, 0.1]))


def test_density_of_spike_and_slab_is_scipys():
    prior = spiked()
    z = prior.sample([200]).double()
    slab = lognormal(prior.slab.scale.double().numpy(), scale=prior.slab.loc.double().exp().numpy())
    rate = prior.rate.double().numpy()
    on = z.numpy() > 0
    with np.errstate(divide="ignore"):
        each = np.where(on, np.log(rate) + slab.logpdf(np.where(on, z.numpy(), 1)), np.log1p(-rate))
    np.testing.assert_allclose(prior.log_prob(z).numpy(), each.sum(1), rtol=1e-5, atol=1e-5)
    assert prior.log_prob(torch.tensor([0.0, 1.0, 0.0])) == -torch.inf  # the last is always on


def test_moments_of_spike_and_slab_are_those_of_its_samples():
    prior = spiked()
    torch.manual_seed(0)
    z = prior.sample([100_000])
    for found, expected in (
        ((z > 0).float(), prior.rate),
        (z, prior.mean),
        ((z - prior.mean).square(), prior.variance),
    ):
        mean, error = mean_and_error(found)
        assert ((mean - expected).abs() <= 4 * error + 1e-7).all()


def test_the_fitted_prior_has_the_rates_and_the_logarithms_of_the_codes():
    codes = draw(500, 4, seed=3).exp() * (torch.rand(500, 4, generator=torch.Generator().manual_seed(0)) < 0.3)
    codes[:, 3] = 0
    prior = FittedSpike()
    prior.setup(4)
    prior.fit(codes)
    for j in range(3):
        on = codes[:, j][codes[:, j] > 0].double().numpy()
        shape, _, scale = lognormal.fit(on, floc=0)
        assert float(prior.rate[j]) == pytest.approx(len(on) / 500)
        assert float(prior.location[j]) == pytest.approx(np.log(scale), rel=1e-4)
        assert float(prior.scale[j]) == pytest.approx(shape, rel=1e-4)
    drawn = prior().sample(torch.Size([1000]))
    assert drawn[:, 3].abs().max() == 0
    assert torch.isfinite(prior().log_prob(codes)).all()

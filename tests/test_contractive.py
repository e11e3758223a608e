"""The contractive autoencoder: the derivative of the code is what it says, and a penalty on it does what it should."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import mean_and_error
from sklearn.datasets import load_digits, load_iris
from torch import Tensor, nn

from isthmus import VAE, ContractiveAutoencoder, OvercompleteWarning, ParameterError
from isthmus.bottlenecks import UnitVariance
from isthmus.core import Composed, Step
from isthmus.networks import MLP, Conv, Linear
from isthmus.terms import Jacobian
from isthmus.terms.jacobian import single_layer

DIGITS = load_digits().images
SIGMOIDS = MLP(hidden=(), code_activation="sigmoid")
NETWORKS = {
    "linear": Linear(),
    "sigmoids": SIGMOIDS,
    "gelu": MLP(hidden=(), code_activation="gelu"),
    "deep": MLP(hidden=(6,), activation="tanh"),
    "batch norm and dropout": MLP(hidden=(6, 5), norm="batch", dropout=0.4),
    "layer norm": MLP(hidden=(6,), norm="layer", code_activation="sigmoid"),
    "convolutional": Conv(channels=(3, 4), width=6, norm="batch"),
    "pooled": Conv(channels=(3,), width=6, pool="max"),
}
SMOOTH = Conv(channels=(2,), width=3, pool="avg", activation="tanh")
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def fitted(**params: Any) -> Composed:
    defaults = {"latent_dim": 3, "max_epochs": 1, "random_state": 0}
    module = ContractiveAutoencoder(**{**defaults, **params}).fit(DIGITS[:120]).module_
    return module.double()


def batch(n: int = 5) -> Tensor:
    return torch.tensor(DIGITS[200 : 200 + n])


def spread(module: Composed) -> Tensor:
    return module.bottleneck(torch.zeros(1, module.bottleneck.latent_dim_).double()).aux["spread"]


def reference(module: Composed, x: Tensor) -> Tensor:
    """Squared norm of the Jacobian of each row, one row at a time."""
    scale = spread(module)

    def code(row: Tensor) -> Tensor:
        return module.network.encoder(row[None])[0] / scale

    rows = [torch.autograd.functional.jacobian(code, row) for row in module.scaling(x).double()]
    return torch.stack([row.square().sum() for row in rows])  # pyright: ignore[reportAttributeAccessIssue]


def double_step(module: Composed, x: Tensor) -> Step:
    """The pass of a batch in double precision, as far as the term reads it; the scaling and the code are in single."""
    x_in = module.scaling(x).double()
    code = module.bottleneck(module.network.encoder(x_in))
    nothing: Any = None
    return Step(x, x_in, None, code, nothing, nothing, x, module)


def cost(module: Composed, x: Tensor, method: str = "auto") -> Tensor:
    term: Any = module.terms["jacobian"]
    term.method = method
    return term(double_step(module, x))


# ---------------------------------------------------------------- the derivative


@every_network
@pytest.mark.parametrize("method", ["auto", "exact"])
def test_it_is_that_of_automatic_differentiation_row_by_row(network, method):
    module = fitted(network=network).eval()
    torch.testing.assert_close(cost(module, batch(), method), reference(module, batch()))


@every_network
def test_without_gradients_it_is_the_same(network):
    module = fitted(network=network).eval()
    expected = cost(module, batch())
    with torch.no_grad():
        found = cost(module, batch())
    assert not found.requires_grad
    torch.testing.assert_close(found, expected.detach())


@every_network
def test_while_training_it_is_of_the_encoder_as_it_is_used(network):
    module = fitted(network=network).eval()
    term: Any = module.terms["jacobian"]
    before = {name: buffer.clone() for name, buffer in module.network.named_buffers()}
    step = double_step(module, batch())
    expected = reference(module, batch())
    module.train()
    term.method = "exact"
    torch.testing.assert_close(term(step), expected)
    assert all(part.training for part in module.modules())
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.network.named_buffers())


def test_closed_form_is_that_of_the_paper():
    module = fitted(network=SIGMOIDS).eval()
    layer, _ = single_layer(module.network.encoder) or pytest.fail("one layer")
    h = torch.sigmoid(layer(module.scaling(batch()).double().flatten(1)))
    expected = ((h * (1 - h) / spread(module)) ** 2) @ layer.weight.square().sum(1)
    torch.testing.assert_close(cost(module, batch()), expected)


def test_which_encoders_are_one_layer():
    encoders = {name: network.make_encoder((8, 8), 3) for name, network in NETWORKS.items()}
    assert [name for name, e in encoders.items() if single_layer(e) is not None] == ["linear", "sigmoids", "gelu"]


@pytest.mark.parametrize("network", [SIGMOIDS, NETWORKS["deep"], NETWORKS["convolutional"]], ids=repr)
def test_hutchinsons_estimate_is_unbiased(network):
    module = fitted(network=network, latent_dim=6).eval()
    x = batch(2)
    expected = cost(module, x, "exact").detach()
    term: Any = module.terms["jacobian"]
    term.training, term.method = True, "hutchinson"
    torch.manual_seed(0)
    many = x.repeat_interleave(1500, 0)
    draws = term(double_step(module, many)).detach().reshape(2, -1).T
    assert draws.std() > 0
    mean, error = mean_and_error(draws)
    assert ((mean - expected).abs() < 4 * error).all()


def test_wide_codes_are_probed_in_directions_that_are_drawn_once():
    module = fitted(network=MLP(hidden=(20,)), latent_dim=80).eval()
    x = batch(40)
    found = cost(module, x)
    torch.testing.assert_close(found, cost(module, x), rtol=0, atol=0)
    torch.testing.assert_close(found[3:5], cost(module, x[3:5]))
    exact = cost(module, x, "exact")
    torch.testing.assert_close(exact, reference(module, x))
    assert 0.8 < (found.mean() / exact.mean()).item() < 1.2
    assert not torch.allclose(found, exact)


@pytest.mark.parametrize("network", [SIGMOIDS, NETWORKS["deep"], SMOOTH], ids=["one layer", "deep", "pooled"])
@pytest.mark.parametrize("training", [False, True])
def test_gradients_by_the_weights(network, training):
    module = fitted(network=network, latent_dim=2).train(training)
    module.terms["jacobian"].train(False)
    x = batch(4)
    names, values = zip(*module.network.encoder.named_parameters(), strict=True)

    def of_weights(*weights: Tensor) -> Tensor:
        parametrized = {f"network.encoder.{name}": w for name, w in zip(names, weights, strict=True)}
        return torch.func.functional_call(Cost(module), {f"module.{k}": v for k, v in parametrized.items()}, (x,))

    with torch.no_grad():
        module.bottleneck.n_batches.zero_()
    assert torch.autograd.gradcheck(of_weights, values, atol=1e-6, rtol=1e-4)


class Cost(nn.Module):
    """The term as a function of the weights of its model."""

    def __init__(self, module: Composed) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return cost(self.module, x, "exact")


def test_it_predicts_how_far_small_noise_moves_the_code():
    X = DIGITS[:400]
    model = ContractiveAutoencoder(4, max_epochs=10, random_state=0).fit(X)
    scale = float(model.module_.scaling.scale)
    noise = 0.01 * np.random.default_rng(0).standard_normal((20, *X.shape))
    moved = [((model.transform(X + scale * e) - model.transform(X)) ** 2).sum(1).mean() for e in noise]
    assert np.mean(moved) / 0.01**2 == pytest.approx(model.evaluate(X)["jacobian_norm"], rel=0.05)


def test_a_distribution_has_no_such_derivative():
    module = VAE(2, max_epochs=1, random_state=0).fit(DIGITS[:50]).module_
    with pytest.raises(ParameterError, match="deterministic"):
        Jacobian()(module.step(batch()))


def test_unknown_method():
    with pytest.raises(ParameterError, match="auto, exact, hutchinson"):
        Jacobian(method="finite").setup(None, 2)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the pinned scale


class TestUnitVariance:
    """The code over its own standard deviation."""

    def make(self) -> UnitVariance:
        bottleneck = UnitVariance()
        bottleneck.setup(3)
        return bottleneck

    def test_a_batch_has_unit_variance_whatever_its_scale(self):
        h = (torch.randn(50, 3) * torch.tensor([0.01, 1, 100]) + 5).double()
        z = self.make().double()(h).z
        torch.testing.assert_close(z.var(0, correction=0), torch.ones(3).double())
        torch.testing.assert_close(self.make().double()(7 * h).z, z)

    def test_afterwards_it_is_the_mean_variance_of_the_first_batches_and_then_of_the_last(self):
        bottleneck = self.make()
        batches = [torch.randn(20, 3) * (i + 1) for i in range(8)]
        for h in batches:
            bottleneck(h)
        mean = torch.stack([h.var(0, correction=0) for h in batches]).mean(0)
        torch.testing.assert_close(bottleneck.variance, mean)
        for _ in range(200):
            bottleneck(3 * batches[0])
        torch.testing.assert_close(bottleneck.variance, 9 * batches[0].var(0, correction=0), rtol=1e-4, atol=0)

    def test_evaluation_takes_rows_one_by_one(self):
        bottleneck = self.make()
        h = torch.randn(20, 3)
        bottleneck(h)
        bottleneck.eval()
        torch.testing.assert_close(bottleneck(h).z[:1], bottleneck(h[:1]).z)

    def test_a_single_row_or_a_latent_that_never_varies_is_no_accident(self):
        bottleneck = self.make()
        assert bottleneck(torch.randn(1, 3)).z.isfinite().all()
        h = torch.zeros(4, 3, requires_grad=True)
        z = bottleneck(h).z
        z.sum().backward()
        assert z.isfinite().all()
        assert h.grad is not None
        assert h.grad.isfinite().all()

    def test_the_penalty_cannot_be_met_by_shrinking_the_code(self):
        module = fitted(network=MLP(hidden=(8,))).train()
        last: Any = module.network.encoder[-1]

        def penalty() -> Tensor:
            return cost(module, batch(60), "exact").mean()

        module.zero_grad()  # of the fit
        before = penalty()
        before.backward()
        radial = (last.weight.grad * last.weight).sum() + (last.bias.grad * last.bias).sum()
        assert abs(radial.item()) < 1e-8 * last.weight.grad.norm().item() * last.weight.norm().item() + 1e-8
        with torch.no_grad():
            last.weight *= 0.1
            last.bias *= 0.1
        torch.testing.assert_close(penalty(), before)


# ---------------------------------------------------------------- what the penalty does


ROWS, HELD_OUT = DIGITS[:500], DIGITS[700:900]
NOISY = HELD_OUT + 1.3 * np.random.default_rng(0).standard_normal(HELD_OUT.shape)


@pytest.mark.parametrize("network", ["auto", SIGMOIDS], ids=["deep", "one layer"])
def test_contraction_makes_codes_insensitive_at_a_price(network):
    sensitivity, norms, errors = [], [], []
    for contraction in (0, 1, 30):
        model = ContractiveAutoencoder(12, contraction=contraction, network=network, max_epochs=20, random_state=0)
        z = model.fit(ROWS).transform(HELD_OUT)
        np.testing.assert_allclose(z.std(0), 1, atol=0.4)
        sensitivity.append(((model.transform(NOISY) - z) ** 2).mean() / z.var(0).mean())
        metrics = model.evaluate(HELD_OUT)
        norms.append(metrics["jacobian_norm"])
        errors.append(metrics["mse"])
    assert sensitivity[0] > 1.3 * sensitivity[1] > 1.5 * sensitivity[2]
    assert norms == sorted(norms, reverse=True)
    assert errors[1] < 1.15 * errors[0]
    assert errors[2] > errors[1]


@pytest.mark.filterwarnings(f"ignore::{OvercompleteWarning.__module__}.{OvercompleteWarning.__name__}")
def test_a_wide_code_does_not_copy_noise():
    """With as many latents as values, noise passes through a plain code, and not through a contractive one."""
    passed = []
    for contraction in (0, 3):
        model = ContractiveAutoencoder(64, contraction=contraction, network=SIGMOIDS, max_epochs=60, random_state=0)
        model.fit(ROWS)
        passed.append(((model.reconstruct(NOISY) - model.reconstruct(HELD_OUT)) ** 2).mean() / 1.3**2)
    assert passed[0] > 0.55
    assert passed[1] < 0.6 * passed[0]


def test_only_without_contraction_a_wide_code_is_warned_about():
    X = load_iris().data
    ContractiveAutoencoder(4, max_epochs=1).fit(X)
    with pytest.warns(OvercompleteWarning):
        ContractiveAutoencoder(4, contraction=0, max_epochs=1).fit(X)


def test_all_methods_learn_much_the_same():
    X = load_iris().data
    norms = [
        ContractiveAutoencoder(2, jacobian=method, max_epochs=40, random_state=0).fit(X).evaluate(X)["jacobian_norm"]
        for method in ("auto", "exact", "hutchinson")
    ]
    assert norms[0] == norms[1]
    assert norms[2] == pytest.approx(norms[1], rel=0.3)
    free = ContractiveAutoencoder(2, contraction=0, max_epochs=40, random_state=0).fit(X)
    assert free.evaluate(X)["jacobian_norm"] > 1.3 * max(norms)

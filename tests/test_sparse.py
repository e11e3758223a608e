"""The sparse autoencoder: every kind of sparse code, its dictionary, and how well a known one is found."""

import copy
import pickle
from typing import Any, cast, get_args

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from test_resume import BATCHES, X, assert_same, build, interrupted, one_thread

import isthmus
from isthmus import DataError, ParameterError, SparseAutoencoder, Trainer
from isthmus.bottlenecks import JumpReLU, Sparse
from isthmus.data import Samples
from isthmus.evaluate.sparsity import firing, mmcs, variance_explained, weight_and_code_density
from isthmus.models.base import BaseAutoencoder
from isthmus.models.sparse import Sparsity
from isthmus.networks.unit_norm import UnitNormLinear
from isthmus.report import sparse as sections
from isthmus.report.view import View
from isthmus.terms import DeadLatents

_ = one_thread  # a fixture: every test here runs on one thread

KINDS = get_args(Sparsity)
PAID = ("l1", "jumprelu", "gated")
_digits: Any = load_digits()
_iris: Any = load_iris()
PICTURES, TABLE = _digits.images[:300], _iris.data

every_kind = pytest.mark.parametrize("kind", KINDS)


def fitted(kind: Sparsity = "topk", data: Any = PICTURES, **params: Any) -> SparseAutoencoder:
    params = {"latent_dim": 24, "n_active": 4, "max_epochs": 2, "random_state": 0, **params}
    return SparseAutoencoder(sparsity=kind, **params).fit(data)


# ---------------------------------------------------------------- every kind


@every_kind
def test_gradients_are_finite_and_reach_every_parameter(kind):
    module = fitted(kind).module_.train()
    module.loss(module(torch.tensor(PICTURES[:64]))).backward()
    for name, p in module.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().sum() > 0, name


@every_kind
def test_in_evaluation_costs_and_codes_are_per_sample(kind):
    module = fitted(kind).module_
    x = torch.tensor(PICTURES[:16]).float()
    together, codes = module(x), module.encode(x).z
    for i in (0, 7):
        for name, cost in module(x[i : i + 1]).items():
            torch.testing.assert_close(cost[0], together[name][i], rtol=1e-4, atol=1e-4)
        # Another row a hundred times as bright takes nothing away.
        beside = torch.stack([x[i], 100 * x[i - 1]])
        torch.testing.assert_close(module.encode(beside).z[0], codes[i], rtol=1e-4, atol=1e-5)


@every_kind
def test_codes_are_nonnegative_with_exact_zeros(kind):
    Z = fitted(kind, max_epochs=10).transform(PICTURES)
    assert (Z >= 0).all()
    assert 0 < (Z > 0).sum(1).mean() < 12
    if kind == "topk":
        assert (Z > 0).sum(1).max() == 4
    if kind in ("batch_topk", "matryoshka"):
        assert (Z > 0).sum(1).mean() == pytest.approx(4, rel=0.25)


@every_kind
@pytest.mark.parametrize("network", ["linear", "mlp"])
def test_atoms_have_norm_one_after_training(kind, network):
    layer: Any = fitted(kind, network=network).module_.network.decoder[0]
    assert isinstance(layer, UnitNormLinear)
    torch.testing.assert_close(layer.atoms.norm(dim=1), torch.ones(24))


@every_kind
def test_training_loss_is_the_weighted_sum_of_its_costs(kind):
    model = fitted(kind, penalty=2.5)
    h = model.history_
    own = {"l1": "l1", "jumprelu": "l0", "gated": "l1", "kl": "rate"}.get(kind)
    costs = {name.removeprefix("train_") for name in h if name.startswith("train_")} - {"loss"}
    expected = sum(np.array(h[f"train_{name}"]) * (2.5 if name == own else 1.0) for name in costs)
    np.testing.assert_allclose(h["train_loss"], expected, rtol=1e-5)
    assert own is None or own in costs


@every_kind
def test_copies_and_saved_runs_have_the_same_bits(kind, tmp_path):
    model = fitted(kind)
    model.save(tmp_path / "run")
    loaded = cast(SparseAutoencoder, isthmus.load(tmp_path / "run"))
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), loaded):
        assert again.transform(PICTURES).tobytes() == model.transform(PICTURES).tobytes()
        assert again.score_samples(PICTURES).tobytes() == model.score_samples(PICTURES).tobytes()
        assert again.sample(5, random_state=1).tobytes() == model.sample(5, random_state=1).tobytes()
        assert again.dictionary_.tobytes() == model.dictionary_.tobytes()
        assert again.describe() == model.describe()


@every_kind
@pytest.mark.parametrize("step", [BATCHES - 2, 2 * BATCHES + 3])
def test_resumed_training_equals_uninterrupted(kind, step, tmp_path, monkeypatch):
    def make(**params: Any) -> BaseAutoencoder:
        return SparseAutoencoder(**{"sparsity": kind, **params, "latent_dim": 10})

    whole = build(make).fit(X)
    interrupted(build(make, tmp_path), monkeypatch, step)
    assert_same(build(make, tmp_path, resume=True).fit(X), whole)


@every_kind
@pytest.mark.parametrize("data", [PICTURES, TABLE, (TABLE > 2) * 1.0], ids=["pictures", "table", "binary"])
def test_all_defaults(kind, data):
    model = SparseAutoencoder(sparsity=kind, max_epochs=2, random_state=0).fit(data)
    d = int(np.prod(data.shape[1:]))
    assert model.latent_dim_ == min(4 * d, len(data))
    assert np.isfinite(model.reconstruct(data)).all()
    assert np.isfinite(model.sample(5, random_state=0)).all()
    assert {"l0", "dead_share"} <= model.evaluate(data).keys()
    assert ("penalty" in model.choices_) == (kind in (*PAID, "kl"))
    assert ("n_active" in model.choices_) == (kind not in PAID)


@pytest.mark.parametrize("kind", PAID)
def test_a_larger_penalty_buys_fewer_active_latents(kind):
    params = {"max_epochs": 30, "trainer": Trainer(batch_size=32, learning_rate=1e-2)}
    l0 = [fitted(kind, penalty=p, **params).evaluate(PICTURES)["l0"] for p in (0.5, 5.0, 50.0)]
    assert l0[0] > l0[1] > l0[2]
    assert l0[0] > 1.5 * l0[2]


def test_firing_rates_are_led_to_their_target():
    far, near = (fitted("kl", penalty=p, n_active=2, max_epochs=40).evaluate(PICTURES)["l0"] for p in (0.0, 100.0))
    assert abs(near - 2) < 1 < abs(far - 2)


def test_the_first_latents_of_a_matryoshka_dictionary_do_more_by_themselves():
    found = []
    for kind in ("batch_topk", "matryoshka"):
        model = fitted(kind, max_epochs=40)
        Z = model.transform(PICTURES)
        Z[:, 6:] = 0
        found.append(variance_explained(PICTURES, model.inverse_transform(Z)))
    assert np.nanmean(found[1]) > np.nanmean(found[0]) + 0.1


# ---------------------------------------------------------------- a known dictionary


def generated(n: int = 5000, n_atoms: int = 32, d: int = 16, active: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Sums of a few of the atoms with a little noise, and the atoms."""
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(n_atoms, d))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = rng.uniform(0.5, 1.5, (n, n_atoms)) * (rng.random((n, n_atoms)).argsort(1) < active)
    return (codes @ atoms + 0.01 * rng.normal(size=(n, d))).astype(np.float32), atoms


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "matryoshka"])  # these atoms are not nested
def test_a_known_dictionary_is_recovered(kind):
    data, atoms = generated()
    trainer = Trainer(batch_size=128, learning_rate=1e-2, early_stopping=None)
    params = {"latent_dim": len(atoms), "n_active": 3, "scaling": "common", "trainer": trainer}
    untrained = fitted(kind, data[:200], **params, max_epochs=1)
    assert mmcs(untrained.dictionary_, atoms) < 0.7
    assert mmcs(fitted(kind, data, **params, max_epochs=25).dictionary_, atoms) >= 0.9


def test_dead_latents_come_back(monkeypatch):
    attach = Sparse.attach

    def handicapped(self, network) -> None:
        attach(self, network)
        with torch.no_grad():
            network.encoder[-1].bias[:16] -= 2.0

    monkeypatch.setattr(Sparse, "attach", handicapped)
    data, _ = generated(3000)
    trainer = Trainer(batch_size=128, learning_rate=1e-2, early_stopping=None)
    dead = []
    for weight in (0.0, 1.0):
        monkeypatch.setattr(DeadLatents, "weight_at", lambda self, progress, w=weight: w)
        model = fitted("topk", data, latent_dim=32, n_active=3, scaling="common", trainer=trainer, max_epochs=10)
        dead.append(model.evaluate(data)["dead_share"])
    assert dead[0] > 0.1
    assert dead[1] <= dead[0] / 3


# ---------------------------------------------------------------- the dictionary


@every_kind
def test_an_atom_is_what_one_latent_adds_to_a_sample(kind):
    model = fitted(kind)
    assert model.dictionary_.shape == (24, 8, 8)
    decoded = model.inverse_transform(np.concatenate([np.eye(24), np.zeros((1, 24))]).astype(np.float32))
    np.testing.assert_allclose(model.dictionary_, decoded[:-1] - decoded[-1], atol=1e-4)


def test_atoms_are_in_the_units_of_the_data():
    params: Any = {"scaling": "standard", "trainer": Trainer(validation_fraction=0)}
    small, large = (fitted(data=scale * TABLE, **params).dictionary_ for scale in (1, 1000))
    np.testing.assert_allclose(large, 1000 * small, rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(small / TABLE.std(0), axis=1), 1, rtol=1e-5)


def test_atoms_of_black_and_white_pictures_are_in_log_odds():
    model = fitted(data=(PICTURES > 8).astype(np.float32), likelihood="bernoulli")
    np.testing.assert_allclose(np.linalg.norm(model.dictionary_.reshape(24, -1), axis=1), 1, rtol=1e-5)
    p = model.inverse_transform(np.eye(25, 24, k=-1, dtype=np.float32))[:2].astype(np.float64)  # without and with
    odds = np.log(p / (1 - p))
    np.testing.assert_allclose(odds[1] - odds[0], model.dictionary_[0], atol=1e-3)


@pytest.mark.parametrize("params", [{"network": "mlp"}, {"likelihood": "categorical"}], ids=["deep", "classes"])
def test_a_decoder_that_is_not_linear_has_no_dictionary(params):
    data = np.rint(PICTURES[:, :3, :3] / 8) if "likelihood" in params else PICTURES
    with pytest.raises(
        ParameterError, match=r"^the decoder \([^\n]*is not linear, so it has no dictionary; use [^\n]*$"
    ):
        _ = fitted(data=data, **params).dictionary_


def test_there_is_no_dictionary_before_there_is_a_model():
    with pytest.raises(NotFittedError):
        _ = SparseAutoencoder().dictionary_


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"sparsity": "l0"}, "sparsity"),
        ({"n_active": 0}, "n_active"),
        ({"n_active": 25}, "n_active=25, but there are 24 latents; give a number from 1 to that"),
        ({"penalty": -1.0, "sparsity": "l1"}, "penalty"),
        ({"network": "unet"}, "use network="),
    ],
)
def test_parameters_that_do_not_fit(params, words):
    with pytest.raises(ParameterError, match=words) as caught:
        SparseAutoencoder(**{"latent_dim": 24, "max_epochs": 1, **params}).fit(PICTURES)
    assert len(str(caught.value).splitlines()) == 1


# ---------------------------------------------------------------- metrics


@every_kind
def test_metrics_count_the_zeros_of_the_codes(kind):
    model = fitted(kind)
    Z = model.transform(PICTURES)
    metrics = model.evaluate(PICTURES)
    assert metrics["l0"] == pytest.approx((Z != 0).sum(1).mean())
    assert metrics["dead_share"] == pytest.approx((Z == 0).all(0).mean())
    counts, rates = firing(model.module_, PICTURES)
    np.testing.assert_array_equal(counts, (Z != 0).sum(1))
    np.testing.assert_allclose(rates, (Z != 0).mean(0))


def test_variance_explained_of_every_value_is_scikit_learns_r2():
    rebuilt = fitted().reconstruct(PICTURES)
    found = variance_explained(PICTURES, rebuilt)
    varies = PICTURES.std(0) > 0
    assert found.shape == (8, 8)
    assert np.isnan(found[~varies]).all()
    expected = r2_score(PICTURES[:, varies], rebuilt[:, varies], multioutput="raw_values")
    np.testing.assert_allclose(found[varies], expected, rtol=1e-6)


def test_mmcs_knows_neither_order_nor_size_nor_atoms_beside():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(6, 2, 3))
    learned = truth[rng.permutation(6)] * rng.uniform(0.1, 10, (6, 1, 1))
    assert mmcs(learned, truth) == pytest.approx(1)
    assert mmcs(np.concatenate([learned, rng.normal(size=(20, 2, 3)), np.zeros((1, 2, 3))]), truth) == pytest.approx(1)
    assert mmcs(learned[:-1], truth) < 1 - 1e-3


def test_mmcs_is_a_mean_of_cosines_with_their_sign():
    assert mmcs(-np.eye(4), np.eye(4)) == pytest.approx(0)  # the opposite of a direction is another one
    assert mmcs(-np.eye(4)[:1], np.eye(4)[:1]) == pytest.approx(-1)
    angles = np.deg2rad([10, 30])
    turned = np.stack([np.cos(angles), np.sin(angles)], 1)
    assert mmcs(turned, np.array([[2.0, 0.0]])) == pytest.approx(np.cos(angles[0]))
    assert mmcs(turned[1:], np.eye(2)) == pytest.approx(np.mean([np.cos(angles[1]), np.sin(angles[1])]))


def test_mmcs_of_what_cannot_be_compared():
    with pytest.raises(DataError, match="the learned atoms have 4 values and the true ones 3"):
        mmcs(np.eye(4), np.eye(3))
    with pytest.raises(DataError, match="true atom 1 is zero"):
        mmcs(np.eye(3), np.diag([1.0, 0.0, 1.0]))


def test_sparse_weights_do_not_make_a_sparse_code():
    data = PICTURES.reshape(-1, 64) + 0.1
    identity = np.eye(64)
    weights, active = weight_and_code_density(identity, data @ identity.T)
    np.testing.assert_array_equal(data @ identity.T @ identity, data)  # nothing is lost, and nothing learned
    assert (weights, active) == (1 / 64, 1.0)
    model = fitted(data=data)
    encoder: Any = model.module_.network.encoder[-1]
    weights, active = weight_and_code_density(encoder.weight.detach().numpy(), model.transform(data))
    assert weights == 1.0
    assert active <= 4 / 24


# ---------------------------------------------------------------- the report


@pytest.mark.parametrize("data", [PICTURES, TABLE], ids=["pictures", "table"])
def test_the_report_shows_the_code_and_the_dictionary(data):
    model = fitted(data=data)
    assert model.report_sections == ("sparse:sparsity", "sparse:dictionary")
    view = View(model, Samples(data, "some"))
    Z = model.transform(view.events)
    code, atoms = sections.sparsity(view), sections.dictionary(view)
    assert f"{(Z > 0).sum(1).mean():.3g} on average" in code.plates[0].caption
    assert f"{(Z == 0).all(0).sum()} are active for none of these rows" in code.plates[0].caption
    assert [plate.name for plate in code.plates + atoms.plates][:2] == ["sparsity", "dictionary"]
    used = int((Z > 0).any(0).sum())
    assert f"The {used} latents that are used most" in atoms.plates[0].caption
    if data is TABLE:
        latent = int((Z > 0).mean(0).argmax())
        row = atoms.tables[0].rows[0]
        assert row[0] == f"latent {latent}"
        assert row[-1].split(", ")[0] == f"{view.row_numbers[Z[:, latent].argmax()]:,}"


def test_the_report_of_a_code_of_nothing_says_so():
    model = fitted("jumprelu")
    with torch.no_grad():
        cast(JumpReLU, model.module_.bottleneck).log_threshold.fill_(10.0)
    assert "No latent is active" in sections.dictionary(View(model, Samples(PICTURES, "digits"))).intro

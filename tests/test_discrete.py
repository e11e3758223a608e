"""Quantised codes: codebooks, rounding, the distribution of tokens, and the bound that they give together."""

from functools import cache
from itertools import pairwise, product
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers import compose_linear
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_iris

import isthmus
from isthmus import FSQVAE, VQVAE, DataError, ParameterError, ResidualVQVAE, Trainer
from isthmus.bottlenecks import FSQ, Deterministic, Quantised, ResidualQuantised, VectorQuantised
from isthmus.bottlenecks.codebook import Codebook
from isthmus.evaluate.codebooks import usage
from isthmus.likelihoods import GaussianLikelihood
from isthmus.models.discrete import Discrete
from isthmus.networks import Conv
from isthmus.priors import TokenDistribution, TokenPrior, token_training
from isthmus.priors.token_network import TokenNetwork
from isthmus.priors.token_training import fit_tokens, frequencies, nll
from isthmus.terms import Commitment

_digits: Any = load_digits()
_iris: Any = load_iris()
PICTURES, TABLE = _digits.images[:300], _iris.data
MODELS = [cls for cls in isthmus.models().values() if issubclass(cls, Discrete)]
every_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.name)


def codebook(n_codes: int = 8, dim: int = 3, seed: int = 0) -> Codebook:
    """A codebook that has seen one batch, ready to be used."""
    torch.manual_seed(seed)
    book = Codebook(n_codes, dim)
    book(torch.randn(50, 4, dim))
    return book.eval()


def quantiser(kind: str = "vector", latent_dim: int = 6) -> Quantised:
    """A quantiser that has seen a few batches, ready to be used."""
    torch.manual_seed(0)
    made: Quantised = {
        "vector": VectorQuantised(16, 3),
        "residual": ResidualQuantised(8, 3, depth=4),
        "fsq": FSQ((5, 4, 3)),
    }[kind]
    made.setup(latent_dim)
    for _ in range(30):
        made(torch.randn(100, latent_dim))
    return made.eval()


kinds = pytest.mark.parametrize("kind", ["vector", "residual", "fsq"])


# ---------------------------------------------------------------- codebooks


def test_the_nearest_vector_is_the_one_that_all_distances_say():
    book, x = codebook(), torch.randn(40, 5, 3)
    distances = (x[..., None, :] - book.vectors).square().sum(-1)
    tokens, vectors = book(x)
    assert torch.equal(tokens, distances.argmin(-1))
    assert torch.equal(vectors, book.vectors[tokens])
    torch.testing.assert_close(book.distances(x), distances.double(), rtol=1e-5, atol=1e-5)


def test_of_equal_vectors_the_first_is_taken_in_batches_of_any_size():
    book, x = codebook(64), torch.randn(100, 1, 3)
    book.vectors[32:] = book.vectors[:32]
    tokens = book.nearest(x)
    assert tokens.max() < 32
    assert torch.equal(tokens, torch.cat([book.nearest(row[None]) for row in x]))


def test_bfloat16_outside_leaves_the_quantiser_in_float32():
    book, x = codebook(200), torch.randn(200, 1, 3)
    expected = book.nearest(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(book.nearest(x), expected)
        assert book(x)[1].dtype == torch.float32


def test_a_codebook_is_the_running_mean_of_what_its_vectors_stand_for():
    torch.manual_seed(0)
    k, n = 4, 64
    book = Codebook(k, 2)
    counts, sums = torch.full((k,), 1 / k), None
    for step in range(1, 130):
        x = torch.randn(n, 1, 2) + 4 * torch.randint(0, 2, (n, 1, 1))
        tokens, vectors = book(x)
        if sums is None:
            sums = vectors.new_zeros(k, 2)
            sums[tokens.flatten()] = vectors.flatten(0, 1) / k  # where each began
        hits = torch.zeros(k, n).scatter(0, tokens.T, 1.0)
        rate = max(1 / (step + 1), 0.01)
        counts = (1 - rate) * counts + rate * hits.mean(1)
        sums = (1 - rate) * sums + rate * hits @ x[:, 0] / n
        torch.testing.assert_close(book.share, counts, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(book.vectors, sums / counts[:, None], rtol=1e-3, atol=1e-4)
    assert not book.dead.any()


def test_a_codebook_stays_as_it_is_while_it_is_used():
    book = codebook()
    before = {name: tensor.clone() for name, tensor in book.state_dict().items()}
    book(torch.randn(20, 3, 3))
    for name, tensor in book.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_first_batch_fills_the_codebook():
    book, x = Codebook(8, 2), torch.randn(20, 2, 2)
    book(x)
    used = torch.cdist(book.vectors, x.flatten(0, 1)).amin(1)
    assert (book.share > 0).all()
    assert used.max() < x.std(), "every vector is near to where the data are"


def test_dead_codes_come_back_where_the_data_are():
    torch.manual_seed(0)
    book = codebook(8, 2)
    book.vectors[:5] = 100.0  # far from all data
    book.total[:5] = 100.0 * book.share[:5, None]
    x = torch.randn(64, 1, 2)
    book.train()
    for _ in range(400):
        book(x)
    assert len(set(book.eval()(x)[0].flatten().tolist())) == 8
    assert book.vectors.abs().max() < 5


def test_a_revived_code_is_a_feature_of_the_batch():
    book, x = codebook(6, 2), torch.randn(30, 2)
    book.share[2] = 0.0
    before = book.vectors.clone()
    book.revive(x, torch.rand(30))
    others = [0, 1, 3, 4, 5]
    assert torch.equal(book.vectors[others], before[others])
    assert (x == book.vectors[2]).all(1).any()
    assert book.share[2] == pytest.approx(1 / 6)


def test_a_batch_with_fewer_features_than_codes():
    book = Codebook(32, 2)
    tokens, vectors = book(torch.randn(3, 1, 2))
    assert torch.isfinite(book.vectors).all()
    assert torch.isfinite(vectors).all()
    assert tokens.max() < 32


# ---------------------------------------------------------------- quantisers


@kinds
def test_the_gradient_passes_straight_through(kind):
    made = quantiser(kind)
    h = torch.randn(10, 6, requires_grad=True)
    weight = torch.randn(10, 6)
    (made(h).z * weight).sum().backward()
    smooth = torch.ones(6)
    if kind == "fsq":  # the gradient of the bound remains
        free = h.detach().clone().requires_grad_()
        assert isinstance(made, FSQ)
        smooth = torch.autograd.grad((made.bound(made.cut(free)) / made.centre).sum(), free)[0]
    torch.testing.assert_close(h.grad, weight * smooth)


@kinds
def test_codes_are_what_their_tokens_stand_for_to_the_last_bit(kind):
    made = quantiser(kind)
    code = made(torch.randn(500, 6))
    assert torch.equal(code.z, made.vectors(code.aux["tokens"]))
    assert torch.equal(made.vectors(made.find(code.z)), code.z)
    if kind != "residual":
        assert torch.equal(made.find(code.z), code.aux["tokens"])


def test_commitment_is_the_squared_distance_and_teaches_the_encoder_alone():
    made = quantiser("vector")
    h = torch.randn(12, 6, requires_grad=True)
    code = made(h)
    torch.testing.assert_close(code.aux["distance"], (h - code.z).square().sum(1))
    code.aux["distance"].sum().backward()
    torch.testing.assert_close(h.grad, 2 * (h - code.z).detach())


def test_what_is_left_over_falls_with_depth():
    torch.manual_seed(0)
    x = torch.randn(2000, 4)
    errors = []
    for depth in (1, 2, 3, 4):
        made = ResidualQuantised(16, 4, depth=depth)
        made.setup(4)
        for _ in range(60):
            made(x)
        errors.append(float((made.eval()(x).z - x).square().mean()))
    assert all(b < 0.7 * a for a, b in pairwise(errors))


def test_the_first_codebook_of_several_is_the_only_one_of_one():
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    one, many = ResidualQuantised(8, 4, depth=1), ResidualQuantised(8, 4, depth=3)
    for made in (one, many):
        made.setup(4)
        torch.manual_seed(1)
        made(x)
    assert torch.equal(one(x).aux["tokens"][..., 0], many(x).aux["tokens"][..., 0])


LEVELS = st.lists(st.integers(2, 9), min_size=1, max_size=4).map(tuple)


@settings(deadline=None, max_examples=30)
@given(LEVELS, st.integers(1, 3))
def test_fsq_rounds_to_its_levels_and_numbers_them(levels, n_tokens):
    made = FSQ(levels)
    made.setup(len(levels) * n_tokens)
    code = made(torch.linspace(-8, 8, 500)[:, None].expand(-1, len(levels) * n_tokens))
    values = made.cut(code.z)
    for i, n in enumerate(levels):
        allowed = torch.tensor([(j - n // 2) / (n // 2) for j in range(n)])
        assert set(values[..., i].unique().tolist()) == set(allowed.tolist()), "all levels are reached, and no others"
    everything = torch.arange(made.n_codes)[:, None].expand(-1, n_tokens)[..., None]
    assert torch.equal(made.find(made.vectors(everything)), everything)
    assert len(made.vectors(everything).unique(dim=0)) == made.n_codes == int(np.prod(levels))
    assert torch.equal(made.find(code.z), code.aux["tokens"])
    assert not made(torch.zeros(1, len(levels) * n_tokens)).z.any(), "0 is rounded to 0"


def test_a_code_that_cannot_be_cut_into_tokens():
    for made, latent_dim in ((VectorQuantised(8, 3), 4), (FSQ((5, 5)), 3)):
        with pytest.raises(ParameterError, match=f"latent_dim={latent_dim} cannot be cut into tokens"):
            made.setup(latent_dim)
    for levels in ((), (1, 5), (300, 300)):
        with pytest.raises(ParameterError, match="levels"):
            FSQ(levels).setup(2)


# ---------------------------------------------------------------- the distribution of tokens


def chain(n: int, length: int, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Sequences of a Markov chain on 4 tokens that starts anywhere, and its matrix of transitions."""
    rng = np.random.default_rng(seed)
    move = np.array([[0.1, 0.7, 0.1, 0.1], [0.05, 0.05, 0.85, 0.05], [0.25, 0.25, 0.0, 0.5], [0.9, 0.1, 0.0, 0.0]])
    tokens = [rng.integers(0, 4, n)]
    for _ in range(length - 1):
        tokens.append((rng.random((n, 1)) > move[tokens[-1]].cumsum(1)).sum(1).clip(max=3))
    return torch.tensor(np.stack(tokens, 1)), move


@pytest.fixture(scope="module")
def fitted_chain() -> tuple[TokenNetwork, np.ndarray]:
    tokens, move = chain(2000, 6)
    torch.manual_seed(0)
    network = TokenNetwork(6, 4, width=32, n_layers=1)
    fit_tokens(network, tokens)
    return network.eval(), move


def test_a_known_chain_is_learned_to_its_entropy(fitted_chain):
    network, move = fitted_chain
    fresh, _ = chain(4000, 6, seed=1)
    p = np.full(4, 0.25)
    entropy = np.log(4)
    for _ in range(5):
        entropy -= (p[:, None] * move * np.log(np.where(move > 0, move, 1))).sum()
        p = p @ move
    found = nll(network, fresh).mean().item()
    independent = -frequencies(fresh, 1, 4).log().gather(1, fresh.T).sum(0).mean().item()
    assert found < entropy + 0.1, "nats per sequence"
    assert entropy + 1 < independent, "which no table of places could tell"


def test_what_is_drawn_has_the_pairs_of_the_chain(fitted_chain):
    network, move = fitted_chain
    torch.manual_seed(1)
    with torch.no_grad():
        drawn = network.draw(4000).numpy()
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (drawn[:, :-1].ravel(), drawn[:, 1:].ravel()), 1)
    np.testing.assert_allclose(pairs / pairs.sum(1, keepdims=True), move, atol=0.05)


def test_what_is_drawn_place_by_place_has_the_probabilities_of_the_whole():
    torch.manual_seed(0)
    network = TokenNetwork(4, 2, depth=2, width=16, n_layers=2)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    network.eval()
    sequences = torch.tensor(list(product(range(2), repeat=4)))
    with torch.no_grad():
        expected = (-nll(network, sequences)).exp()
        drawn = network.draw(20_000)
    numbers = (drawn * torch.tensor([8, 4, 2, 1])).sum(1)
    shares = torch.bincount(numbers, minlength=16) / 20_000
    torch.testing.assert_close(shares, expected, atol=0.015, rtol=0)
    assert expected.max() > 2 * expected.min(), "they are not all alike"


@pytest.mark.parametrize(("length", "depth", "k"), [(3, 1, 3), (4, 2, 3), (1, 1, 5)])
def test_probabilities_of_all_sequences_add_up_to_1(length, depth, k):
    torch.manual_seed(0)
    network = TokenNetwork(length, k, depth=depth, width=16)
    fit_tokens(network, torch.randint(0, k, (300, length)))
    torch.nn.init.normal_(network.head)
    everything = torch.tensor(list(product(range(k), repeat=length)))
    assert (-nll(network, everything)).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_no_token_sees_itself_or_what_comes_after():
    torch.manual_seed(0)
    network = TokenNetwork(5, 7, width=16).eval()
    torch.nn.init.normal_(network.head)
    tokens = torch.randint(0, 7, (1, 5))
    before = network(tokens)
    for place in range(5):
        other = tokens.clone()
        other[0, place] = (other[0, place] + 1) % 7
        after = network(other)
        torch.testing.assert_close(after[:, : place + 1], before[:, : place + 1])
        assert place == 4 or not torch.allclose(after[:, place + 1 :], before[:, place + 1 :])


def test_frequencies_are_those_of_many_tokens_and_never_zero():
    p = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    torch.manual_seed(0)
    tokens = torch.stack([row.multinomial(20_000, replacement=True) for row in p], 1)
    found = frequencies(tokens, 2, 3)
    torch.testing.assert_close(found, p, atol=0.02, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(2))
    assert found.min() > 0
    few = frequencies(torch.zeros(2, 3, dtype=torch.int64), 1, 4)
    assert few.min() > 0
    torch.testing.assert_close(few.sum(1), torch.ones(3))


def test_held_out_sequences_are_no_less_likely_than_by_the_table_alone():
    torch.manual_seed(0)
    tokens = torch.randint(0, 16, (200, 8))  # there is nothing to learn
    network = TokenNetwork(8, 16)
    fit_tokens(network, tokens)
    fresh = torch.randint(0, 16, (500, 8))
    table = -network.table.gather(1, fresh.T).sum(0).mean()
    assert nll(network, fresh).mean() < table + 0.3


def test_a_token_prior_needs_tokens():
    with pytest.raises(ParameterError, match="a Deterministic code has none"):
        compose_linear(TABLE, 2, GaussianLikelihood(), bottleneck=Deterministic(), prior=TokenPrior())


# ---------------------------------------------------------------- models


def small(cls, X=PICTURES, **params):
    """A short training, and a short fit of the prior."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_training, "_MOST_STEPS", 10)
        return cls(**{"max_epochs": 3, "random_state": 0, **params}).fit(X)


@cache
def fitted(cls) -> Discrete:
    return small(cls)


def quantiser_of(model: Discrete) -> Quantised:
    return cast(Quantised, model.module_.bottleneck)


def token_distribution(model: Discrete) -> TokenDistribution:
    return cast(TokenDistribution, model.module_.prior())


@every_model
def test_tokens_decode_to_reconstructions_and_draws_are_tokens(cls):
    model = fitted(cls)
    tokens = model.tokens(PICTURES)
    assert tokens.dtype == np.int64
    np.testing.assert_array_equal(model.from_tokens(tokens), model.reconstruct(PICTURES))
    prior, code = token_distribution(model), quantiser_of(model)
    drawn = prior.sample(torch.Size([20]))
    assert torch.equal(code.vectors(code.find(drawn)), drawn)
    assert prior.log_prob(drawn).isfinite().all()
    assert drawn.shape == (20, model.latent_dim_)


@every_model
def test_the_bound_is_below_the_sum_over_all_codes(cls):
    options = {"levels": (3, 3)} if cls is FSQVAE else {"n_codes": 4}
    model = small(cls, TABLE, latent_dim=4 if cls is not ResidualVQVAE else 2, **options)
    code, module = quantiser_of(model), model.module_
    tokens = torch.tensor(list(product(range(code.n_codes), repeat=code.n_tokens_ * code.depth)))
    tokens = tokens.unflatten(1, (code.n_tokens_, code.depth))
    prior = token_distribution(model)
    log_p_of_tokens = prior.log_prob_of_tokens(tokens)
    assert log_p_of_tokens.exp().sum().item() == pytest.approx(1, abs=1e-5)
    x = torch.tensor(TABLE).float()
    with torch.no_grad():
        log_p_x_given_tokens = module.log_prob(x, code.vectors(tokens)[:, None].expand(-1, len(x), -1))
        log_p = (log_p_x_given_tokens + log_p_of_tokens[:, None]).logsumexp(0).numpy()
    bound = model.score_samples(TABLE)
    assert (bound <= log_p + 1e-3).all()
    assert np.median(log_p - bound) < 5, "and not far below for most"
    metrics = model.evaluate(TABLE)
    assert metrics["discrete_bound"] == pytest.approx(bound.mean(), rel=1e-5)
    assert metrics["discrete_bound"] == pytest.approx(-metrics["reconstruction_nll"] - metrics["rate"], rel=1e-5)
    assert metrics["bits_per_dim"] == pytest.approx(-bound.mean() / (4 * np.log(2)), rel=1e-5)
    expected = prior.log_prob(torch.tensor(model.transform(TABLE))).mean().item()
    assert metrics["rate"] == pytest.approx(-expected, rel=1e-4)


@every_model
def test_a_saved_model_draws_the_same_tokens(cls, tmp_path):
    model = fitted(cls)
    model.save(tmp_path / "run")
    loaded = cast(Discrete, isthmus.load(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.tokens(PICTURES), model.tokens(PICTURES))
    np.testing.assert_array_equal(loaded.sample(5, random_state=0), model.sample(5, random_state=0))
    assert loaded.evaluate(PICTURES) == model.evaluate(PICTURES)


def test_usage_of_codes():
    used, perplexity = usage(np.arange(24).reshape(6, 4) % 8, 8)
    assert used.tolist() == [1]
    assert perplexity[0] == pytest.approx(8)
    books = np.stack([np.zeros((5, 2), int), np.arange(10).reshape(5, 2) % 2], -1)
    used, perplexity = usage(books, 4)
    assert used.tolist() == [0.25, 0.5]
    np.testing.assert_allclose(perplexity, [1, 2])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.zeros((3, 2), int), r"shape \(n, 8\), and these are int64 of shape \(3, 2\)"),
        (np.zeros((3, 8)), "whole numbers"),
        (np.full((3, 8), 64), "from 0 to 63, and these are from 64 to 64"),
        (np.full((3, 8), -1), "from 0 to 63"),
        (np.zeros((0, 8), int), "these are none"),
    ],
)
def test_what_are_no_tokens(tokens, message):
    with pytest.raises(DataError, match=message):
        fitted(VQVAE).from_tokens(tokens)


# ---------------------------------------------------------------- grids


def test_large_pictures_get_a_grid_of_tokens():
    X = isthmus.data.load("faces:n=60,size=16").X
    model = small(VQVAE, X, n_codes=16, max_epochs=1)
    network = model.module_.network
    assert isinstance(network, Conv)
    assert network.width is None
    assert model.tokens(X).shape == (60, 64)
    assert model.latent_dim_ == 64 * 4
    assert small(VQVAE, X, latent_dim=8, max_epochs=1).tokens(X).shape == (60, 2)
    assert small(FSQVAE, X, levels=(3, 3), max_epochs=1).latent_dim_ == 64 * 2
    own = Conv((4, 4, 4), width=None, code_channels=5)
    assert small(VQVAE, X, network=own, max_epochs=1).tokens(X).shape == (60, 4)
    assert small(VQVAE, PICTURES, network="conv_grid", token_dim=3, max_epochs=1).tokens(PICTURES).shape == (300, 16)


def test_the_tokens_of_a_grid_lie_where_they_look():
    torch.manual_seed(0)
    network = Conv((3,), width=None, code_channels=2)
    width = network.code_width((12, 16))
    assert width == 6 * 8 * 2
    network.setup(event_shape=(12, 16), n_features=2 * width, latent_dim=width, n_outputs=1)
    x = torch.randn(1, 12, 16, requires_grad=True)
    means = network.encoder(x)[:, :width].unflatten(1, (6, 8, 2))
    (seen,) = torch.autograd.grad(means[0, 1, 6].square().sum(), x)
    rows, columns = (seen[0] != 0).nonzero().T
    assert 0 <= rows.min() < rows.max() <= 2 + 4
    assert 12 - 4 <= columns.min() < columns.max() <= 12 + 4
    z = torch.randn(1, width, requires_grad=True)
    (used,) = torch.autograd.grad(network.decoder(z)[0, 2:4, 12:14].square().sum(), z)
    assert used.unflatten(1, (6, 8, 2))[0, 1, 6].abs().min() > 0
    assert not used.unflatten(1, (6, 8, 2))[0, :, :3].any()


# ---------------------------------------------------------------- training


def test_codes_are_used_once_trained():
    model = small(VQVAE, n_codes=16, max_epochs=10)
    metrics = model.evaluate(PICTURES)
    assert metrics["codebook_usage"] == 1
    assert metrics["perplexity"] > 8
    assert metrics["r2"] > 0.3


def test_a_cost_of_distance_needs_a_quantiser():
    module = compose_linear(TABLE, 2, GaussianLikelihood())
    with pytest.raises(ParameterError, match="'distance'"):
        Commitment()(module.step(torch.tensor(TABLE)))


@pytest.mark.slow
@every_model
def test_a_compiled_training_ends_where_a_plain_one_does(cls):
    plain, compiled = (
        small(cls, trainer=Trainer(compile=compiled, batch_size=64, precision="32")) for compiled in (False, True)
    )
    np.testing.assert_allclose(plain.history_["val_loss"], compiled.history_["val_loss"], rtol=1e-2)


def test_ctrl_c_while_tokens_are_learned_leaves_a_model_to_be_used(monkeypatch, tmp_path):
    real, count = token_training.nll, iter(range(100))

    def interrupted(network, tokens):
        if next(count) == 8:
            raise KeyboardInterrupt
        return real(network, tokens)

    monkeypatch.setattr(token_training, "nll", interrupted)
    model = VQVAE(max_epochs=1, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(PICTURES)
    model.save(tmp_path / "run")
    loaded = isthmus.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.score_samples(PICTURES), model.score_samples(PICTURES))
    assert np.isfinite(model.evaluate(PICTURES)["discrete_bound"])
    assert token_distribution(model).network.table.any(), "the table is there"

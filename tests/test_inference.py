"""How trained models are run: the same numbers from every backend, and no row that depends on its batch."""

import copy
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from torch import nn

import isthmus
from isthmus import (
    VAE,
    Autoencoder,
    CompileError,
    DataError,
    DenoisingAutoencoder,
    MissingExtraError,
    ParameterError,
    SparseAutoencoder,
    inference,
)
from isthmus.cli import main
from isthmus.core import Composed
from isthmus.engines.engine import engine_of
from isthmus.engines.halves import in_blocks, onnx_obstacle
from isthmus.engines.settings import Setting, current, has_onnx
from isthmus.models import inference as batches
from isthmus.networks import MLP, Conv, Linear, Network, UNet

PICTURES = load_digits().images[:200]
TABLE = load_iris().data
MODELS = list(isthmus.models().values())

with_onnx = pytest.mark.skipif(not has_onnx(), reason="needs the extra onnx")
every_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.name)
every_data = pytest.mark.parametrize("X", [PICTURES, TABLE], ids=["pictures", "table"])
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid")


def fitted(cls, X, **params):
    params = {"latent_dim": 2, "max_epochs": 1, "random_state": 0, **params}
    return cls(**params).fit(X)


def laid_out(network: Network, event: tuple[int, ...], width: int, n_outputs: int = 1) -> Network:
    """A network with random weights and running statistics, in evaluation."""
    torch.manual_seed(0)
    network.setup(event_shape=event, n_features=width, latent_dim=width, n_outputs=n_outputs)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            for tensor in (layer.running_mean, layer.weight.data, layer.bias.data):
                tensor.normal_()
            layer.running_var.uniform_(0.5, 2)
    return network.eval()


NETWORKS = [
    *((MLP((33, 20), activation=name), (13,)) for name in ACTIVATIONS),
    *((MLP((17, 9), norm=norm, dropout=0.1, code_activation="tanh"), (7, 5)) for norm in ("batch", "layer")),
    (Linear(), (31,)),
    *(
        (Conv((4, 3), pool=pool, norm=norm, width=17, activation="elu"), (9, 11, *depth))
        for pool, norm, depth in [
            (None, "batch", ()),
            (None, "layer", (3,)),
            ("max", "batch", (3,)),
            ("max", "layer", ()),
            ("avg", None, (2,)),
        ]
    ),
    *((Conv((4, 3), width=None, norm=norm, code_channels=3), (9, 11)) for norm in ("batch", None)),
    (UNet((3, 5, 4)), (10, 13)),
    (UNet((4, 6)), (9, 8, 3)),
]


@with_onnx
@pytest.mark.parametrize(("network", "event"), NETWORKS, ids=lambda value: repr(value))
def test_onnx_runtime_computes_what_the_layers_do_row_by_row(network, event):
    from isthmus.engines.runtime import onnx_decoder, onnx_encoder
    from isthmus.networks import Scaling

    width = network.code_width(event) or 5
    network = laid_out(network, event, width, n_outputs=2)
    scaling = Scaling("none")
    scaling.register_buffer("shift", torch.tensor(0.25))
    scaling.register_buffer("scale", torch.tensor(2.0))
    x, z = torch.randn(70, *event), torch.randn(70, width)
    with torch.no_grad():
        expected = network.encoder(scaling(x)).numpy(), network.decoder(z).numpy()
    functions = onnx_encoder(scaling, network.encoder, event), onnx_decoder(network.decoder, width)
    for function, inputs, values in zip(functions, (x.numpy(), z.numpy()), expected, strict=True):
        whole = function(inputs)
        assert whole.shape == values.shape
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole, values, rtol=0, atol=2e-5 * np.abs(values).max())
        for part in (slice(0, 1), slice(1, 2), slice(3, 8), slice(5, 24), slice(1, 70)):
            np.testing.assert_array_equal(function(inputs[part]), whole[part])


def assert_independent_of_the_batch(method, rows, monkeypatch, *, by_content: bool = True):
    """A few rows, small batches, and another order give the same bits."""
    whole = method(rows)
    np.testing.assert_array_equal(whole[:1], method(rows[:1]))
    np.testing.assert_array_equal(whole[:19], method(rows[:19]))
    with monkeypatch.context() as patch:
        patch.setattr(batches, "MOST_ROWS", 7)
        np.testing.assert_array_equal(whole[:40], method(rows[:40]))
    if by_content:
        order = np.random.default_rng(0).permutation(len(rows))
        np.testing.assert_array_equal(whole[order], method(rows[order]))


@with_onnx
@every_model
@every_data
def test_no_row_depends_on_its_batch_in_the_last_bit(cls, X, monkeypatch):
    model = fitted(cls, X)
    methods = [model.transform, model.reconstruct]
    # Of principal components the score is exact, in float64 and by another way.
    methods += [] if cls.name == "linear" else [model.score_samples]
    for method in methods:
        assert_independent_of_the_batch(method, X, monkeypatch)
    assert_independent_of_the_batch(model.inverse_transform, model.transform(X), monkeypatch)


@with_onnx
@every_data
def test_the_likelihood_of_a_row_depends_on_its_number_and_the_seed_alone(X, monkeypatch):
    vae = fitted(VAE, X)
    estimate = partial(vae.log_likelihood, n_samples=40)
    assert_independent_of_the_batch(estimate, X, monkeypatch, by_content=False)
    assert_independent_of_the_batch(lambda rows: vae.posterior(rows).std, X, monkeypatch)
    # Rows that are alike have draws of their own.
    assert len(set(estimate(np.repeat(X[:1], 5, axis=0)).tolist())) == 5


@with_onnx
@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical", "poisson", "continuous_bernoulli"])
def test_means_of_bounded_data_are_independent_of_the_batch(likelihood, monkeypatch):
    X = (PICTURES > 8).astype(np.float32)
    model = fitted(VAE, X, likelihood=likelihood)
    assert_independent_of_the_batch(model.reconstruct, X, monkeypatch)
    assert_independent_of_the_batch(model.transform, X, monkeypatch)
    np.testing.assert_allclose(model.score_samples(X)[:1], model.score_samples(X[:1]), rtol=1e-5)


# ------------------------------------------------------------------ backends


SETTINGS = [("eager", "32"), ("eager", "bf16"), ("auto", "bf16"), ("compiled", "32"), ("compiled", "bf16")]


@pytest.fixture
def traced(monkeypatch):
    """Compile as far as the graph, which takes a tenth of the time and needs no compiler."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))


@pytest.mark.parametrize(("backend", "precision"), SETTINGS)
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_every_backend_gives_the_same_numbers(network, backend, precision, traced):
    vae = fitted(VAE, PICTURES, network=network)
    methods = (vae.transform, vae.reconstruct, vae.score_samples, partial(vae.log_likelihood, n_samples=5))
    expected = [method(PICTURES) for method in methods]
    with inference(backend, precision):
        found = [method(PICTURES) for method in methods]
        again = vae.transform(PICTURES)
        metrics = vae.evaluate(PICTURES)
    np.testing.assert_array_equal(again, found[0])
    assert metrics.keys() == vae.evaluate(PICTURES).keys()
    tolerance = 1e-4 if precision == "32" else 5e-2
    for ours, truth in zip(found, expected, strict=True):
        assert ours.dtype == truth.dtype
        np.testing.assert_allclose(ours, truth, rtol=0, atol=tolerance * np.abs(truth).max())
    if precision == "bf16":
        assert not np.array_equal(found[0], expected[0])


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_numbers():
    vae = fitted(VAE, PICTURES, network="conv")
    expected = vae.transform(PICTURES), vae.score_samples(PICTURES)
    for precision, tolerance in (("32", 1e-5), ("bf16", 5e-2)):
        with inference("compiled", precision):
            for ours, truth in zip((vae.transform(PICTURES), vae.score_samples(PICTURES)), expected, strict=True):
                np.testing.assert_allclose(ours, truth, rtol=0, atol=tolerance * np.abs(truth).max())
            np.testing.assert_array_equal(vae.transform(PICTURES[:3]), vae.transform(PICTURES)[:3])


def test_a_model_that_cannot_be_compiled_says_so(monkeypatch):
    def broken(function, **options):
        def run(batch):
            raise RuntimeError("no C++ compiler\nand many more lines")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    model = fitted(Autoencoder, TABLE)
    with inference("compiled"), pytest.raises(CompileError, match=r"\(no C\+\+ compiler\); use backend='eager'"):
        model.transform(TABLE)


def test_eager_rows_hardly_depend_on_their_batch():
    vae = fitted(VAE, PICTURES)
    with inference("eager"):
        whole = vae.transform(PICTURES)
        np.testing.assert_array_equal(vae.transform(PICTURES[:1]), whole[:1])
        np.testing.assert_array_equal(vae.transform(PICTURES[:19]), whole[:19])


def test_blocks_are_filled_with_the_last_row():
    seen = []
    function = in_blocks(lambda x: seen.append(x) or x.sum(1))
    x = torch.arange(10.0).reshape(5, 2)
    assert torch.equal(function(x), x.sum(1))
    assert seen[0].shape == (32, 2)
    assert torch.equal(seen[0][5:], x[-1:].expand(27, 2))
    function(torch.zeros(64, 2))
    function(torch.zeros(3, 1 << 15))
    assert [len(batch) for batch in seen] == [32, 64, 3]


# ------------------------------------------------------------------ settings


def test_a_setting_holds_inside_its_block_and_in_its_thread_only():
    assert current() == Setting("auto", "32")
    with inference("eager"):
        with inference("compiled", "bf16"):
            assert current() == Setting("compiled", "bf16")
        assert current() == Setting("eager", "32")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(current).result() == Setting("auto", "32")
        with pytest.raises(ZeroDivisionError), inference("auto", "bf16"):
            _ = 1 / 0
        assert current() == Setting("eager", "32")
    assert current() == Setting("auto", "32")


@pytest.mark.parametrize(
    ("backend", "precision", "message"),
    [
        ("tensorrt", "32", "unknown backend 'tensorrt'; choose from 'auto', 'eager', 'compiled', 'onnx'"),
        ("auto", "fp8", "unknown precision 'fp8'; choose from '32', 'bf16'"),
        ("onnx", "bf16", "ONNX Runtime has no bf16 kernels"),
    ],
)
def test_settings_that_cannot_be(backend, precision, message):
    with pytest.raises(ParameterError, match=message), inference(backend, precision):
        pass


def test_without_onnx_runtime_pytorch_does_it_all(monkeypatch):
    model = fitted(VAE, PICTURES)
    expected = model.transform(PICTURES)
    monkeypatch.setattr("isthmus.engines.settings.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'isthmus\[onnx\]'"), inference("onnx"):
        pass
    again = copy.deepcopy(model)
    np.testing.assert_allclose(again.transform(PICTURES), expected, rtol=1e-4, atol=1e-5)
    assert "run by       PyTorch (onnx and onnxruntime are not installed)" in again.describe()


def test_descriptions_say_what_runs_the_model():
    model = fitted(SparseAutoencoder, PICTURES, latent_dim=64)
    for setting, words in [
        (("eager", "32"), "run by       PyTorch\n"),
        (("auto", "bf16"), "run by       PyTorch in bf16\n"),
        (("compiled", "bf16"), "run by       compiled PyTorch in bf16\n"),
    ]:
        with inference(*setting):
            assert words in model.describe()


@with_onnx
@pytest.mark.parametrize("what", ["layer", "hook", "size", "gathering"])
def test_what_onnx_runtime_cannot_run_pytorch_does(what, monkeypatch):
    sparse = what == "gathering"
    X = np.tile(PICTURES.reshape(-1, 64), (1, 4)) if sparse else PICTURES
    model = fitted(SparseAutoencoder, X, latent_dim=256, n_active=1) if sparse else fitted(VAE, X)
    half, words = "encoder", "too large"
    if what == "layer":
        model.module_.network.encoder.append(nn.Softsign())
        words = "Softsign"
    elif what == "hook":
        model.module_.network.encoder[1].register_forward_hook(lambda layer, given, made: 2 * made)
        words = "Inlet"
    elif what == "size":
        monkeypatch.setattr("isthmus.engines.halves._MOST_BYTES", 100)
    else:
        half, words = "decoder", "UnitNormLinear"
    with torch.no_grad():
        module = model.module_.eval()
        code = module.encode(torch.tensor(X)).mean
        expected = (code if half == "encoder" else module.decode(code).mean).numpy()
    found = model.transform(X) if half == "encoder" else model.reconstruct(X)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert words in model.describe()
    with inference("onnx"), pytest.raises(ParameterError, match=f"cannot run the {half} here: .*{words}"):
        model.reconstruct(X)


# ------------------------------------------------------------------ a model that changes


def by_adam(model):
    network = model.module_.network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True)
    network.encoder(torch.randn(40, 8, 8)).sum().backward()
    network.decoder(torch.randn(40, 2)).sum().backward()
    optimizer.step()


@torch.no_grad()
def in_place(model):
    model.module_.network.encoder[1].bias[3] += 20


def behind_pytorch(model):
    model.module_.network.encoder[-1].weight.data *= 2


def other_tensor(model):
    layer = model.module_.network.encoder[1]
    layer.weight = nn.Parameter(-layer.weight.detach())


def other_data(model):
    layer = model.module_.network.encoder[1]
    layer.weight.data = -layer.weight.detach()


def other_layer(model):
    model.module_.network.encoder[2] = nn.Tanh()


def other_network(model):
    model.module_.network = copy.deepcopy(fitted(VAE, PICTURES, random_state=1).module_.network)


def other_state(model):
    model.module_.load_state_dict(fitted(VAE, PICTURES, random_state=1).module_.state_dict())


@torch.no_grad()
def other_scaling(model):
    model.module_.scaling.scale.mul_(2)


def with_a_hook(model):
    model.module_.network.encoder[2].register_forward_hook(lambda layer, given, made: 3 * made)


CHANGES = [
    with_a_hook,
    by_adam,
    in_place,
    behind_pytorch,
    other_tensor,
    other_data,
    other_layer,
    other_network,
    other_state,
]


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("change", [*CHANGES, other_scaling], ids=lambda change: change.__name__)
def test_a_model_that_was_changed_is_run_as_it_is_now(change, precision):
    model = fitted(VAE, PICTURES)
    with inference("auto", precision):
        before = model.transform(PICTURES), model.reconstruct(PICTURES)
        change(model)
        found = model.transform(PICTURES), model.reconstruct(PICTURES)
    with inference("eager"):
        expected = model.transform(PICTURES), model.reconstruct(PICTURES)
    for old, new, truth in zip(before, found, expected, strict=True):
        scale = np.abs(truth).max()
        np.testing.assert_allclose(new, truth, rtol=0, atol=(1e-5 if precision == "32" else 3e-2) * scale)
        assert np.abs(new - old).max() > 10 * np.abs(new - truth).max()


def test_training_modes_are_put_right():
    model = fitted(VAE, PICTURES, network=MLP((32,), norm="batch", dropout=0.5))
    methods = (model.transform, model.reconstruct, model.score_samples)
    for backend in ("auto", "eager"):
        with inference(backend):
            expected = [method(PICTURES) for method in methods]
            model.module_.train()
            for method, truth in zip(methods, expected, strict=True):
                np.testing.assert_array_equal(method(PICTURES), truth)


# ------------------------------------------------------------------ processes, threads, copies


def test_used_models_can_be_copied_and_pickled():
    model = fitted(VAE, PICTURES)
    codes = model.transform(PICTURES)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.transform(PICTURES), codes)
    assert not hasattr(clone(model), "module_")


def test_threads_share_a_model():
    model = fitted(VAE, PICTURES)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: model.transform(PICTURES[i : i + 40]), range(60)))
    expected = model.transform(PICTURES)
    for i, codes in enumerate(found):
        np.testing.assert_array_equal(codes, expected[i : i + 40])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_runs_the_model_by_itself():
    code = """
import os, sys
import torch
torch.set_num_threads(2)
from sklearn.datasets import load_iris
from isthmus import Autoencoder
X = load_iris().data
model = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
codes = model.transform(X)
child = os.fork()
if child == 0:
    os._exit(0 if (model.transform(X[:1]) == codes[:1]).all() else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], timeout=120, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------ the door


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "float64"])
def test_plain_arrays_come_in_by_the_short_way_with_the_same_result(dtype, monkeypatch):
    X = PICTURES.astype(dtype)
    frozen = X.copy()
    frozen.flags.writeable = False
    model = fitted(VAE, X)
    with monkeypatch.context() as patch:
        patch.setattr("isthmus.models.inputs._needs_nothing", lambda estimator, X: False)
        expected = model.transform(X)
    with monkeypatch.context() as patch:
        patch.setattr("isthmus.models.inputs._load", lambda X: pytest.fail("the long way"))
        for given in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], frozen):
            np.testing.assert_array_equal(model.transform(given), expected)
    np.testing.assert_array_equal(model.transform(X.tolist() if dtype == "float64" else X), expected)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.where(PICTURES.max() == PICTURES, np.nan, PICTURES), "NaN"),
        (np.where(PICTURES.max() == PICTURES, np.inf, PICTURES), "infinity"),
        (PICTURES[:0], "0 sample"),
        (PICTURES[:, :7], "samples of shape"),
        (PICTURES.reshape(-1, 64), "fitted on pictures"),
        (PICTURES[0], "expecting 64 features"),
        (PICTURES.astype(str), "numeric|string"),
    ],
)
def test_the_short_way_lets_nothing_pass_that_the_checks_would_not(X, message):
    with pytest.raises(DataError, match=message):
        fitted(VAE, PICTURES).transform(X)


def test_finite_data_whose_sum_is_not_are_data():
    X = (TABLE * 4e37).astype(np.float32)
    model = fitted(Autoencoder, X, latent_dim=1)
    for rows in (X, np.tile(X, (100, 1)), X.astype(np.float64)):
        assert np.isfinite(model.transform(rows)).all()


def test_names_of_columns_are_still_asked_for():
    iris: Any = load_iris(as_frame=True)
    model = fitted(Autoencoder, iris.data)
    with pytest.warns(UserWarning, match="valid feature names"):
        model.transform(iris.data.to_numpy())


def test_only_bounded_data_are_looked_through_before_scoring(monkeypatch):
    plain, bounded = fitted(VAE, PICTURES), fitted(VAE, PICTURES > 8)
    looked = []
    monkeypatch.setattr(
        "isthmus.models.base.describe_data", lambda X: looked.append(len(X)) or pytest.fail("looked at all")
    )
    plain.score_samples(PICTURES[:3])
    with pytest.raises(pytest.fail.Exception, match="looked"):
        bounded.score_samples(PICTURES[:3] > 8)
    assert looked == [3]


# ------------------------------------------------------------------ memory


@pytest.mark.parametrize(
    ("n_values", "copies"), [(1, 1), (784, 1), (784, 64), (256 * 256 * 3, 1), (256 * 256 * 3, 64), (10**9, 1)]
)
def test_batches_fit_in_memory(n_values, copies):
    module = fitted(VAE, TABLE).module_
    size = batches.batch_size(module, n_values, copies)
    assert 1 <= size <= 512
    assert size == 1 or size * n_values * copies * 4 <= 1 << 21


def test_decoding_goes_by_the_size_of_what_comes_out():
    model = fitted(Autoencoder, np.tile(TABLE, (1, 2000)))
    seen = []
    model.module_.likelihood.register_forward_hook(lambda part, given, made: seen.append(len(given[0])))
    assert model.inverse_transform(np.zeros((100, 2), np.float32)).shape == (100, 8000)
    assert max(seen) * 8000 * 4 <= 1 << 21


# ------------------------------------------------------------------ the command line


def test_the_command_line_takes_backend_and_precision(tmp_path, capsys):
    run = tmp_path / "run"
    fitted(VAE, PICTURES).save(run)
    np.save(tmp_path / "x.npy", PICTURES)
    found = {}
    for name, options in {
        "auto": [],
        "eager": ["--backend", "eager", "--precision", "32"],
        "bf16": ["--precision", "bf16"],
    }.items():
        out = tmp_path / f"{name}.npy"
        assert main(["encode", str(run), str(tmp_path / "x.npy"), "--out", str(out), *options]) == 0
        found[name] = np.load(out)
    np.testing.assert_allclose(found["eager"], found["auto"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["bf16"], found["auto"], rtol=0, atol=0.05 * np.abs(found["auto"]).max())
    assert not np.array_equal(found["bf16"], found["auto"])
    command = ["score", str(run), str(tmp_path / "x.npy")]
    assert main([*command, "--backend", "onnx", "--precision", "bf16"]) == 2
    assert "ONNX Runtime has no bf16 kernels" in capsys.readouterr().err
    assert main([*command, "--backend", "gpu"]) == 2
    assert main([*command, "--backend", "eager"]) == 0


def test_engines_are_kept_with_their_model_and_go_with_it():
    import gc
    import weakref

    model = fitted(DenoisingAutoencoder, TABLE)
    model.transform(TABLE)
    engine = engine_of(model.module_)
    assert engine is engine_of(model.module_)
    assert isinstance(engine, Composed)
    with inference("eager"):
        assert engine_of(model.module_) is not engine
    gone = weakref.ref(engine)
    del engine, model
    gc.collect()
    assert gone() is None


@with_onnx
def test_a_model_elsewhere_is_left_to_pytorch():
    module = copy.deepcopy(fitted(VAE, TABLE).module_).to("meta")
    assert onnx_obstacle(module, "encoder") == "the model is on meta"


@with_onnx
@pytest.mark.parametrize("cls", [VAE, Autoencoder])
def test_the_score_of_a_large_sample_does_not_depend_on_company(cls):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        X = np.random.default_rng(0).normal(size=(9, 40_000)).astype(np.float32)
        model = fitted(cls, X, network="linear")
        np.testing.assert_array_equal(model.score_samples(X)[:1], model.score_samples(X[:1]))
        if cls is VAE:
            for k in (1, 40):
                estimate = partial(model.log_likelihood, n_samples=k)
                np.testing.assert_array_equal(estimate(X)[:1], estimate(X[:1]))
    finally:
        torch.set_num_threads(threads)

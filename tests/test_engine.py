"""The step: formats, the optimiser, compiling, and what is set for the whole process."""

import itertools
import shutil

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import isthmus
from isthmus import VAE, Autoencoder, DivergedError, Trainer
from isthmus.data.info import describe_data
from isthmus.models.fitting import prepare
from isthmus.networks import MLP, Conv
from isthmus.training import Callback
from isthmus.training.adamw import AdamW
from isthmus.training.engine import Engine, clip
from isthmus.training.pilot import Pilot
from isthmus.training.precision import choose_bf16
from isthmus.training.runtime import choose_threads, cpu_quota, process_settings

X = load_digits().images[:300].astype(np.uint8)
CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="compiling needs a C++ compiler"
)


def vae_module(network=None, data=X):
    estimator = VAE(4, network=network or MLP(hidden=(16,)))
    prepare(estimator, describe_data(data), 0)
    return estimator.module_


# ---------------------------------------------------------------- the optimiser


def test_it_is_adamw():
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(5, 3, generator=generator), torch.randn(3, generator=generator)]
    ours, theirs = [w.clone() for w in start], [w.clone().requires_grad_() for w in start]
    groups = [{"params": theirs[:1], "weight_decay": 0.1}, {"params": theirs[1:], "weight_decay": 0.0}]
    reference, optimizer = torch.optim.AdamW(groups, fused=True), AdamW(ours, decay=0.1, paces=[0.25, 1.0])
    for number in range(1, 8):
        gradients = [torch.randn(w.shape, generator=generator) for w in start]
        for group, pace in zip(reference.param_groups, (0.25, 1.0), strict=True):
            group["lr"] = 0.1 * pace / number
        for weight, gradient in zip(theirs, gradients, strict=True):
            weight.grad = gradient
        reference.step()
        optimizer.update(gradients, 0.1 / number, number)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other.detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_inlet_trains_as_a_plain_layer_does_on_smaller_data(compiled):
    wide = np.random.default_rng(0).normal(size=(256, 400)).astype(np.float32)
    slow, plain = vae_module(data=wide), vae_module(data=wide)
    pace = slow.network.encoder[1].pace
    assert pace == 8 / 20
    layer = torch.nn.Linear(400, 16)
    layer.weight.data = slow.network.encoder[1].weight.data / pace
    layer.bias.data.zero_()
    plain.network.encoder[1] = layer
    layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0] * pace,))
    weights = []
    for module in (slow, plain.train()):
        engine = Engine(module.train(), Trainer(weight_decay=0), CPU, bf16=False)
        engine.pilot.settle(compiled and module is slow)
        torch.manual_seed(0)
        for number in range(20):
            engine.step([torch.from_numpy(wide[:64])], number, 20)
        weights.append(module.network.encoder[1].weight.detach())
    torch.testing.assert_close(weights[0], pace * weights[1], rtol=1e-3, atol=1e-5)


def test_gradients_in_another_format_or_layout_are_brought_to_that_of_the_weights():
    weight = torch.randn(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    optimizer = AdamW([weight], decay=0.0)
    gradient = torch.randn(4, 3, 2, 2).bfloat16()
    (wide,) = optimizer.widen([gradient])
    assert wide.dtype == torch.float32
    assert wide.stride() == weight.stride()
    torch.testing.assert_close(wide, gradient.float())
    same = torch.randn_like(weight)
    assert optimizer.widen([same])[0] is same


def test_clipping_is_that_of_pytorch():
    gradients = [torch.randn(4, 4), torch.randn(7)]
    weights = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(weights, 0.5)
    clip(gradients, 0.5)
    for weight, gradient in zip(weights, gradients, strict=True):
        torch.testing.assert_close(gradient, weight.grad)


# ---------------------------------------------------------------- formats


class SeesFloat32(Callback):
    def on_epoch_end(self, epoch):
        assert {t.dtype for t in epoch.module.state_dict().values() if t.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize("network", [MLP(hidden=(16,), norm="batch"), Conv(channels=(4, 8), norm="batch")])
def test_outside_of_the_steps_the_weights_are_float32(network, tmp_path):
    trainer = Trainer(precision="bf16", callbacks=[SeesFloat32()], checkpoint=tmp_path, checkpoint_every=0)
    model = VAE(4, network=network, max_epochs=2, random_state=0, trainer=trainer).fit(X)
    assert all(p.dtype == torch.float32 for p in model.module_.parameters())
    assert "bf16" in model.describe()


def test_small_steps_are_followed_although_bfloat16_cannot_show_them():
    """A step of 1e-4 of a weight of size 1 is lost in bfloat16; the float32 master keeps it."""
    module = vae_module()
    engine = Engine(module, Trainer(learning_rate=1e-4, warmup=0, weight_decay=0, compile=False), CPU, bf16=True)
    with torch.no_grad():
        engine.weights.masters[0].fill_(1.0)
    batch = torch.from_numpy(X[:64])
    with engine.training():
        for number in range(20):
            engine.step([batch], number, 10**6)
        held = engine.weights.live[0].detach()
        assert held.dtype == torch.bfloat16
    moved = (engine.weights.live[0].detach() - 1).abs()
    assert 1e-4 < moved.max() < 3e-3
    torch.testing.assert_close(held, engine.weights.masters[0].bfloat16())


@pytest.mark.parametrize(
    ("wish", "fast", "batch_size", "expected"),
    [
        ("32", True, 1 << 20, False),
        ("bf16", False, 1, True),
        ("auto", True, 1 << 20, True),
        ("auto", True, 8, False),
        ("auto", False, 1 << 20, False),
    ],
)
def test_the_format_is_chosen_by_hardware_and_size(wish, fast, batch_size, expected, monkeypatch):
    monkeypatch.setattr("isthmus.training.precision.has_fast_bf16", lambda device: fast)
    chosen, reason = choose_bf16(wish, vae_module(), torch.from_numpy(X[:1]), batch_size, CPU)
    assert chosen is expected
    assert reason


def test_the_default_reaches_the_bound_of_the_plain_path():
    plain = Trainer(precision="32", compile=False)
    bounds = {
        name: VAE(4, max_epochs=15, random_state=0, trainer=trainer).fit(X).score(X)
        for name, trainer in {"plain": plain, "bf16": Trainer(precision="bf16"), "auto": Trainer()}.items()
    }
    assert bounds["auto"] == pytest.approx(bounds["plain"], rel=0.02)
    assert bounds["bf16"] == pytest.approx(bounds["plain"], rel=0.02)


# ---------------------------------------------------------------- compiling


def compare_paths(cls, precision="32", tolerance=1e-3, **params):
    losses = {}
    for compiled in (False, True):
        trainer = Trainer(compile=compiled, precision=precision, batch_size=60, gradient_clip=1e3)
        model = cls(max_epochs=3, random_state=0, trainer=trainer, **params).fit(X)
        losses[compiled] = model.history_["train_loss"]
    np.testing.assert_allclose(losses[True], losses[False], rtol=tolerance)
    return model


@needs_compiler
def test_the_compiled_step_is_the_plain_step():
    model = compare_paths(VAE, latent_dim=4, network=MLP(hidden=(16,)), beta=2.0, kl_warmup=0.5)
    assert model.choices_["compile"].value == "True"


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in isthmus.models() if name != "linear"])
def test_every_variant_trains_the_same_when_compiling_is_asked_for(name):
    compare_paths(isthmus.models()[name])


@needs_compiler
@pytest.mark.slow
def test_compiled_in_bfloat16():
    compare_paths(VAE, precision="bf16", tolerance=0.02, latent_dim=4)


@needs_compiler
@pytest.mark.slow
def test_a_compiled_training_resumes_exactly(tmp_path):
    def build(resume, callbacks=()):
        trainer = Trainer(compile=True, checkpoint=tmp_path, resume=resume, callbacks=list(callbacks))
        return VAE(4, max_epochs=4, random_state=0, trainer=trainer)

    class Stop(Callback):
        def on_epoch_end(self, epoch):
            if epoch.number == 2:
                raise KeyboardInterrupt

    whole = VAE(4, max_epochs=4, random_state=0, trainer=Trainer(compile=True)).fit(X)
    with pytest.raises(KeyboardInterrupt):
        build(False, [Stop()]).fit(X)
    again = build(True).fit(X)
    assert again.transform(X).tobytes() == whole.transform(X).tobytes()


def test_what_cannot_be_compiled_is_trained_plainly(monkeypatch):
    def broken(*args, **kwargs):
        def fail(*args):
            raise RuntimeError("no compiler")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    trainer = Trainer(compile=True)
    model = Autoencoder(4, max_epochs=2, random_state=0, trainer=trainer).fit(X)
    plain = Autoencoder(4, max_epochs=2, random_state=0, trainer=Trainer(compile=False)).fit(X)
    assert model.transform(X).tobytes() == plain.transform(X).tobytes()
    assert "cannot be compiled here (RuntimeError)" in model.describe()


class Clock:
    """Time that passes only while steps are taken: so long for a plain one, so long for a compiled one."""

    def __init__(self, pilot: Pilot, plain: float, compiled: float) -> None:
        self.pilot, self.now, self.costs = pilot, 0.0, {False: plain, True: compiled}
        pilot._now = lambda: self.now  # type: ignore[method-assign]

    def run(self, n_steps: int) -> list[bool]:
        taken = []
        for number in range(n_steps):
            with self.pilot.watch(32, n_steps - number) as compiled:
                self.now += self.costs[compiled]
                taken.append(compiled)
        return taken


@pytest.mark.parametrize(
    ("plain", "compiled", "n_steps", "expected"),
    [(0.01, 0.005, 50_000, True), (0.01, 0.02, 50_000, False), (0.01, 0.005, 1_000, False)],
    ids=["faster", "slower", "too short"],
)
def test_the_faster_way_is_kept(plain, compiled, n_steps, expected):
    pilot = Pilot("auto", CPU)
    taken = Clock(pilot, plain, compiled).run(n_steps)
    assert pilot.decided is expected
    assert taken[-1] is expected
    assert sum(taken) in ((0,) if n_steps == 1_000 else (40, n_steps - 40))
    assert pilot.reason


@pytest.mark.parametrize("wish", [True, False])
def test_a_wish_is_followed_from_the_first_step(wish):
    assert set(Clock(Pilot(wish, CPU), 1.0, 2.0).run(100)) == {wish}


def test_smaller_batches_are_never_compiled():
    pilot = Pilot(True, CPU)
    taken = []
    for size in (32, 32, 31, 32):
        with pilot.watch(size, 100) as compiled:
            taken.append(compiled)
    assert taken == [True, True, False, True]


def test_a_resumed_training_keeps_to_what_was_decided():
    for before, wish in itertools.product((True, False), ("auto",)):
        pilot = Pilot(wish, CPU)
        pilot.settle(before)
        assert pilot.decided is before


# ---------------------------------------------------------------- the process


def test_settings_of_the_process_are_put_back():
    threads = torch.get_num_threads()
    with process_settings(Trainer(n_threads=1)):
        assert torch.get_num_threads() == 1
        assert (torch.tensor([1e-40]) * 1.0 == 0).all()
    assert torch.get_num_threads() == threads
    assert not (torch.tensor([1e-40]) * 1.0 == 0).all()
    with process_settings(Trainer(flush_denormal=False, keep_memory=False)):
        assert not (torch.tensor([1e-40]) * 1.0 == 0).all()


def test_settings_are_put_back_after_a_failure():
    threads = torch.get_num_threads()
    trainer = Trainer(learning_rate=1e30, n_threads=1, schedule="constant", warmup=0)
    with pytest.raises(DivergedError):
        Autoencoder(4, max_epochs=3, random_state=0, trainer=trainer).fit(X)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("text", "expected"), [("150000 100000", 1.5), ("max 100000", None), ("nonsense", None), (None, None)]
)
def test_the_quota_of_a_container(text, expected, tmp_path, monkeypatch):
    path = tmp_path / "cpu.max"
    if text is not None:
        path.write_text(text)
    assert cpu_quota(path) == expected
    monkeypatch.setattr("isthmus.training.runtime.cpu_quota", lambda: expected)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert choose_threads(None) == (2 if expected else 8)
    assert choose_threads(3) == 3

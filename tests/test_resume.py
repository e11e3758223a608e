"""A training that was interrupted, killed or diverged loses nothing, and goes on exactly where it stood."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

import isthmus
from isthmus import VAE, Autoencoder, CollapseWarning, DivergedError, IsthmusError, LinearAutoencoder, RunError, Trainer
from isthmus.core import Composed
from isthmus.models.base import BaseAutoencoder
from isthmus.networks import MLP
from isthmus.training.adamw import AdamW
from isthmus.training.callbacks import Callback
from isthmus.training.checkpoint import FILE
from isthmus.training.loop import Loop

VARIANTS: dict[str, Callable[..., BaseAutoencoder]] = {
    **{name: cls for name, cls in isthmus.models().items() if cls is not LinearAutoencoder},
    "linear by gradient": lambda **params: LinearAutoencoder(**{"solver": "gradient", **params}),
}
variants = pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS)
pytestmark = pytest.mark.filterwarnings(f"ignore::{CollapseWarning.__module__}.{CollapseWarning.__name__}")

_rng = np.random.default_rng(0)
X = (_rng.normal(size=(90, 6)) @ _rng.normal(size=(6, 6))).astype(np.float32)
EPOCHS, BATCHES = 4, 6


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(make, checkpoint: Path | None = None, resume: bool = False, **changes: Any) -> BaseAutoencoder:
    """Small estimator; changes go to it or, where it does not know them, to its trainer."""
    known = make().get_params(deep=False)
    own = {name: value for name, value in changes.items() if name in known}
    rest = {name: value for name, value in changes.items() if name not in known}
    own_trainer = {"batch_size": 14, "learning_rate": 1e-2, "compile": False}
    trainer = {**own_trainer, "checkpoint": checkpoint, "resume": resume, **rest}
    return make(**{"latent_dim": 2, "max_epochs": EPOCHS, "random_state": 0, "trainer": Trainer(**trainer), **own})


def stop_at_step(monkeypatch, number: int) -> None:
    """Ctrl-C before optimiser step ``number`` of a training, as the loop sees it: between two steps."""
    real, count = Loop._step, iter(range(10_000))

    def step(self, *args, **kwargs):
        if next(count) == number:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Loop, "_step", step)


def interrupted(estimator: BaseAutoencoder, monkeypatch, step: int, data: np.ndarray = X) -> None:
    with monkeypatch.context() as patch:
        stop_at_step(patch, step)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(data)


def state(estimator: BaseAutoencoder) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in estimator.module_.state_dict().items()}


def history(estimator: BaseAutoencoder) -> dict[str, list[float]]:
    return {name: values for name, values in estimator.history_.items() if name != "seconds"}


def assert_same(first: BaseAutoencoder, second: BaseAutoencoder) -> None:
    assert state(first) == state(second)
    assert history(first) == history(second)
    assert (first.best_epoch_, first.describe()) == (second.best_epoch_, second.describe())
    assert first.transform(X).tobytes() == second.transform(X).tobytes()


def assert_usable(estimator: BaseAutoencoder, folder: Path) -> None:
    """Whatever happened, the estimator works, and so does what it saves."""
    assert np.isfinite(estimator.transform(X)).all()
    assert np.isfinite(estimator.score_samples(X)).all()
    assert np.isfinite(estimator.sample(2, random_state=0)).all()
    assert not estimator.module_.training
    estimator.save(folder / "run")
    loaded = isthmus.load(folder / "run")
    assert loaded.transform(X).tobytes() == estimator.transform(X).tobytes()


class AtEpoch(Callback):
    """Act at the end of one epoch."""

    def __init__(self, number: int, act: Callable[[], Any]) -> None:
        self.number, self.act = number, act

    def on_epoch_end(self, epoch) -> bool | None:
        return self.act() if epoch.number == self.number else None


def ctrl_c() -> None:
    raise KeyboardInterrupt


# ---------------------------------------------------------------- resumed equals uninterrupted

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no validation": {"validation_fraction": 0},
    "bf16": {"precision": "bf16"},
    "early stopping": {"early_stopping": 1, "learning_rate": 0.3, "max_epochs": 12, "schedule": "constant"},
    "clipped": {"gradient_clip": 0.1, "warmup": 0.5},
    "every step": {"checkpoint_every": 0},
    "dropout and batch norm": {"network": MLP(hidden=(8, 8), norm="batch", dropout=0.3)},
    "warm-up": {"kl_warmup": 0.5, "beta": 2.0, "free_bits": 0.1},
}


@variants
@pytest.mark.parametrize("setting", SETTINGS)
def test_resumed_equals_uninterrupted(make, setting, tmp_path, monkeypatch):
    changes = SETTINGS[setting]
    own = make().get_params(deep=False).keys() | Trainer().get_params().keys()
    if not changes.keys() <= own or ("network" in changes and "network" in make().recipe()):
        pytest.skip("the variant has no such parameter")
    whole = build(make, **changes).fit(X)
    n_steps = len(whole.history_["epoch"]) * BATCHES
    draw = random.Random(f"{setting} {type(whole).__name__}")
    for step in [0, BATCHES, n_steps - 1, *draw.sample(range(1, n_steps - 1), 2)]:
        folder = tmp_path / str(step)
        interrupted(build(make, folder, **changes), monkeypatch, step)
        assert (folder / FILE).exists()
        assert_same(build(make, folder, resume=True, **changes).fit(X), whole)


@variants
def test_interrupted_again_and_again(make, tmp_path, monkeypatch):
    for step in range(1, 6):
        interrupted(build(make, tmp_path, resume=step > 1), monkeypatch, step)
    assert_same(build(make, tmp_path, resume=True).fit(X), build(make).fit(X))


@pytest.mark.parametrize("epoch", [1, EPOCHS - 1, EPOCHS])
def test_interrupted_by_a_callback(epoch, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build(VAE, tmp_path, callbacks=[AtEpoch(epoch, ctrl_c)]).fit(X)
    assert_same(build(VAE, tmp_path, resume=True).fit(X), build(VAE).fit(X))


def test_interrupted_when_patience_ends(tmp_path):
    changes = SETTINGS["early stopping"]
    whole = build(VAE, **changes).fit(X)
    last = len(whole.history_["epoch"])
    assert last < changes["max_epochs"]
    with pytest.raises(KeyboardInterrupt):
        build(VAE, tmp_path, callbacks=[AtEpoch(last, ctrl_c)], **changes).fit(X)
    assert_same(build(VAE, tmp_path, resume=True, **changes).fit(X), whole)


def test_a_second_interrupt_inside_a_step_does_not_tear_the_checkpoint(tmp_path, monkeypatch):
    """The weights have moved, and the position has not yet."""
    real, count = AdamW.apply, iter(range(1000))

    def step(self, *args, **kwargs):
        real(self, *args, **kwargs)
        if next(count) == BATCHES + 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AdamW, "apply", step)
        with pytest.raises(KeyboardInterrupt):
            build(VAE, tmp_path, checkpoint_every=0).fit(X)
    assert_same(build(VAE, tmp_path, resume=True).fit(X), build(VAE).fit(X))


@pytest.mark.parametrize("seed", [None, np.random.RandomState], ids=["None", "RandomState"])
def test_unseeded_training_resumes(seed, tmp_path, monkeypatch):
    def draw():
        return seed and seed(3)

    first = build(VAE, tmp_path, random_state=draw(), checkpoint_every=0)
    kept: list[bytes] = []
    real = Loop.save

    def save(self):
        real(self)
        if self.position.step == 10:
            kept.append((tmp_path / FILE).read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "save", save)
        first.fit(X)
    (tmp_path / FILE).write_bytes(kept[0])
    assert_same(build(VAE, tmp_path, resume=True, random_state=draw()).fit(X), first)


def test_a_finished_training_is_left_as_it_is(tmp_path, monkeypatch):
    whole = build(VAE, tmp_path).fit(X)
    with monkeypatch.context() as patch:
        stop_at_step(patch, 0)
        again = build(VAE, tmp_path, resume=True).fit(X)
    assert_same(again, whole)


def test_nothing_to_resume_is_a_new_start(tmp_path):
    assert_same(build(VAE, tmp_path / "none", resume=True).fit(X), build(VAE).fit(X))


# ---------------------------------------------------------------- checkpoints that are refused

OTHERS: dict[str, tuple[dict[str, Any], Any]] = {
    "data": ({}, X + 1),
    "rows": ({}, X[:-1]),
    "columns": ({}, X[:, :-1]),
    "dtype": ({}, X.astype(np.float64)),
    "latent_dim": ({"latent_dim": 3}, X),
    "seed": ({"random_state": 1}, X),
    "network": ({"network": "linear"}, X),
    "learning rate": ({"learning_rate": 0.02}, X),
    "epochs": ({"max_epochs": EPOCHS + 1}, X),
    "beta": ({"beta": 2.0}, X),
}


@pytest.fixture
def checkpoint(tmp_path, monkeypatch) -> Path:
    interrupted(build(VAE, tmp_path), monkeypatch, 2 * BATCHES + 1)
    return tmp_path


@pytest.mark.parametrize("name", OTHERS)
def test_checkpoint_of_another_training(checkpoint, name):
    changes, data = OTHERS[name]
    before = (checkpoint / FILE).read_bytes()
    estimator = build(VAE, checkpoint, resume=True, **changes)
    with pytest.raises(RunError, match=r"^[^\n]*other data, parameters or versions[^\n]*$"):
        estimator.fit(data)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    assert (checkpoint / FILE).read_bytes() == before


def test_checkpoint_of_another_variant(checkpoint):
    with pytest.raises(RunError, match="other data, parameters or versions"):
        build(Autoencoder, checkpoint, resume=True).fit(X)


def test_a_refused_resume_leaves_a_fitted_model_alone(checkpoint):
    estimator = build(VAE).fit(X)
    before = state(estimator)
    estimator.set_params(trainer=Trainer(checkpoint=checkpoint, resume=True))
    with pytest.raises(RunError):
        estimator.fit(X + 1)
    assert state(estimator) == before


def test_damaged_checkpoint(checkpoint):
    path = checkpoint / FILE
    whole = path.read_bytes()
    draw = random.Random(0)
    damaged = [whole[: len(whole) * part // 20] for part in range(20)] + [b"\x80\x04pickle", bytes(1000)]
    for _ in range(40):
        at = draw.randrange(len(whole))
        damaged.append(whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :])
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(RunError, match=r"^[^\n]*$"):
            build(VAE, checkpoint, resume=True).fit(X)


def test_checkpoint_that_is_no_file(checkpoint):
    for make in (os.mkdir, os.mkfifo):
        (checkpoint / FILE).unlink()
        make(checkpoint / FILE)
        with pytest.raises(RunError):
            build(VAE, checkpoint, resume=True).fit(X)
        os.rename(checkpoint / FILE, checkpoint / f"old {make.__name__}")
        (checkpoint / FILE).touch()


def test_checkpoint_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    for resume in (False, True):
        with pytest.raises(IsthmusError):
            build(VAE, tmp_path / "file", resume=resume).fit(X)


# ---------------------------------------------------------------- the caller's process


def surroundings() -> tuple:
    denormal = bool((torch.tensor([1e-40]) * 1.0 == 0).all())
    threads = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
    numbers = (torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate())  # noqa: NPY002
    return denormal, threads, numbers, signal.getsignal(signal.SIGINT), torch.is_inference_mode_enabled()


@variants
@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("end", ["finished", "interrupted", "failed", "diverged", "refused"])
def test_the_caller_keeps_its_settings(make, flushed, end, tmp_path, monkeypatch):
    def fail() -> None:
        raise ZeroDivisionError

    acts = {"interrupted": ctrl_c, "failed": fail}
    estimator = build(make, tmp_path, callbacks=[AtEpoch(2, acts[end])] if end in acts else [])
    if end == "refused":
        build(make, tmp_path, max_epochs=1).fit(X)
        estimator.set_params(trainer__resume=True)
    if end == "diverged":
        diverge(monkeypatch, epoch=2)
    torch.set_flush_denormal(flushed)
    try:
        before = surroundings()
        expected = {"finished": (), "failed": ZeroDivisionError, "diverged": DivergedError, "refused": RunError}
        try:
            estimator.fit(X)
        except expected.get(end, KeyboardInterrupt):
            pass
        else:
            assert end == "finished"
        assert surroundings() == before
    finally:
        torch.set_flush_denormal(False)


def test_a_signal_arrives_after_the_step(tmp_path):
    estimator = build(VAE, tmp_path, callbacks=[AtEpoch(2, lambda: os.kill(os.getpid(), signal.SIGINT))])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    assert_usable(estimator, tmp_path)
    assert_same(build(VAE, tmp_path, resume=True).fit(X), build(VAE).fit(X))


def test_a_signal_in_the_last_epoch_is_not_swallowed():
    estimator = build(VAE, callbacks=[AtEpoch(EPOCHS, lambda: os.kill(os.getpid(), signal.SIGINT))])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)


# ---------------------------------------------------------------- interrupted or diverged, and usable


@variants
@pytest.mark.parametrize("step", [0, 1, BATCHES, BATCHES + 2])
def test_interrupted_estimator_is_usable(make, step, tmp_path, monkeypatch):
    estimator = build(make, tmp_path)
    interrupted(estimator, monkeypatch, step)
    assert_usable(estimator, tmp_path)
    assert estimator.history_.get("epoch", []) == list(range(1, step // BATCHES + 1))


def diverge(monkeypatch, epoch: int) -> None:
    """Make the reconstruction cost NaN from this epoch on."""
    real, count = Composed.costs, iter(range(10_000))

    def costs(self, step):
        found = real(self, step)
        bad = self.training and next(count) >= (epoch - 1) * BATCHES
        return {**found, "nll": found["nll"] * float("nan")} if bad else found

    monkeypatch.setattr(Composed, "costs", costs)


@variants
@pytest.mark.parametrize("epoch", [1, 3])
def test_diverged_estimator_is_usable(make, epoch, tmp_path, monkeypatch):
    estimator = build(make, tmp_path)
    with monkeypatch.context() as patch:
        diverge(patch, epoch)
        with pytest.raises(DivergedError, match=f"nll became nan in epoch {epoch}"):
            estimator.fit(X)
    assert_usable(estimator, tmp_path)
    assert estimator.history_.get("epoch", []) == list(range(1, epoch))


@variants
@pytest.mark.parametrize(
    "changes",
    [{}, {"validation_fraction": 0}, {"validation_fraction": 0, "max_epochs": 1, "batch_size": 90}],
    ids=["validated", "not validated", "one step"],
)
def test_diverging_learning_rate(make, changes, tmp_path):
    changes = {"learning_rate": 1e30, "schedule": "constant", "warmup": 0, **changes}
    estimator = build(make, tmp_path, **changes)
    with pytest.raises(DivergedError, match=r"(nll|kl|loss)\b.* epoch \d"):
        estimator.fit(X)
    assert_usable(estimator, tmp_path)


@pytest.mark.parametrize("cls", [VAE, Autoencoder])
def test_interrupted_while_it_diverges(cls, tmp_path, monkeypatch):
    estimator = build(cls, tmp_path, learning_rate=1e30, warmup=0)
    interrupted(estimator, monkeypatch, 3)
    assert_usable(estimator, tmp_path)


# ---------------------------------------------------------------- kill -9


def command(out: Path) -> list[str]:
    words = ["--latent_dim", "2", "--max_epochs", "8", "--random_state", "0", "--trainer.checkpoint_every", "0"]
    resume = ["--resume"] if (out / "checkpoint").is_dir() else []
    fit = [sys.executable, "-m", "isthmus.cli", "fit", "vae", "shapes:n=300,size=8", "--out", str(out)]
    return [*fit, "--quiet", "--report", "false", *words, *resume]


@pytest.mark.slow
def test_killed_and_resumed(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(tmp_path / "whole"), env=environment, check=True, capture_output=True)
    killed, draw = tmp_path / "killed", random.Random(0)
    for _ in range(2):
        training = subprocess.Popen(command(killed), env=environment, stderr=subprocess.DEVNULL)
        before = (killed / "checkpoint" / FILE).stat().st_mtime_ns if (killed / "checkpoint" / FILE).exists() else 0
        while training.poll() is None:
            path = killed / "checkpoint" / FILE
            if path.exists() and path.stat().st_mtime_ns != before:
                break
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.2))
        training.kill()
        assert training.wait() == -signal.SIGKILL
    subprocess.run(command(killed), env=environment, check=True, capture_output=True)
    whole = (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert (killed / "model.safetensors").read_bytes() == whole

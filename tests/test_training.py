"""The loop's own behaviour: schedule, choice of the best epoch, callbacks, loggers."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from isthmus import VAE, Autoencoder, MissingExtraError, Trainer
from isthmus.training import Callback
from isthmus.training.batches import Batches
from isthmus.training.schedule import learning_rate

X = load_digits().images[:300]


def test_the_rate_warms_up_and_decays_to_nothing():
    trainer = Trainer(learning_rate=1.0, warmup=0.1)
    rates = np.array([learning_rate(trainer, step, 100) for step in range(100)])
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 10)
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] < 1e-3
    constant = Trainer(learning_rate=0.5, warmup=0.0, schedule="constant")
    assert {learning_rate(constant, step, 100) for step in range(100)} == {0.5}


def test_batches_are_even_and_cover_every_row_once():
    rows = np.arange(0, 200, 2)
    batches = Batches(np.arange(200.0)[:, None], rows, 32, device_of_cpu())
    seen = [batch[:, 0].numpy() for (batch,) in batches.epoch(seed=3)]
    assert {len(part) for part in seen} == {25}
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), rows)
    assert not np.array_equal(np.concatenate(seen), rows)
    again = [batch[:, 0].numpy() for (batch,) in batches.epoch(seed=3, start=2)]
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(seen[2:]))


def test_bytes_stay_bytes_until_the_batch():
    batches = Batches(np.zeros((50, 4, 4), np.uint8), np.arange(50), 10, device_of_cpu())
    assert next(iter(batches.epoch(seed=0)))[0].numpy().dtype == np.uint8


def test_the_best_epoch_is_kept_and_training_stops_when_it_is_long_past():
    trainer = Trainer(learning_rate=0.02, schedule="constant", early_stopping=5)
    model = Autoencoder(8, max_epochs=300, random_state=0, trainer=trainer).fit(X)
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == int(np.argmin(losses)) + 1
    assert len(losses) == model.best_epoch_ + 5 < 300


def test_history_adds_up():
    history = VAE(2, beta=3.0, max_epochs=2, random_state=0).fit(X).history_
    for part in ("train", "val"):
        total = np.array(history[f"{part}_nll"]) + 3 * np.array(history[f"{part}_kl"])
        np.testing.assert_allclose(history[f"{part}_loss"], total)
    assert history["epoch"] == [1, 2]


def test_nothing_is_held_out_of_a_few_rows():
    history = VAE(2, max_epochs=2, random_state=0).fit(X[:15]).history_
    assert "val_loss" not in history


def test_bf16_reaches_the_loss_of_fp32():
    losses = {}
    for precision in ("32", "bf16"):
        trainer = Trainer(precision=precision)
        losses[precision] = min(VAE(4, max_epochs=15, random_state=0, trainer=trainer).fit(X).history_["val_loss"])
    assert losses["bf16"] == pytest.approx(losses["32"], rel=0.03)


def test_gradient_clipping_bounds_the_step():
    clipped = VAE(2, max_epochs=1, random_state=0, trainer=Trainer(gradient_clip=1e-12)).fit(X).score(X)
    free = VAE(2, max_epochs=1, random_state=0).fit(X).score(X)
    assert free > clipped + 1


class Recorder(Callback):
    def __init__(self, stop_after=None):
        self.stop_after, self.calls = stop_after, []

    def on_fit_start(self, params, n_epochs):
        self.calls.append(("start", params["latent_dim"], n_epochs))

    def on_epoch_end(self, epoch):
        self.calls.append((epoch.number, epoch.metrics["val_loss"], epoch.is_best))
        assert not epoch.module.training
        return epoch.number == self.stop_after

    def on_fit_end(self):
        self.calls.append("end")


def test_callbacks_see_every_epoch_and_may_stop():
    recorder = Recorder(stop_after=3)
    model = VAE(2, max_epochs=9, random_state=0, trainer=Trainer(callbacks=[recorder])).fit(X)
    assert recorder.calls[0] == ("start", 2, 9)
    assert [call[1] for call in recorder.calls[1:-1]] == model.history_["val_loss"]
    assert recorder.calls[-1] == "end"
    assert len(model.history_["epoch"]) == 3


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_logger_names_the_extra(name, monkeypatch, tmp_path):
    for module in ("mlflow", "tensorboard", "torch.utils.tensorboard.writer"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{name}.*pip install 'isthmus\[track\]'"):
        VAE(2, max_epochs=1, trainer=Trainer(loggers=[name], log_dir=tmp_path)).fit(X)


def test_metrics_reach_tensorboard(monkeypatch, tmp_path):
    scalars = []
    writer = SimpleNamespace(add_scalar=lambda *args: scalars.append(args), close=lambda: scalars.append("closed"))
    fake = ModuleType("torch.utils.tensorboard.writer")
    fake.SummaryWriter = lambda folder: writer  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", ModuleType("torch.utils.tensorboard"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", fake)
    model = VAE(2, max_epochs=2, trainer=Trainer(loggers=["tensorboard"], log_dir=tmp_path)).fit(X)
    assert ("val_loss", model.history_["val_loss"][1], 2) in scalars
    assert scalars[-1] == "closed"


def test_metrics_reach_mlflow(monkeypatch, tmp_path):
    calls = []
    fake = ModuleType("mlflow")
    for name in ("set_tracking_uri", "start_run", "log_params", "log_metrics", "end_run"):
        setattr(fake, name, lambda *args, _name=name, **kwargs: calls.append((_name, args, kwargs)))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    VAE(2, max_epochs=2, trainer=Trainer(loggers=["mlflow"], log_dir=tmp_path)).fit(X)
    names = [name for name, *_ in calls]
    assert names == ["set_tracking_uri", "start_run", "log_params", "log_metrics", "log_metrics", "end_run"]
    assert calls[2][1][0]["latent_dim"] == "2"


def device_of_cpu():
    import torch

    return torch.device("cpu")

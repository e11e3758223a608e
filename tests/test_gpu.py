"""Training and use on a GPU, against the CPU; skipped where there is none."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import isthmus
from isthmus import VAE, CollapseWarning, ConditionalVAE, LinearAutoencoder, Trainer

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU"),
    pytest.mark.filterwarnings(f"ignore::{CollapseWarning.__module__}.{CollapseWarning.__name__}"),
]
X: Any = load_digits().images.astype(np.float32)
MODELS = [cls for cls in isthmus.models().values() if cls is not LinearAutoencoder]


def build(cls, device: str, **options):
    trainer = Trainer(device=device, **{"precision": "32", "compile": False, "batch_size": 150, **options})
    return cls(latent_dim=4, max_epochs=4, random_state=0, trainer=trainer)


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.name)
def test_every_model_learns_there_and_is_used_there(cls, tmp_path):
    cpu, gpu = build(cls, "cpu").fit(X), build(cls, "cuda").fit(X)
    assert gpu.module_.scaling.shift.device.type == "cuda"
    np.testing.assert_allclose(gpu.score(X), cpu.score(X), rtol=0.06)
    assert gpu.sample(3, random_state=0).shape == (3, 8, 8)
    assert np.isfinite(list(gpu.evaluate(X[:100]).values())).all()
    gpu.save(tmp_path / "run")
    # TF32 is off by default, so that only the order of sums differs.
    np.testing.assert_allclose(isthmus.load(tmp_path / "run").transform(X), gpu.transform(X), atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"gradient_clip": 1.0}, {"precision": "bf16"}], ids=str)
def test_a_recorded_step_is_the_step(options, monkeypatch):
    from isthmus.training.recorded import RecordedStep

    recorded = build(VAE, "cuda", **options).set_params(kl_warmup=0.5).fit(X)
    monkeypatch.setattr(RecordedStep, "__call__", lambda self, batch: False)
    plain = build(VAE, "cuda", **options).set_params(kl_warmup=0.5).fit(X)
    np.testing.assert_allclose(recorded.history_["train_loss"], plain.history_["train_loss"], rtol=1e-3)
    np.testing.assert_allclose(recorded.transform(X), plain.transform(X), atol=0.05)


def test_steps_are_recorded(monkeypatch):
    from isthmus.training.recorded import RecordedStep

    made = []
    init = RecordedStep.__init__
    monkeypatch.setattr(RecordedStep, "__init__", lambda self, *args: (init(self, *args), made.append(self))[0])
    build(VAE, "cuda").fit(X)
    assert made[0]._graph is not None


def test_classes_are_known_there():
    y = load_digits().target
    model = build(ConditionalVAE, "cuda").fit(X, y)
    assert model.sample(5, y=3).shape == (5, 8, 8)
    assert model.transform(X, y).shape == (len(X), 4)


def test_resumed_training_goes_on(tmp_path):
    whole = build(VAE, "cuda", checkpoint=tmp_path).fit(X)
    again = build(VAE, "cuda", checkpoint=tmp_path, resume=True).fit(X)
    np.testing.assert_array_equal(whole.transform(X), again.transform(X))

"""The stacked autoencoder: each stage an autoencoder of the one before, and trainings cut off in any of them."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits
from test_resume import assert_usable, diverge, interrupted, one_thread

import isthmus
from isthmus import DivergedError, OvercompleteWarning, ParameterError, RunError, StackedAutoencoder, Trainer
from isthmus.corruptions import NoCorruption
from isthmus.data import Samples, load
from isthmus.likelihoods import BernoulliLikelihood, GaussianLikelihood, LaplaceLikelihood
from isthmus.models.stacked import falling_widths
from isthmus.models.stages import from_table, to_table
from isthmus.networks import MLP, Conv, Linear, Network, UNet
from isthmus.networks.stage import stage_network
from isthmus.report import write_report
from isthmus.report.stacked import stages as report_of_stages
from isthmus.report.view import View
from isthmus.terms.contribution import Contribution, reach_of
from isthmus.training.callbacks import Callback
from isthmus.training.checkpoint import FILE
from isthmus.training.loop import Loop

_ = one_thread  # a fixture: every test here runs on one thread

DIGITS = load_digits().images
_rng = np.random.default_rng(0)
TABLE = (_rng.normal(size=(90, 6)) @ _rng.normal(size=(6, 6))).astype(np.float32)
BATCHES = 6
NETWORKS = [
    (MLP(hidden=(6, 5)), (7,)),
    (MLP(hidden=(6,), norm="batch", dropout=0.2), (7,)),
    (MLP(hidden=(6, 5, 4), norm="layer", code_activation="tanh"), (3, 5)),
    (Conv(channels=(4, 6), width=8), (9, 7)),
    (Conv(channels=(4, 6), width=8, pool="avg", norm="batch"), (9, 7, 3)),
    (Conv(channels=(4,), width=8, pool="max", norm="layer"), (1, 5)),
    (Conv(channels=(4,), width=None, code_channels=1), (1, 5)),
    (Conv(channels=(4, 6), width=None, code_channels=1, norm="batch"), (3, 9)),
]
networks = pytest.mark.parametrize(("network", "shape"), NETWORKS, ids=[f"{n!r}-{s}" for n, s in NETWORKS])


def set_up(network: Network, shape: tuple[int, ...]) -> Network:
    torch.manual_seed(0)
    network = type(network)(**network.config())
    network.setup(event_shape=shape, n_features=3, latent_dim=3, n_outputs=2)
    return network.eval()


def build(folder: Path | None = None, resume: bool = False, **changes: Any) -> StackedAutoencoder:
    trainer = {"batch_size": 14, "learning_rate": 1e-2, "checkpoint": folder, "resume": resume}
    trainer |= {name: changes.pop(name) for name in list(changes) if name in Trainer().get_params()}
    params = {"latent_dim": 2, "widths": (4,), "max_epochs": 2, "random_state": 0, **changes}
    return StackedAutoencoder(**params, trainer=Trainer(**trainer))


def losses(estimator: StackedAutoencoder) -> list[tuple[str, int, list[float]]]:
    return [(stage.name, stage.n_out, stage.history["train_loss"]) for stage in estimator.stages_]


# ---------------------------------------------------------------- the stages of a network


@networks
def test_the_stages_in_turn_are_the_network(network, shape):
    network = set_up(network, shape)
    x, z = torch.randn(4, *shape), torch.randn(4, 3)
    h, y = x, z
    assert len(network.stages()) == network.n_stages
    for encoder, _ in network.stages():
        h = encoder(h)
    for _, decoder in reversed(network.stages()):
        y = decoder(y)
    assert torch.equal(h, network.encoder(x))
    assert torch.equal(y, network.decoder(z))
    owners = [p for halves in network.stages() for half in halves for p in half.parameters()]
    assert [id(p) for p in sorted(owners, key=id)] == sorted(id(p) for p in network.parameters())


@networks
def test_each_stage_is_an_autoencoder_of_what_the_one_before_makes(network, shape):
    network = set_up(network, shape)
    h, seen = torch.randn(4, *shape), None
    for halves in network.stages():
        made = tuple(halves[0](h).shape[1:])
        stage = stage_network(halves, made, seen, n_outputs=1 if seen else 2)
        flat = h if seen is None else h.flatten(1)
        code = stage.encoder(flat)
        assert code.ndim == 2
        assert stage.decoder(code).shape == (*flat.shape, 1 if seen else 2)
        assert torch.equal(code, halves[0](h).flatten(1))
        h, seen = halves[0](h), made


@pytest.mark.parametrize("network", [Linear(), MLP(hidden=()), UNet(channels=(2, 3)), "linear", "unet"], ids=repr)
def test_a_network_that_cannot_be_taken_apart_is_one_stage(network):
    with pytest.raises(ParameterError, match=r"single stage.*use network='mlp' or 'conv'"):
        StackedAutoencoder(network=network, max_epochs=1).fit(DIGITS[:50])


@pytest.mark.parametrize(("n_values", "latent_dim"), [(784, 16), (64, 8), (30, 4), (4, 2), (1, 1), (4, 4), (3, 9)])
def test_widths_lead_gradually_from_the_data_to_the_code(n_values, latent_dim):
    widths = np.array([n_values, *falling_widths(n_values, latent_dim), latent_dim])
    assert 3 <= len(widths) <= 5
    ratios = np.log(widths[1:] / widths[:-1])
    assert np.all(np.sign(ratios) == np.sign(latent_dim - n_values)) or np.ptp(ratios) < 0.5
    np.testing.assert_allclose(ratios, np.mean(ratios), atol=0.35)


def test_widths_are_of_layers_or_of_channels():
    X = np.random.RandomState(0).rand(40, 16, 17, 3)
    shapes = {}
    for network in ("auto", "mlp", "conv", "conv_pool"):
        model = StackedAutoencoder(2, widths=(5, 4), network=network, max_epochs=1, random_state=0).fit(X)
        shapes[network] = [model.features(X, stage).shape[1] for stage in (1, 2, 3)]
    assert shapes == {"mlp": [5, 4, 2]} | {name: [5 * 8 * 9, 4 * 4 * 5, 2] for name in ("auto", "conv", "conv_pool")}
    assert isinstance(model.module_.network, Conv)
    assert model.module_.network.pool == "max"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pretraining": None, "fine_tuning": False}, "trains nothing"),
        ({"network": MLP(hidden=(4,))}, "both say how wide"),
        ({"widths": (4, 0)}, "at least one unit"),
        ({"pretraining": "greedy"}, "pretraining"),
        ({"noise": 1.5, "pretraining": "denoising"}, "share of masked values"),
    ],
)
def test_parameters_that_do_not_fit(changes, words):
    with pytest.raises(ParameterError, match=words):
        build(**changes).fit(TABLE)


def test_stages_are_counted_from_one():
    model = build().fit(TABLE)
    for stage in (0, 3):
        with pytest.raises(ParameterError, match=f"from 1 to 2, got {stage}"):
            model.features(TABLE, stage)
    np.testing.assert_array_equal(model.features(TABLE, 2), model.transform(TABLE))


# ---------------------------------------------------------------- greedy training


class Snapshots(Callback):
    """Weights of the whole at the end of every training, and the names of the trainings."""

    def __init__(self, estimator: StackedAutoencoder) -> None:
        self.estimator, self.weights, self.names = estimator, [], []

    def on_fit_start(self, params, n_epochs) -> None:
        if not self.weights:
            self.on_fit_end()

    def on_epoch_end(self, epoch) -> None:
        self.names.append((epoch.stage, epoch.number))

    def on_fit_end(self) -> None:
        self.weights.append({k: v.clone() for k, v in self.estimator.module_.network.named_parameters()})


def test_each_training_moves_its_own_stage_and_the_last_all_of_them():
    estimator = build(widths=(5, 4), max_epochs=2, pretraining_epochs=1)
    watch = Snapshots(estimator)
    estimator.trainer.callbacks = [watch]
    estimator.fit(TABLE)
    network = estimator.module_.network
    owned = [{id(p) for half in halves for p in half.parameters()} for halves in network.stages()]
    where = {name: next(i for i, ids in enumerate(owned) if id(p) in ids) for name, p in network.named_parameters()}
    for i, (before, after) in enumerate(zip(watch.weights, watch.weights[1:], strict=False)):
        moved = {where[name] for name in where if not torch.equal(before[name], after[name])}
        assert moved == ({i} if i < 3 else {0, 1, 2})
    assert watch.names == [*((f"stage {i} of 3", 1) for i in (1, 2, 3)), ("", 1), ("", 2)]
    assert estimator.history_["epoch"] == [1, 2]


@pytest.mark.parametrize("X", [TABLE, DIGITS[:80]], ids=["table", "pictures"])
def test_the_loss_of_the_first_stage_is_that_of_the_data_rebuilt_through_it(X):
    model = build(likelihood="l2", fine_tuning=False, scaling="none", validation_fraction=0).fit(X)
    rebuilt = model.reconstruct(X, stage=1)
    nll = 0.5 * ((rebuilt - X) ** 2 + np.log(2 * np.pi)).reshape(len(X), -1).sum(1).mean()
    # The loss is a mean over the last epoch, whose learning rate falls to nothing.
    assert nll == pytest.approx(model.stages_[0].history["train_loss"][-1], rel=0.2)
    assert nll < model.stages_[0].history["train_loss"][0]


def test_r2_of_a_stage_is_that_of_held_out_rows_through_the_stages_so_far():
    seen: list[np.ndarray] = []
    model = build(widths=(5, 4), fine_tuning=False, validation_fraction=0.3, max_epochs=20)
    real = Loop.__init__

    def init(self, module, X, split, **options) -> None:
        seen.append(split.validation)
        real(self, module, X, split, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "__init__", init)
        model.fit(TABLE)
    rows = TABLE[seen[0]]
    for i, stage in enumerate(model.stages_, start=1):
        error = np.mean((model.reconstruct(rows, stage=i) - rows) ** 2)
        assert stage.r2 == pytest.approx(1 - error / rows.var(0).mean(), rel=1e-5)
    assert model.stages_[0].r2 > model.stages_[1].r2 > model.stages_[2].r2 > 0


def test_denoising_stages_corrupt_what_they_see_and_nothing_else():
    X = DIGITS[:300]
    found = [
        StackedAutoencoder(4, pretraining="denoising", noise=noise, max_epochs=8, random_state=0).fit(X)
        for noise in (0.1, 0.5)
    ]
    plain = StackedAutoencoder(4, max_epochs=8, random_state=0).fit(X)
    for i in range(3):
        ends = [model.stages_[i].history["train_nll"][-1] for model in (plain, *found)]
        assert ends == sorted(ends)
    assert isinstance(found[0].module_.corruption, NoCorruption)


def test_sparsity_is_weighed_in_every_stage():
    model = build(pretraining="sparse", sparsity=0.7).fit(TABLE)
    for stage in model.stages_:
        h = stage.history
        np.testing.assert_allclose(h["train_loss"], np.add(h["train_nll"], np.multiply(0.7, h["train_l1"])), rtol=1e-6)
    assert "train_l1" not in model.history_


def test_a_penalty_makes_the_features_of_a_stage_sparse():
    X, network = DIGITS[:400], MLP(hidden=(48,), activation="relu")
    share = []
    for sparsity in (0, 3):
        model = StackedAutoencoder(
            4,
            network=network,
            pretraining="sparse",
            sparsity=sparsity,
            fine_tuning=False,
            max_epochs=20,
            random_state=0,
        )
        share.append(np.mean(model.fit(X).features(X, 1) == 0))
    assert share[1] > share[0] + 0.05


@pytest.mark.parametrize("pretraining", ["plain", "denoising", "sparse"])
def test_only_a_code_that_nothing_else_restrains_can_copy(pretraining):
    model = build(latent_dim=6, pretraining=pretraining, fine_tuning=False, max_epochs=1)
    if pretraining == "plain":
        with pytest.warns(OvercompleteWarning):
            model.fit(TABLE)
    else:
        model.fit(TABLE)
        with pytest.warns(OvercompleteWarning):
            model.set_params(fine_tuning=True).fit(TABLE)


def test_the_whole_starts_from_what_its_stages_have_learned():
    X = DIGITS[:400]
    network = MLP(hidden=(64, 32, 16), activation="tanh")
    first, scratch = (
        StackedAutoencoder(8, network=network, pretraining=kind, pretraining_epochs=10, max_epochs=1, random_state=0)
        for kind in ("plain", None)
    )
    assert first.fit(X).evaluate(X)["r2"] > scratch.fit(X).evaluate(X)["r2"] + 0.1


# ---------------------------------------------------------------- the scale of the likelihood


@pytest.mark.parametrize("family", [GaussianLikelihood, LaplaceLikelihood])
@pytest.mark.parametrize("scale", ["learned", "per_feature"])
def test_calibrated_scale_has_the_greatest_likelihood(family, scale):
    model = StackedAutoencoder(2, likelihood=family(scale), max_epochs=1, random_state=0).fit(TABLE)
    likelihood = model.module_.likelihood
    x = torch.tensor(TABLE)
    y = torch.randn(*x.shape, 1, generator=torch.Generator().manual_seed(0))
    likelihood.calibrate(y, x)
    location = likelihood(y).mean.detach().numpy()
    spread = (likelihood.spread * likelihood.unit_).detach().numpy()
    error = TABLE - location
    if scale == "learned":  # one scale in the network's units
        error = error / likelihood.unit_.numpy()
        spread = likelihood.spread.item()
    reference = {GaussianLikelihood: stats.norm, LaplaceLikelihood: stats.laplace}[family]
    axis = None if scale == "learned" else 0
    expected = [reference.fit(e, floc=0)[1] for e in ([error.ravel()] if axis is None else error.T)]
    np.testing.assert_allclose(np.ravel(spread), expected, rtol=1e-4)


@pytest.mark.parametrize("likelihood", [GaussianLikelihood(0.5), BernoulliLikelihood()], ids=repr)
def test_nothing_is_calibrated_where_nothing_is_learned(likelihood):
    X = (DIGITS[:60] > 8).astype(np.float32)
    model = StackedAutoencoder(2, likelihood=likelihood, max_epochs=1, random_state=0).fit(X)
    before = {k: v.clone() for k, v in model.module_.likelihood.state_dict().items()}
    model.module_.likelihood.calibrate(torch.zeros(60, 8, 8, 1), torch.tensor(X))
    assert all(torch.equal(v, before[k]) for k, v in model.module_.likelihood.state_dict().items())


def test_without_fine_tuning_the_scale_is_that_of_the_whole_error():
    model = build(fine_tuning=False, validation_fraction=0, max_epochs=5).fit(TABLE)
    module = model.module_
    error = (TABLE - model.reconstruct(TABLE)) / module.scaling.scale.numpy()
    assert module.likelihood.spread.item() == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    assert model.history_["train_loss"] == model.stages_[-1].history["train_loss"]


# ---------------------------------------------------------------- what a unit contributes


@pytest.mark.parametrize(("network", "shape"), NETWORKS[:1] + NETWORKS[3:5], ids=["linear", "transposed", "pooled"])
def test_contribution_does_not_change_when_the_decoder_makes_up_for_a_smaller_code(network, shape):
    network = set_up(network, shape)
    halves = network.stages()[0]
    made = tuple(halves[0](torch.zeros(1, *shape)).shape[1:])
    stage = stage_network(halves, made, None, n_outputs=2)
    z = torch.randn(5, int(np.prod(made)))

    def cost(z: torch.Tensor) -> torch.Tensor:
        step: Any = type("Step", (), {})()
        step.code, step.model = type("Code", (), {"z": z}), type("Model", (), {"network": stage})
        return Contribution()(step)

    before, rebuilt = cost(z), stage.decoder(z)
    with torch.no_grad():
        layer: Any = next(m for m in stage.decoder.modules() if hasattr(m, "weight"))
        layer.weight *= 4
    torch.testing.assert_close(cost(z / 4), before)
    torch.testing.assert_close(stage.decoder(z / 4), rebuilt)
    with torch.no_grad():
        layer.weight /= layer.weight.norm()
    assert reach_of(stage.decoder).square().sum().item() == pytest.approx(1, rel=1e-5)


# ---------------------------------------------------------------- cut off, and resumed

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "denoising": {"pretraining": "denoising"},
    "sparse, batch norm": {"pretraining": "sparse", "widths": "auto", "network": MLP(hidden=(4,), norm="batch")},
    "no fine-tuning": {"fine_tuning": False, "pretraining_epochs": 3},
    "no validation": {"validation_fraction": 0},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_resumed_in_any_stage_equals_uninterrupted(setting, tmp_path, monkeypatch):
    changes = SETTINGS[setting]
    whole = build(**changes).fit(TABLE)
    steps: list[str] = []
    real = Loop._step

    def count(self, *args, **kwargs):
        steps.append(self.stage)
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", count)
        build(**changes).fit(TABLE)
        trained = list(steps)
        n_batches = 7 if "validation_fraction" in changes else BATCHES
        assert len(trained) == n_batches * 6
        ends = [i for i in range(1, len(trained)) if trained[i] != trained[i - 1]]
        assert len(ends) == (2 if changes.get("fine_tuning", True) else 1)
        for step in [0, 3, *ends, ends[-1] + 4, len(trained) - 1]:
            folder = tmp_path / str(step)
            interrupted(build(folder, **changes), monkeypatch, step, TABLE)
            assert (folder / FILE).exists()
            steps.clear()
            again = build(folder, resume=True, **changes).fit(TABLE)
            assert steps == trained[step:]  # nothing that was finished is trained again
            compare(again, whole)


def compare(first: StackedAutoencoder, second: StackedAutoencoder) -> None:
    assert losses(first) == losses(second)
    X = TABLE
    assert first.transform(X).tobytes() == second.transform(X).tobytes()
    assert first.score_samples(X).tobytes() == second.score_samples(X).tobytes()
    assert first.describe() == second.describe()
    assert first.history_["train_loss"] == second.history_["train_loss"]


@pytest.mark.parametrize("step", [0, BATCHES + 1, 2 * BATCHES, 3 * BATCHES + 2, 4 * BATCHES, 5 * BATCHES])
def test_cut_off_in_any_stage_it_is_usable(step, tmp_path, monkeypatch):
    estimator = build(tmp_path)
    interrupted(estimator, monkeypatch, step, TABLE)
    assert_usable(estimator, tmp_path)
    assert len(estimator.stages_) == min(2, step // (2 * BATCHES))
    assert estimator.history_.get("epoch", []) == list(range(1, step % (2 * BATCHES) // BATCHES + 1))
    assert isthmus.load(tmp_path / "run").describe() == estimator.describe()


def test_diverging_in_the_second_stage(tmp_path, monkeypatch):
    estimator = build(tmp_path)
    with monkeypatch.context() as patch:
        diverge(patch, epoch=3)
        with pytest.raises(DivergedError, match="nll became nan in epoch 1"):
            estimator.fit(TABLE)
    assert len(estimator.stages_) == 1
    assert_usable(estimator, tmp_path)


@pytest.mark.parametrize("step", [3, 2 * BATCHES + 2, 4 * BATCHES + 2])
def test_unseeded_training_resumes_with_the_seed_it_drew(step, tmp_path, monkeypatch):
    draw = np.random.RandomState(3)
    interrupted(build(tmp_path, random_state=draw), monkeypatch, step, TABLE)
    again = build(tmp_path, resume=True, random_state=None).fit(TABLE)
    compare(again, build(random_state=np.random.RandomState(3)).fit(TABLE))


def test_what_another_training_left_in_the_folder_is_not_taken_over(tmp_path, monkeypatch):
    build(tmp_path, random_state=None).fit(TABLE)
    build(tmp_path, learning_rate=2e-2).fit(TABLE)
    interrupted(build(tmp_path), monkeypatch, 3, TABLE)
    compare(build(tmp_path, resume=True).fit(TABLE), build().fit(TABLE))


def command(out: Path) -> list[str]:
    words = "--latent_dim 2 --max_epochs 4 --random_state 0 --trainer.checkpoint_every 0 --quiet --report false"
    resume = ["--resume"] if (out / "checkpoint").is_dir() else []
    fit = [sys.executable, "-m", "isthmus.cli", "fit", "stacked", "shapes:n=300,size=8", "--out", str(out)]
    return [*fit, *words.split(), *resume]


@pytest.mark.slow
def test_killed_in_every_training_and_resumed(tmp_path):
    subprocess.run(command(tmp_path / "whole"), check=True)
    whole = isthmus.load(tmp_path / "whole")
    X = load("shapes:n=300,size=8").X
    n_stages = whole.module_.network.n_stages
    for started in range(1, n_stages + 1):
        # Once a stage has a file, it is under way; once the last has one, the whole may be as well.
        for delay in (0.0, 0.3):
            out = tmp_path / f"{started} {delay}"
            process = subprocess.Popen(command(out))
            while process.poll() is None and not (out / "checkpoint" / f"stage{started}" / FILE).exists():
                time.sleep(0.001)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            subprocess.run(command(out), check=True)
            again = isthmus.load(out)
            assert again.transform(X).tobytes() == whole.transform(X).tobytes()
            assert again.describe() == whole.describe()


# ---------------------------------------------------------------- saved, described, reported


def test_stages_are_saved_and_described(tmp_path):
    model = build(pretraining="sparse").fit(TABLE)
    model.save(tmp_path / "run")
    loaded = isthmus.load(tmp_path / "run")
    assert loaded.stages_ == model.stages_
    assert "stage 1 of 2 6 to 4 values" in loaded.describe()
    scratch = build(pretraining=None).fit(TABLE)
    scratch.save(tmp_path / "scratch")
    assert isthmus.load(tmp_path / "scratch").stages_ == scratch.stages_ == []


def _table() -> np.ndarray:
    return to_table(build().fit(TABLE).stages_)


FORGERIES = {
    "type": lambda t: t.astype(np.float32),
    "axes": lambda t: t[None],
    "columns": lambda t: t[:, :-1],
    "not finite": lambda t: np.where(t == t[0, 5], np.nan, t),
    "a row twice": lambda t: np.concatenate([t, t[-1:]]),
    "a row missing": lambda t: t[1:],
    "stages reversed": lambda t: t[::-1],
    "first stage missing": lambda t: t[2:],
    "too many stages": lambda t: np.concatenate([t, t[2:] + np.eye(1, t.shape[1])]),
    "huge number": lambda t: np.concatenate([t, t[-1:] + 1e18 * np.eye(1, t.shape[1])]),
    "half a value": lambda t: t + 0.5 * np.eye(1, t.shape[1], 1),
    "no values": lambda t: t * (1 - np.eye(1, t.shape[1], 2)),
    "widths that change": lambda t: t + np.arange(len(t))[:, None] * np.eye(1, t.shape[1], 1),
    "epochs that skip": lambda t: t + np.eye(1, t.shape[1], 4),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_histories_are_refused(name):
    table = _table()
    assert len(from_table(table, ["nll"], 2)) == 2
    with pytest.raises(RunError, match=r"^[^\n]{1,300}$"):
        from_table(FORGERIES[name](table), ["nll"], 2)


def test_progress_names_the_stage(capsys):
    build(verbose=True).fit(TABLE)
    text = capsys.readouterr()
    assert "stages       2: plain" in text.out
    assert "stage 1 of 2" in text.err
    assert "stage 2 of 2" in text.err


@pytest.mark.parametrize("fine_tuning", [True, False])
def test_the_report_shows_every_stage(fine_tuning):
    X = DIGITS[:80]
    model = StackedAutoencoder(2, max_epochs=2, fine_tuning=fine_tuning, random_state=0).fit(X)
    assert model.report_sections == ("stacked:stages",)
    section = report_of_stages(View(model, Samples(X, "digits")))
    assert [plate.name for plate in section.plates] == ["stages", *([] if fine_tuning else ["depths"])]
    rows = section.tables[0].rows
    assert [row[0] for row in rows] == ["1", "2", "3", *(["all"] if fine_tuning else [])]
    for stage, row in zip(model.stages_, rows, strict=False):
        assert row[1] == f"{stage.n_in} to {stage.n_out}"
        assert row[-1] == f"{stage.r2:.3f}"
    assert ("is this finished model" in section.intro) == fine_tuning


def test_the_report_of_a_network_trained_from_scratch_has_no_stages(tmp_path):
    page = write_report(build(pretraining=None).fit(TABLE), Samples(TABLE, "table"), tmp_path).read_text()
    assert "trained as one, from scratch" in page
    assert not (tmp_path / "figures" / "stages.png").exists()

"""Several processes that train one model: they do what one does."""

import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_resume import one_thread
from trainings import BATCH, CASES, X, outcome

from isthmus import VAE, LostProcessError, ParameterError, Trainer
from isthmus.cli import main
from isthmus.commands.parts import SharedCommand, _Part
from isthmus.data.streams import Rows
from isthmus.processes import Share, own_rows, whole_batch
from isthmus.processes.noise import shared_batch
from isthmus.training.batches import Batches
from isthmus.training.checkpoint import FILE
from isthmus.training.runtime import choose_threads

_ = one_thread  # a fixture: every test here runs on one thread

TESTS = Path(__file__).parent
LIMIT = 240
# bfloat16 has 8 bits. A bias before a batch normalisation has no gradient but what rounding makes, and AdamW takes
# steps of full size for it: the running mean that it moves lags behind.
TOLERANCES = {"bf16": 1e-2, "fsdp_bf16": 1e-2, "batch_norm": 1e-3}
SHARES = [Share.of(10, rank, 3) for rank in range(3)]

# ---------------------------------------------------------------- who has what


def test_shares_are_contiguous_even_and_whole():
    for total in range(1, 30):
        for world in range(1, total + 1):
            shares = [Share.of(total, rank, world) for rank in range(world)]
            assert [s.count for s in shares] == [len(part) for part in torch.arange(total).tensor_split(world)]
            assert [s.start for s in shares] == [0, *(s.stop for s in shares[:-1])]
            assert shares[-1].stop == total


@pytest.mark.parametrize("limit", [1.0, 0.0])
def test_the_order_of_the_data_is_the_same_for_any_number_of_processes(limit):
    rows = np.arange(103, dtype=np.float32)[:, None]
    used = np.sort(np.random.default_rng(0).permutation(103)[:97])

    def epoch(world: int, seed: int | None, start: int = 0) -> list[torch.Tensor]:
        parts = [
            Batches(rows, used, 12, torch.device("cpu"), rows, shard=(rank, world), memory_limit=limit)
            for rank in range(world)
        ]
        epochs = [list(part.epoch(seed, start)) for part in parts]
        for part, batches in zip(parts, epochs, strict=True):
            shares = [part.share(start + i) for i in range(len(batches))]
            assert world == 1 or [share and share.count for share in shares] == [len(x) for x, _ in batches]
        for batches in epochs:
            assert all(torch.equal(x, target) for x, target in batches)
        return [torch.cat([batch[0] for batch in batch_parts]) for batch_parts in zip(*epochs, strict=True)]

    for seed in (None, 1, 2):
        alone = epoch(1, seed)
        for world in (2, 3):
            together = epoch(world, seed)
            assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
            assert all(torch.equal(a, b) for a, b in zip(alone[4:], epoch(world, seed, start=4), strict=True))
    assert not torch.equal(torch.cat(epoch(2, 1)), torch.cat(epoch(2, 2)))
    assert np.array_equal(np.sort(torch.cat(epoch(3, 1))[:, 0].numpy()), used)


def test_batches_too_small_to_be_shared_are_refused():
    with pytest.raises(ParameterError, match="batches of 2 rows cannot be shared by 4 processes"):
        Batches(X, np.arange(10), 3, torch.device("cpu"), shard=(0, 4))


# ---------------------------------------------------------------- random numbers

DRAWS: dict[str, Any] = {
    "rand": lambda x: torch.rand(len(x), 3),
    "randn": lambda x: torch.randn(*x.shape),
    "randint": lambda x: torch.randint(0, 7, (len(x), 2)),
    "randint of a size by name": lambda x: torch.randint(7, size=x.shape),
    "randn_like": torch.randn_like,
    "rand_like": torch.rand_like,
    "randint_like": lambda x: torch.randint_like(x, 2),
    "channels last": lambda x: torch.randn_like(x[:, :, None, None].expand(-1, -1, 4, 4).contiguous().mT),
    "normal": lambda x: torch.normal(x, x.exp()),
    "bernoulli": lambda x: torch.bernoulli(x.sigmoid()),
    "bernoulli_": lambda x: torch.empty_like(x).bernoulli_(0.3),
    "uniform_": lambda x: torch.empty_like(x).uniform_(),
    "dropout": lambda x: F.dropout(x, 0.4),
    "dropout2d": lambda x: F.dropout2d(x[:, :, None, None].expand(-1, -1, 2, 2), 0.4),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.4, True),
    "gumbel_softmax": F.gumbel_softmax,
    "multinomial": lambda x: torch.multinomial(x.exp().reshape(-1, 2), 1),
    "Normal": lambda x: torch.distributions.Normal(x, 1.0).rsample(),
    "Laplace": lambda x: torch.distributions.Laplace(x, 1.0).rsample(),
    "Categorical": lambda x: torch.distributions.Categorical(logits=x).sample(),
    "draws in front": lambda x: torch.distributions.Normal(x, 1.0).rsample(torch.Size([2])).transpose(0, 1),
    "something else": lambda x: torch.randn(5, 6).sum() + x,
}


@pytest.mark.parametrize("name", DRAWS)
def test_every_process_draws_its_rows_of_what_one_would_draw(name):
    draw, rows = DRAWS[name], torch.randn(10, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    alone, after = draw(rows), torch.rand(())
    parts = []
    for share in SHARES:
        torch.manual_seed(0)
        with shared_batch(share):
            parts.append(draw(rows[share.start : share.stop]))
        assert torch.rand(()) == after
    assert torch.equal(torch.cat(parts), alone)


def test_gradients_flow_through_shared_noise():
    x = torch.randn(4, 3, requires_grad=True)
    with shared_batch(Share(2, 6, 9)):
        y = F.dropout(x, 0.5)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(y, slope * x)
    assert set(slope.unique().tolist()) <= {0.0, 2.0}


def test_a_permutation_stays_within_a_share():
    for share in SHARES:
        with shared_batch(share):
            assert sorted(torch.randperm(share.count).tolist()) == list(range(share.count))


def test_alone_the_batch_is_whole():
    x = torch.randn(3, 2)
    assert whole_batch(x) is x
    assert own_rows(x) is x


# ---------------------------------------------------------------- what is asked for


def test_wishes_that_cannot_be_met_are_refused():
    with pytest.raises(ParameterError, match="needs devices"):
        Trainer(num_nodes=2).validate()
    with pytest.raises(ParameterError, match="devices"):
        Trainer(devices=0).validate()
    with pytest.raises(ParameterError, match="strategy"):
        Trainer(strategy="dp").validate()  # pyright: ignore[reportArgumentType]


def test_an_interactive_session_cannot_be_started_again(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python"])
    with pytest.raises(ParameterError, match="interactive"):
        CASES["vae"]({"devices": 2, "device": "cpu"})


def test_threads_are_shared_by_the_processes_of_a_machine(monkeypatch):
    monkeypatch.setattr("isthmus.training.runtime.cpu_quota", lambda: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [choose_threads(None, n) for n in (1, 2, 3, 16)] == [8, 4, 2, 1]
    assert choose_threads(5, 2) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert choose_threads(None, 2) == 8


# ---------------------------------------------------------------- inference


class Chunks(Rows):
    """A stream of an array."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array.shape, array.dtype, "chunks")
        self.array = array

    def _take(self, rows: np.ndarray) -> np.ndarray:
        return self.array[rows]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder."""
    folder = tmp_path_factory.mktemp("run") / "run"
    np.save(folder.parent / "X.npy", X)
    VAE(3, max_epochs=1, random_state=0).fit(X).save(folder)
    return folder


def codes(run: Path, *options: str, name: str = "codes.npy") -> bytes:
    out = run.parent / name
    assert main(["encode", str(run), str(run.parent / "X.npy"), "--out", str(out), *options]) == 0
    return out.read_bytes()


def test_some_rows_are_encoded_as_among_all(run, tmp_path):
    whole = np.load(BytesIO(codes(run)))
    for wish, rows in {
        "5:30": slice(5, 30),
        ":7": slice(7),
        "150:": slice(150, None),
        "150:999": slice(150, None),
    }.items():
        assert np.array_equal(np.load(BytesIO(codes(run, "--rows", wish))), whole[rows])
    stream = _Part(Chunks(X), 20, 60)
    assert np.array_equal(stream[np.array([3, 0, 39])], X[[23, 20, 59]])
    assert np.array_equal(np.asarray(stream), X[20:60])


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--rows", "160:"], "has no rows"), (["--rows", "1-5"], "a range"), (["--devices", "0"], "at least 1")],
)
def test_rows_that_are_not_there_are_refused(options, message, run, capsys):
    assert main(["encode", str(run), str(run.parent / "X.npy"), "--out", str(run.parent / "no.npy"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (run.parent / "no.npy").exists()


def test_several_processes_write_what_one_writes(run, capsys):
    assert codes(run, "--devices", "2") == codes(run)
    assert not list(run.parent.glob(".parts*"))


@pytest.mark.slow
def test_several_processes_score_what_one_scores(run, capsys):
    printed = []
    for devices in ("1", "3"):
        assert main(["score", str(run), str(run.parent / "X.npy"), "--rows", "3:90", "--devices", devices]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert codes(run, "--devices=3", name="codes.csv") == codes(run, name="codes.csv")


def test_a_part_that_fails_is_told_and_nothing_is_written(run, capsys):
    (run.parent / "bad").mkdir(exist_ok=True)
    command = SharedCommand("encode", [str(run.parent / "bad"), "digits"])
    with pytest.raises(LostProcessError, match=r"one of 2 processes failed: there is no params\.json"):
        list(command.results(10, 0, 2, run.parent))
    assert not list(run.parent.glob(".parts*"))


# ---------------------------------------------------------------- real processes


def start(*command: Any) -> subprocess.Popen:
    """A Python program whose output is caught."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> tuple[str, str]:
    """What a program printed, within the time that it may take."""
    try:
        return process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        for pid in [*others(process), process.pid]:
            os.kill(pid, signal.SIGKILL)
        process.communicate()
        raise


def others(process: subprocess.Popen) -> list[int]:
    """Processes that a program has started."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def assert_close(a: dict[str, np.ndarray], b: dict[str, np.ndarray], tolerance: float) -> None:
    """Losses agree, relatively, in all epochs."""
    assert a.keys() == b.keys()
    for name in a:
        if name.startswith("history/"):
            np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Path:
    """What two processes make of every training."""
    folder = tmp_path_factory.mktemp("two")
    process = start(TESTS / "trainings.py", folder, json.dumps({"devices": 2, "device": "cpu"}), *CASES)
    assert (*finish(process), process.returncode) == ("done\n", "", 0)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_learn_what_one_learns(name, together):
    first, second = (dict(np.load(together / f"{name}.{rank}.npz")) for rank in range(2))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert_close(first, outcome(CASES[name]({"device": "cpu"})), TOLERANCES.get(name, 1e-5))


@pytest.mark.slow
def test_torchrun_starts_them_too(together, tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    process = start(*torchrun, TESTS / "trainings.py", tmp_path, json.dumps({"device": "cpu"}), "vae")
    finish(process)
    assert process.returncode == 0
    for rank in range(2):
        theirs, ours = (np.load(folder / f"vae.{rank}.npz") for folder in (tmp_path, together))
        assert all(np.array_equal(theirs[key], ours[key]) for key in ours)


def fit(out: Path, *options: Any) -> subprocess.Popen:
    """Training of a small model that writes a checkpoint after every step."""
    data = out.parent / "X.npy"
    np.save(data, X)
    return start(
        *("-m", "isthmus.cli", "fit", "vae", data, "--out", out, "--quiet", "--latent_dim", 2, "--max_epochs", 8),
        *("--random_state", 0, "--report", "false", "--trainer.device", "cpu", "--trainer.batch_size", BATCH),
        *("--trainer.precision", 32, "--trainer.compile", "false", "--trainer.checkpoint_every", 0, *options),
    )


def await_checkpoint(process: subprocess.Popen, out: Path) -> None:
    """Wait until a training has begun."""
    end = time.monotonic() + LIMIT
    while not (out / "checkpoint" / FILE).exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def losses(out: Path) -> dict[str, np.ndarray]:
    """History of a run."""
    table = np.genfromtxt(out / "history.csv", delimiter=",", names=True)
    return {f"history/{name}": table[name] for name in table.dtype.names if name != "seconds"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict[str, np.ndarray]:
    """History of the training of one process that nothing befalls."""
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(fit(out))
    return losses(out)


@pytest.mark.parametrize("killed", ["first", pytest.param("second", marks=pytest.mark.slow)])
def test_a_killed_process_is_noticed_and_one_process_goes_on(killed, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = fit(out, "--devices", 2)
    await_checkpoint(process, out)
    (second,) = others(process)
    started = time.monotonic()
    os.kill(process.pid if killed == "first" else second, signal.SIGKILL)
    _, err = finish(process)
    assert time.monotonic() - started < 30
    assert process.returncode == (-signal.SIGKILL if killed == "first" else 2)
    assert err.count("isthmus:") == len(err.splitlines()) == 1
    assert ("the first process is gone" if killed == "first" else "process 1 of 2 was killed (SIGKILL)") in err
    assert "--resume" in err
    assert finish(fit(out, "--resume")) == ("", "")
    assert_close(losses(out), uninterrupted, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_go_on_where_one_was_killed(strategy, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = fit(out)
    await_checkpoint(process, out)
    process.kill()
    finish(process)
    assert finish(fit(out, "--resume", "--devices=2", f"--strategy={strategy}")) == ("", "")
    assert_close(losses(out), uninterrupted, 1e-5)


@pytest.mark.slow
def test_ctrl_c_in_one_process_stops_all_of_them_with_the_model_saved(tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = fit(out, "--devices", 2, "--strategy", "fsdp")
    await_checkpoint(process, out)
    (second,) = others(process)
    os.kill(second, signal.SIGINT)
    _, err = finish(process)
    assert process.returncode == 130
    assert [line.split(";")[0] for line in err.splitlines()][1:] == ["isthmus: interrupted"]
    assert (out / "model.safetensors").exists()
    assert finish(fit(out, "--resume", "--devices", 2)) == ("", "")
    assert_close(losses(out), uninterrupted, 1e-5)

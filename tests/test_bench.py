"""`isthmus bench`: the floor counts what it should, and the command prints what it measured."""

import json

import numpy as np
import pytest
import torch

from isthmus import VAE
from isthmus.bench import steps
from isthmus.bench.cases import CASES, vae
from isthmus.bench.floor import floor
from isthmus.bench.steps import StepTimes
from isthmus.cli import main
from isthmus.data.info import describe_data
from isthmus.models.fitting import prepare
from isthmus.networks import MLP, Conv


def laid_out(network, X):
    estimator = VAE(3, network=network)
    prepare(estimator, describe_data(X), 0)
    return estimator.module_.train()


@pytest.mark.parametrize("bf16", [False, True])
def test_the_floor_of_a_fully_connected_network_is_three_products_a_layer(bf16):
    X = (np.random.default_rng(0).random((50, 20)) < 0.5).astype(np.uint8)
    least = floor(laid_out(MLP(hidden=(8,)), X), torch.from_numpy(X), 16, bf16=bf16)
    first, rest = 20 * 8, 8 * 6 + 3 * 8 + 8 * 20
    assert least.multiplications == 16 * (2 * first + 3 * rest)
    least()


def test_the_floor_of_convolutions_is_three_products_a_layer():
    X = (np.random.default_rng(0).random((20, 8, 8)) < 0.5).astype(np.uint8)
    network = Conv(channels=(4, 6), width=10)
    least = floor(laid_out(network, X), torch.from_numpy(X), 5, bf16=False)
    kernels = 9 * (2 * 1 * 4 * 16 + 3 * 4 * 6 * 4)  # 4 x 4 outputs of the first, 2 x 2 of the second
    transposed = 9 * 3 * (6 * 4 * 4 + 4 * 1 * 16)  # each input pixel meets every weight once
    flat = 6 * 4
    dense = 3 * (flat * 10 + 10 * 6 + 3 * 10 + 10 * flat)
    assert least.multiplications == 5 * (kernels + transposed + dense)


@pytest.mark.parametrize("case", CASES)
def test_every_case_can_be_trained(case):
    X = np.zeros((4, 784) if case == "mlp" else (4, 28, 28), np.uint8)
    X[:2] = 1
    assert torch.isfinite(vae(case, X)(torch.from_numpy(X))["nll"]).all()


def test_what_limits_it():
    seconds = {"plain": 2.0, "compiled": 1.0, "floor": 0.8, "gather": 0.1, "products": 0.6, "update": 0.1, "loop": 4.0}
    times = StepTimes("mlp", 64, True, seconds, 10**9, 3.0)
    assert times.best == 1.0
    assert times.limit().startswith("60% goes into matrix products")


def test_the_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(steps, "_SECONDS_PER_REPEAT", 0.0)
    out = tmp_path / "times.json"
    args = ["bench", "--cases", "[mlp]", "--batch_sizes", "[8]", "--compile", "false", "--repeats", "1"]
    assert main([*args, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "MLP, batch 8:" in text
    (times,) = json.loads(out.read_text())["times"]
    assert set(times["seconds"]) == {"loop", "plain", "floor", "gather", "products", "update"}
    assert all(value > 0 for value in times["seconds"].values())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--cases", "[rnn]"], "unknown network 'rnn'"),
        (["--batch_sizes", "[0]"], "at least 1"),
        (["--precision", "64"], "precision"),
        (["--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_bad_options(args, message, capsys):
    assert main(["bench", *args]) == 2
    assert message in capsys.readouterr().err

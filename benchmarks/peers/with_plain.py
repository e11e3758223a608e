"""One training by a loop as tutorials write it, in eager float32 and with nothing tuned."""

from itertools import count
from typing import Any

import numpy as np
import torch
from meter import Meter
from task import elbo, run
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 512)
        self.mean = nn.Linear(512, latent_dim)
        self.logvar = nn.Linear(512, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, 512), nn.ReLU(), nn.Linear(512, 784), nn.Sigmoid())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.hidden(x))
        return self.mean(hidden), self.logvar(hidden)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, logvar = self.encode(x)
        std = torch.exp(0.5 * logvar)
        return self.decoder(mean + std * torch.randn_like(std)), mean, logvar


def loss_of(x: Tensor, decoded: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    divergence = -0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())
    return binary_cross_entropy(decoded, x, reduction="sum") + divergence


def train(job: dict[str, Any], rows: np.ndarray, held_out: np.ndarray, meter: Meter) -> None:
    torch.manual_seed(job["seed"])
    loader = DataLoader(TensorDataset(torch.from_numpy(rows).float()), batch_size=128, shuffle=True)
    model = VAE(job["latent_dim"])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in count():
        meter.start()
        total = 0.0
        for (x,) in loader:
            optimizer.zero_grad()
            loss = loss_of(x, *model(x))
            loss.backward()
            total += loss.item()
            optimizer.step()
        if meter.stop(lambda: bound(model, held_out)):
            return


def bound(model: VAE, rows: np.ndarray) -> float:
    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = model.encode(x)
        return mean, torch.exp(0.5 * logvar)

    def log_likelihood(x: Tensor, z: Tensor) -> Tensor:
        return -binary_cross_entropy(model.decoder(z), x, reduction="none").sum(-1)

    return elbo(encode, log_likelihood, rows)


if __name__ == "__main__":
    run(train, "torch", "numpy")

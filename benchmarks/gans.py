"""Two generative adversarial networks in plain PyTorch, with the networks of our autoencoders, to compare with.

The generator is the decoder of a `Conv`, with tanh on its output for pixels scaled to [-1, 1]; the critic is the
encoder of one, ending in one number, with layer norm or none. Nothing else differs from the papers: the non-saturating
loss of Goodfellow et al. (2014) with the penalty R1 on real data (Mescheder et al., 2018) or spectral norm (Miyato et
al., 2018), and the Wasserstein loss with gradient penalty (Gulrajani et al., 2017).

    python benchmarks/gans.py /path/to/mnist --loss wgan_gp --seconds 60 --sheet sheet.png
"""

import argparse
import copy
import time
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import spectral_norm

from isthmus import Trainer
from isthmus.networks import Conv
from isthmus.training.runtime import process_settings

_PENALTY_EVERY = 8  # R1 every so many steps, weighed as many times (lazily; Karras et al., 2020)
_REFRESH = 20  # batches of noise over which the generator's batch norm is averaged before it is used
_BATCH = 1000


class Gan:
    """A generator and a critic.

    Parameters
    ----------
    network : Conv
        Of whose kind the generator (its decoder) is.
    loss : {"ns", "wgan_gp"}
        Non-saturating, or Wasserstein with gradient penalty.
    latent_dim : int
        Width of the noise.
    learning_rate : float
        Of Adam, for both networks, with betas (beta1, 0.9).
    beta1 : float
        0 or 0.5.
    n_critic : int
        Steps of the critic for one of the generator.
    penalty : float
        γ of R1 (ns) or λ (wgan_gp); 0 for none.
    critic : {"none", "layer", "spectral"}
        Normalisation of the critic.
    ema : float
        Half-life, in samples, of the average of the generator's weights that is drawn from; 0: the last weights.
    decay : bool
        Whether the learning rate falls linearly to 0 over the second half.
    batch_size : int
        Of real pictures, and of made ones.
    seed : int
        Of weights, batches and noise.
    """

    def __init__(
        self,
        network: Conv,
        loss: Literal["ns", "wgan_gp"] = "ns",
        *,
        latent_dim: int = 16,
        learning_rate: float = 5e-4,
        beta1: float = 0.5,
        n_critic: int = 1,
        penalty: float = 0.0,
        critic: Literal["none", "layer", "spectral"] = "none",
        ema: float = 0.0,
        decay: bool = False,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        self.network, self.loss, self.latent_dim = network, loss, latent_dim
        self.learning_rate, self.beta1, self.n_critic = learning_rate, beta1, n_critic
        self.penalty, self.critic, self.ema, self.decay = penalty, critic, ema, decay
        self.batch_size, self.seed = batch_size, seed

    def fit(self, X: np.ndarray, seconds: float) -> "Gan":
        """Train for so many seconds of the processor's time.

        Parameters
        ----------
        X : ndarray of shape (n, H, W), uint8
            Pictures.
        seconds : float
            Budget, of all threads together, from the creation of the networks to the last step.
        """
        started = time.process_time()
        torch.manual_seed(self.seed)
        with process_settings(Trainer(n_threads=1)):
            self._set_up(X.shape[1:])
            data = torch.from_numpy(X)
            for self.n_steps_ in count(1):
                done = (time.process_time() - started) / seconds
                if done >= 1:
                    break
                self._step(data, min(1.0, 2 - 2 * done) if self.decay else 1.0)
            self._refresh_norms()
        return self

    def sample(self, n_samples: int, *, random_state: int) -> np.ndarray:
        """Pictures of shape (n, H, W), float32 in [0, 255]."""
        generator = torch.Generator().manual_seed(random_state)
        noise = torch.randn(n_samples, self.latent_dim, generator=generator)
        with torch.no_grad():
            made = [self._make(self.average_, part) for part in noise.split(_BATCH)]
        return ((torch.cat(made) + 1) * 127.5).numpy()

    def _set_up(self, shape: tuple[int, ...]) -> None:
        norm = "layer" if self.critic == "layer" else None
        like = Conv(self.network.channels, width=self.network.width, activation="leaky_relu", norm=norm)
        self.generator_ = self.network.make_decoder(shape, self.latent_dim, 1).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.critic_ = like.make_encoder(shape, 1).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if self.critic == "spectral":
            for layer in self.critic_:
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    spectral_norm(layer)
        self.average_ = copy.deepcopy(self.generator_) if self.ema else self.generator_
        betas = (float(self.beta1), 0.9)
        self._rules = [
            torch.optim.Adam(net.parameters(), self.learning_rate, betas, fused=True)
            for net in (self.generator_, self.critic_)
        ]

    def _step(self, data: Tensor, rate: float) -> None:
        """One step of the generator, and those of the critic that belong to it."""
        for rule in self._rules:
            for group in rule.param_groups:
                group["lr"] = rate * self.learning_rate
        made = torch.empty(0)
        for number in range(self.n_critic):
            made = self._make(self.generator_, torch.randn(self.batch_size, self.latent_dim))
            self._teach_critic(data, made.detach(), self.n_steps_ * self.n_critic + number)
        # The generator learns from the pictures that the critic has just seen, as is usual.
        odds = self._judge(made)
        loss = softplus(-odds).mean() if self.loss == "ns" else -odds.mean()
        self._learn(self._rules[0], loss, self.generator_)
        if self.ema:
            keep = 0.5 ** (self.batch_size / self.ema)
            with torch.no_grad():
                for mean, weight in zip(self.average_.parameters(), self.generator_.parameters(), strict=True):
                    mean.lerp_(weight, 1 - keep)

    def _teach_critic(self, data: Tensor, made: Tensor, number: int) -> None:
        rows = torch.randint(len(data), (self.batch_size,))
        real = data[rows] / 127.5 - 1
        on_real, on_made = self._judge(torch.cat([real, made])).chunk(2)
        if self.loss == "ns":
            loss = (softplus(-on_real) + softplus(on_made)).mean()
            if self.penalty and number % _PENALTY_EVERY == 0:
                loss = loss + 0.5 * self.penalty * _PENALTY_EVERY * self._slope(real).mean()
        else:
            between = torch.lerp(made, real, torch.rand(len(real), 1, 1))
            slope = (self._slope(between) + 1e-12).sqrt()
            loss = (on_made - on_real).mean() + self.penalty * (slope - 1).square().mean()
        self._learn(self._rules[1], loss, self.critic_)

    def _slope(self, x: Tensor) -> Tensor:
        """Squared norm of the critic's gradient at every picture, (B,)."""
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self._judge(x).sum(), x, create_graph=True)
        return slope.square().sum((1, 2))

    def _learn(self, rule: torch.optim.Optimizer, loss: Tensor, net: nn.Module) -> None:
        parameters = list(net.parameters())
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.grad = gradient
        rule.step()

    def _make(self, net: nn.Module, noise: Tensor) -> Tensor:
        return net(noise)[..., 0].tanh()

    def _judge(self, x: Tensor) -> Tensor:
        return self.critic_(x)[:, 0]

    @torch.no_grad()
    def _refresh_norms(self) -> None:
        """Mean and variance of every batch norm under the weights that are drawn from."""
        norms = [m for m in self.average_.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean
        self.average_.train()
        for _ in range(_REFRESH):
            self.average_(torch.randn(4 * self.batch_size, self.latent_dim))
        self.average_.eval()


def main() -> None:
    from samples import NETWORK, read, write_sheet

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the four files of MNIST")
    parser.add_argument("--loss", choices=["ns", "wgan_gp"], default="ns")
    parser.add_argument("--latent_dim", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=5e-4)
    parser.add_argument("--beta1", type=float, default=0.5)
    parser.add_argument("--n_critic", type=int, default=1)
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--critic", choices=["none", "layer", "spectral"], default="none")
    parser.add_argument("--ema", type=float, default=0.0)
    parser.add_argument("--decay", action="store_true")
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="picture of samples to write")
    options = vars(parser.parse_args())
    X = read(options.pop("data"))[0]
    seconds, sheet = options.pop("seconds"), options.pop("sheet")
    gan = Gan(NETWORK, **options).fit(X, seconds)
    print(f"{gan.n_steps_ - 1} steps of the generator in {seconds:g} s")
    if sheet:
        write_sheet(sheet, gan.sample(64, random_state=0))


if __name__ == "__main__":
    main()

"""Fitting a network over tokens to sequences of them: within a fixed budget, and stopped early."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from isthmus.priors.token_network import TokenNetwork

# Fewer sequences teach a network nothing that is not in the table; and a part of them has to be held out.
_FEWEST = 100
_HELD_OUT = 10
_BATCH = 64
_RATE, _LAST, _DECAY, _CLIP = 3e-3, 1e-3, 0.05, 1.0
# Passes over the data, and the steps and the tokens that these may come to.
_PASSES, _MOST_STEPS, _MOST_TOKENS, _WARM_UP = 25, 1500, 3_000_000, 0.1
# How often the held-out part is looked at, and how often it may be no better than before.
_LOOKS, _PATIENCE = 40, 4


@torch.enable_grad()
def fit_tokens(network: TokenNetwork, tokens: Tensor) -> None:
    """Fit a fresh network to sequences (n, n_places), in place; all random numbers are torch's.

    First the table, then the rest by AdamW, with a rate that warms up and falls to nothing. The weights that are kept
    are those that were best on a tenth of the sequences, which is held out. They may be the ones of the start, so that
    on these the network is no worse than the table.
    """
    n = len(tokens)
    n_held = n // _HELD_OUT if n >= _FEWEST and network.n_places > 1 else 0
    held, train = tokens[torch.randperm(n)].split([n_held, n - n_held])
    network.table.copy_(frequencies(train, network.depth, network.n_codes).log())
    if n_held:
        _train(network, train, held)


def frequencies(tokens: Tensor, depth: int, n_codes: int) -> Tensor:
    """How often each token is found at each place of sequences (n, n_places): probabilities (n_places, n_codes).

    Smoothed towards all places of its kind, and these towards all tokens alike, each with the weight of as many tokens
    as there are different ones (Witten & Bell, 1991), so that nothing is impossible.
    """
    n_places = tokens.shape[1]
    places = torch.arange(n_places, device=tokens.device)
    flat = (tokens + n_codes * places).flatten()
    counts = torch.bincount(flat, minlength=n_places * n_codes).reshape(n_places, n_codes).double()
    pooled = counts.unflatten(0, (-1, depth)).sum(0)
    kind = _smoothed(pooled, torch.full_like(pooled, 1 / n_codes))
    return _smoothed(counts, kind[places % depth]).float()


def _smoothed(counts: Tensor, towards: Tensor) -> Tensor:
    different = (counts > 0).sum(-1, keepdim=True)
    return (counts + different * towards) / (counts.sum(-1, keepdim=True) + different)


def _train(network: TokenNetwork, train: Tensor, held: Tensor) -> None:
    n_steps = min(_MOST_STEPS, _MOST_TOKENS // (_BATCH * network.n_places), _PASSES * -(-len(train) // _BATCH))
    best, kept, waited = _mean_nll(network, held), _weights(network), 0
    try:
        for step in _steps(network, train, n_steps):
            if step % max(1, n_steps // _LOOKS):
                continue
            found = _mean_nll(network, held)
            if found < best:
                best, kept, waited = found, _weights(network), 0
            elif (waited := waited + 1) == _PATIENCE:
                break
    finally:  # after Ctrl-C too
        network.load_state_dict(kept)


def _steps(network: TokenNetwork, tokens: Tensor, n_steps: int) -> Iterator[int]:
    """Take steps one by one; the number of each, from 1, once it is taken."""
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.95), weight_decay=_DECAY, fused=True)
    for step, batch in enumerate(islice(_batches(tokens), n_steps), 1):
        done = step / n_steps
        optimizer.param_groups[0]["lr"] = _RATE * min(done / _WARM_UP, (1 - done) / (1 - _WARM_UP) + _LAST)
        network.train()
        optimizer.zero_grad()
        nll(network, batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimizer.step()
        yield step


def nll(network: TokenNetwork, tokens: Tensor) -> Tensor:
    """−log P in nats of sequences (n, n_places), of shape (n,)."""
    return -network(tokens).gather(-1, tokens.unsqueeze(-1)).sum((-2, -1))


@torch.no_grad()
def _mean_nll(network: TokenNetwork, tokens: Tensor) -> float:
    network.eval()
    return float(torch.cat([nll(network, part) for part in tokens.split(4 * _BATCH)]).mean())


def _batches(tokens: Tensor) -> Iterator[Tensor]:
    while True:
        yield from tokens[torch.randperm(len(tokens))].split(_BATCH)


def _weights(network: TokenNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}

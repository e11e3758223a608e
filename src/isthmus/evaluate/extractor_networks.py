"""The small classifier whose features samples are compared by, and its training."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.networks import MLP, Conv
from isthmus.training.runtime import random_numbers

WIDTH = 64
"""Features: units of the last hidden layer."""

_BATCH, _LEARNING_RATE, _CHANNELS = 128, 2e-3, (16, 32, 64)
_EPOCHS, _STEPS, _HELD_OUT = 15, 500, 0.1


def make_classifier(shape: tuple[int, ...], n_classes: int) -> nn.Sequential:
    """Classifier of samples of this shape, whose last layer but one has `WIDTH` units.

    Pictures: convolutions that halve the picture three times, then one hidden layer. Tables: two hidden layers.
    """
    network = MLP(hidden=(128, WIDTH)) if len(shape) == 1 else Conv(channels=_CHANNELS, width=WIDTH)
    return network.make_encoder(shape, n_classes)


def train_classifier(
    scaled: Tensor, classes: Tensor, n_classes: int, n_epochs: int | None, seed: int
) -> tuple[nn.Module, float]:
    """Train a classifier by cross-entropy.

    Parameters
    ----------
    scaled : Tensor of shape (n, *event)
        Scaled samples.
    classes : Tensor of shape (n,), int64
        Numbers of the classes.
    n_classes : int
        How many there are.
    n_epochs : int or None
        Passes through the data; None: 15, or as many as make 500 steps.
    seed : int
        Of the weights and the batches.

    Returns
    -------
    network : Module
        Classifier, for evaluation.
    accuracy : float
        Share of a tenth of the rows, which it was not trained on, that it classifies rightly.
    """
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(scaled)))
    n_held = max(1, int(_HELD_OUT * len(scaled)))
    held, kept = order[:n_held], order[n_held:]
    with random_numbers(seed, torch.device("cpu")), torch.enable_grad():
        network = make_classifier(tuple(scaled.shape[1:]), n_classes)
        per_epoch = -(-len(kept) // _BATCH)
        n_epochs = n_epochs or max(_EPOCHS, _STEPS // per_epoch)
        optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=n_epochs * per_epoch + 1)
        for _ in range(n_epochs):
            for rows in kept[torch.randperm(len(kept))].split(_BATCH):
                optimizer.zero_grad()
                cross_entropy(network(scaled[rows]), classes[rows]).backward()
                optimizer.step()
                schedule.step()
    network.eval()
    with torch.no_grad():
        found = network(scaled[held]).argmax(1)
    return network, float((found == classes[held]).float().mean())

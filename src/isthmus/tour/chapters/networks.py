"""Convolutions, and autoencoders inside autoencoders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isthmus.explore import pictures
from isthmus.networks import MLP, Conv, Network
from isthmus.report.elements import Plate, Table
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.guide import SEED, Guide

_SHOWN, _WIDTH = 10, 16


def convolutional(guide: Guide) -> Page:
    """The same number of parameters, spent on convolutions."""
    from isthmus import Autoencoder
    from isthmus.data.faces import faces

    X = faces(2000, 32, random_state=SEED)
    seen, unseen = X[300:], X[:300]
    conv = Conv(channels=(16, 32, 64), width=64, norm="batch")
    budget = _parameters(conv, X.shape[1:])
    dense = _closest(lambda width: MLP(hidden=(width, width), norm="batch"), budget, X.shape[1:])
    models = {
        name: Autoencoder(_WIDTH, network=network, **guide.options(40)).fit(seen)
        for name, network in (("fully connected", dense), ("convolutional", conv))
    }
    mse = {name: model.evaluate(unseen)["mse"] for name, model in models.items()}
    rows = [unseen[:_SHOWN], *(model.reconstruct(unseen[:_SHOWN]) for model in models.values())]
    figure = pictures.picture_table(
        np.stack([pictures.to_rgb(row, 0, 255) for row in rows]), row_labels=["unseen", *models]
    )
    table = Table(
        "Drawn faces that were not trained on",
        ["network", "parameters", "squared error"],
        [[name, f"{model.n_parameters_:,}", f"{mse[name]:.0f}"] for name, model in models.items()],
    )
    return Page(
        text="In pictures, what is worth seeing in one place is worth seeing in another. Convolutions look for the "
        "same thing everywhere, and share their weights over all places; strides or pooling shrink the picture "
        "on the way to the code.",
        code="from isthmus import Autoencoder\n\n"
        "Autoencoder(16, network='conv').fit('faces')         # strides\n"
        "Autoencoder(16, network='conv_pool').fit('faces')    # convolution, then max pooling",
        plates=[Plate("convolutional", figure, "Reconstructions of both networks", f"Both through {_WIDTH} numbers.")],
        tables=[table],
        claims=[
            Claim(
                f"{mse['convolutional'] / mse['fully connected']:.2f} ×",
                "the squared error of a fully connected network of the same number of parameters, on unseen faces.",
            )
        ],
    )


def _parameters(network: Network, event_shape: tuple[int, ...]) -> int:
    """Trained numbers of a pair of networks, counted without making them."""
    import copy

    import torch

    with torch.device("meta"):
        laid_out = copy.deepcopy(network)
        laid_out.setup(event_shape=event_shape, n_features=_WIDTH, latent_dim=_WIDTH, n_outputs=1)
    return sum(p.numel() for p in laid_out.parameters())


def _closest(make: Callable[[int], Network], budget: int, event_shape: tuple[int, ...]) -> Network:
    """The network whose number of parameters is closest to the budget."""
    return min((make(width) for width in range(8, 257, 4)), key=lambda n: abs(_parameters(n, event_shape) - budget))

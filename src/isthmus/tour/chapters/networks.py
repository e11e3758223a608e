"""Convolutions, and autoencoders inside autoencoders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isthmus.explore import pictures
from isthmus.networks import MLP, Conv, Network
from isthmus.report.elements import Plate, Table, number
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
        name: Autoencoder(_WIDTH, network=network, **guide.options(60)).fit(seen)
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


def stacked(guide: Guide) -> Page:
    """Stage by stage, then as one; and from scratch."""
    from isthmus import StackedAutoencoder

    width = 8
    epochs = guide.epochs(40)
    shared = {"random_state": SEED, "network": "mlp"}
    grown = StackedAutoencoder(width, max_epochs=epochs, pretraining_epochs=epochs, **shared).fit(guide.train)
    # The stages together see the data about once more than the whole does; so the one from scratch trains for longer.
    scratch = StackedAutoencoder(width, pretraining=None, max_epochs=2 * epochs, **shared).fit(guide.train)
    mse = {name: model.evaluate(guide.test)["mse"] for name, model in (("stages", grown), ("scratch", scratch))}
    rows = [guide.test[:_SHOWN], grown.reconstruct(guide.test[:_SHOWN]), scratch.reconstruct(guide.test[:_SHOWN])]
    figure = pictures.picture_table(
        np.stack([guide.tiles(row) for row in rows]), row_labels=["unseen", "by stages", "from scratch"]
    )
    table = Table(
        "Each stage is an autoencoder of what the one before makes of the data",
        ["stage", "values in", "values out", "R² so far"],
        [[s.name, f"{s.n_in:,}", f"{s.n_out:,}", number(s.r2, 3)] for s in grown.stages_],
    )
    return Page(
        text="Put an autoencoder inside an autoencoder: the first learns to compress the data, the next to compress "
        "its code, until the code is as narrow as it should be. Then all are trained as one. This is how deep "
        "networks were trained first; with today's initialisation it buys less.",
        code="from isthmus import StackedAutoencoder\n\n"
        f"model = StackedAutoencoder(latent_dim={width}).fit({guide.name!r})\n"
        "model.stages_                       # what each stage learned\n"
        "model.features(X, stage=1)          # the code of the first stage",
        plates=[Plate("stacked", figure, "Reconstructions of both", f"Both through {width} numbers.")],
        tables=[table],
        claims=[
            Claim(
                f"{mse['stages'] / mse['scratch']:.2f} ×",
                "the squared error on unseen pictures, trained by stages and then as one, of the same network trained "
                "from scratch for twice the epochs.",
            )
        ],
    )

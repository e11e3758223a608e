"""Encoder and decoder, the trap of the identity, the loss, and principal components."""

from __future__ import annotations

import warnings

import numpy as np

from isthmus.errors import DataError, OvercompleteWarning
from isthmus.explore import pictures
from isthmus.report.elements import Plate, Table, number
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.films import film_of
from isthmus.tour.guide import SEED, Guide
from isthmus.tour.measures import scientific

_SHOWN = 10


def encoder_and_decoder(guide: Guide) -> Page:
    """An autoencoder of drawn shapes, watched while it learns."""
    from isthmus import Autoencoder, Trainer
    from isthmus.data.shapes import shapes
    from isthmus.training import ReconstructionRecorder

    X = shapes(1600, 24, random_state=SEED)
    seen, unseen = X[200:], X[:200]
    recorder = ReconstructionRecorder(unseen[:_SHOWN])
    trainer = Trainer(callbacks=[recorder], early_stopping=None)
    model = Autoencoder(latent_dim=8, trainer=trainer, **guide.options(60)).fit(seen)
    frames = np.concatenate([np.broadcast_to(unseen[:_SHOWN], recorder.frames.shape), recorder.frames], axis=1)
    epochs = len(recorder.frames)
    r2 = model.evaluate(unseen)["r2"]
    return Page(
        text="A network that reads data and writes a few numbers is an encoder, y = f(x). Nobody has labelled the "
        "data, so there is nothing to compare y with; put a second network, the decoder, on top and ask that "
        "what it makes of y is x again. The pair learns to copy through a narrow place, and keeps what it needs "
        "for that.",
        code="from isthmus import Autoencoder\n\n"
        "model = Autoencoder(latent_dim=8).fit('shapes')\n"
        "codes = model.transform('shapes')          # 8 numbers a picture\n"
        "again = model.inverse_transform(codes)     # and back",
        films=[
            film_of(
                frames,
                (0, 255),
                columns=_SHOWN,
                alt="Reconstructions of ten shapes, epoch after epoch",
                caption=f"Above: ten shapes that were not trained on. Below: what comes back after each of {epochs} "
                "passes through the training data.",
            )
        ],
        claims=[
            Claim(
                f"{100 * r2:.1f} %",
                f"of the variance of unseen pictures comes back through {model.latent_dim_} numbers, out of "
                f"{X[0].size} pixels.",
            )
        ],
    )


def identity(guide: Guide) -> Page:
    """A code as wide as the data."""
    from isthmus import Autoencoder

    train, test, thinned = guide.small()
    width = train[0].size
    narrow_width = max(2, width // 8)
    models = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OvercompleteWarning)
        for k in (width, narrow_width):
            models[k] = Autoencoder(k, network="linear", **guide.options(60)).fit(train)
    warning = next((str(w.message) for w in caught if issubclass(w.category, OvercompleteWarning)), "")
    low, high = guide.span
    noise = np.random.default_rng(SEED).normal(scale=0.12 * (high - low), size=test.shape)
    clean = test.astype(float)
    passed, r2, rows = {}, {}, [clean[:_SHOWN], (clean + noise)[:_SHOWN]]
    for k, model in models.items():
        with_noise = model.reconstruct(clean + noise)
        passed[k] = np.mean((with_noise - model.reconstruct(clean)) ** 2) / np.mean(noise**2)
        r2[k] = model.evaluate(test)["r2"]
        rows.append(with_noise[:_SHOWN])
    figure = pictures.picture_table(
        np.stack([guide.tiles(row) for row in rows]),
        row_labels=["unseen", "with noise", f"{width} units", f"{narrow_width} units"],
    )
    return Page(
        text="Give the code as many units as the data have values, and the easiest solution is the identity: "
        "everything comes back, nothing has been learned. The better the reconstruction looks, the better "
        f"the noise comes through, too. isthmus warns: “{warning}.”",
        code="from isthmus import Autoencoder\n\n"
        f"model = Autoencoder(latent_dim={guide.train[0].size}).fit({guide.name!r})    # warns",
        plates=[
            Plate(
                "identity",
                figure,
                "Noisy pictures after a wide and a narrow code",
                f"The wide code gives the noise back; {narrow_width} units have less room for it.{thinned}",
            )
        ],
        claims=[
            Claim(
                f"{100 * passed[width]:.0f} %",
                f"of added noise passes a code as wide as the data (R² {r2[width]:.3f}); {narrow_width} units let "
                f"{100 * passed[narrow_width]:.0f} % through.",
            )
        ],
    )


def loss(guide: Guide) -> Page:
    """The same data under three likelihoods."""
    from isthmus import Autoencoder
    from isthmus.likelihoods import GaussianLikelihood

    low, high = guide.span
    unit = ((guide.train - low) / (high - low)).astype(np.float32)
    unseen = ((guide.test - low) / (high - low)).astype(np.float32)
    levels = [np.rint(8 * part).astype(np.uint8) for part in (unit, unseen)]
    shared = guide.options(30)
    gaussian = Autoencoder(8, likelihood=GaussianLikelihood(scale=1.0), **shared).fit(unit)
    bernoulli = Autoencoder(8, likelihood="bernoulli", **shared).fit(unit)
    categorical = Autoencoder(8, likelihood="categorical", **shared).fit(levels[0])
    # −log N(x; x̂, 1) is half the squared error plus a constant: checked on every unseen picture.
    error = ((gaussian.reconstruct(unseen) - unseen) ** 2).reshape(len(unseen), -1).sum(1)
    d = unseen[0].size
    difference = np.abs(-gaussian.score_samples(unseen) - (error / 2 + d / 2 * np.log(2 * np.pi)))
    message = ""
    try:
        Autoencoder(8, likelihood="bernoulli").fit(guide.train if high > 1 else 2 * guide.train)
    except DataError as error_:
        message = str(error_)
    rebuilt = {
        "Gaussian": gaussian.reconstruct(unseen),
        "Bernoulli": bernoulli.reconstruct(unseen),
        "categorical": categorical.reconstruct(levels[1]) / 8,
    }
    rows = [unseen, *rebuilt.values()]
    figure = pictures.picture_table(
        np.stack([pictures.to_rgb(row[:_SHOWN], 0, 1) for row in rows]), row_labels=["unseen", *rebuilt]
    )
    worst = float((difference / np.abs(gaussian.score_samples(unseen))).max())
    names = {"Gaussian": "½ squared error", "Bernoulli": "cross-entropy", "categorical": "softmax"}
    mse = [[f"{name}, {names[name]}", number(float(np.mean((x - unseen) ** 2)), 3)] for name, x in rebuilt.items()]
    return Page(
        text="What “the same as x” means is a choice, and the choice is a probability: the loss is −log p(x | code). A "
        "normal density of fixed width makes it the squared L2 norm; a Bernoulli density, for values in [0, 1], the "
        "cross-entropy; a softmax goes with categories. Data outside [0, 1] are refused: "
        f"“{message}.”",
        code="from isthmus import Autoencoder\n\n"
        "Autoencoder(8, likelihood='l2')             # squared error, up to a constant\n"
        "Autoencoder(8, likelihood='bernoulli')      # cross-entropy\n"
        "Autoencoder(8, likelihood='categorical')    # softmax over levels",
        plates=[
            Plate(
                "loss",
                figure,
                "Reconstructions under three likelihoods",
                "All through 8 numbers, softmax over 9 levels.",
            )
        ],
        tables=[Table("Unseen pictures, in units of their range", ["likelihood and loss", "squared error"], mse)],
        claims=[
            Claim(
                scientific(worst),
                "is the largest relative difference, over all unseen pictures, between −log p under unit variance and "
                "half the squared error plus its constant.",
            )
        ],
    )


def principal_components(guide: Guide) -> Page:
    """Linear and squared error is PCA; nonlinear goes further."""
    from scipy.linalg import subspace_angles
    from sklearn.decomposition import PCA

    from isthmus import Autoencoder, LinearAutoencoder

    k = 4
    linear = LinearAutoencoder(k, solver="gradient", **guide.options(6)).fit(guide.train)
    nonlinear = Autoencoder(k, **guide.options(60)).fit(guide.train)
    flat = guide.train.reshape(len(guide.train), -1).astype(float)
    pca = PCA(k).fit(flat)
    angle = float(subspace_angles(linear.components_.T, np.asarray(pca.components_).T).max())
    mse = {name: model.evaluate(guide.test)["mse"] for name, model in (("linear", linear), ("nonlinear", nonlinear))}
    rows = [guide.test[:_SHOWN], linear.reconstruct(guide.test[:_SHOWN]), nonlinear.reconstruct(guide.test[:_SHOWN])]
    figure = pictures.picture_table(
        np.stack([guide.tiles(row) for row in rows]), row_labels=["unseen", "linear", "nonlinear"]
    )
    return Page(
        text="Fewer code units than values force the model to find what the data have in common. With linear layers "
        "and the squared error there is a name for what it finds: principal components. Nonlinear layers bend "
        "the subspace to the data.",
        code="from isthmus import Autoencoder, LinearAutoencoder\n\n"
        f"pca = LinearAutoencoder(latent_dim={k}).fit({guide.name!r})    # .components_, as in scikit-learn\n"
        f"bent = Autoencoder(latent_dim={k}).fit({guide.name!r})",
        plates=[Plate("pca", figure, "Linear and nonlinear reconstructions", f"Both through {k} numbers.")],
        claims=[
            Claim(
                scientific(angle),
                "radians is the largest principal angle between the linear autoencoder, trained by gradients, and PCA.",
            ),
            Claim(
                f"{mse['nonlinear'] / mse['linear']:.2f} ×",
                "PCA's squared error on unseen pictures is what the nonlinear code of the same width leaves.",
            ),
        ],
    )

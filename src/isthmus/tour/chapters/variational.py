"""A code with a distribution: the bound, the gradient through sampling, and what the latent space becomes."""

from __future__ import annotations

import numpy as np
import torch

from isthmus.errors import DataError
from isthmus.explore import figures, pictures
from isthmus.explore.style import FIRST, SECOND, TICK, new_figure, style_axes
from isthmus.report.elements import Plate, number
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.films import film_of
from isthmus.tour.guide import SEED, Guide


def smooth(guide: Guide) -> Page:
    """Near codes decode to near pictures."""
    from isthmus import Autoencoder
    from isthmus.explore import interpolate

    plain = Autoencoder(guide.vae.latent_dim_, **guide.options(120)).fit(guide.train)
    pairs = _unlike_pairs(guide, 8)
    steps = 9
    walks = {
        name: np.stack([interpolate(model, guide.test[a], guide.test[b], steps=steps) for a, b in pairs])
        for name, model in (("plain", plain), ("variational", guide.vae))
    }
    away = {name: _from_the_data(walk, guide) for name, walk in walks.items()}
    shown = 3
    tiles = np.concatenate([np.stack([guide.tiles(row) for row in walk[:shown]]) for walk in walks.values()])
    labels = [f"{name} {i + 1}" for name in walks for i in range(shown)]
    figure = pictures.picture_table(tiles, row_labels=labels)
    film = film_of(
        np.swapaxes(np.stack([interpolate(guide.vae, guide.test[a], guide.test[b], steps=24) for a, b in pairs]), 0, 1),
        guide.span,
        columns=len(pairs),
        alt="Eight pictures that turn into eight others",
        caption="Eight walks through the variational code, the three below among them.",
        fps=12,
        ping_pong=True,
    )
    ratio = away["variational"] / away["plain"]
    return Page(
        text="The encoder now says where a code may lie, and the decoder is fed with a draw from there. So it cannot "
        "rely on the exact place: codes that are near each other have to decode to pictures that are like each "
        "other. Walk from one code to another, and what lies between is a picture too.",
        code="from isthmus import VAE\nfrom isthmus.explore import interpolate\n\n"
        f"vae = VAE(latent_dim={guide.vae.latent_dim_}).fit(X)\n"
        "walk = interpolate(vae, X[0], X[1], steps=9)",
        plates=[Plate("smooth", figure, "Walks between codes", "Each row walks from one unseen picture to another.")],
        films=[film],
        claims=[
            Claim(
                f"{ratio:.2f} ×",
                "as far from the nearest training picture are the ones halfway between two codes, compared with those "
                "of a plain autoencoder (mean squared distance).",
            )
        ],
    )


def _unlike_pairs(guide: Guide, n: int) -> list[tuple[int, int]]:
    """Unseen pictures and ones of another class, or any others."""
    labels = guide.test_labels
    rng = np.random.default_rng(SEED)
    pairs = []
    for a in rng.permutation(len(guide.test))[:n]:
        others = np.arange(len(guide.test)) if labels is None else np.flatnonzero(labels != labels[a])
        pairs.append((int(a), int(rng.choice(others))))
    return pairs


def _from_the_data(walks: np.ndarray, guide: Guide) -> float:
    """Mean squared distance of the pictures halfway from the nearest training picture, per pixel."""
    middle = walks[:, walks.shape[1] // 2].reshape(len(walks), -1)
    real = guide.train.reshape(len(guide.train), -1).astype(float)
    return float(np.mean([((real - one) ** 2).mean(1).min() for one in middle]))


def bound(guide: Guide) -> Page:
    """Both terms over training, and the divergence against Monte Carlo."""
    vae = guide.vae
    history = vae.history_
    figure = figures.loss_curves({k: v for k, v in history.items() if k.split("_")[0] != "val"}, vae.best_epoch_)
    module = vae.module_
    x = torch.tensor(guide.test[:100])
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(SEED)
        q, prior = module.encode(x).q, module.prior()
        assert q is not None
        z = q.sample(torch.Size([2000]))
        ratios = q.log_prob(z) - prior.log_prob(z)
        from isthmus.terms import kl_divergence

        closed = kl_divergence(q, prior, z[0])
    error = (ratios.mean(0) - closed).abs() / (ratios.std(0) / len(z) ** 0.5)
    metrics = vae.evaluate(guide.test)
    return Page(
        text="Which codes could have made this picture, p(z given x), cannot be computed; a Gaussian q whose mean and "
        "spread come from the encoder stands in for it. What is maximised is a lower bound on log p(x): how well the "
        "picture is explained, less the divergence of q from the prior, an isotropic Gaussian.",
        code=f"from isthmus import VAE\n\nvae = VAE(latent_dim={vae.latent_dim_}).fit(X)\n"
        "vae.history_['train_nll'], vae.history_['train_kl']    # both in nats per picture\n"
        "vae.score_samples(X)                                   # the bound, picture by picture",
        plates=[Plate("bound", figure, "Reconstruction and divergence over the epochs", "")],
        claims=[
            Claim(
                f"{float(error.mean()):.2f}",
                "standard errors is the mean distance between the divergence in closed form and 2,000 draws of it "
                "(0.80 is what chance alone gives).",
            ),
            Claim(
                f"{number(metrics['kl'], 3)} nats",
                "a picture is what its code tells about it; the bound on unseen pictures is "
                f"{number(metrics['elbo'], 4)}.",
            ),
        ],
    )


def reparameterisation(guide: Guide) -> Page:
    """Gradient variance of the two estimators on one example."""
    module = guide.vae.module_
    x = torch.tensor(guide.test[:1])
    pathwise, score = _gradients(module, x, 200 if guide.quick else 400)
    ratio = float(score.var(0).sum() / pathwise.var(0).sum())
    disagreement = float(
        (pathwise.mean(0) - score.mean(0)).norm() / (score.var(0).sum() / len(score)).sqrt().clamp_min(1e-12)
    )
    figure = new_figure(6.4, 2.8)
    axes = figure.subplots()
    style_axes(axes, xlabel="draws averaged", ylabel="sd of the gradient, nats")
    counts = np.array([1, 10, 100, 1000, 10_000])
    for name, draws, color in (("score function", score, SECOND), ("reparameterised", pathwise, FIRST)):
        sd = float(draws.var(0).sum().sqrt()) / np.sqrt(counts)
        axes.plot(counts, sd, color=color, lw=1.6, marker="o", ms=4, label=name)
    spread = f"The spread of {len(score)} single draws, divided by the square root of how many are averaged."
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=TICK, labelcolor="#1c2733")
    return Page(
        text="A draw cannot be differentiated. Write it as z = μ + σ ε, with ε from N(0, 1), and it can: the "
        "randomness comes from outside, and the gradient passes through μ and σ. There is another way, which "
        "weighs the score of the density with the loss; it is right on average, and far noisier, even with the mean "
        "loss taken off first, as is done here.",
        code="import torch\n\n"
        "z = mean + std * torch.randn_like(std)    # what isthmus.bottlenecks.DiagonalGaussian does",
        plates=[Plate("reparameterisation", figure, "Noise of both estimators against the number of draws", spread)],
        claims=[
            Claim(
                f"{number(ratio, 2)} ×",
                "the variance of the reparameterised gradient of one picture's loss is that of the score function's. "
                f"Their means are {disagreement:.1f} standard errors apart; about 1 is what chance gives.",
            )
        ],
    )


def _gradients(module, x: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of E_q[−log p(x|z)] with respect to the mean of q, one for each of n draws, by both estimators."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        with torch.no_grad():
            q = module.encode(x).q
        mean, std = q.mean[0], q.stddev[0]
        noise = torch.randn(n, len(mean))
        means = mean.expand(n, -1).clone().requires_grad_()
        costs = -module.log_prob(x, (means + std * noise).unsqueeze(1))[:, 0]
        (pathwise,) = torch.autograd.grad(costs.sum(), means)
    # The score of a Gaussian with respect to its mean is ε / σ. The baseline is the mean of the other draws' costs,
    # so that it is independent of the draw and changes no mean.
    above = (costs.detach() - costs.detach().mean()) * n / (n - 1)
    return pathwise, above.unsqueeze(1) * noise / std


def three_spaces(guide: Guide) -> Page:
    """Reconstruction alone, divergence alone, both."""
    from isthmus.explore import latent_spaces_figure, three_latent_spaces

    spaces = three_latent_spaces(guide.train, guide.train_labels, max_epochs=guide.epochs(60), random_state=SEED)
    figure = latent_spaces_figure(spaces, guide.train_labels)
    alone, _, both = (space.measures for space in spaces)
    return Page(
        text="With the reconstruction alone, the codes tell the data apart and leave gaps, from which nothing sensible "
        "can be decoded. With the divergence alone, the codes are distributed as they should be and say nothing about "
        "the data. Both together give what one wants: a full space in which the data are described.",
        code="from isthmus.explore import three_latent_spaces\n\n"
        f"alone, divergence, both = three_latent_spaces({guide.name!r})\n"
        "both.measures",
        plates=[Plate("three-spaces", figure, "Three maps of codes", "")],
        claims=[
            Claim(
                f"{100 * alone['gaps']:.0f} % → {100 * both['gaps']:.0f} %",
                f"of the prior lie where the decoder has seen no code, without and with the divergence. The divergence "
                f"alone reconstructs nothing (R² {number(spaces[1].measures['r2'], 2)}).",
            )
        ],
    )


def new_data(guide: Guide) -> Page:
    """Samples, and whether they are copies."""
    drawn = guide.vae.sample(400, random_state=SEED)
    real = guide.train.reshape(len(guide.train), -1).astype(float)

    def nearest(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances = _distances(X, real)
        return distances.min(1), distances.argmin(1)

    apart, which = nearest(drawn)
    unseen, _ = nearest(guide.test)
    if np.median(unseen) == 0:
        raise DataError(
            f"half of the pictures of {guide.name} are copies of others, so copies cannot be told from new ones"
        )
    rows = [drawn[:10], guide.train[which[:10]]]
    figure = pictures.picture_table(np.stack([guide.tiles(row) for row in rows]), row_labels=["new", "nearest seen"])
    ratio = float(np.median(apart) / np.median(unseen))
    return Page(
        text="Draw a code from the prior, decode it, and there is a picture that nobody has seen. Good ones look "
        "like the data and copy none of them: below each new picture is the training picture that is most like "
        "it.",
        code="new = vae.sample(64)",
        plates=[Plate("samples", figure, "Samples above their nearest training pictures", "Not selected.")],
        claims=[
            Claim(
                f"{ratio:.2f} ×",
                "as far from its nearest training picture lies the median new picture as the median unseen real one; 0 "
                "would be copies.",
            )
        ],
    )


def _distances(X: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Mean squared differences of all pairs, (n, m)."""
    flat = X.reshape(len(X), -1).astype(float)
    squares = (flat**2).sum(1)[:, None] + (real**2).sum(1) - 2 * flat @ real.T
    return np.maximum(squares, 0) / flat.shape[1]

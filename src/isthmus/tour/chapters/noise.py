"""Corrupted inputs, noisy targets, and the chain that a denoiser makes."""

from __future__ import annotations

import numpy as np

from isthmus.explore import pictures
from isthmus.explore.style import FIRST, SECOND, TICK, new_figure, style_axes
from isthmus.report.elements import Plate, number
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.films import film_of
from isthmus.tour.guide import SEED, Guide
from isthmus.tour.measures import decibels, gain, probe

_SHOWN = 10
_NOISE = 0.2  # of the range


def _noisy(X: np.ndarray, guide: Guide, seed: int) -> np.ndarray:
    low, high = guide.span
    rng = np.random.default_rng(seed)
    return (X + rng.normal(scale=_NOISE * (high - low), size=X.shape)).astype(np.float32)


def denoising(guide: Guide) -> Page:
    """Noise on the input, the clean sample as target."""
    from isthmus import Autoencoder, DenoisingAutoencoder
    from isthmus.corruptions import GaussianNoise

    width = min(64, guide.train[0].size)
    corruption = GaussianNoise(_NOISE, "range")
    dae = DenoisingAutoencoder(width, corruption=corruption, **guide.options(80)).fit(guide.train)
    noisy = _noisy(guide.test, guide, SEED)
    restored = dae.denoise(noisy)
    before, after = (decibels(x, guide.test, guide.span) for x in (noisy, restored))
    rows = [guide.test[:_SHOWN], noisy[:_SHOWN], restored[:_SHOWN]]
    figure = pictures.picture_table(
        np.stack([guide.tiles(row) for row in rows]), row_labels=["unseen", "with noise", "restored"]
    )
    claims = [
        Claim(
            gain(after - before),
            f"of signal to noise on unseen pictures: {before:.1f} dB before, {after:.1f} dB after.",
        )
    ]
    if guide.train_labels is not None:
        import warnings

        from isthmus import OvercompleteWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OvercompleteWarning)
            plain = Autoencoder(width, **guide.options(80)).fit(guide.train)
        with_noise, without = (probe(model, guide, noisy) for model in (dae, plain))
        claims.append(
            Claim(
                f"{100 * with_noise:.1f} %",
                "of the noisy pictures are named correctly by a linear classifier on this code, which was learned "
                f"without labels; on a code of the same width that was trained without noise, {100 * without:.1f} %.",
            )
        )
    return Page(
        text="Corrupt the input and ask for the clean sample back. The copy is no longer a solution, so the code may "
        "even be wide. What is learned removes noise; and the noise regularises, much as dropout on the inputs does.",
        code="from isthmus import DenoisingAutoencoder\n\n"
        f"dae = DenoisingAutoencoder(latent_dim={width}, corruption='gaussian').fit({guide.name!r})\n"
        "restored = dae.denoise(noisy)",
        plates=[Plate("denoising", figure, "Clean, noisy and restored pictures", "")],
        claims=claims,
    )


def noise_to_noise(guide: Guide) -> Page:
    """Noisy targets are enough."""
    from isthmus import DenoisingAutoencoder, Noise2Noise

    unseen = _noisy(guide.test, guide, SEED)
    sizes = [n for n in (len(guide.train) // 8, len(guide.train) // 2, len(guide.train)) if n >= 40]
    quality: dict[str, list[float]] = {"clean targets": [], "noisy targets": []}
    restored = {}
    for n in sizes:
        X = guide.train[:n].astype(np.float32)
        first, second = _noisy(X, guide, SEED + 1), _noisy(X, guide, SEED + 2)
        models = {
            "clean targets": DenoisingAutoencoder(network="unet", **guide.options(40)).fit(first, target=X),
            "noisy targets": Noise2Noise(network="unet", **guide.options(40)).fit(first, target=second),
        }
        for name, model in models.items():
            restored[name] = model.denoise(unseen)
            quality[name].append(decibels(restored[name], guide.test, guide.span))
    rows = [unseen, restored["clean targets"], restored["noisy targets"]]
    shown = pictures.picture_table(
        np.stack([guide.tiles(row[:_SHOWN]) for row in rows]), row_labels=["unseen", *quality]
    )
    curves = new_figure(6.0, 2.7)
    axes = curves.subplots()
    style_axes(axes, xlabel="training pictures", ylabel="PSNR of unseen ones, dB")
    for (name, values), color in zip(quality.items(), (FIRST, SECOND), strict=True):
        axes.plot(sizes, values, color=color, marker="o", ms=4, lw=1.6, label=name)
    before = decibels(unseen, guide.test, guide.span)
    axes.axhline(before, color="#6a7686", lw=0.9, ls=(0, (4, 3)), label="before")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=TICK, labelcolor="#1c2733")
    gap = quality["clean targets"][-1] - quality["noisy targets"][-1]
    return Page(
        text="Nobody has clean pictures? Two noisy ones of the same thing will do: where the noise of the target has "
        "mean zero and is independent of the input's, the best answer is the same. Convolutions help most, "
        "since one picture then holds many examples.",
        code="from isthmus import Noise2Noise\n\n"
        "n2n = Noise2Noise().fit(first, target=second)   # two noisy copies of each picture\n"
        "restored = n2n.denoise(first)",
        plates=[
            Plate("noise2noise", shown, "Noisy and restored pictures", ""),
            Plate("noise2noise-sizes", curves, "Quality against the number of training pictures", ""),
        ],
        claims=[
            Claim(
                gain(quality["noisy targets"][-1] - before),
                f"of signal to noise from {sizes[-1]:,} noisy pairs and not a single clean picture; clean targets "
                f"give {number(abs(gap), 2)} dB {'more' if gap > 0 else 'less'}.",
            )
        ],
    )


def chain(guide: Guide) -> Page:
    """Corrupting and denoising in turn, with a verdict on whether it has converged."""
    from isthmus import DenoisingAutoencoder
    from isthmus.explore.chains import run_chains
    from isthmus.explore.exact import ExactDenoiser

    low, high = guide.span
    bits = (guide.train > (low + high) / 2).astype(np.uint8)
    dae = DenoisingAutoencoder(32, corruption="salt_and_pepper", noise=0.3, walkback=4, **guide.options(40)).fit(bits)
    n_draws = 600 if guide.quick else 1500
    chains = dae.markov_chain(16, n_draws, random_state=SEED)
    walk = dae.markov_chain(16, 60, burn_in=0, random_state=SEED).pictures(16, 60)
    film = film_of(
        np.swapaxes(walk, 0, 1),
        (0, 1),
        columns=8,
        alt="Sixteen chains of pictures that start as noise",
        caption="Sixteen chains over their first 60 steps, each from random noise. A picture is the mean of what the "
        "next state is drawn from.",
        fps=6,
    )
    # Two modes that are far apart, under noise too small to cross from one to the other.
    denoiser = ExactDenoiser(np.eye(2), 0.3, [[-4, 0], [4, 0]])
    start = 6 * np.random.default_rng(SEED).normal(size=(16, 2))
    stuck = run_chains(denoiser.corrupt, denoiser.reconstruct, start, n_draws, random_state=SEED)
    worst = {
        name: max(row["rhat"] for row in found.diagnostics().values())
        for name, found in (("digits", chains), ("stuck", stuck))
    }
    return Page(
        text="Corrupt a sample, denoise it, draw from what the denoiser says, and start again: a Markov chain, whose "
        "states look more and more like data. It needs many steps, and when to stop is hard to see. So many chains are "
        "run from starts far apart, and have to agree; R-hat says how well they do.",
        code="from isthmus import DenoisingAutoencoder\n\n"
        "dae = DenoisingAutoencoder(32, corruption='salt_and_pepper', noise=0.3, walkback=4).fit(bits)\n"
        "chains = dae.markov_chain(n_chains=16, n_draws=1500)\n"
        "chains.converged, chains.reason",
        films=[film],
        plates=[
            Plate(
                "chain",
                chains.trace_plot(),
                "Traces of the statistics of sixteen chains",
                f"The verdict: {chains.reason}.",
            )
        ],
        claims=[
            Claim(
                f"{worst['digits']:.3f}",
                f"is the largest R-hat of this chain after {n_draws:,} draws; it should be below 1.01.",
            ),
            Claim(
                f"{worst['stuck']:.1f}",
                "is that of a chain which cannot cross from one of two far modes to the other, and which is called "
                f"{'converged' if stuck.converged else 'not converged'}.",
            ),
        ],
    )

"""Is the Mona Lisa smiling? A variational code answers with a distribution: narrow where one sees it, wide where not.

A VAE learns drawn faces of which blocks are hidden at random. 25 faces that smile and 25 that do not then say what a
smile is, and the model is asked about faces that it has not seen, with the mouth in sight and behind a hand. Usage:
``python examples/smile_as_a_distribution.py [OUT.png]``.
"""

import sys

import numpy as np

from isthmus import VAE, Trainer
from isthmus.corruptions import Block, Sometimes
from isthmus.data.faces import faces
from isthmus.explore import attribute_figure
from isthmus.networks import MLP

SIZE = 24


def draw(n: int, seed: int, smile: tuple[float, float] = (-1, 1)) -> np.ndarray:
    """Faces that differ in their smile, in where they look, and in the tones of hair and skin."""
    rng = np.random.default_rng(seed)
    ranges = {"smile": smile, "pose_x": (-0.6, 0.6), "hair_tone": (0, 1), "skin_tone": (0, 1)}
    return faces(
        n, SIZE, factors={name: rng.uniform(low, high, n) for name, (low, high) in ranges.items()}, neutral=True
    )


def behind_a_hand(X: np.ndarray) -> np.ndarray:
    """The same faces, with an even block over the lower half."""
    hidden = X.copy()
    hidden[:, SIZE // 2 :, SIZE // 4 : -SIZE // 4] = round(float(X.mean()))
    return hidden


def main(out: str) -> None:
    """Train, learn what a smile is, say how sure the model is, and draw it for a few faces."""
    # Against the log-likelihood of 576 pixels the divergence weighs little; a larger beta makes q(z|x) wider.
    vae = VAE(
        6,
        beta=20,
        kl_warmup=0.5,
        corruption=Sometimes(Block(0.7), 0.8),
        network=MLP((256, 256)),
        max_epochs=24,
        trainer=Trainer(batch_size=64),
        random_state=0,
    ).fit(draw(8000, seed=0))
    vae.fit_attribute("smile", draw(25, seed=1, smile=(0.5, 1)), draw(25, seed=2, smile=(-1, -0.5)))

    many = draw(400, seed=3)
    for text, X in (("mouth in sight", many), ("mouth hidden", behind_a_hand(many))):
        q = vae.attribute("smile", X)
        torn = np.mean(np.abs(q.probability() - 0.5) < 0.4)
        print(f"{text:<15} spread {q.std.mean():.3f}   probability of a smile between 0.1 and 0.9: {100 * torn:.0f} %")

    shown = np.concatenate([faces(1, SIZE, factors={"smile": smile}, neutral=True) for smile in (-0.9, 0.0, 0.9)])
    rows = np.concatenate([shown, behind_a_hand(shown[1:])])
    labels = ["earnest", "calm", "a broad smile", "calm, hidden", "broad, hidden"]
    attribute_figure(vae, "smile", rows, labels=labels).savefig(out, dpi=150, facecolor="white")
    print(f"saved {out}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "smile_as_a_distribution.png")

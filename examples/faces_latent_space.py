"""Learn a latent space of faces and walk through it from a neutral face: one row per latent, saved as a picture.

The faces are drawn, so nothing is downloaded. Usage: ``python examples/faces_latent_space.py [OUT.png]``; by default
the picture goes to ``faces_traversal.png`` in the current folder.
"""

import sys

import numpy as np

from isthmus import VAE
from isthmus.data import load
from isthmus.data.faces import faces
from isthmus.explore.pictures import picture_table, to_rgb

ROWS, STEPS = 6, np.linspace(-2.5, 2.5, 9)


def main(out: str) -> None:
    """Train, order the latents by how much they carry, and draw what each one does."""
    samples = load("faces:n=2000,size=32")
    # Against the log-likelihood of 1,024 pixels the divergence weighs little; a larger beta makes the latents smoother
    # and more independent.
    vae = VAE(8, beta=10, max_epochs=60, random_state=0).fit(samples.X)
    print(vae.describe())

    posterior = vae.posterior(samples.X)
    used = np.argsort(posterior.mean.var(0))[::-1][:ROWS]
    start = vae.transform(faces(1, 32, neutral=True))
    codes = np.tile(start, (len(used), len(STEPS), 1))
    for row, latent in enumerate(used):
        codes[row, :, latent] = STEPS
        factor, r = closest_factor(posterior.mean[:, latent], samples.factors or {})
        print(f"latent {latent}: posterior sd {posterior.std[:, latent].mean():.2f}, follows {factor} (r = {r:+.2f})")

    decoded = vae.inverse_transform(codes.reshape(-1, vae.latent_dim_))
    tiles = to_rgb(decoded, 0, 255).reshape(*codes.shape[:2], 32, 32, 3)
    figure = picture_table(
        tiles,
        row_labels=[f"latent {latent}" for latent in used],
        column_labels=[f"{step:+.1f}" for step in STEPS],
    )
    figure.savefig(out, dpi=150, facecolor="white")
    print(f"saved {out}")


def closest_factor(code: np.ndarray, factors: dict[str, np.ndarray]) -> tuple[str, float]:
    """The generating factor that a latent is most correlated with."""
    r = {name: float(np.corrcoef(code, values)[0, 1]) for name, values in factors.items()}
    name = max(r, key=lambda name: abs(r[name]))
    return name, r[name]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "faces_traversal.png")

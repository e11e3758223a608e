"""Draw ``faces.png``, the picture of the README: a VAE of drawn faces, its samples, and two walks between codes.

Run it with ``.venv/bin/python docs/images/make.py``. It trains for some minutes; the result is the same on the
same machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from isthmus import VAE, Trainer
from isthmus.data.faces import faces
from isthmus.networks import Conv

SIZE, COLUMNS, LATENT_DIM = 40, 9, 16
# In pixels of the finished picture, which a page shows at half that size.
TILE, GAP, MARGIN, LABEL, CORNER = 144, 14, 36, 236, 14
PAPER, INK, MUTED = "#fbfaf7", "#1c2733", "#6a7686"


def train() -> VAE:
    """Learn from 4,000 faces in colour, centred so that the decoder starts from the mean face.

    Against the log-likelihood of 4,800 values the divergence weighs little; a larger beta makes the codes fill the
    prior, so that codes drawn from it decode to faces.
    """
    network = Conv(channels=(16, 32, 64), norm="batch")
    trainer = Trainer(batch_size=32, learning_rate=4e-3)
    vae = VAE(LATENT_DIM, beta=10, network=network, scaling="center", max_epochs=130, trainer=trainer, random_state=0)
    return vae.set_params(verbose=True).fit(draw_faces(4000, random_state=0))


def draw_faces(n: int, **options: Any) -> np.ndarray:
    """Faces of the size and range that the model knows."""
    return (faces(n, SIZE, channels=3, **options) / 255).astype(np.float32)


def rows(vae: VAE) -> list[tuple[str, str, np.ndarray]]:
    """Title, subtitle and pictures of every row."""
    unseen = draw_faces(COLUMNS, random_state=12)
    return [
        ("data", "faces not trained on", unseen),
        ("reconstruction", f"from {LATENT_DIM} numbers", vae.reconstruct(unseen)),
        ("new samples", "codes from the prior", vae.sample(COLUMNS, random_state=0)),
        ("smile", "between two codes", walk(vae, smile=(-1, 1))),
        ("pose", "between two codes", walk(vae, pose_x=(-1, 1))),
    ]


def walk(vae: VAE, **ends: tuple[float, float]) -> np.ndarray:
    """Decode the codes on the straight line between the codes of two faces, which differ in these factors."""
    start, end = vae.transform(draw_faces(2, factors=ends, neutral=True))
    return vae.inverse_transform(start + np.linspace(0, 1, COLUMNS)[:, None] * (end - start))


def draw(named: list[tuple[str, str, np.ndarray]]) -> Image.Image:
    """One light card with rounded corners, so that the picture suits light and dark pages."""
    width = 2 * MARGIN + LABEL + COLUMNS * (TILE + GAP) - GAP
    height = 2 * MARGIN + len(named) * (TILE + GAP) - GAP
    card = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(card)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), radius=2 * CORNER, fill=PAPER)
    title, subtitle = font(27, "bold"), font(20, "normal")
    mask = Image.new("L", (4 * TILE, 4 * TILE))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * TILE - 1, 4 * TILE - 1), radius=4 * CORNER, fill=255)
    mask = mask.resize((TILE, TILE), Image.Resampling.LANCZOS)
    for i, (name, what, pictures) in enumerate(named):
        top = MARGIN + i * (TILE + GAP)
        pen.text((MARGIN, top + TILE / 2 - 3), name, font=title, fill=INK, anchor="ls")
        pen.text((MARGIN, top + TILE / 2 + 26), what, font=subtitle, fill=MUTED, anchor="ls")
        for j, picture in enumerate(np.rint(255 * np.clip(pictures, 0, 1)).astype(np.uint8)):
            tile = Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)
            card.paste(tile, (MARGIN + LABEL + j * (TILE + GAP), top), mask)
    return card


def font(size: int, weight: str) -> ImageFont.FreeTypeFont:
    """matplotlib's own font, which is there on every machine."""
    return ImageFont.truetype(font_manager.findfont(font_manager.FontProperties(weight=weight)), size)


if __name__ == "__main__":
    out = Path(__file__).with_name("faces.png")
    # 256 colours are a third of the bytes, and no eye can tell.
    draw(rows(train())).quantize(256, Image.Quantize.FASTOCTREE).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")

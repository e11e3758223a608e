"""`make demo`: train a variational autoencoder on drawn faces, and write its report."""

import sys
from pathlib import Path

from isthmus.cli import main


def free(folder: Path) -> Path:
    """The folder, or the first of ``folder-2``, ``folder-3``, … that does not exist: no run is ever replaced."""
    number, candidate = 1, folder
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}-{number}")
    return candidate


if __name__ == "__main__":
    out = str(free(Path("runs/demo")))
    sys.exit(main(["fit", "vae", "faces:n=4000", "--latent_dim", "16", "--random_state", "0", "--out", out]))

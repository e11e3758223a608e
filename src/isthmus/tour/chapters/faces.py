"""An attribute as a distribution, and latents that can be moved one at a time."""

from __future__ import annotations

import numpy as np

from isthmus.explore.attribute_figures import attribute_figure
from isthmus.report.elements import Plate, Table
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.films import film_of
from isthmus.tour.guide import SEED, Guide
from isthmus.tour.portraits import LABELLED

# Few examples of a kind differ by chance in all else, too; for a walk that moves one thing, more are needed.
_MANY = 100
_NAMES = {"smile": "smile", "pose_x": "head pose", "hair_tone": "hair", "skin_tone": "skin"}


def smile(guide: Guide) -> Page:
    """How much does she smile, and how sure is one?"""
    portraits, vae = guide.portraits, guide.portraits.vae
    chosen = portraits.unseen(smile=np.array([-0.9, 0.0, 0.9]), seed=SEED + 7)
    hidden = portraits.hide_mouth(chosen[-1:])
    shown = np.concatenate([chosen[:1], hidden, chosen[-1:]])
    figure = attribute_figure(vae, "smile", shown, labels=["clearly not", "behind a hand", "clearly"])
    many = portraits.unseen(n=400, seed=SEED + 8)
    clear, covered = (vae.attribute("smile", X) for X in (many, portraits.hide_mouth(many)))
    unsure = [float(np.mean(np.abs(q.probability() - 0.5) < 0.4)) for q in (clear, covered)]
    return Page(
        text="A plain code gives one value for each attribute. But is the Mona Lisa smiling? One is not sure. A "
        "variational code answers with a distribution: wide where one cannot know, narrow where it is plain to see. "
        f"Here the direction of a smile was found from {LABELLED} faces that smile and {LABELLED} that do not.",
        code="from isthmus import VAE\n\n"
        "vae = VAE(latent_dim=6, corruption='block').fit(faces)    # learns with parts hidden\n"
        "vae.fit_attribute('smile', smiling, serious)              # a few of each\n"
        "q = vae.attribute('smile', X)                             # q.mean, q.std, q.probability()",
        plates=[Plate("smile", figure, "Distributions of a smile for three faces", "Faces that were not trained on.")],
        claims=[
            Claim(
                f"{covered.std.mean() / clear.std.mean():.1f} ×",
                "as wide is the distribution of the smile where the mouth is hidden as where it is seen, on average "
                "over 400 faces.",
            ),
            Claim(
                f"{100 * unsure[1]:.0f} %",
                "of the faces with a hidden mouth get a probability of a smile between 0.1 and 0.9; of those that are "
                f"seen, {100 * unsure[0]:.0f} %.",
            ),
        ],
    )


def traversals(guide: Guide) -> Page:
    """Rows of smile and head pose, and which latent moves which factor."""
    from isthmus.explore import traversal_figure, traverse

    portraits, vae = guide.portraits, guide.portraits.vae
    starts = portraits.unseen(n=5, seed=SEED + 9)
    smiling, serious = portraits.examples("smile", _MANY)
    vae.fit_attribute("smile", smiling, serious)
    vae.fit_attribute("head pose", *portraits.examples("pose_x", _MANY))
    figure = traversal_figure(vae, ["smile", "head pose"], start=starts[0], steps=11)
    ways = ("smile", "head pose")
    walks = [traverse(vae, name, start=face, steps=24, reach=1.8) for name in ways for face in starts]
    film = film_of(
        np.stack(walks, 1),
        (0, 255),
        columns=len(starts),
        alt="Five faces that begin to smile, and the same five as they turn their heads",
        caption="Five faces. Above, they walk along the smile; below, along the pose of the head.",
        fps=12,
        ping_pong=True,
    )
    correlations = portraits.correlations()
    order = np.argsort(-np.abs(correlations).max(0))
    rows = [[f"latent {k}", *(f"{r:z.2f}".replace("-", "−") for r in correlations[:, k])] for k in order]
    moved = portraits.moved_by("smile", portraits.unseen(n=60, seed=SEED + 10))
    share = moved["smile"] / portraits.apart(smiling, serious)["smile"]
    others = max(abs(value) for name, value in moved.items() if name != "smile")
    return Page(
        text="The prior asks the latents to be independent, and so they tend to stand for one thing each: the degree "
        "of a smile, the pose of the head. Move one, and the rest of the face stays. Where no single latent is "
        f"the smile, there may be a direction that is; here it was found from {_MANY} faces of each kind.",
        code="from isthmus.explore import traverse\n\n"
        "traverse(vae, 0, start=face)           # along one latent\n"
        "traverse(vae, 'smile', start=face)     # along a direction that was found",
        films=[film],
        plates=[
            Plate("traversals", figure, "Rows of smile and head pose", "From serious to smiling; from left to right.")
        ],
        tables=[Table("Correlation of each latent with what the faces were drawn from", ["", *_NAMES.values()], rows)],
        claims=[
            Claim(
                f"{100 * share:.0f} %",
                "of the way from serious to smiling examples is how far a walk along the smile, from −1 to 1, takes "
                "other faces, as told by a regression that learned from drawn ones. Of all else, it moves nothing by "
                f"more than {others:.2f} standard deviations.",
            )
        ],
    )

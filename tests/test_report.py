"""The report: one self-contained page for every kind of model and data, and the figures in it."""

from __future__ import annotations

import re
import shlex
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import Page
from PIL import Image

from isthmus import VAE, Autoencoder, DataError, IsthmusWarning, LinearAutoencoder
from isthmus.data.samples import Samples
from isthmus.explore import figures, pictures
from isthmus.report import results, sections, write_report
from isthmus.report.elements import Plate, number, to_svg
from isthmus.report.findings import find
from isthmus.report.labels import count_classes, read_labels
from isthmus.report.view import View

SLUGS = [
    "data", "choices", "training", "reconstructions", "latent", "samples",
    "traversal", "latents", "numbers", "warnings", "next",
]  # fmt: skip
HOSTILE = '"><script>alert(1)</script> $\\frac{<b>'
KINDS = ["grey", "rgb", "table", "flat"]


def fit(estimator, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        return estimator.fit(X)


def cases():
    rng = np.random.RandomState(0)
    grey = (rng.rand(60, 8, 8) * 255).astype(np.uint8)
    table = rng.randn(60, 3) @ rng.randn(3, 5)
    names = (HOSTILE, *(f"column {i}" for i in range(4)))
    return {
        "grey": (
            VAE(2, network="mlp", max_epochs=6, random_state=0),
            Samples(grey, "grey", y=np.array(["cat", "dog", "<i>"])[np.arange(60) % 3]),
            "runs/grey",
        ),
        "rgb": (
            VAE(1, network="mlp", max_epochs=1, random_state=0),
            Samples(rng.rand(30, 6, 5, 3), "rgb"),
            None,
        ),
        "table": (
            Autoencoder(3, max_epochs=6, random_state=0),
            Samples(table, HOSTILE, y=rng.rand(60), feature_names=names),
            "runs/it's <b>",
        ),
        "flat": (
            LinearAutoencoder(2, image_shape=(8, 8)),
            Samples(grey.reshape(60, 64), "flat", y=np.arange(60) % 2),
            "run",
        ),
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Page]:
    found = {}
    for kind, (estimator, samples, run) in cases().items():
        folder = tmp_path_factory.mktemp(kind)
        path = write_report(fit(estimator, samples.X), samples, folder, run=run)
        assert path == folder / "report.html"
        found[kind] = Page(path)
        found[kind].folder = folder
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_section_is_there_in_order(pages, kind):
    page = pages[kind]
    assert page.open == []
    assert [section["id"] for section in page.named("section")] == SLUGS
    assert len(page.named("h1")) == 1
    assert {f"#{slug}" for slug in SLUGS} <= {a.get("href") for a in page.named("a")}


@pytest.mark.parametrize("kind", KINDS)
def test_page_needs_nothing_else(pages, kind):
    page = pages[kind]
    links = [a[k] for _, a in page.tags for k in ("src", "href", "xlink:href") if a.get(k)]
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "http" not in page.source
    assert not page.named("script")
    assert not page.named("link")
    assert "@import" not in page.source
    assert set(re.findall(r"url\((.)", page.source)) <= {"#"}


@pytest.mark.parametrize("kind", KINDS)
def test_references_inside_the_page_resolve_and_are_unique(pages, kind):
    page = pages[kind]
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page.source))
    assert wanted <= set(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_have_alternatives_and_are_written_as_pictures(pages, kind):
    page = pages[kind]
    drawings = page.named("svg")
    assert all(d["role"] == "img" and d["aria-label"] for d in drawings)
    written = sorted((page.folder / "figures").iterdir())
    assert len(written) == len(drawings) == len(page.named("figure"))
    training = {"spectrum"} if kind == "flat" else {"loss"}
    always = {"reconstructions", "latent", "samples", "traversal", "latents"}
    assert {path.stem for path in written} == always | training | (set() if kind == "table" else {"data"})
    for path in written:
        with Image.open(path) as picture:
            assert picture.width > 400
            # On white: a transparent figure would be unreadable on a dark slide.
            assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_drawings_follow_the_theme_of_the_page(pages):
    for page in pages.values():
        body = page.source[page.source.index("<body>") :]
        assert figures.INK not in body
        assert "var(--ink)" in body


def test_names_cannot_inject_markup(pages):
    page = pages["table"]
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "b", "i", "img"})
    assert HOSTILE in page.text
    run = "runs/it's <b>"
    assert f"isthmus encode {shlex.quote(run)} {shlex.quote(HOSTILE)} --out codes.npy" in page.text
    assert f"isthmus.load({run!r})" in page.text
    assert "<i>" in pages["grey"].text


def test_key_numbers_and_metrics_are_those_of_the_estimator(pages):
    estimator, samples, _ = cases()["grey"]
    metrics = fit(estimator, samples.X).evaluate(samples.X)
    text = pages["grey"].text
    assert number(metrics["elbo"]) in text
    assert all(key in text for key in metrics)
    assert "100 draws per row, over 60 rows" in text
    assert "log_likelihood" in pages["flat"].text
    assert "draws per row" not in pages["flat"].text


def test_commands_name_a_placeholder_without_a_run(pages):
    assert "isthmus sample RUN -n 64 --out samples.png" in pages["rgb"].text
    assert "RUN stands for" in pages["rgb"].text
    assert "isthmus sample run -n 64" in pages["flat"].text


def test_single_epoch_and_few_rows_are_warned_about(pages):
    assert "a single epoch of training" in pages["rgb"].text
    assert "few rows to learn from (27)" in pages["rgb"].text


def test_long_tables_are_cut_and_counted():
    X = np.random.RandomState(0).randn(40, 25)
    view = View(LinearAutoencoder(2).fit(X), Samples(X, "wide", y=np.array([f"class {i}" for i in range(40)])))
    _, columns, classes = sections.data(view).tables
    assert columns.caption == "Columns, the first 20; 5 more are not listed"
    assert [row[0] for row in columns.rows] == [f"column {i}" for i in range(20)]
    assert columns.rows[3][1] == number(X[:, 3].mean())
    assert classes.caption == "Labels; 20 more are not listed"
    assert len(classes.rows) == 20
    (plate,) = results.reconstructions(view).plates
    assert plate.caption.startswith("12 of 25 columns")


def test_rows_are_a_fixed_random_choice():
    X = np.random.RandomState(0).randn(2500, 3)
    estimator = LinearAutoencoder(1).fit(X)
    first, second = (View(estimator, Samples(X, "x", y=np.arange(2500))) for _ in range(2))
    assert len(first.rows) == 2000
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.rows, X[first.row_numbers])
    np.testing.assert_array_equal(first.labels.values, first.row_numbers)
    assert first.row_numbers[:200].max() > 2000


def test_row_errors_are_in_units_of_each_feature():
    X = np.random.RandomState(0).randn(50, 2) * [1.0, 1000.0]
    view = View(LinearAutoencoder(1).fit(X), Samples(X, "x"))
    # The one component keeps the large column, so the small one is lost whole: half of the standardised variance.
    assert np.mean(view.errors**2) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(view.feature_r2, [0, 1], atol=0.05)


def test_labels_of_another_length_are_refused(tmp_path):
    X = np.random.RandomState(0).randn(40, 4)
    estimator = LinearAutoencoder(2).fit(X)
    with pytest.raises(DataError, match="3 labels for 40 rows"):
        write_report(estimator, Samples(X, "x", y=np.arange(3)), tmp_path)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ findings


def fake(**changes) -> View:
    """A view of a model with nothing wrong, and what is asked for."""
    losses = [50.0, 10.0, 5.0, 4.0, 4.1]
    estimator = SimpleNamespace(
        history_={"epoch": [1, 2, 3, 4, 5], "train_loss": losses, "val_loss": losses},
        best_epoch_=4,
        latent_dim_=10,
        can_copy=lambda: True,
    )
    view = SimpleNamespace(
        estimator=estimator,
        info=SimpleNamespace(n_values=20, n_samples=1000, low=0.0, high=1.0, is_picture=False),
        stochastic=True,
        active=np.ones(10, bool),
        metrics={"r2": 0.9},
        events=np.random.RandomState(0).rand(50, 20),
    )
    for name, value in changes.items():
        owner = next(o for o in (view, view.info, estimator) if hasattr(o, name))
        setattr(owner, name, value)
    return view  # type: ignore[return-value]


def history(train, val=None):
    parts = {"train_loss": train} if val is None else {"train_loss": train, "val_loss": val}
    return {"epoch": list(range(1, len(train) + 1)), **parts}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"active": np.arange(10) < 1}, "collapse: 1 of 10"),
        ({"history_": history([9.0, 5, 1, 0, 0], [9.0, 6, 5, 4, 5])}, "Overfitting"),
        ({"history_": history([9.0, 7, 5, 3, 1], [9.0, 7, 5, 3, 1]), "best_epoch_": 5}, "too early"),
        ({"history_": history([9.0, 5, 4, 3, 4])}, "No rows were held out"),
        ({"n_samples": 50}, "few rows"),
        ({"metrics": {"r2": 0.01}}, "explains little"),
        ({"latent_dim_": 20, "active": np.ones(20, bool)}, "as wide as the data"),
        ({"events": np.linspace(2, 3, 1000).reshape(50, 20)}, "outside the range"),
        ({"events": np.full((50, 20), 0.5)}, "20 of 20 columns never change"),
    ],
)
def test_each_trouble_has_one_warning(changes, words):
    found = find(fake(**changes))
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"stochastic": False, "active": np.arange(10) < 1},
        {"history_": {}, "best_epoch_": 0},
        # The best epoch is the last, as a decaying learning rate makes it, but nothing falls any more.
        {"history_": history([90.0, 2, 1.001, 1.0005, 1], [90.0, 2, 1.001, 1.0005, 1]), "best_epoch_": 5},
    ],
)
def test_a_sound_model_has_no_warnings(changes):
    assert find(fake(**changes)) == []


# ------------------------------------------------------------------ labels and figures


def test_labels_are_told_apart():
    assert read_labels(np.arange(10)).names == tuple("0123456789")
    assert read_labels(np.arange(11)).names == ()
    assert read_labels(np.array([0.5, np.nan, 0.5])).names == ("0.5", "nan")
    assert read_labels(np.array([True, False])).names == ("False", "True")
    assert read_labels(np.array([None, "a"], dtype=object)).names == ("None", "a")
    np.testing.assert_array_equal(read_labels(np.array([3, 1, 3])).values, [1, 0, 1])
    assert count_classes(np.array([10, 9, 10])) == {"9": 1, "10": 2}
    with pytest.raises(DataError, match=r"these have \(2, 2\)"):
        read_labels(np.zeros((2, 2)))


def test_rare_classes_share_a_colour():
    y = np.array([f"c{i:02}" for i in range(12)] + [f"c{i:02}" for i in range(9)])
    labels = read_labels(y)
    assert labels.names[-1] == "other (3 classes)"
    assert len(labels.names) == 10
    assert (labels.values[9:12] == 9).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.0, "1,234,567"), (-0.123456, "−0.1235"), (9999.7, "10,000"), (3.0, "3"), (float("nan"), "not defined")],
)
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_pictures_are_clipped_to_the_range():
    tiny = np.array([[[-5.0, 0.0], [5.0, 50.0]]])
    np.testing.assert_allclose(pictures.to_rgb(tiny, 0, 10)[0, ..., 0], [[0, 0], [0.5, 1]])
    assert pictures.to_rgb(np.zeros((2, 200, 300, 4)), 0, 1).shape == (2, 67, 100, 3)
    # A number of channels that is no colour is shown as their mean.
    two = pictures.to_rgb(np.stack([np.zeros((1, 3, 3)), np.ones((1, 3, 3))], -1), 0, 1)
    np.testing.assert_allclose(two, 0.5)


def test_differences_are_white_at_zero_and_red_above():
    colours = pictures.difference_rgb(np.array([[[0.0, 9.0, -9.0]]]), 1.0)[0, 0]
    assert colours[0].min() > 0.95
    assert colours[1][0] > colours[1][2]
    assert colours[2][2] > colours[2][0]


def test_picture_table_places_every_tile():
    tiles = np.zeros((2, 3, 4, 4, 3))
    tiles[1, 2] = 1.0
    mosaic = pictures.picture_table(tiles, group=2).axes[0].images[0].get_array()
    assert mosaic.shape == (9, 3 * 4 + 2 + 3, 4)
    np.testing.assert_array_equal(mosaic[-4:, -4:], 1)
    assert mosaic[..., :3].sum() == 4 * 4 * 3
    assert mosaic[4, :, 3].sum() == 0  # the gap is transparent
    uneven = pictures.picture_grid(np.ones((5, 4, 4, 3)), 3).axes[0].images[0].get_array()
    assert uneven[..., 3].sum() == 5 * 16


def test_first_epochs_do_not_flatten_the_curves():
    loss = [1e6, *np.linspace(3, 1, 99)]
    record = {"epoch": list(range(1, 101)), "train_loss": loss, "train_nll": loss}
    assert figures.loss_terms(record) == ["loss"]
    (axes,) = figures.loss_curves(record, 100).axes
    low, high = axes.get_ylim()
    assert low < 1
    assert 2.5 < high < 4


def test_loss_curves_show_every_term_and_the_best_epoch():
    record = {f"{part}_{t}": [3.0, 2.0] for part in ("train", "val") for t in ("loss", "nll", "kl")}
    figure = figures.loss_curves({"epoch": [1, 2], **record}, 2)
    assert [axes.get_title("left") for axes in figure.axes] == ["loss", "reconstruction (nll)", "divergence (kl)"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["training", "validation", "best epoch, 2"]


def test_prior_is_drawn_at_one_and_two_sd():
    figure = figures.latent_scatter(np.random.RandomState(0).randn(9, 2), prior=(np.zeros(2), np.array([1.0, 3.0])))
    assert [(e.width, e.height) for e in figure.axes[0].patches] == [(2, 6), (4, 12)]


def test_bars_are_sorted_and_tell_active_from_not():
    axes = figures.latent_bars(np.array([0.1, 5.0, 2.0]), np.array([False, True, True]), "KL").axes[0]
    assert [bar.get_height() for bar in axes.patches] == [5.0, 2.0, 0.1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "0"]
    assert [c.get_label() for c in axes.containers] == ["active", "not active"]


def test_names_are_never_read_as_formulas():
    data = np.random.RandomState(0).randn(20, 2)
    names = ["$\\frac{$", "a $x$ b"]
    svg = to_svg(Plate("f", figures.feature_histograms(data, data, names), 'say "<hi>"'))
    assert 'aria-label="say &#34;&lt;hi&gt;&#34;"' in svg
    to_svg(Plate("g", figures.latent_scatter(data, read_labels(np.array(names * 10))), "codes"))


def test_responses_have_a_panel_per_latent():
    responses = np.random.RandomState(0).randn(5, 3, 7)
    figure = figures.response_maps(responses, np.linspace(-2, 2, 7), [f"latent {i}" for i in range(5)], list("abc"))
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(np.stack(drawn), responses)

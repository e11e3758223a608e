"""The tour: every chapter has sentences, code that compiles and numbers, in one page that needs no other file."""

from __future__ import annotations

import ast
import importlib
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import Page as Html
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits, load_iris

import isthmus.tour
from isthmus import VAE
from isthmus.cli import main
from isthmus.data.samples import Samples
from isthmus.tour import chapter_names, chapters
from isthmus.tour.chapter import Chapter, Claim, Page
from isthmus.tour.chapters import uses, variational
from isthmus.tour.films import film_of
from isthmus.tour.guide import Guide
from isthmus.tour.measures import gain, scientific

SLUGS = chapter_names()
OLD = "an older page"
DIGITS = load_digits().images


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def in_a_hurry(patch):
    patch.setattr(Guide, "epochs", lambda self, n: 2)


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """The whole tour after two epochs of each training: what every chapter gave, and the page."""
    pages, run, out = {}, isthmus.tour._run, tmp_path_factory.mktemp("tour") / "page.html"

    def noted(chapter, guide):
        pages[chapter.slug] = run(chapter, guide)
        return pages[chapter.slug]

    with pytest.MonkeyPatch.context() as patch:
        in_a_hurry(patch)
        patch.setattr(isthmus.tour, "_run", noted)
        assert main(["tour", "--quick", "--out", str(out), "--quiet"]) == 0
    return pages, Html(out)


def two_chapters(monkeypatch, second):
    """A tour of a chapter that is quickly done, and another one."""
    first = Page("It begins.", "import isthmus", [Claim("1", "is one.")])
    made = Chapter("first", "The first", lambda guide: first), Chapter("second", "The second", second)
    monkeypatch.setattr(chapters, "CHAPTERS", made)


def complaint(capsys, *args):
    """The one line on stderr of a tour that cannot be; an older page is left as it is."""
    Path("page.html").write_text(OLD)
    assert main(["tour", "--out", "page.html", *args]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert Path("page.html").read_text() == OLD
    return line


def ids(page):
    return [section["id"] for section in page.named("section")]


@pytest.mark.parametrize("slug", SLUGS)
def test_every_chapter_explains_shows_and_measures(tour, slug):
    page = tour[0][slug]
    assert len(re.findall(r"[.?!”]( |$)", page.text)) >= 2
    assert page.text[-1] in ".”"
    assert page.plates or page.films
    assert page.claims
    for claim in page.claims:
        assert re.search(r"\d", claim.value), claim
        assert claim.text[-1] == ".", claim
        assert not re.search("nan|inf |not defined", f"{claim.value} {claim.text}"), claim


@pytest.mark.parametrize("slug", SLUGS)
def test_code_compiles_and_imports_what_there_is(tour, slug):
    tree = ast.parse(tour[0][slug].code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_the_page_needs_nothing_else(tour):
    page = tour[1]
    assert page.open == []
    assert ids(page) == SLUGS
    links = [attrs[k] or "" for _, attrs in page.tags for k in ("src", "srcset", "href", "xlink:href") if attrs.get(k)]
    assert all(link.startswith(("#", "data:image/png;base64,", "data:image/webp;base64,")) for link in links)
    assert not {"script", "link", "iframe", "base"} & {tag for tag, _ in page.tags}
    assert "http" not in page.source
    assert "@import" not in page.source
    assert set(re.findall(r"url\((.)", page.source)) <= {"#"}


def test_anchors_lead_somewhere_and_are_unique(tour):
    page = tour[1]
    found = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(found) == len(set(found))
    assert [a["href"] for a in page.named("a")] == [f"#{slug}" for slug in SLUGS]
    assert set(re.findall(r'(?:url\(#|href="#|labelledby=")([^)"]+)', page.source)) <= set(found)


def test_the_page_suits_phones_dark_rooms_and_quiet_eyes(tour):
    page = tour[1]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named("meta")
    assert {"name": "color-scheme", "content": "light dark"} in page.named("meta")
    assert "@media (prefers-color-scheme: dark)" in page.source
    films = [image for image in page.named("img") if image["alt"]]
    assert len(films) == sum(len(chapter.films) for chapter in tour[0].values()) > 0
    still = [source["media"] for source in page.named("source")]
    assert still == ["(prefers-reduced-motion: reduce)"] * len(films)
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.named("svg"))


def test_the_page_says_every_claim_and_how_it_was_made(tour):
    pages, html = tour
    text = html.text.replace("\N{NO-BREAK SPACE}", " ")
    for page in pages.values():
        assert page.text in text
        assert all(claim.value in text and claim.text in text for claim in page.claims)
    assert "isthmus tour --quick." in text


def test_chapters_are_chosen_and_keep_their_order(monkeypatch, capsys):
    in_a_hurry(monkeypatch)
    assert main(["tour", "--chapters", "pca, encoder-decoder", "--out", "new/page.html"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{Path('new/page.html')}\n"
    assert [line[:15] for line in shown.err.splitlines()] == ["chapter 1 of 2:", "chapter 2 of 2:"]
    page = Html(Path("new/page.html"))
    assert ids(page) == ["encoder-decoder", "pca"]
    assert "isthmus tour --chapters pca,encoder-decoder." in page.text


def test_an_unknown_chapter_is_answered_with_those_that_there_are(capsys):
    line = complaint(capsys, "--chapters", "pca,gans")
    assert line == f"isthmus: there is no chapter 'gans'; choose from {', '.join(SLUGS)}"


def test_quick_is_half_as_long():
    samples = Samples(DIGITS, "digits")
    assert [Guide(samples).epochs(n) for n in (3, 40)] == [3, 40]
    assert [Guide(samples, quick=True).epochs(n) for n in (3, 40)] == [2, 20]


def test_pictures_of_ones_own(monkeypatch, capsys):
    in_a_hurry(monkeypatch)
    np.save("mine.npy", np.random.default_rng(0).random((100, 6, 5, 3)))
    wanted = ["identity", "loss", "pca", "sparse", "denoising", "smooth", "three-spaces", "samples", "uses"]
    assert main(["tour", "--quick", "--data", "mine.npy", "--chapters", ",".join(wanted), "--out", "page.html"]) == 0
    page = Html(Path("page.html"))
    assert ids(page) == wanted
    assert "left out" not in page.text
    assert "on mine.npy, and on drawn faces" in page.text
    assert ".fit('mine.npy')" in page.text
    assert "--data mine.npy" in page.text
    # Without labels there is nothing to classify.
    assert "named correctly" not in page.text


@pytest.mark.parametrize("error", ["ParameterError", "DataError"])
def test_a_chapter_that_cannot_run_says_why(monkeypatch, error):
    def second(guide):
        raise getattr(isthmus, error)("it needs <more>")

    two_chapters(monkeypatch, second)
    assert main(["tour", "--out", "page.html"]) == 0
    page = Html(Path("page.html"))
    assert page.open == []
    assert ids(page) == ["first", "second"]
    assert "This chapter was left out: it needs <more>." in page.text
    assert len(page.named("pre")) == 1


def test_without_arviz_the_chain_is_left_out(monkeypatch, capsys):
    in_a_hurry(monkeypatch)
    monkeypatch.setitem(sys.modules, "arviz_stats.base.array", None)
    assert main(["tour", "--quick", "--chapters", "chain", "--out", "page.html"]) == 0
    page = Html(Path("page.html"))
    assert "left out: diagnostics of chains need arviz-stats: pip install 'isthmus[chains]'." in page.text
    assert "Traceback" not in capsys.readouterr().err


def test_copies_among_the_data_leave_nothing_to_compare_with(monkeypatch):
    in_a_hurry(monkeypatch)
    np.save("twice.npy", np.repeat(DIGITS[:40], 10, 0))
    assert main(["tour", "--data", "twice.npy", "--chapters", "samples", "--out", "page.html"]) == 0
    assert "left out: half of the pictures of twice.npy are copies of others" in Html(Path("page.html")).text


def test_bad_data_are_one_line_and_cost_no_page(capsys):
    load_iris(as_frame=True).data.to_csv("iris.csv", index=False)
    assert "iris.csv is a table" in complaint(capsys, "--data", "iris.csv")
    assert "nowhere.npy" in complaint(capsys, "--data", "nowhere.npy")
    for name, X, said in [
        ("few", DIGITS[:20], "at least 100 pictures"),
        ("large", np.zeros((100, 65, 8)), "--resize"),
        ("holes", np.where(DIGITS > 15, np.nan, DIGITS), "without missing values"),
        ("blank", np.full((100, 8, 8), 3.0), "one value"),
    ]:
        np.save(f"{name}.npy", X)
        line = complaint(capsys, "--data", f"{name}.npy")
        assert said in line
        assert f"{name}.npy" in line


def test_a_page_that_cannot_be_written_is_refused_before_any_training(monkeypatch, capsys):
    two_chapters(monkeypatch, lambda guide: pytest.fail("it was trained"))
    Path("file").touch()
    for out, said in ((".", "is a folder"), ("file/page.html", "cannot make the folder file")):
        assert main(["tour", "--out", out]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "cannot write into" in complaint(capsys)


def stop(guide):
    raise KeyboardInterrupt


def test_an_interrupted_tour_keeps_what_was_finished(monkeypatch, capsys):
    two_chapters(monkeypatch, stop)
    Path("page.html").write_text(OLD)
    assert main(["tour", "--out", "page.html", "--quiet"]) == 130
    assert ids(Html(Path("page.html"))) == ["first"]
    assert capsys.readouterr().err.splitlines() == [
        "isthmus: interrupted; 1 of 2 chapters were finished, and are in page.html",
        "isthmus: interrupted",
    ]


def test_a_tour_that_is_interrupted_at_once_says_and_changes_nothing(monkeypatch, capsys):
    two_chapters(monkeypatch, stop)
    Path("page.html").write_text(OLD)
    assert main(["tour", "--chapters", "second", "--out", "page.html", "--quiet"]) == 130
    assert Path("page.html").read_text() == OLD
    assert capsys.readouterr().err == "isthmus: interrupted\n"


def test_labels_that_are_no_classes_are_not_classified():
    def labels(y):
        guide = Guide(Samples(DIGITS[:200], "digits", y=y))
        return guide.train_labels, guide.test_labels

    assert labels(None) == labels(np.linspace(0, 1, 200)) == labels(np.zeros(200)) == (None, None)
    assert labels(np.zeros((200, 2))) == (None, None)
    half = np.arange(200) % 2
    for y, names in ((half, {0, 1}), (half / 2, {"0.0", "0.5"}), (np.array(["a", "b"])[half], {"a", "b"})):
        train, test = labels(y)
        assert set(train.tolist()) == set(test.tolist()) == names
        assert (len(train), len(test)) == (150, 50)


@pytest.mark.parametrize(("shape", "step"), [((8, 8), 1), ((32, 32), 1), ((33, 32), 2), ((64, 64, 3), 4)])
def test_wide_models_see_pictures_that_are_small_enough(shape, step):
    X = np.random.default_rng(0).random((100, *shape))
    train, unseen, said = Guide(Samples(X, "noise")).small()
    assert train[0].size <= 1024
    np.testing.assert_array_equal(np.sort(np.concatenate([train, unseen]), 0), np.sort(X[:, ::step, ::step], 0))
    assert ("one pixel in" in said) == (step > 1)


def test_unseen_pictures_are_none_that_were_trained_on():
    X = np.arange(4000 * 4).reshape(4000, 2, 2)
    guide = Guide(Samples(X, "numbers"))
    assert len(guide.train) + len(guide.test) == 1797
    assert not set(guide.train[:, 0, 0]) & set(guide.test[:, 0, 0])


def test_distances_are_those_of_scipy():
    X, Y = (np.random.default_rng(i).random((7, 5, 4)) for i in range(2))
    flat = [part.reshape(7, -1) for part in (X, Y)]
    expected = cdist(*flat, "sqeuclidean") / 20
    np.testing.assert_allclose(variational._distances(X, flat[1]), expected)


def test_spoilt_pictures_differ_in_a_block_that_another_one_gave():
    X = np.random.default_rng(0).random((20, 10, 15))
    changed = uses._spoil(X) != X
    for i, found in enumerate(changed):
        rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
        block = np.ix_(rows, columns)
        assert (len(rows), len(columns)) == (4, 6)
        assert found.sum() == 24
        np.testing.assert_array_equal(uses._spoil(X)[i][block], X[i - 1][block])


def test_both_estimators_of_the_gradient_have_one_mean():
    import torch

    vae = VAE(2, max_epochs=3, random_state=0).fit(DIGITS[:300])
    x = torch.tensor(DIGITS[:1])
    pathwise, score = variational._gradients(vae.module_, x, 4000)
    error = ((score.var(0) + pathwise.var(0)) / 4000).sqrt()
    assert ((score.mean(0) - pathwise.mean(0)).abs() / error).max() < 4.5
    assert score.var(0).sum() > pathwise.var(0).sum()


def test_small_numbers_are_written_as_people_do():
    assert [scientific(value) for value in (4.2e-7, 9.6e-16, 0.03)] == ["4 · 10⁻⁷", "1 · 10⁻¹⁵", "3 · 10⁻²"]
    assert [gain(value) for value in (4.66, -0.51)] == ["+4.7 dB", "−0.5 dB"]


def test_films_show_the_page_between_their_pictures():
    walks = np.random.default_rng(0).integers(0, 256, (3, 6, 4, 5), np.uint8)
    film = film_of(walks, (0, 255), columns=3, alt="noise")
    with Image.open(io.BytesIO(film.webp)) as image:
        assert image.n_frames == 3
        frame = np.asarray(image.convert("RGBA"))
    factor = film.width // 17
    assert frame.shape == (9 * factor, 17 * factor, 4)
    seen = frame[::factor, ::factor]
    gaps = np.zeros((9, 17), bool)
    gaps[4], gaps[:, [5, 11]] = True, True
    np.testing.assert_array_equal(seen[..., 3], np.where(gaps, 0, 255))
    np.testing.assert_array_equal(seen[:4, :5, 0], walks[0, 0])
    np.testing.assert_array_equal(seen[5:, 12:, 2], walks[0, 5])

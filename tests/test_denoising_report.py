"""The sections of the report about denoising and about the chain."""

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris

import isthmus
from isthmus import DenoisingAutoencoder, Noise2Noise, Noise2Self
from isthmus.data.samples import Samples
from isthmus.evaluate.pictures import psnr
from isthmus.report import denoising, results, write_report
from isthmus.report.view import View

PICTURES = load_digits().images[:120]
TABLE = load_iris().data
NOISY = PICTURES + np.random.default_rng(0).normal(scale=4, size=PICTURES.shape)


@pytest.fixture(scope="module")
def pictures() -> View:
    return View(DenoisingAutoencoder(8, max_epochs=3, random_state=0).fit(PICTURES), Samples(PICTURES, "digits"))


@pytest.fixture(scope="module")
def table() -> View:
    return View(DenoisingAutoencoder(2, max_epochs=3, random_state=0).fit(TABLE), Samples(TABLE, "iris"))


def test_clean_corrupted_and_restored_pictures(pictures):
    section = denoising.restored(pictures)
    (plate,) = section.plates
    assert [text.get_text() for text in plate.figure.axes[0].texts] == ["clean", "corrupted", "restored"]
    corrupted = pictures.estimator.corrupt(pictures.rows, random_state=0)
    error = float(np.mean((corrupted - pictures.rows) ** 2))
    assert f"from {psnr(error, pictures.info):.3g} to" in plate.caption


def test_errors_of_the_columns_of_a_table(table):
    (found,) = denoising.restored(table).tables
    assert found.header == ["Column", "Corrupted", "Restored"]
    # The noise is half a standard deviation of every column.
    assert [float(row[1]) for row in found.rows] == pytest.approx([0.5] * 4, rel=0.25)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (Noise2Self(max_epochs=1, random_state=0), None),
        (DenoisingAutoencoder(4, max_epochs=1, random_state=0), PICTURES),
        (Noise2Noise(4, max_epochs=1, random_state=0), NOISY[::-1].copy()),
    ],
)
def test_where_the_data_are_noisy_nothing_is_called_clean(estimator, target):
    fitted = estimator.fit(NOISY) if target is None else estimator.fit(NOISY, target=target)
    (plate,) = denoising.restored(View(fitted, Samples(NOISY, "noisy"))).plates
    assert [text.get_text() for text in plate.figure.axes[0].texts] == ["noisy", "restored", "taken away"]
    assert "clean" not in plate.caption


def test_a_noisy_table_says_what_was_taken_away():
    X = TABLE + np.random.default_rng(0).normal(size=TABLE.shape)
    view = View(DenoisingAutoencoder(2, max_epochs=1, random_state=0).fit(X, target=TABLE), Samples(X, "iris"))
    (found,) = denoising.restored(view).tables
    assert found.header == ["Column", "Taken away"]
    assert len(found.rows) == 4


def test_whether_the_data_are_noisy_is_saved(tmp_path):
    for name, target in (("own", None), ("given", PICTURES)):
        DenoisingAutoencoder(4, max_epochs=1, random_state=0).fit(NOISY, target=target).save(tmp_path / name)
    own, given = (isthmus.load(tmp_path / name) for name in ("own", "given"))
    assert [model.learned_from_noisy for model in (own, given)] == [False, True]  # pyright: ignore


def test_the_chain_shows_steps_traces_and_verdict(pictures):
    section = denoising.chain(pictures)
    steps, traces = section.plates
    labels = [text.get_text() for text in steps.figure.axes[0].texts]
    assert labels[:4] == [f"chain {i}" for i in (1, 2, 3, 4)]
    assert labels[4:] == ["start", "step 1", "2", "3", "5", "10", "20", "50", "100"]
    assert "8 chains" in traces.caption
    verdict, against = section.tables
    assert [row[0] for row in verdict.rows] == [row[0] for row in against.rows] == list(pictures.estimator.references_)
    chains = pictures.estimator.markov_chain(8, 500, random_state=0)
    assert chains.reason in section.intro
    assert verdict.rows[0][1] == f"{chains.diagnostics()['principal score 1']['rhat']:.3f}"


def test_the_chain_of_a_table_has_no_pictures(table):
    section = denoising.chain(table)
    assert [plate.name for plate in section.plates] == ["chain-traces"]
    assert len(section.tables) == 2


def test_without_arviz_there_are_figures_and_a_hint(pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base.array", None)
    section = denoising.chain(pictures)
    assert "pip install 'isthmus[chains]'" in section.intro
    assert len(section.plates) == 2
    assert section.tables == []


def test_samples_are_said_to_come_from_the_chain(pictures, table):
    for view in (pictures, table):
        assert "states of the chain of corrupting and denoising" in results.samples(view).intro


def test_a_model_whose_corruption_was_a_function_still_has_a_report(tmp_path):
    DenoisingAutoencoder(4, corruption=lambda x: x + 1, max_epochs=1, random_state=0).fit(PICTURES).save(
        tmp_path / "run"
    )
    loaded: Any = isthmus.load(tmp_path / "run")
    text = write_report(loaded, Samples(PICTURES, "digits"), tmp_path).read_text()
    assert "cannot be corrupted as in training" in text
    assert "It cannot be run" in text
    assert "No samples can be drawn" in text


def test_the_page_has_both_sections(pictures, tmp_path):
    text = write_report(pictures.estimator, pictures.samples, tmp_path).read_text()
    assert 'id="denoising"' in text
    assert 'id="chain"' in text
    assert text.index('id="denoising"') < text.index('id="chain"') < text.index('id="samples"')


def test_a_network_that_only_restores_has_no_code_to_look_at(tmp_path):
    noise2self = Noise2Self(network="unet", max_epochs=1, random_state=0).fit(NOISY)
    page = write_report(noise2self, Samples(NOISY, "noisy"), tmp_path, run="runs/u").read_text("utf-8")
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"data", "loss", "reconstructions", "denoising"}
    assert f"{noise2self.latent_dim_:,} values for the 64 of a picture" in page
    assert "isthmus denoise runs/u noisy --out restored.png" in page
    assert "isthmus sample" not in page


def test_a_wide_code_is_looked_at_for_fewer_rows(monkeypatch):
    noise2self = Noise2Self(network="unet", max_epochs=1, random_state=0).fit(NOISY)
    monkeypatch.setattr("isthmus.report.view.MOST_VALUES", 70 * noise2self.latent_dim_)
    assert len(View(noise2self, Samples(NOISY, "noisy")).rows) == 70

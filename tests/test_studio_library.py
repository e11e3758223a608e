"""The library lists what is in its folders without reading models, and opens nothing else."""

import os
import shutil
import subprocess
import sys

import pytest
from studio_server import PICTURES, labelled_data, make_run

from isthmus import VAE, Autoencoder
from isthmus.studio.library import Library
from isthmus.studio.refusal import Refusal


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    source = labelled_data(folder)
    make_run(folder / "runs" / "digits", VAE(latent_dim=2, max_epochs=2, random_state=0), source, source)
    make_run(folder / "runs" / "a" / "b" / "deep", Autoencoder(3, max_epochs=1, random_state=0), PICTURES)
    make_run(folder / "outside" / "secret", Autoencoder(2, max_epochs=1, random_state=0), PICTURES)
    return folder


def test_runs_are_listed_with_their_figures(folder):
    found = {run.name: run for run in Library((folder / "runs",)).list()}
    assert set(found) == {"digits", "a/b/deep"}
    run = found["digits"]
    assert (run.model, run.title, run.data, run.shape, run.latent_dim) == ("vae", "VAE", "digits.npz", (8, 8), 2)
    assert run.figures is not None
    assert run.figures["epochs"] == 2
    assert 0 < (run.figures["val_loss"] or 0) < 1e6
    assert found["a/b/deep"].data is None


def test_a_run_that_is_given_itself_has_the_name_of_its_folder(folder):
    assert [run.name for run in Library((folder / "runs" / "digits",)).list()] == ["digits"]


def test_two_runs_of_the_same_name_are_both_there(folder, tmp_path):
    shutil.copytree(folder / "runs" / "digits", tmp_path / "other" / "digits")
    names = {run.name for run in Library((folder / "runs", tmp_path / "other")).list()}
    assert names == {"digits", "a/b/deep", "other/digits"}


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../outside/secret", "/etc", "a/../../outside/secret", "a", "a/b", "digits/", "digits/.", "link"],
)
def test_names_cannot_leave_the_folders(folder, name):
    library = Library((folder / "runs",))
    with pytest.raises(Refusal) as refused:
        library.open(name)
    assert refused.value.status == 404
    with pytest.raises(Refusal):
        library.open(str(folder / "outside" / "secret"))


def test_links_that_lead_out_are_not_followed(folder, tmp_path):
    inside = tmp_path / "runs"
    shutil.copytree(folder / "runs" / "digits", inside / "digits")
    os.symlink(folder / "outside", inside / "way_out")
    os.symlink(folder / "outside" / "secret", inside / "link")
    os.symlink(inside, inside / "loop")
    library = Library((inside,))
    names = {run.name for run in library.list()}
    assert "digits" in names
    assert not any("secret" in name or name == "link" for name in names)
    # A folder that is replaced by a link after it was listed.
    shutil.rmtree(inside / "digits")
    os.symlink(folder / "outside" / "secret", inside / "digits")
    with pytest.raises(Refusal):
        library.open("digits")


def test_a_run_is_read_again_once_it_has_changed(folder, tmp_path):
    shutil.copytree(folder / "runs" / "digits", tmp_path / "runs" / "digits")
    library = Library((tmp_path / "runs",))
    first = library.open("digits")
    assert library.open("digits") is first
    model = make_run(tmp_path / "runs" / "digits", Autoencoder(3, max_epochs=1, random_state=0), PICTURES)
    assert library.open("digits") is not first
    assert library.open("digits").est.latent_dim_ == model.latent_dim_
    assert {run.latent_dim for run in library.list()} == {3}


def test_damaged_runs_are_listed_with_what_is_wrong(folder, tmp_path):
    for name, content in {"empty": "{}", "cut": '{"a":', "list": "[]"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "params.json").write_text(content)
    found = Library((tmp_path,)).list()
    assert {run.name for run in found} == {"empty", "cut", "list"}
    for run in found:
        assert run.problem
        assert str(tmp_path) not in run.problem


def test_only_a_few_runs_stay_open(folder, tmp_path):
    for number in range(6):
        shutil.copytree(folder / "runs" / "digits", tmp_path / f"run{number}")
    library = Library((tmp_path,))
    opened = [library.open(f"run{number}") for number in range(6)]
    assert library.open("run5") is opened[5]
    assert library.open("run0") is not opened[0]


def test_to_list_runs_does_not_take_torch(folder):
    program = (
        "import sys; from pathlib import Path; from isthmus.studio.library import Library; "
        f"assert len(Library((Path({str(folder / 'runs')!r}),)).list()) == 2; "
        "assert not {'torch', 'sklearn'} & set(sys.modules), 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

"""Searching: trials that can be repeated, studies that are shared and resumed, and what they leave in a folder."""

import csv
import shlex
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from helpers import Page
from sklearn.datasets import load_iris, load_wine
from sqlalchemy.exc import OperationalError

import isthmus
from isthmus import VAE, Autoencoder, LinearAutoencoder, Trainer, search
from isthmus.cli import main
from isthmus.commands.sweep import _next_steps
from isthmus.data import load
from isthmus.errors import MissingExtraError, ParameterError, RunError
from isthmus.runs import run_source
from isthmus.sweep import conclude as conclude_module
from isthmus.sweep import storage
from isthmus.sweep.best import holder, keep_if_best
from isthmus.sweep.metric import Metric
from isthmus.sweep.page import Findings, importances_of, write_page
from isthmus.sweep.place import Place
from isthmus.sweep.planning import make_plan
from isthmus.sweep.progress import Progress
from isthmus.sweep.space import read_space
from isthmus.sweep.storage import database_errors, hidden, quiet_optuna, sqlite_url
from isthmus.sweep.study import RUNGS, _agree
from isthmus.sweep.table import read_trials, top
from isthmus.sweep.worker import Worker
from isthmus.sweep.workers import run_workers
from isthmus.training import Callback, Epoch

X = load_iris().data
RATE = {"trainer.learning_rate": "1e-3..1e-2:log"}
WIDTH = {"latent_dim": "1..3", **RATE}


@pytest.fixture
def pages():
    """For tests that look at the page, which takes most of the time of a small search to draw."""


@pytest.fixture(autouse=True)
def _no_pages(request, monkeypatch):
    if "pages" not in request.fixturenames:
        monkeypatch.setattr(conclude_module, "write_page", lambda found, folder: None)


def quick(**params):
    return VAE(max_epochs=3, random_state=0, network="linear", **params)


def find(estimator=None, **options):
    return search(estimator or quick(), X, **{"n_trials": 4, "space": WIDTH, "default_space": False, **options})


def given(found):
    """What the trials that count were given, and what came of it."""
    return [(t["params"], t["value"]) for t in found.trials_ if t["state"] != "interrupted"]


def same(one, other):
    for name, tensor in one.module_.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), other.module_.state_dict()[name].numpy())


# ------------------------------------------------------------------ trials


def test_the_best_trial_is_the_best_and_its_model_is_returned():
    found = find()
    values = [trial["value"] for trial in found.trials_]
    assert found.best_score_ == max(values) == values[found.best_index_]
    assert found.best_params_ == found.trials_[found.best_index_]["params"]
    held_out = make_plan(quick(), load(X), space=WIDTH, use_defaults=False).held_out()
    assert found.best_estimator_.score(held_out) == pytest.approx(found.best_score_, rel=1e-12)
    assert found.best_estimator_.latent_dim_ == found.best_params_["latent_dim"]
    assert found.study_.best_value == found.best_score_


def test_a_metric_that_falls_is_made_small():
    found = find(metric="mse", space=RATE)
    assert found.best_score_ == min(trial["value"] for trial in found.trials_)
    assert found.best_score_ == pytest.approx(found.trials_[found.best_index_]["metrics"]["mse"])


def test_every_trial_can_be_repeated():
    first, again = find(), find()
    assert given(first) == given(again)
    same(first.best_estimator_, again.best_estimator_)
    plan = make_plan(quick(), load(X), space=WIDTH, use_defaults=False)
    same(plan.fit(first.best_params_), first.best_estimator_)
    other = find(VAE(max_epochs=3, random_state=1, network="linear"))
    assert given(other) != given(first)


def test_data_frames_keep_their_names():
    frame = pd.DataFrame(X, columns=list("abcd"))
    found = search(quick(), frame, n_trials=1, space=WIDTH)
    assert list(found.best_estimator_.feature_names_in_) == list("abcd")
    assert found.best_estimator_.transform(frame).shape == (150, found.best_params_["latent_dim"])


def test_targets_reach_the_model():
    noisy = X + np.random.default_rng(0).normal(size=X.shape)
    model = isthmus.Noise2Noise(latent_dim=2, max_epochs=2, random_state=0)
    found = search(model, noisy, target=X, n_trials=1, space=["trainer.learning_rate=1e-3..1e-2"], default_space=False)
    assert found.best_estimator_.paired_
    history = found.best_estimator_.history_["val_nll"]
    assert found.best_score_ == history[found.best_estimator_.best_epoch_ - 1]


def test_choices_of_several_kinds_arrive_as_they_were_written():
    model = isthmus.StackedAutoencoder(latent_dim=2, max_epochs=1, pretraining_epochs=1, random_state=0)
    space = {"pretraining": ["plain", None], "widths": [(3,), (4, 3)], "trainer.gradient_clip": [None, 1.0]}
    seen = [trial["params"] for trial in search(model, X, n_trials=4, space=space, default_space=False).trials_]
    assert {type(params["widths"]) for params in seen} == {tuple}
    assert {params["pretraining"] for params in seen} <= {"plain", None}


def test_trials_that_fail_are_told_and_the_search_goes_on():
    found = search(LinearAutoencoder(), X, n_trials=6, space={"latent_dim": [2, 3, 500]}, default_space=False)
    failed = [trial for trial in found.trials_ if trial["state"] == "failed"]
    assert failed
    assert all(
        trial["params"]["latent_dim"] == 500 and "more than the 4 components" in trial["reason"] for trial in failed
    )
    assert found.best_params_["latent_dim"] in (2, 3)
    assert len(found.trials_) == 6


class Count(Callback):
    n_fits = 0

    def on_fit_start(self, params, n_epochs):
        type(self).n_fits += 1


def test_what_is_known_is_not_trained_again(monkeypatch):
    monkeypatch.setattr(Count, "n_fits", 0)
    found = find(quick(trainer=Trainer(callbacks=[Count()])), n_trials=6, space={"latent_dim": [1, 2]})
    assert Count.n_fits == len({trial["params"]["latent_dim"] for trial in found.trials_}) <= 2
    assert [trial["state"] for trial in found.trials_] == ["complete"] * 6
    first = {}
    for trial in found.trials_:
        before = first.setdefault(trial["params"]["latent_dim"], trial)
        assert (trial["value"], trial["metrics"]) == (before["value"], before["metrics"])
        assert trial["reason"] == ("" if trial is before else f"the same as trial {before['number']}")
    listed = [cells[0] for cells in top(found.trials_, Metric("score", "maximize"), 5)[1]]
    assert sorted(listed) == sorted(str(trial["number"]) for trial in first.values())


def test_divergence_is_a_reason():
    found = find(space={"trainer.learning_rate": [1e-3, 1e30]}, n_trials=6)
    reasons = {trial["params"]["trainer.learning_rate"]: trial["reason"] for trial in found.trials_}
    assert "DivergedError" in reasons[1e30]
    assert "DivergedError" not in reasons[1e-3]


def test_a_search_in_which_everything_fails_stops_early():
    with pytest.raises(ParameterError, match="all of the first 5 trials failed, the last because: ParameterError"):
        search(LinearAutoencoder(), X, n_trials=50, space={"latent_dim": [500, 501]}, default_space=False)


def test_a_metric_that_the_model_turns_out_not_to_have_ends_the_search():
    with pytest.raises(ParameterError, match="VAE has no metric 'l0' on these data; it has n_samples, mse"):
        find(metric="l0", space=RATE)


def test_warnings_are_kept_with_their_trial(recwarn):
    found = search(Autoencoder(max_epochs=1), X, n_trials=2, space={"latent_dim": [4]}, default_space=False)
    assert all("at least as wide as the data" in trial["warnings"][0] for trial in found.trials_)
    assert not [w for w in recwarn if "at least as wide" in str(w.message)]


def test_nothing_of_optuna_is_heard(capfd):
    before = optuna.logging.get_verbosity()
    find(n_trials=2)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_one_line_for_each_trial_if_asked(capsys):
    find(n_trials=2, verbose=True)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert [line.split()[:3] for line in lines] == [["trial", "0", "score"], ["trial", "1", "score"]]
    assert "*" in lines[0]
    assert "learning_rate=" in lines[0]


def test_no_time_is_no_trial():
    with pytest.raises(ParameterError, match="none was started"):
        find(timeout=0)


@pytest.mark.parametrize("n_trials", [0, -3])
def test_there_is_at_least_one_trial(n_trials):
    with pytest.raises(ParameterError, match="at least 1"):
        find(n_trials=n_trials)


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"isthmus\[search\]"):
        find()


# ------------------------------------------------------------------ pruning


class Told:
    """A trial that is hopeless from some part of the training on."""

    def __init__(self, hopeless_from=RUNGS + 1):
        self.reports, self.hopeless_from = {}, hopeless_from

    def report(self, value, step):
        assert step not in self.reports
        self.reports[step] = value

    def should_prune(self):
        return max(self.reports) >= self.hopeless_from


def train(told, n_epochs, **options):
    progress = Progress(told, lambda epoch, rows: epoch.metrics["val_loss"], X, lambda: False, **options)
    model = quick(trainer=Trainer(callbacks=[progress], early_stopping=None)).set_params(max_epochs=n_epochs).fit(X)
    return model, progress


@pytest.mark.parametrize("n_epochs", [3, 20, 50])
def test_trainings_of_any_length_report_the_same_parts(n_epochs):
    told = Told()
    _, progress = train(told, n_epochs)
    assert set(told.reports) <= set(range(1, RUNGS + 1))
    assert len(told.reports) == min(n_epochs, RUNGS)
    assert max(told.reports) == RUNGS
    assert not progress.pruned


def test_a_hopeless_trial_is_stopped_at_once():
    model, progress = train(Told(hopeless_from=10), 40)
    assert progress.pruned
    assert len(model.history_["epoch"]) == 20


def test_a_warm_up_is_waited_for():
    told = Told(hopeless_from=1)
    model, _ = train(told, 40, warmup=0.5)
    assert min(told.reports) == 10
    assert len(model.history_["epoch"]) == 20


def test_stages_are_not_judged():
    progress = Progress(Told(), lambda epoch, rows: 0.0, X, lambda: False)
    assert not progress.on_epoch_end(Epoch(5, 5, {}, None, is_best=True, stage="stage 1 of 2"))
    assert progress.trial.reports == {}


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_bad_trials_are_pruned_and_good_ones_are_not(pruner):
    model = VAE(2, max_epochs=20, random_state=0, network="linear", trainer=Trainer(early_stopping=None))
    space = {"trainer.learning_rate": "1e-6..3e-2:log"}
    found = search(model, X, n_trials=14, space=space, default_space=False, pruner=pruner)
    pruned = [trial for trial in found.trials_ if trial["state"] == "pruned"]
    assert pruned
    assert all(trial["epochs"] < 20 and trial["value"] is None for trial in pruned)
    rates = [trial["params"]["trainer.learning_rate"] for trial in pruned]
    assert found.best_params_["trainer.learning_rate"] > np.median(rates)
    none = search(model.set_params(max_epochs=1), X, n_trials=14, space=space, default_space=False, pruner="none")
    assert {trial["state"] for trial in none.trials_} == {"complete"}


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_no_two_trials_are_given_the_same_by_the_seed(pruner):
    found = search(quick(), X, n_trials=9, space=RATE, default_space=False, pruner=pruner)
    assert len({trial["params"]["trainer.learning_rate"] for trial in found.trials_}) == 9


def test_pruners_are_known():
    with pytest.raises(ParameterError, match="pruner must be 'median', 'hyperband' or 'none'"):
        find(pruner="best")


# ------------------------------------------------------------------ going on


class Interrupt(Callback):
    """Ctrl-C in one of the trainings."""

    n_fits = 0

    def on_fit_start(self, params, n_epochs):
        type(self).n_fits += 1

    def on_epoch_end(self, epoch):
        if type(self).n_fits == 3:
            raise KeyboardInterrupt


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(Interrupt, "n_fits", 0)
    whole = find(n_trials=6)
    with pytest.raises(KeyboardInterrupt):
        find(quick(trainer=Trainer(callbacks=[Interrupt()])), n_trials=6, out=tmp_path / "s")
    assert holder(tmp_path / "s") is not None
    with (tmp_path / "s" / "trials.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["complete", "complete", "interrupted"]
    resumed = find(n_trials=6, out=tmp_path / "s")
    assert given(resumed) == given(whole)
    same(resumed.best_estimator_, whole.best_estimator_)


def test_a_larger_number_goes_on_and_a_smaller_one_does_nothing(tmp_path):
    out = tmp_path / "s"
    assert len(find(n_trials=2, out=out).trials_) == 2
    assert len(find(n_trials=3, out=out).trials_) == 3
    again = find(n_trials=1, out=out)
    assert len(again.trials_) == 3
    assert again.best_estimator_ is not None
    assert given(again) == given(find(n_trials=3))


@pytest.mark.parametrize("place", ["folder", "database"])
def test_other_data_models_and_settings_are_refused(tmp_path, place):
    at = {"out": tmp_path / "s"} if place == "folder" else {"storage": sqlite_url(tmp_path / "db"), "study": "mine"}
    at |= {"space": RATE, "default_space": False, "n_trials": 1}
    search(quick(), X, **at)
    for model, data, changed, message in [
        (quick(), load_wine().data, {}, "data=150 rows"),
        (quick(), X + 1, {}, "data=150 rows"),
        (Autoencoder(max_epochs=3, network="linear"), X, {}, "model=vae"),
        (quick(), X, {"metric": "mse"}, "metric=score"),
        (quick(), X, {"n_trials": 2, "space": {"beta": "1..2"}}, None),
        (quick().set_params(trainer=Trainer(learning_rate=0.1)), X, {"space": {"beta": "1..2"}}, "learning_rate=0.003"),
        (quick().set_params(max_epochs=4), X, {}, "max_epochs=3"),
        (quick().set_params(random_state=4), X, {}, "random_state=0"),
        (quick(trainer=Trainer(weight_decay=0.5)), X, {}, r"trainer\.weight_decay=0\.0001"),
    ]:
        with pytest.raises(RunError, match=message) if message else nullcontext():
            search(model, data, **{**at, **changed})
    assert len(search(quick(), X, **{**at, "n_trials": 3}).trials_) == 3


def test_ranges_may_change_and_choices_may_not(tmp_path):
    out = tmp_path / "s"
    find(n_trials=2, out=out, space={**WIDTH, "scaling": ["none", "standard"]})
    wider = find(n_trials=4, out=out, space={**WIDTH, "latent_dim": "1..4", "scaling": ["none", "standard"]})
    assert len(wider.trials_) == 4
    for scaling in (["none"], ["standard", "none"]):
        with pytest.raises(RunError, match="scaling was searched as none,standard"):
            find(n_trials=5, out=out, space={**WIDTH, "scaling": scaling})
    with pytest.raises(RunError, match="latent_dim was searched as a range"):
        find(n_trials=5, out=out, space={"latent_dim": [1, 2], "scaling": ["none", "standard"]})


def test_folders_that_hold_something_else_are_refused(tmp_path):
    quick().fit(X).save(tmp_path / "run")
    with pytest.raises(RunError, match="holds a run"):
        find(out=tmp_path / "run")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is a file"):
        find(out=tmp_path / "file")
    find(n_trials=1, out=tmp_path / "s", storage=sqlite_url(tmp_path / "db"), study="one")
    with pytest.raises(RunError, match="study=one, and this one has study=two"):
        find(n_trials=1, out=tmp_path / "s", storage=sqlite_url(tmp_path / "db"), study="two")


def test_studies_of_others_are_left_alone(tmp_path):
    url = sqlite_url(tmp_path / "db")
    with quiet_optuna():
        optuna.create_study(storage=url, study_name="theirs").optimize(lambda trial: trial.suggest_int("a", 1, 2), 1)
    with pytest.raises(RunError, match="is not of isthmus"):
        find(storage=url, study="theirs")


def test_the_trial_of_a_dead_worker_does_not_count(tmp_path):
    found = find(n_trials=2, out=tmp_path / "s")
    plan = make_plan(quick(), load(X), space=WIDTH, use_defaults=False)
    with quiet_optuna():
        study = Place(tmp_path / "s").open(plan, "median")
        lost = study.ask()
        study._storage.record_heartbeat(lost._trial_id)
    assert len(find(n_trials=3, out=tmp_path / "s").trials_) == 3  # it may be alive
    with sqlite3.connect(tmp_path / "s" / "study.db") as database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    after = find(n_trials=3, out=tmp_path / "s")
    assert [trial["state"] for trial in after.trials_] == ["complete", "complete", "interrupted", "complete"]
    assert given(after)[:2] == given(found)


# ------------------------------------------------------------------ databases


def test_passwords_are_shown_nowhere(tmp_path):
    url = "postgresql://me:secret@nowhere/db"
    assert hidden(url) == "postgresql://me:***@nowhere/db"
    with pytest.raises(MissingExtraError, match=r"me:\*\*\*@nowhere"):
        find(storage=url)
    with pytest.raises(ParameterError, match="is no address of a database"):
        find(storage="nonsense")
    with pytest.raises(ParameterError, match=r"'wrong://me:\*\*\*@nowhere/db' is no address"):
        find(storage="wrong://me:secret@nowhere/db")


def test_databases_that_cannot_be_opened_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_ATTEMPTS", 1)
    (tmp_path / "db").write_text("this is no database, though it is long enough to be looked at" * 20)
    with pytest.raises(RunError, match="cannot open sqlite"):
        find(storage=sqlite_url(tmp_path / "db"))
    with pytest.raises(RunError, match="cannot lock"):
        find(storage="sqlite:////proc/nowhere/db")


@pytest.mark.parametrize("name", ["with space", "with {braces}", "with#hash?and%20more", "ünïcode"])
def test_folders_may_have_any_name(tmp_path, name):
    assert len(find(n_trials=1, out=tmp_path / name).trials_) == 1
    assert (tmp_path / name / "study.db").exists()


class Drop(Callback):
    """The database loses its tables while a model is trained."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, epoch):
        with sqlite3.connect(self.path) as database:
            database.execute("DROP TABLE IF EXISTS trials")


@pytest.mark.parametrize("when", ["while a model is trained", "between trials"])
def test_a_database_that_goes_away_is_told(tmp_path, when):
    drop = Drop(tmp_path / "db")
    trained = when == "while a model is trained"
    model = quick(trainer=Trainer(callbacks=[drop] if trained else []))
    plan = make_plan(model, load(X), space=WIDTH, use_defaults=False)
    place = Place(None, sqlite_url(tmp_path / "db"))
    with quiet_optuna():
        study = place.open(plan, "median")
        worker = Worker(plan, study, 3) if trained else Worker(plan, study, 3, tell=drop.on_epoch_end)
        with pytest.raises(RunError, match=r"does not answer.*no such table"), database_errors("db"):
            worker.run()


def test_a_thread_says_nothing_of_the_database_and_all_else(capfd, monkeypatch):
    heard = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    hook = threading.excepthook
    with database_errors("db"):
        for error in (OperationalError("select", {}, Exception("gone")), KeyError("a fault")):
            thread = threading.Thread(target=_raise, args=(error,))
            thread.start()
            thread.join()
    assert [type(args.exc_value) for args in heard] == [KeyError]
    assert threading.excepthook == hook


def _raise(error):
    raise error


# ------------------------------------------------------------------ several workers


_WORKER = """
    import sys, time
    from pathlib import Path
    from sklearn.datasets import load_iris
    from isthmus import VAE, Trainer, search
    from isthmus.sweep import conclude
    from isthmus.training import Callback

    conclude.write_page = lambda found, folder: None
    folder, me = Path(sys.argv[1]), sys.argv[2]

    class Meet(Callback):
        def on_epoch_end(self, epoch):
            (folder / f"here-{me}").touch()
            until = time.monotonic() + 300
            while len(list(folder.glob("here-*"))) < 2:
                assert time.monotonic() < until
                time.sleep(0.01)

    model = VAE(max_epochs=3, random_state=0, network="linear", trainer=Trainer(callbacks=[Meet()]))
    space = {"latent_dim": "1..3", "trainer.learning_rate": "1e-3..1e-2:log"}
    options = {"space": space, "default_space": False, "out": folder / "s", "verbose": True}
    search(model, load_iris().data, n_trials=9, **options)
"""


def test_two_workers_share_a_study(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(_WORKER), str(tmp_path)]
    workers = [
        subprocess.Popen([*command, name], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    spoken = [worker.communicate(timeout=600)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], spoken
    told = [[int(line.split()[1]) for line in lines.splitlines()] for lines in spoken]
    # Each has done some, none has done another's, and together they have done what was asked for.
    assert all(told)
    assert len(told[0] + told[1]) == len(set(told[0] + told[1])) == 9
    found = find(quick(), n_trials=9, out=tmp_path / "s")
    assert len(found.trials_) == 9
    assert holder(tmp_path / "s") == (found.trials_[found.best_index_]["number"], found.best_score_)
    plan = make_plan(quick(), load(X), space=WIDTH, use_defaults=False)
    same(plan.fit(found.best_params_), found.best_estimator_)
    given_to = [str(trial["params"]) for trial in found.trials_]
    assert len(set(given_to)) == 9


def test_a_study_that_another_worker_is_making_is_joined(tmp_path):
    settings = make_plan(quick(), load(X), space=WIDTH, use_defaults=False).settings()

    class Making:
        """Seen before the other has written its settings, and again when it has started a trial too."""

        study_name, trials = "sweep", ["under way"]
        seen = iter([{}, {"isthmus": settings}])

        @property
        def user_attrs(self):
            return next(self.seen)

    _agree(Making(), settings, "s")
    Making.seen = iter([{}, {"isthmus": {**settings, "metric": "mse"}}])
    with pytest.raises(RunError, match="metric=mse"):
        _agree(Making(), settings, "s")


def test_the_best_run_is_never_replaced_by_a_worse_one(tmp_path):
    model = quick(latent_dim=1).fit(X)
    metric = Metric("score", "maximize")
    for number, (value, kept) in enumerate([(1.0, True), (0.5, False), (1.0, False), (2.0, True)]):
        before = holder(tmp_path)
        assert keep_if_best(model, tmp_path, metric, number=number, value=value, source={}) is kept
        assert holder(tmp_path) == ((number, value) if kept else before)
    assert keep_if_best(model, tmp_path, Metric("mse", "minimize"), number=9, value=0.1, source={})
    same(isthmus.load(tmp_path / "best"), model)


def test_a_trial_too_many_is_withdrawn(tmp_path):
    plan = make_plan(quick(), load(X), space=WIDTH, use_defaults=False)
    with quiet_optuna():
        study = Place(None).open(plan, "median")
        told = []
        worker = Worker(plan, study, 2, tell=told.append)
        worker._more = lambda: len(study.trials) < 4  # as if it had not seen what others took
        worker.run()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    assert len(told) == 2


# ------------------------------------------------------------------ the command line


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("iris.npy", X)


SWEEP = ["sweep", "vae", "iris.npy", "--out", "s", "--max_epochs", "2"]
SMALL = [*SWEEP, "--network", "linear", "--trials", "3", "--report", "false"]


def test_a_sweep_leaves_a_run_a_table_and_a_page(in_a_folder, pages, capsys):
    assert main([*SMALL, "--report", "true"]) == 0
    shown = capsys.readouterr()
    assert "3 trials: 3 complete; the best by score:" in shown.out
    assert "latent_dim               2..4:log" in shown.err
    assert len([line for line in shown.err.splitlines() if line.startswith("trial ")]) == 3
    best = isthmus.load("s/best")
    with open("s/trials.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)
    assert int(rows[0]["latent_dim"]) == best.latent_dim_
    assert float(rows[0]["eval.elbo"]) == pytest.approx(float(rows[0]["score"]))
    page = Page(Path("s/sweep.html"))
    assert page.open == []
    assert {attrs["id"] for attrs in page.named("section")} >= {"best", "history", "parameters", "trials", "next"}
    assert {path.stem for path in Path("s/figures").iterdir()} == {"history", "parameters", "curves"}
    assert Path("s/best/report.html").exists()
    assert run_source("s/best")["data"] == "iris.npy"
    assert main(["evaluate", "s/best", "iris.npy"]) == 0


def test_the_same_command_goes_on_and_resume_needs_something(in_a_folder, capsys):
    assert main([*SMALL, "--resume"]) == 2
    assert "nothing to resume in s" in capsys.readouterr().err
    assert not Path("s").exists()
    assert main([*SMALL, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*SMALL, "--resume", "--trials", "4"]) == 0
    shown = capsys.readouterr()
    assert "4 trials: 4 complete" in shown.out
    assert [line.split()[1] for line in shown.err.splitlines() if line.startswith("trial ")] == ["3"]


def test_what_an_option_sets_is_not_searched(in_a_folder, capsys):
    assert main([*SMALL, "--trials", "1", "--beta", "1", "--trainer.batch_size=16", "--latent_dim", "2"]) == 0
    searched = capsys.readouterr().err.splitlines()[1]
    assert searched.split() == ["trainer.learning_rate", "0.0003..0.03:log"]


def test_spaces_may_come_in_several_options_and_from_a_file(in_a_folder, capsys):
    space = ["--space", "latent_dim=1..2", "beta=0.5,1", "--space", "kl_warmup=0..0.1", "--default_space", "false"]
    with pytest.raises(SystemExit):
        main([*SMALL, *space, "--print_config"])
    Path("c.yaml").write_text(capsys.readouterr().out)
    assert main([*SMALL, *space, "--trials", "1"]) == 0
    first = capsys.readouterr().err.splitlines()[1:4]
    assert [line.split() for line in first] == [
        ["latent_dim", "1..2"],
        ["beta", "0.5,1"],
        ["kl_warmup", "0..0.1"],
    ]
    assert main(["sweep", "vae", "--config", "c.yaml", "iris.npy", "--out", "t", "--trials", "1"]) == 0
    assert capsys.readouterr().err.splitlines()[1:4] == first


def test_the_page_says_how_to_train_the_best_again(in_a_folder, monkeypatch):
    written = []
    monkeypatch.setattr(conclude_module, "write_page", lambda found, folder: written.append(found))
    # Layers are searched, so that the network has to be written on the command line.
    assert main([*SWEEP, "--trials", "2", "--report", "false", "--quiet"]) == 0
    (command,) = [text for label, text in written[0].code if label.startswith("Train the best")]
    assert main([*shlex.split(command)[1:], "--quiet", "--report", "false"]) == 0
    same(isthmus.load("runs/again"), isthmus.load("s/best"))


def test_the_command_of_a_denoiser_names_its_target(in_a_folder, monkeypatch):
    np.save("noisy.npy", X + np.random.default_rng(0).normal(size=X.shape))
    written = []
    monkeypatch.setattr(conclude_module, "write_page", lambda found, folder: written.append(found))
    options = ["--out", "s", "--latent_dim", "2", "--max_epochs", "2", "--trials", "1", "--report", "false", "--quiet"]
    assert main(["sweep", "noise2noise", "noisy.npy", "--target", "iris.npy", *options]) == 0
    (command,) = [text for label, text in written[0].code if label.startswith("Train the best")]
    assert "--target iris.npy" in command
    assert main([*shlex.split(command)[1:], "--quiet", "--report", "false"]) == 0
    same(isthmus.load("runs/again"), isthmus.load("s/best"))


def test_what_workers_end_with(capfd):
    run_workers(["--version"], 2)
    assert capfd.readouterr().out.split() == ["isthmus", isthmus.__version__] * 2
    with pytest.raises(ParameterError, match="2 of 2 workers ended with an error"):
        run_workers(["fti"], 2)


def test_ctrl_c_ends_all_workers_and_keeps_what_is_finished(in_a_folder):
    command = [sys.executable, "-m", "isthmus", *SMALL, "--trials", "500", "--jobs", "2"]
    pipes: Any = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # Whoever runs the tests in the background has a shell ignore the signal, for them and what they start.
    with subprocess.Popen(command, **pipes, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        for line in process.stderr:
            if line.startswith("trial   1"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 130, err
    assert "interrupted; what is finished is in s; the same command goes on" in err
    assert "the best by score" in out
    model = VAE(max_epochs=2, network="linear", trainer=Trainer())
    states = [trial["state"] for trial in search(model, "iris.npy", n_trials=1, out="s").trials_]
    assert "running" not in states
    assert 1 <= states.count("complete") < 500
    assert isthmus.load("s/best").latent_dim_ >= 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sweep", "vaee", "iris.npy", "--out", "s"], "did you mean 'vae'"),
        (["sweep", "vae", "iris.npy"], "out"),
        (["sweep", "vae", "none.npy", "--out", "s"], "none.npy"),
        ([*SWEEP, "--trials", "0"], "trials must be at least 1"),
        ([*SWEEP, "--jobs", "0"], "jobs must be at least 1"),
        ([*SWEEP, "--trials", "x"], "--trials can be a whole number, and not x"),
        ([*SWEEP, "--pruner", "best"], "--pruner can be median, hyperband, none, and not best"),
        ([*SWEEP, "--space", "latent=1..2"], "did you mean 'latent_dim'"),
        ([*SWEEP, "--space", "beta"], "NAME=LOW..HIGH"),
        ([*SWEEP, "--metric", "scoer"], "did you mean 'score'"),
        ([*SWEEP, "--storage", "nonsense"], "is no address of a database"),
    ],
)
def test_wrong_calls(in_a_folder, args, message, capsys):
    assert main(args) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert message in line
    assert not Path("s").exists()


def test_help_says_how_trials_are_counted(capsys):
    assert main(["sweep", "--help"]) == 0
    with pytest.raises(SystemExit):
        main(["sweep", "noise2noise", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "trials of the study in all, those of other workers and earlier calls included" in shown
    assert "--target" in shown
    assert "--worker " not in shown


# ------------------------------------------------------------------ the page


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ([1.0], ["complete"]),
        ([1.0, 1.0, 1.0], ["complete"] * 3),
        ([1.0, -1e9, 2.0, 1.5, None, None], ["complete"] * 4 + ["pruned", "failed"]),
        ([1.0 + i / 7 for i in range(12)], ["complete"] * 12),
    ],
)
def test_pages_of_searches_of_any_kind(tmp_path, values, states):
    space = read_space(["a=0.1..10:log", "b=x,y", "c=1..4", "d=[1],[2,3]"])
    trials = [
        {
            "number": i,
            "state": state,
            "value": value,
            "params": {"a": 0.1 + i, "b": "xy"[i % 2], "c": 1 + i % 4, "d": ((1,), (2, 3))[i % 2]},
            "epochs": None,
            "best_epoch": None,
            "seconds": 1.0,
            "metrics": {"mse": 1.0},
            "reason": "<b>too $large$</b>" if state == "failed" else "",
            "warnings": ["odd & strange"],
            "place": "here",
            "curve": {} if state == "failed" else {1: 0.0, 2: 0.5 * i},
        }
        for i, (value, state) in enumerate(zip(values, states, strict=True))
    ]
    metric = Metric("score", "maximize", pays_for_width=True)
    found = Findings("VAE", "a <table>", trials, metric, space, {"a": 0.75, "b": 0.25}, [("Next", "isthmus report s")])
    page = Page(write_page(found, tmp_path))
    assert page.open == []
    assert "a <table>" in page.text
    assert "odd & strange" in page.text
    assert ("<b>too $large$</b>" in page.text) == ("failed" in states)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "history.png",
        "importance.png",
        "parameters.png",
        "curves.png",
    }


def test_importances_come_from_optuna_and_from_enough_trials():
    def value(trial):
        return trial.suggest_float("a", 0, 1) + 1e-3 * trial.suggest_float("b", 0, 1)

    with quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(value, 5)
        assert importances_of(study, read_trials(study)) == {}
        study.optimize(value, 35)
        found = importances_of(study, read_trials(study))
    assert found["a"] > 0.8
    assert sum(found.values()) == pytest.approx(1)


def test_a_best_trial_of_another_folder_is_pointed_to(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep_if_best(quick(latent_dim=1).fit(X), Path("s"), Metric("score", "maximize"), number=1, value=0.0, source={})
    trials = [{"number": n, "value": float(n), "place": "there:/s/best", "state": "complete"} for n in (1, 2)]
    plan = SimpleNamespace(metric=Metric("score", "maximize"))
    text = _next_steps(SimpleNamespace(out="s"), trials, plan)
    assert "the best trial, 2, was run elsewhere: there:/s/best" in text
    assert "best run of this folder: s/best (trial 1)" in text

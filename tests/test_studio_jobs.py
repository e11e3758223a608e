"""Fits that the studio starts: what is done with them, and that they are those of ``isthmus fit``."""

import asyncio
import json
import os
import signal
import sys
import textwrap
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

import isthmus
from isthmus.cli import main
from isthmus.commands.fit import known_model, make_model
from isthmus.data import load
from isthmus.errors import DataError, IsthmusWarning
from isthmus.models.fitting import split_rows

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

with warnings.catch_warnings():
    # Newer versions of starlette warn of any but the newest client.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from isthmus.studio.app import create_app
from isthmus.studio.fits import worker
from isthmus.studio.fits.filling import build
from isthmus.studio.fits.forms import make_form
from isthmus.studio.fits.jobs import Jobs
from isthmus.studio.fits.sources import Descriptions, free_name, known_sources, new_folder
from isthmus.studio.frames import unpack
from isthmus.studio.refusal import Refusal
from isthmus.studio.settings import Settings

QUICK = {"max_epochs": 3, "latent_dim": 2, "random_state": 0, "report": False, "trainer.compile": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32))
    return str(path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@contextmanager
def studio(folder, program=None, **limits):
    """A client of a studio whose fits are carried out by another program, if one is given."""
    app = create_app(Settings((folder,)))
    with TestClient(app, base_url="http://localhost") as client:
        if program is not None or limits:
            own = {} if program is None else {"worker": (sys.executable, "-c", PRELUDE + textwrap.dedent(program))}
            app.state.jobs = Jobs(**limits, **own)
        yield client


# What a fit says, without the seconds that it takes to import torch.
PRELUDE = """
import json, os, signal, sys, time
from pathlib import Path
# As the real one: whoever runs the tests may ignore it, and children would as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
spec = json.loads(sys.stdin.readline())
say = lambda **what: print(json.dumps(what), flush=True)
metrics = {"train_loss": 2.0, "val_loss": 1.0, "learning_rate": 0.1, "seconds": 0.1}
begin = lambda: (say(event="begun", choices=[], n_parameters=5), say(event="stage", n_epochs=9))
epoch = lambda i: say(event="epoch", stage="", n_epochs=9, best=True, metrics={"epoch": i, **metrics})
"""
UNTIL_STOPPED = """
begin()
for i in range(1, 10**6):
    epoch(i)
    try:
        time.sleep(0.02)
    except KeyboardInterrupt:
        say(event="end", state="stopped", saved=True)
        break
"""


def order(client, name="new", model="vae", data="digits", **values):
    return client.post("/api/fits", json={"model": model, "data": data, "name": name, "values": values})


def until(client, number, reached, seconds=120.0):
    """The record of a fit, once it has come so far."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fit = client.get(f"/api/fits/{number}").json()
        if reached(fit):
            return fit
        time.sleep(0.02)
    raise AssertionError(f"it did not come so far: {fit}")


def is_over(fit):
    return fit["state"] in ("done", "stopped", "failed")


def refusal(answer, status):
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    sentence = answer.json()["error"]
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


# ------------------------------------------------------------------ the real worker


def carry_out(model, data, folder, values, said):
    _, args = build(make_form(model), values, data)
    spec = {"model": model, "args": [*args, "--out", str(folder)], "folder": str(folder)}
    return worker._result(spec, folder, lambda message: said.append(message) or True)


def test_a_fit_of_the_studio_is_that_of_the_command(data, tmp_path, capsys):
    said = []
    values = {**QUICK, "beta": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        assert carry_out("vae", data, tmp_path / "a", values, said)["state"] == "done"
        _, args = build(make_form("vae"), values, data)
        assert main(["fit", "vae", *args, "--out", str(tmp_path / "b"), "--quiet"]) == 0
    X = np.load(data)
    assert [message["event"] for message in said][-1] == "trained"
    mine, theirs = isthmus.load(tmp_path / "a"), isthmus.load(tmp_path / "b")
    assert mine.transform(X).tobytes() == theirs.transform(X).tobytes()
    losses = [message["metrics"]["val_loss"] for message in said if message["event"] == "epoch"]
    assert losses == mine.history_["val_loss"]
    assert [message["best"] for message in said if message["event"] == "epoch"][mine.best_epoch_ - 1]
    json.dumps(said)


def test_the_rows_that_are_shown_are_held_out_and_the_last_are_of_the_kept_model(data, tmp_path):
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        carry_out("autoencoder", data, tmp_path / "a", QUICK, said)
    shown = [message for message in said if message["event"] == "shown"]
    X, model = np.load(data), isthmus.load(tmp_path / "a")
    seed = np.random.RandomState(0).randint(2**31 - 1)
    held_out = split_rows(X, 0.1, seed).validation
    rows = shown[0]["rows"]
    assert 0 < len(rows) <= 8
    assert set(rows) <= set(held_out.tolist())
    assert [message["of"] for message in shown] == ["data"] + ["model"] * (len(shown) - 1)
    np.testing.assert_array_equal(array(shown[0]), X[rows])
    assert shown[-1]["epoch"] == 0
    np.testing.assert_array_equal(array(shown[-1]), model.reconstruct(X[rows]))


def array(message):
    import base64

    return np.frombuffer(base64.b64decode(message["data"]), message["dtype"]).reshape(message["shape"])


def test_pictures_are_shown_as_bytes_and_a_closed_form_has_them_too(tmp_path):
    said = []
    values = {"latent_dim": 4, "report": False, "random_state": 0}
    assert carry_out("linear", "faces:n=40,size=16", tmp_path / "a", values, said)["state"] == "done"
    first, last = [message for message in said if message["event"] == "shown"]
    faces = load("faces:n=40,size=16").X
    np.testing.assert_array_equal(array(first)[..., 0], faces[first["rows"]])
    assert (last["of"], last["dtype"], last["shape"]) == ("model", "uint8", first["shape"])


def test_a_denoiser_is_shown_what_it_gets_to_see(tmp_path):
    said = []
    values = {**QUICK, "max_epochs": 1, "network": "mlp", "noise": 1.0}
    assert carry_out("denoising", "faces:n=40,size=16", tmp_path / "a", values, said)["state"] == "done"
    shown = [message for message in said if message["event"] == "shown"]
    assert [message["of"] for message in shown[:3]] == ["data", "noisy", "model"]
    sample, noisy = (array(message).astype(float) for message in shown[:2])
    rows = load("faces:n=40,size=16").X
    assert 0.5 < np.std(noisy - sample) / rows.std() < 1.1  # as asked, less what is clipped to be shown
    assert array(shown[2]).shape == noisy.shape


def test_key_figures_are_those_of_the_run(data, tmp_path):
    end = carry_out("linear", data, tmp_path / "a", {"latent_dim": 2, "report": False}, [])
    run = isthmus.load(tmp_path / "a")
    assert end["figures"] == {"latent_dim": run.latent_dim_, "active_units": run.active_units_}


def test_stages_are_told_apart(data, tmp_path):
    said = []
    carry_out("stacked", data, tmp_path / "a", {**QUICK, "max_epochs": 2, "widths": [4]}, said)
    stages = [message["stage"] for message in said if message["event"] == "epoch"]
    assert stages == ["stage 1 of 2"] * 2 + ["stage 2 of 2"] * 2 + [""] * 2


def test_no_random_number_is_used_up_for_what_is_shown(data):
    config, _ = build(make_form("vae"), {}, data)
    generator = np.random.RandomState(3)
    estimator = make_model(known_model("vae"), config).set_params(random_state=generator)
    worker._shown_rows(estimator, load(data))
    assert generator.randint(1 << 30) == np.random.RandomState(3).randint(1 << 30)


def test_warnings_and_errors_are_told_in_one_line(data, tmp_path):
    said = []
    carry_out("autoencoder", data, tmp_path / "a", {**QUICK, "latent_dim": 6}, said)
    [told] = [message["text"] for message in said if message["event"] == "warning"]
    assert told.startswith("latent_dim=6 is at least as wide as the data")
    failed = carry_out("vae", str(tmp_path / "none.npy"), tmp_path / "b", QUICK, said)
    assert failed["state"] == "failed"
    assert "none.npy" in failed["error"]
    assert "\n" not in failed["error"]
    burst = carry_out("autoencoder", data, tmp_path / "c", {**QUICK, "trainer.learning_rate": 1e30}, said)
    assert burst["state"] == "failed"
    assert "Try a smaller learning rate" in burst["error"]
    assert isthmus.load(tmp_path / "c")


def test_when_nobody_listens_any_more_the_best_is_kept(data, tmp_path):
    heard = []

    def send(message):
        heard.append(message)
        return message["event"] != "epoch" or message["metrics"]["epoch"] < 2

    _, args = build(make_form("autoencoder"), {**QUICK, "max_epochs": 50}, data)
    spec = {"model": "autoencoder", "args": [*args, "--out", str(tmp_path / "a")]}
    assert worker._result(spec, tmp_path / "a", send)["state"] == "done"
    assert len(isthmus.load(tmp_path / "a").history_["epoch"]) == 2


def test_start_follow_stop_go_on_and_close(data, folder):
    """One fit in a process of its own, from its start to the end of the server."""
    values = {**QUICK, "max_epochs": 100_000, "trainer.early_stopping": None, "trainer.n_threads": 1}
    with studio(folder) as client:
        answer = order(client, "a/slow", "autoencoder", data, **values)
        assert answer.status_code == 201
        number = answer.json()["id"]
        with client.websocket_connect(f"ws://localhost/api/fits/{number}/live") as socket:
            epochs, of = [], []
            while len(epochs) < 3 or "model" not in of:
                message = socket.receive()
                if message.get("text"):
                    epochs += json.loads(message["text"])["epochs"]
                else:
                    header, arrays = unpack(message["bytes"])
                    of.append(header["of"])
                    assert arrays["shown"].shape[1:] == (6,)
        assert [epoch["epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))
        assert {"train_loss", "val_loss", "train_nll", "val_nll", "learning_rate", "seconds"} <= set(epochs[0])
        client.post(f"/api/fits/{number}/stop")
        fit = until(client, number, is_over)
        assert (fit["state"], fit["saved"], fit["error"], fit["can_resume"]) == ("stopped", True, None, True)
        run = isthmus.load(folder / "a" / "slow")
        losses = run.history_["val_loss"]
        assert run.best_epoch_ == 1 + int(np.argmin(losses)) == fit["best"]["epoch"]
        assert [epoch["val_loss"] for epoch in fit["epochs"]] == losses
        assert "a/slow" in [found["name"] for found in client.get("/api/runs").json()]
        assert "is a run" in refusal(order(client, "a/slow/b", data=data), 409)
        # It goes on where it was, and the end of the server stops it too.
        client.post(f"/api/fits/{number}/resume")
        until(client, number, lambda fit: fit["epoch"] > len(losses) + 2)
    longer = isthmus.load(folder / "a" / "slow")
    assert len(longer.history_["epoch"]) > len(losses)
    assert longer.history_["val_loss"][: len(losses)] == losses


# ------------------------------------------------------------------ the queue


def test_fits_wait_for_their_turn_and_can_leave_the_queue(folder):
    with studio(folder, UNTIL_STOPPED) as client:
        numbers = [order(client, name).json()["id"] for name in ("one", "two", "three")]
        until(client, numbers[0], lambda fit: fit["epoch"] > 1)
        places = {fit["run"]: (fit["state"], fit["place"]) for fit in client.get("/api/fits").json()}
        assert places == {"one": ("running", None), "two": ("waiting", 1), "three": ("waiting", 2)}
        assert client.post(f"/api/fits/{numbers[1]}/stop").json()["state"] == "stopped"
        assert client.get(f"/api/fits/{numbers[2]}").json()["place"] == 1
        client.post(f"/api/fits/{numbers[0]}/stop")
        until(client, numbers[2], lambda fit: fit["state"] == "running")
        assert until(client, numbers[0], is_over)["saved"]


def test_a_full_queue_says_so(folder):
    with studio(folder, UNTIL_STOPPED, most_waiting=1) as client:
        assert [order(client, name).status_code for name in ("one", "two")] == [201, 201]
        full = order(client, "three")
        assert "1 fits wait already" in refusal(full, 503)
        assert full.headers["retry-after"]


def test_two_fits_never_become_one_run(folder):
    with studio(folder, UNTIL_STOPPED) as client:
        assert order(client, "one").status_code == 201
        assert "another fit" in refusal(order(client, "one"), 409)


def test_whoever_comes_late_gets_everything(folder):
    program = """
    import base64
    begin()
    array = {"shape": [1, 2], "dtype": "float32", "data": base64.b64encode(bytes(8)).decode()}
    for of in ("data", "model"):
        say(event="shown", of=of, rows=[3], names=None, **array)
    for i in range(1, 4):
        epoch(i)
    say(event="warning", text="beware")
    say(event="end", state="done", saved=False)
    """
    with studio(folder, program) as client:
        number = order(client).json()["id"]
        fit = until(client, number, is_over)
        assert (fit["state"], fit["epoch"], fit["n_epochs"], fit["warnings"]) == ("done", 3, 9, ["beware"])
        assert fit["best"]["val_loss"] == 1.0
        with client.websocket_connect(f"ws://localhost/api/fits/{number}/live") as socket:
            progress = socket.receive_json()
            assert [epoch["epoch"] for epoch in progress["epochs"]] == [1, 2, 3]
            assert progress["fit"]["state"] == "done"
            frames = [unpack(socket.receive_bytes())[0]["of"] for _ in range(2)]
            assert frames == ["data", "model"]
            assert socket.receive()["type"] == "websocket.close"


def test_time_left_is_that_of_the_epochs_to_come(folder):
    with studio(folder, "begin()\nfor i in range(1, 4):\n    epoch(i)\n    time.sleep(0.05)\ntime.sleep(60)") as client:
        number = order(client).json()["id"]
        fit = until(client, number, lambda fit: fit["epoch"] == 3)
        assert fit["seconds_left"] == pytest.approx(6 * fit["seconds_per_epoch"])
        assert fit["seconds_per_epoch"] > 0


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed; perhaps there is not enough memory"),
        ("begin(); print('something was said', file=sys.stderr); sys.exit(3)", "ended with code 3: something was said"),
        ("print('no JSON', flush=True)", "could not be followed"),
    ],
)
def test_a_process_that_breaks_takes_nothing_with_it(folder, program, sentence):
    with studio(folder, program) as client:
        number = order(client, "one").json()["id"]
        fit = until(client, number, is_over)
        assert (fit["state"], fit["saved"]) == ("failed", False)
        assert sentence in fit["error"]
        assert order(client, "two").status_code == 201


def test_a_fit_that_does_not_stop_is_ended_with_the_server(folder, monkeypatch):
    monkeypatch.setattr("isthmus.studio.fits.jobs._GRACE", 0.3)
    program = """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Path(spec["folder"] + ".pid").write_text(str(os.getpid()))
    begin()
    time.sleep(600)
    """
    with studio(folder, program) as client:
        number = order(client, "deaf").json()["id"]
        until(client, number, lambda fit: fit["state"] == "running")
        pid = int((folder / "deaf.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_only_so_many_fits_are_remembered(folder, monkeypatch):
    monkeypatch.setattr("isthmus.studio.fits.jobs._MOST_KEPT", 2)
    with studio(folder, "say(event='end', state='done', saved=False)") as client:
        for name in ("one", "two", "three", "four"):
            until(client, order(client, name).json()["id"], is_over)
        assert [fit["run"] for fit in client.get("/api/fits").json()] == ["four", "three"]


# ------------------------------------------------------------------ names and requests


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "/etc/x",
        "a/../../b",
        ".hidden",
        "a//b",
        "a/",
        "-x",
        "a b",
        "a\\b",
        "é",
        "x" * 101,
        "a/b/c/d/e",
        "con.",
    ],
)
def test_a_name_that_is_none_is_refused(folder, name):
    with pytest.raises(Refusal) as caught:
        new_folder((folder,), name)
    assert caught.value.status == 422


def test_a_name_does_not_lead_out_by_a_link(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refusal, match="leads out"):
        new_folder((folder,), "link/new")


def test_what_is_there_is_never_written_over(folder):
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine")
    for name, status in (("notes", 409), ("notes/a.txt", 409), ("notes/a.txt/b", 409)):
        with pytest.raises(Refusal) as caught:
            new_folder((folder,), name)
        assert caught.value.status == status
    assert new_folder((folder,), "notes/new") == folder / "notes" / "new"
    assert free_name(set(), (folder,), "notes") == "notes_2"
    assert free_name({"a"}, (folder,), "a") == "a_2"
    assert free_name(set(), (folder,), "ünd/ so") == "nd__so"


def test_single_runs_take_no_new_ones(folder):
    (folder / "params.json").write_text("{}")
    with pytest.raises(Refusal, match="open it on a folder"):
        new_folder((folder,), "new")


def test_requests_that_cannot_be_served(folder):
    with studio(folder, UNTIL_STOPPED) as client:
        assert "did you mean 'vae'" in refusal(client.get("/api/form/vaee"), 404)
        assert "did you mean 'vae'" in refusal(order(client, model="vaee"), 404)
        assert "say what to fit" in refusal(order(client, data=""), 422)
        assert "--beta can be a number" in refusal(order(client, beta="x"), 422)
        assert "no option 'bta'" in refusal(order(client, bta=1), 422)
        assert "there is no fit '9'" in refusal(client.get("/api/fits/9"), 404)
        assert refusal(client.post("/api/fits/9/stop"), 404)
        assert refusal(client.post("/api/fits", json={"model": "vae", "args": ["--config", "x"]}), 422)
        assert refusal(client.post("/api/fits", json=[1]), 400)
        for value in ([[1]], {"class_path": "x"}, [1] * 201, "x" * 5000):
            assert "a value is a number" in refusal(order(client, beta=value), 422)
        half = b'{"model": "vae", "data": "digits", "values": {"%s": "%s"}}'
        for broken in ((b"\\ud800", b"1"), (b"beta", b"\\udfff")):
            answer = client.post("/api/fits", content=half % broken, headers={"Content-Type": "application/json"})
            assert "a value is a number" in refusal(answer, 422)
        other = {"Origin": "http://elsewhere.example"}
        body = {"model": "vae", "data": "digits", "values": {}}
        assert refusal(client.post("/api/fits", json=body, headers=other), 403)
        with client.websocket_connect("ws://localhost/api/fits/9/live") as socket:
            assert "there is no fit" in socket.receive_json()["error"]
        assert client.get("/api/fits").json() == []
        number = order(client).json()["id"]
        until(client, number, lambda fit: fit["state"] == "running")
        assert "nothing to go on from" in refusal(client.post(f"/api/fits/{number}/resume"), 409)


def test_the_form_says_what_is_wrong_and_what_will_be_chosen(folder, data):
    with studio(folder, UNTIL_STOPPED) as client:
        found = client.get("/api/form").json()
        assert {model["name"] for model in found["models"]} == set(isthmus.models())
        assert [source["data"] for source in found["data"]] == ["digits", "faces", "shapes"]
        assert (
            client.get("/api/form/vae").json()["fields"] == json.loads(json.dumps(make_form("vae").record()))["fields"]
        )
        values = {"beta": "x", "latent_dim": 3}
        answer = client.post("/api/form/vae", json={"data": data, "values": values}).json()
        assert answer["errors"] == {"beta": "--beta can be a number, and not x"}
        chosen = {choice["name"]: choice["value"] for choice in answer["outlook"]["choices"]}
        assert (chosen["latent_dim"], chosen["likelihood"], chosen["batch_size"]) == ("3", "gaussian", "32")
        assert answer["data"].startswith("120 rows of 6 columns")
        assert answer["command"] == f"isthmus fit vae {data} --latent_dim 3 --out {folder}/rows_vae"
        assert answer["name"] == "rows_vae"
        missing = client.post("/api/form/vae", json={"data": "nowhere.npy", "name": "../x"}).json()
        assert set(missing["errors"]) == {"data", "name"}
        nothing = client.post("/api/form/vae", json={}).json()
        assert (nothing["errors"], nothing["outlook"]) == ({}, None)


def test_data_are_read_once_until_they_change(data, tmp_path, monkeypatch):
    path = tmp_path / "rows.npy"
    np.save(path, np.load(data))
    read = []

    def describe(model, config):
        read.append(config.data)
        return len(read)

    monkeypatch.setattr("isthmus.studio.fits.choices.describe_source", describe)

    async def ask(*values):
        known = Descriptions()
        found = [await known.of("vae", build(make_form("vae"), value, str(path))[0]) for value in values]
        path.write_bytes(path.read_bytes() + b" ")
        found.append(await known.of("vae", build(make_form("vae"), values[0], str(path))[0]))
        known.close()
        return found

    assert asyncio.run(ask({}, {"beta": 2}, {"image_shape": [2, 3]}, {})) == [1, 1, 2, 1, 3]


def test_data_that_take_long_are_told_later(data, monkeypatch):
    monkeypatch.setattr("isthmus.studio.fits.sources._PATIENCE", 0.01)
    monkeypatch.setattr("isthmus.studio.fits.choices.describe_source", lambda model, config: time.sleep(0.2) or "seen")

    async def ask():
        known, config = Descriptions(), build(make_form("vae"), {}, data)[0]
        first = await known.of("vae", config)
        await asyncio.sleep(0.4)
        return first, await known.of("vae", config)

    assert asyncio.run(ask()) == (None, "seen")


def test_the_data_of_the_runs_are_offered_once(folder, data):
    from isthmus.runs import write_run
    from isthmus.studio.library import Library

    model = isthmus.LinearAutoencoder(2).fit(np.load(data))
    for name in ("a", "b"):
        write_run(model, folder / name, {"data": data, "options": {"label": "y"}})
    write_run(model, folder / "c", {"data": "digits", "options": {}})
    [*_, last] = found = known_sources(Library((folder,)))
    assert len(found) == 4
    assert (last["data"], last["options"]) == (data, {"label": "y"})


def test_data_can_be_named_only_where_that_is_safe(folder):
    app = create_app(Settings((folder,), token="a-long-token"))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.post("/api/form/vae", json={"data": "digits"})
        assert refusal(answer, 401)


def test_the_interrupt_reaches_a_worker_that_was_started_in_the_background(tmp_path):
    """A server started with `&` ignores SIGINT, and so would its children."""
    import subprocess

    spec = {"model": "vae", "args": ["digits", "--out", str(tmp_path / "a")], "folder": str(tmp_path / "a")}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "isthmus.studio.fits.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(spec) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["event"] == "begun"
        process.send_signal(signal.SIGINT)
        last = [json.loads(line) for line in process.stdout][-1]
    assert (last["event"], last["state"], last["saved"]) == ("end", "stopped", True)


def test_data_beyond_the_memory_are_refused(data, monkeypatch):
    def describe(model, config):
        raise MemoryError

    monkeypatch.setattr("isthmus.studio.fits.choices.describe_source", describe)

    async def ask():
        await Descriptions().of("vae", build(make_form("vae"), {}, data)[0])

    with pytest.raises(DataError, match="more memory than there is"):
        asyncio.run(ask())


def test_a_model_beyond_the_memory_fails_in_one_line(data, tmp_path):
    values = {"report": False, "network": "MLP", "network.hidden": [1, 4 * 10**14]}
    failed = carry_out("autoencoder", data, tmp_path / "a", values, [])
    assert failed == {"state": "failed", "error": "there is not enough memory for this model and these data"}


def test_the_server_is_there_before_torch_is(folder):
    """Whatever routes import when the application is made would keep the first page waiting."""
    import subprocess

    code = (
        "import sys; from pathlib import Path; from isthmus.studio.app import create_app; "
        f"from isthmus.studio.settings import Settings; create_app(Settings((Path({str(folder)!r}),))); "
        "print(sorted({'torch', 'sklearn', 'jsonargparse', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

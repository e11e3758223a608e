"""Reconstruct and denoise over HTTP: what is answered, that it is right, and what is refused."""

import io
import json
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from PIL import Image

import isthmus
from isthmus import VAE, DenoisingAutoencoder, SparseAutoencoder
from isthmus.data import load
from isthmus.runs import write_run
from isthmus.studio.app import create_app
from isthmus.studio.frames import MEDIA_TYPE, pack, unpack
from isthmus.studio.lab import chain, place, socket
from isthmus.studio.settings import Limits, Settings

with warnings.catch_warnings():
    # Newer versions of starlette warn of any but the newest client.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

N = 120
HOST = {"host": "127.0.0.1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of each kind, fitted in a moment, that know where their data come from."""
    folder = tmp_path_factory.mktemp("runs")
    digits = load("digits").X[:N]
    np.save(folder / "digits.npy", digits)
    rows = np.random.default_rng(0).normal(size=(60, 3)) * [1, 10, 100] + [0, 50, 1000]
    lines = "\n".join(",".join(map(repr, row)) for row in rows.tolist())
    (folder / "table.csv").write_text(f"height,weight,income\n{lines}\n")
    models = {
        "denoising": (DenoisingAutoencoder(8, max_epochs=3, random_state=0), "digits.npy"),
        "sparse": (SparseAutoencoder(32, n_active=4, max_epochs=3, random_state=0), "digits.npy"),
        "table": (VAE(2, max_epochs=2, random_state=0), "table.csv"),
        "rows": (DenoisingAutoencoder(2, max_epochs=2, random_state=0), "table.csv"),
        "hidden": (VAE(4, corruption="block", max_epochs=2, random_state=0), "digits.npy"),
        "bits": (VAE(2, likelihood="bernoulli", max_epochs=2, random_state=0), "bits.npy"),
    }
    np.save(folder / "bits.npy", (digits > 100).astype(np.float32))
    for name, (model, data) in models.items():
        path = str(folder / data)
        write_run(model.fit(path), folder / name, {"data": path, "options": {}})
    # One whose data are gone.
    write_run(VAE(2, max_epochs=1, random_state=0).fit(digits), folder / "orphan")
    return folder


@pytest.fixture(scope="module")
def client(folder):
    with TestClient(create_app(Settings((folder,))), base_url="http://127.0.0.1") as client:
        yield client


def try_row(client, run, row):
    return unpack(client.post(f"/api/lab/try/{run}", json={"row": row}).content)


def frame_of(sample, **header):
    return pack(header, sample=np.ascontiguousarray(sample))


def png(array):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def test_the_routes_do_not_take_pytorch_along():
    code = "import sys, isthmus.studio.lab.api; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------ reconstruct


@pytest.mark.parametrize("run", ["denoising", "sparse", "table"])
def test_a_row_is_answered_as_the_model_itself_answers(client, folder, run):
    model = isthmus.load(folder / run)
    data = load(folder / ("table.csv" if run == "table" else "digits.npy"))
    header, arrays = try_row(client, run, 7)
    assert np.array_equal(arrays["sample"], data.X[7])
    one = load(data.X[7:8]) if data.feature_names is None else data
    at = 0 if data.feature_names is None else 7
    assert np.allclose(arrays["reconstruction"], model.reconstruct(one)[at], rtol=1e-5)
    assert header["score"] == pytest.approx(float(model.score_samples(one)[at]), rel=1e-5)
    assert np.allclose(arrays["difference"], arrays["reconstruction"].astype(float) - arrays["sample"])


def test_all_ways_to_send_a_sample_are_one(client, folder):
    digits = load(folder / "digits.npy").X
    by_row = try_row(client, "denoising", 5)
    picture = {"content": png(digits[5]), "params": {"name": "five.png"}}
    values = {"json": {"values": digits[5].ravel().tolist()}}
    frame = {"content": frame_of(digits[5]), "headers": {"content-type": MEDIA_TYPE}}
    for sent in (picture, values, frame):
        header, arrays = unpack(client.post("/api/lab/try/denoising", **sent).content)
        assert header["mse"] == pytest.approx(by_row[0]["mse"], rel=1e-6)
        assert np.array_equal(arrays["shown"], by_row[1]["shown"])


def test_a_row_of_text_finds_its_columns(client, folder):
    data = load(folder / "table.csv")
    a, b, c = data.X[3].tolist()
    text = f"income,height,comment,weight\n{c!r},{a!r},none,{b!r}\n"
    header, arrays = unpack(client.post("/api/lab/try/table?name=row.csv", content=text).content)
    assert np.array_equal(arrays["sample"], data.X[3])
    assert "comment" in header["notes"][0]


def test_places_count_the_less_unusual(client, folder):
    model, data = isthmus.load(folder / "denoising"), load(folder / "digits.npy").X
    errors = ((model.reconstruct(data) - data.astype(float)) ** 2).reshape(N, -1).mean(1)
    scores = model.score_samples(data)
    middle = float(np.median(errors))
    found = client.get("/api/lab/place/denoising", params={"mse": middle, "score": float(np.median(scores))}).json()
    assert found["error"]["share"] == pytest.approx(np.mean(errors < middle), abs=0.02)
    assert found["score"]["share"] == pytest.approx(0.5, abs=0.02)
    assert sum(found["error"]["counts"]) >= 0.98 * N
    worst = client.get("/api/lab/place/denoising", params={"mse": 1e9, "score": -1e9}).json()
    assert worst["error"]["sentence"] == worst["score"]["sentence"] == f"more unusual than all {N} training samples"


def test_words_never_round_up_to_all():
    assert place.sentence(0.9996, 5000) == "more unusual than 99.9 % of the training samples"
    assert place.sentence(0.0001, 50000) == "more unusual than 0.1 % of the training samples"
    assert place.sentence(0.992, 1000) == "more unusual than 99.2 % of the training samples"
    assert place.place(1.0, np.full(3, np.nan), "high", "samples") is None
    assert place.place(1.0, np.ones(3), "high", "samples")["share"] == 0


def test_a_sample_without_a_score_is_still_reconstructed(client):
    header, arrays = unpack(client.post("/api/lab/try/bits", json={"values": [3.0] * 64}).content)
    assert header["score"] is None
    assert "[0, 1]" in header["score_problem"]
    assert arrays["reconstruction"].shape == (8, 8)


def test_without_data_there_is_nothing_to_compare_with(client):
    assert client.get("/api/lab/about/orphan").json()["n_rows"] == 0
    assert client.get("/api/lab/place/orphan", params={"mse": 1}).json() == {"error": None, "score": None}
    assert client.post("/api/lab/try/orphan", json={"values": [0] * 64}).status_code == 200
    refused = client.post("/api/lab/try/orphan", json={"row": 0})
    assert (refused.status_code, "not at hand" in refused.json()["error"]) == (422, True)


# ------------------------------------------------------------------ noise


def noisy(client, run, sample, kind="gaussian", strength=0.5, seed=0):
    params = {"kind": kind, "strength": strength, "seed": seed}
    answer = client.post(
        f"/api/lab/noise/{run}", params=params, content=frame_of(sample), headers={"content-type": MEDIA_TYPE}
    )
    assert answer.status_code == 200, answer.text
    return unpack(answer.content)


def test_noise_is_offered_to_models_that_restore(client):
    about = {run: client.get(f"/api/lab/about/{run}").json() for run in ("denoising", "hidden", "sparse", "rows")}
    assert about["denoising"]["noise"]["kinds"][0]["trained"]
    assert about["hidden"]["noise"]["kinds"][0]["id"] == "block"
    assert about["sparse"]["noise"] is None
    assert "block" not in {kind["id"] for kind in about["rows"]["noise"]["kinds"]}


@pytest.mark.parametrize("run", ["denoising", "rows"])
def test_every_kind_of_noise_grows_with_its_strength_and_ends_at_none(client, run):
    sample = try_row(client, run, 2)[1]["sample"]
    for kind in client.get(f"/api/lab/about/{run}").json()["noise"]["kinds"]:
        found = [noisy(client, run, sample, kind["id"], s * kind["most"])[1]["samples"] for s in (0, 0.1, 0.9)]
        none, little, much = (np.abs(samples[1] - samples[0]).mean() for samples in found)
        assert none == 0
        assert little < much, kind["id"]


def test_noise_of_a_seed_is_the_same_and_scales(client):
    sample = try_row(client, "denoising", 2)[1]["sample"]
    once, again, double, other = (
        noisy(client, "denoising", sample, strength=strength, seed=seed)[1]["samples"][1] - sample
        for strength, seed in ((0.3, 1), (0.3, 1), (0.6, 1), (0.3, 2))
    )
    assert np.array_equal(once, again)
    assert np.allclose(double, 2 * once, rtol=1e-5, atol=1e-4)
    assert not np.allclose(once, other)


def test_own_noise_is_that_of_the_training(client, folder):
    model, data = isthmus.load(folder / "denoising"), load(folder / "digits.npy").X
    spread = np.std(model.corrupt(data, random_state=0) - data.astype(float))
    sample = data[2]
    found = [noisy(client, "denoising", sample, strength=0.5, seed=s)[1]["samples"][1] - sample for s in range(40)]
    assert np.std(found) == pytest.approx(spread, rel=0.05)


def test_errors_before_and_after_are_those_of_the_samples(client):
    sample = try_row(client, "denoising", 2)[1]["sample"]
    header, arrays = noisy(client, "denoising", sample)
    clean, before, after = arrays["samples"]
    for key, other in (("before", before), ("after", after)):
        assert header[key] == pytest.approx(10 * np.log10(255**2 / np.mean((other - clean) ** 2)))
    assert arrays["shown"].shape == (3, 8, 8, 1)
    assert noisy(client, "denoising", sample, strength=0)[0]["before"] is None
    rows = noisy(client, "rows", try_row(client, "rows", 1)[1]["sample"])
    assert rows[0]["measure"] == "rms"
    assert rows[1]["shown"].shape == (3, 3)


# ------------------------------------------------------------------ sparse features


def test_features_are_the_code_and_add_up_to_the_reconstruction(client, folder):
    model, data = isthmus.load(folder / "sparse"), load(folder / "digits.npy").X
    answer = client.post("/api/lab/features/sparse", json={"row": 4})
    header, arrays = unpack(answer.content)
    code = model.transform(data[4:5])[0]
    listed = {feature["latent"]: feature["activation"] for feature in header["features"]}
    assert listed == pytest.approx({int(i): float(code[i]) for i in np.flatnonzero(code)})
    # The decoder is linear: what its features add, upon what it makes of nothing, is the reconstruction.
    nothing = model.inverse_transform(np.zeros((1, 32), np.float32))[0]
    assert np.allclose(nothing + arrays["parts"].sum(0), model.reconstruct(data[4:5])[0], atol=1e-2)
    strengths = [feature["activation"] for feature in header["features"]]
    assert strengths == sorted(strengths, reverse=True)


def test_the_inputs_of_a_feature_are_those_that_fire_it_most(client, folder):
    codes = isthmus.load(folder / "sparse").transform(load(folder / "digits.npy").X)
    header, _ = unpack(client.post("/api/lab/features/sparse", json={"row": 4}).content)
    for feature in header["features"]:
        fired = codes[:, feature["latent"]]
        assert feature["share"] == pytest.approx(np.mean(fired > 0))
        assert feature["rows"][0] == int(np.argmax(fired))
        assert np.all(np.diff(fired[feature["rows"]]) <= 0)


# ------------------------------------------------------------------ chains


class Chain:
    """A socket, asked and answered."""

    def __init__(self, client, run):
        self.socket = client.websocket_connect(f"/api/lab/chain/{run}", headers=HOST)

    def __enter__(self):
        self.open = self.socket.__enter__()
        return self

    def __exit__(self, *error):
        return self.socket.__exit__(*error)

    def ask(self, message):
        if isinstance(message, dict):
            self.open.send_text(json.dumps(message))
        elif isinstance(message, bytes):
            self.open.send_bytes(message)
        else:
            self.open.send_text(message)
        return unpack(self.open.receive_bytes())


def test_a_chain_is_the_same_however_many_steps_are_asked_for_at_a_time(client):
    traces = []
    for sizes in ((6,), (1, 2, 3)):
        with Chain(client, "denoising") as chain:
            header, arrays = chain.ask({"id": 1, "op": "start", "chains": 5, "seed": 3})
            assert (header["step"], arrays["shown"].shape) == (0, (5, 8, 8, 1))
            steps = [chain.ask({"id": 2, "op": "step", "n": n}) for n in sizes]
            traces.append(np.concatenate([arrays["trace"] for _, arrays in steps]))
            assert steps[-1][0]["step"] == 6
    assert traces[0].shape == (6, len(header["names"]), 5)
    assert np.array_equal(*traces)


def test_chains_from_one_sample_start_alike_and_part(client):
    sample = try_row(client, "denoising", 2)[1]
    with Chain(client, "denoising") as chain:
        _, start = chain.ask(frame_of(sample["sample"], id=1, op="start", chains=4, **{"from": "sample"}))
        assert np.array_equal(start["shown"], np.repeat(sample["shown"][:1], 4, 0))
        _, later = chain.ask({"id": 2, "op": "step", "n": 5})
        assert len({picture.tobytes() for picture in later["shown"]}) == 4


@pytest.mark.parametrize("start", ["noise", "prior"])
def test_chains_of_a_table_start_and_walk(client, start):
    with Chain(client, "rows") as chain:
        chain.ask({"id": 1, "op": "start", "chains": 4, "from": start})
        header, arrays = chain.ask({"id": 2, "op": "step", "n": 3, "judge": True})
        assert arrays["shown"].shape == (4, 3)
        assert header["verdict"]["state"] == "early"


def test_the_verdict_is_that_of_the_second_half(client, folder):
    pytest.importorskip("arviz_stats")
    with Chain(client, "denoising") as chain:
        chain.ask({"id": 1, "op": "start", "chains": 4, "seed": 0})
        traces = [chain.ask({"id": 2, "op": "step", "n": 50})[1]["trace"] for _ in range(4)]
        header, last = chain.ask({"id": 3, "op": "step", "n": 50, "judge": True})
    trace = np.concatenate([*traces, last["trace"]])[-125:].astype(np.float64)
    model = isthmus.load(folder / "denoising")
    statistics = {name: trace[:, i].T for i, name in enumerate(header["names"])}
    verdict = isthmus.evaluate.convergence.judge(statistics, data=model.references_)
    told = header["verdict"]
    assert (told["state"] == "yes") == verdict.converged
    for name, row in verdict.table.items():
        assert told["table"][name]["rhat"] == pytest.approx(row["rhat"], rel=1e-3)


def told(trace):
    """What is said of chains that have this trace (steps, statistics, chains)."""
    chains = object.__new__(chain.WalkingChains)
    chains.names, chains._trace, chains.n_steps, chains.start = ["height"], [trace], len(trace), "noise"
    chains.state, chains._est = np.zeros((8, 3)), SimpleNamespace(references_={})
    return chains.judge()


def test_words_of_the_verdict_follow_the_chains():
    pytest.importorskip("arviz_stats")
    alike = np.random.default_rng(0).normal(size=(1000, 1, 8))
    assert told(alike).state == "yes"
    assert "independent samples" in told(alike).words
    apart = told(alike + np.arange(8) * 0.1)
    assert (apart.state, "differ, most in height" in apart.words, "more steps" in apart.words) == ("no", True, True)
    stuck = told(alike * 0.01 + np.arange(8))
    assert (stuck.state, "More steps will not help" in stuck.words) == ("no", True)
    assert told(alike[:20]).state == told(alike[:2]).state == "early"


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[1, 2]",
        "{}",
        {"id": 1, "op": "step"},
        {"id": 1, "op": "start", "chains": 0},
        {"id": 1, "op": "start", "chains": 10**6},
        {"id": 1, "op": "start", "chains": "8"},
        {"id": 1, "op": "start", "seed": -1},
        {"id": 1, "op": "start", "from": "elsewhere"},
        {"id": 1, "op": "start", "from": "sample"},
        {"id": 1, "op": "start", "from": ["noise"]},
        {"id": {"a": 1}, "op": "dance"},
        b"no frame",
        frame_of(np.zeros((3, 3)), op="start"),
        frame_of(np.full((8, 8), np.nan), op="start", **{"from": "sample"}),
    ],
)
def test_messages_that_cannot_be_followed_are_answered_with_a_sentence(client, message):
    with Chain(client, "denoising") as chain:
        header, _ = chain.ask(message)
        assert header["error"]
        assert "\n" not in header["error"]
        # And the chain goes on.
        assert chain.ask({"id": 7, "op": "start", "chains": 2})[0]["id"] == 7
        assert "at a time" in chain.ask({"id": 8, "op": "step", "n": 51})[0]["error"]


def test_models_without_a_chain_say_so(client):
    for run, sentence in (("table", "no Markov chain"), ("nowhere", "no run")):
        with Chain(client, run) as chain:
            assert sentence in chain.ask({"id": 1, "op": "start"})[0]["error"]


def test_only_so_many_pages_walk_at_once(client, monkeypatch):
    monkeypatch.setattr(socket, "MOST_OPEN", 1)
    with Chain(client, "denoising") as first, Chain(client, "denoising") as second:
        assert "error" not in first.ask({"id": 1, "op": "start", "chains": 2})[0]
        assert second.ask({"id": 1, "op": "start", "chains": 2})[0]["status"] == 429
    with Chain(client, "denoising") as third:
        assert "error" not in third.ask({"id": 1, "op": "start", "chains": 2})[0]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("address", "sent", "match"),
    [
        ("try/denoising", {"content": b""}, "empty"),
        ("try/denoising", {"content": b"\x00\x01 no picture"}, "no picture"),
        ("try/denoising", {"json": {}}, "which sample"),
        ("try/denoising", {"json": {"row": N}}, "no row"),
        ("try/denoising", {"json": {"row": -1}}, "no row"),
        ("try/denoising", {"json": {"row": True}}, "which sample"),
        ("try/denoising", {"json": {"values": [1, 2]}}, "64"),
        ("try/denoising", {"json": [1]}, "an object"),
        ("try/denoising", {"content": b"{", "headers": {"content-type": "application/json"}}, "not JSON"),
        ("try/denoising", {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, "JSON"),
        ("try/denoising", {"content": b"nope", "headers": {"content-type": MEDIA_TYPE}}, "not a frame"),
        ("try/denoising", {"content": pack({}), "headers": {"content-type": MEDIA_TYPE}}, "no array 'sample'"),
        ("try/denoising?fit=bend", {"json": {"row": 0}}, "fit"),
        ("try/denoising?index=x", {"json": {"row": 0}}, "index"),
        ("try/table", {"content": b"height,weight\n1,2\n"}, "lacks"),
        ("try/table", {"content": b"height,weight,income\n1,2,NaN\n"}, "finite"),
        ("noise/denoising?kind=gaussian&strength=9", {"json": {"row": 0}}, "strength"),
        ("noise/denoising?kind=gaussian&strength=nan", {"json": {"row": 0}}, "strength"),
        ("noise/denoising?kind=rain&strength=1", {"json": {"row": 0}}, "rain"),
        ("noise/denoising?kind=gaussian&strength=1&seed=-1", {"json": {"row": 0}}, "seed"),
        ("noise/denoising", {"json": {"row": 0}}, "kind"),
        ("features/denoising", {"json": {"row": 0}}, "not sparse"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(client, address, sent, match):
    answer = client.post(f"/api/lab/{address}", **sent)
    assert answer.status_code in (400, 413, 422), answer.text
    sentence = answer.json()["error"]
    assert match in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert client.get("/api/lab/about/denoising").status_code == 200


def test_limits_are_those_of_the_server(folder):
    limits = Limits(body=2000, json=100, pixels=1000)
    with TestClient(create_app(Settings((folder,), limits=limits)), base_url="http://127.0.0.1") as client:
        wide = client.post("/api/lab/try/denoising", content=png(np.zeros((50, 50), np.uint8)))
        assert (wide.status_code, "50 x 50" in wide.json()["error"]) == (422, True)
        long = client.post("/api/lab/try/denoising", content=bytes(3000))
        assert (long.status_code, "2,000" in long.json()["error"]) == (413, True)
        wordy = client.post("/api/lab/try/denoising", json={"values": [0.5] * 64})
        assert (wordy.status_code, "100 bytes" in wordy.json()["error"]) == (413, True)


def test_another_site_may_not_use_the_lab(client):
    away = {"origin": "http://elsewhere.example"}
    assert client.post("/api/lab/try/denoising", json={"row": 0}, headers=away).status_code == 403


def test_nothing_that_is_sent_reaches_the_disk(client, folder, monkeypatch):
    import builtins
    import os
    import tempfile

    def forbidden(*args, **kwargs):
        raise AssertionError("something was written")

    opened = builtins.open
    monkeypatch.setattr(tempfile, "mkstemp", forbidden)
    monkeypatch.setattr(tempfile, "TemporaryFile", forbidden)
    monkeypatch.setattr(os, "open", forbidden)
    monkeypatch.setattr(
        builtins, "open", lambda f, mode="r", *a, **k: opened(f, mode, *a, **k) if "w" not in mode else forbidden()
    )
    before = sorted(folder.rglob("*"))
    big = png(np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8))
    assert len(big) > 1 << 21
    assert client.post("/api/lab/try/denoising", content=big).status_code == 200
    assert sorted(folder.rglob("*")) == before

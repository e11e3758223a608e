"""The map is what it says: its plane, its contours, its components, its colours; and paths and selections."""

import asyncio
import csv
import io
import json
import time
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from studio_server import LABELS, PICTURES, labelled_data, make_run, serve
from websockets.sync.client import connect

from isthmus import RAE, VAE, Autoencoder, load
from isthmus.studio.frames import unpack
from isthmus.studio.map.contours import MASSES, curves, ellipses
from isthmus.studio.map.frame import map_frame
from isthmus.studio.opened import OpenedRun
from isthmus.studio.settings import Limits
from isthmus.studio.work import Work


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    source = labelled_data(folder)
    make_run(folder / "runs" / "wide", VAE(latent_dim=5, max_epochs=3, random_state=0), source, source)
    make_run(folder / "runs" / "plane", RAE(latent_dim=2, max_epochs=2, random_state=0), source, source)
    rows = np.random.default_rng(0).normal(size=(80, 4))
    table = str(folder / "table.npy")
    np.save(table, rows)
    make_run(folder / "runs" / "table", Autoencoder(latent_dim=2, max_epochs=2, random_state=0), table, table)
    return folder / "runs"


@pytest.fixture(scope="module")
def client(runs):
    with serve(runs) as client:
        yield client


def frame(client, url, **options):
    answer = client.get(url, params=options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-isthmus-frame"
    return unpack(answer.content)


def inside(points, line):
    """Which points lie within a closed curve: those with an odd number of crossings to their right."""
    x, y = points.T
    crossings = np.zeros(len(points), dtype=int)
    for (x0, y0), (x1, y1) in pairwise(line):
        between = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings += between & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return crossings % 2 == 1


# ------------------------------------------------------------------ plane and axes


@pytest.mark.parametrize(("x", "y"), [("pc0", "pc1"), ("z3", "z0"), ("pc0", "z2")])
def test_the_plane_leads_back_to_where_it_says(client, runs, x, y):
    model, (header, arrays) = load(runs / "wide"), frame(client, "/api/map/wide", x=x, y=y)
    codes = model.transform(PICTURES)
    plane = {name: np.array(values) for name, values in header["plane"].items()}
    points = np.stack([arrays["x"], arrays["y"]], 1).astype(np.float64)
    # Codes in the plane through the mean have the coordinates that they are made of ...
    made = plane["origin"] + points[:, :1] * plane["across"] + points[:, 1:] * plane["up"]
    # ... and those of the samples are their nearest neighbours in the plane if the axes are orthogonal.
    if y != "z2":
        left = codes - made
        np.testing.assert_allclose(left @ plane["across"], 0, atol=1e-4)
        np.testing.assert_allclose(left @ plane["up"], 0, atol=1e-4)
    if x == "z3":
        np.testing.assert_allclose(made[:, [3, 0]], codes[:, [3, 0]], atol=1e-5)
        np.testing.assert_allclose(made[:, 1], codes[:, 1].mean(), atol=1e-4)
    else:
        first = np.linalg.svd(codes - codes.mean(0), full_matrices=False)[2][0].astype(np.float64)
        np.testing.assert_allclose(np.abs((made - codes.mean(0)) @ first), np.abs(points[:, 0]), atol=1e-3)


def test_components_are_the_principal_ones(client, runs):
    codes = load(runs / "wide").transform(PICTURES).astype(np.float64)
    header, arrays = frame(client, "/api/map/wide", x="pc0", y="pc1")
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    shares = [axis["share"] for axis in header["axes"] if axis["id"].startswith("pc")]
    np.testing.assert_allclose(shares, values / values.sum(), rtol=1e-4)
    np.testing.assert_allclose([arrays["x"].var(ddof=1), arrays["y"].var(ddof=1)], values[:2], rtol=1e-4)


def test_two_latents_are_shown_as_they_are(client, runs):
    header, arrays = frame(client, "/api/map/plane")
    assert (header["x"], header["y"]) == ("z0", "z1")
    codes = load(runs / "plane").transform(PICTURES)
    np.testing.assert_array_equal(np.stack([arrays["x"], arrays["y"]], 1), codes)


def test_fewer_points_are_always_the_same(client):
    whole = frame(client, "/api/map/wide")[1]
    for _ in range(2):
        some = frame(client, "/api/map/wide", limit=20)[1]
        assert len(some["rows"]) == 20
        np.testing.assert_array_equal(some["x"], whole["x"][some["rows"]])
    np.testing.assert_array_equal(whole["rows"], np.arange(len(PICTURES)))


@pytest.mark.parametrize(
    ("query", "said"),
    [("x=pc9", "no axis"), ("x=pc0&y=pc0", "differ"), ("colour=nope", "no colour"), ("limit=0", "limit")],
)
def test_what_there_is_not_is_refused(client, query, said):
    answer = client.get(f"/api/map/wide?{query}")
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_who_is_in_a_hurry_gets_what_is_known(runs):
    with serve(runs) as client:
        header, some = frame(client, "/api/map/wide", patience=0.001)
        whole_header, whole = frame(client, "/api/map/wide")
    assert whole_header["complete"]
    assert header["complete"] == (len(some["rows"]) == len(whole["rows"]))
    assert set(some["rows"]) <= set(whole["rows"])
    assert (np.diff(some["rows"].astype(int)) > 0).all()


def test_what_is_known_so_far_is_what_it_will_be(runs):
    run = OpenedRun("wide", runs / "wide", None, Limits())
    known = np.array([3, 40, 77])
    glimpse = run.glimpse(run.numbers[known])
    places = run.place(run.rows(run.numbers))
    options = {"x": "z0", "y": "z1", "limit": 1000}
    _, whole = unpack(map_frame(run, places, None, colour="label", **options))
    header, some = unpack(map_frame(glimpse, places[known], None, colour="label", complete=False, **options))
    assert not header["complete"]
    np.testing.assert_array_equal(some["rows"], known)
    for name in ("x", "y", "colour"):
        np.testing.assert_array_equal(some[name], whole[name][known])


# ------------------------------------------------------------------ contours


def test_ellipses_of_a_gaussian_hold_their_share():
    rng = np.random.default_rng(0)
    mean, root = np.array([1.0, -2.0]), np.array([[2.0, 0.3], [0.0, 0.5]])
    draws = mean + rng.standard_normal((40_000, 2)) @ root.T
    for contour in ellipses(mean, root @ root.T):
        (line,) = contour["lines"]
        share = inside(draws, np.reshape(line, (-1, 2))).mean()
        assert share == pytest.approx(contour["mass"], abs=0.01)


def test_curves_around_draws_hold_their_share():
    rng = np.random.default_rng(0)
    draws = np.concatenate([rng.normal(-3, 1, (10_000, 2)), rng.normal(3, 0.7, (10_000, 2))])
    found = curves(*draws.T)
    assert [contour["mass"] for contour in found] == list(MASSES)
    fresh = np.concatenate([rng.normal(-3, 1, (5000, 2)), rng.normal(3, 0.7, (5000, 2))])
    for contour in found[:2]:
        held = np.zeros(len(fresh), dtype=bool)
        for line in contour["lines"]:
            held ^= inside(fresh, np.reshape(line, (-1, 2)))
        assert held.mean() == pytest.approx(contour["mass"], abs=0.04)
    assert len(found[0]["lines"]) == 2, "two groups have two curves"


def test_a_standard_normal_prior_has_circles(client):
    header, _ = frame(client, "/api/map/wide", x="z0", y="z1")
    for contour in header["contours"]:
        points = np.reshape(contour["lines"][0], (-1, 2))
        radius = np.sqrt(-2 * np.log(1 - contour["mass"]))
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), radius, rtol=1e-4)


def test_a_fitted_prior_lies_around_the_codes(client, runs):
    header, arrays = frame(client, "/api/map/plane")
    points = np.stack([arrays["x"], arrays["y"]], 1)
    share = inside(points, np.reshape(header["contours"][1]["lines"][0], (-1, 2))).mean()
    assert 0.75 < share <= 1


# ------------------------------------------------------------------ colours


def test_points_are_coloured_by_what_is_asked_for(client, runs):
    model = load(runs / "wide")
    header, arrays = frame(client, "/api/map/wide")
    assert (header["colour"]["id"], header["colour"]["kind"]) == ("label", "class")
    assert arrays["colour"].dtype == np.uint16
    assert [header["colour"]["names"][k] for k in arrays["colour"]] == [str(label) for label in LABELS]
    expected = {
        "error": np.sqrt(((model.reconstruct(PICTURES) - PICTURES.astype(float)) ** 2).mean((1, 2))),
        "score": model.score_samples(PICTURES),
        "z2": model.transform(PICTURES)[:, 2],
        "none": np.zeros(len(PICTURES)),
    }
    for name, values in expected.items():
        header, arrays = frame(client, "/api/map/wide", colour=name)
        assert header["colour"]["kind"] == ("none" if name == "none" else "number")
        np.testing.assert_allclose(arrays["colour"], values, rtol=1e-5)
        assert header["colour"]["low"] <= header["colour"]["high"]
    assert set(expected) <= {colour["id"] for colour in header["colours"]}


# ------------------------------------------------------------------ samples, paths, selections


def test_samples_come_as_they_are(client):
    header, arrays = frame(client, "/api/samples/wide", rows="3,0,149")
    np.testing.assert_array_equal(arrays["shown"][..., 0], PICTURES[[3, 0, 149]])
    assert header["labels"] == LABELS[[3, 0, 149]].tolist()
    rows = frame(client, "/api/samples/table", rows="1")[1]["shown"]
    assert rows.dtype == np.float32
    assert rows.shape == (1, 4)


def test_the_posterior_is_the_models(client, runs):
    model, found = load(runs / "wide"), client.get("/api/posterior/wide", params={"row": 7}).json()
    q = model.posterior(PICTURES[7:8])
    np.testing.assert_allclose(found["mean"], q.mean[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["std"], q.std[0], rtol=1e-4)
    assert found["label"] == LABELS[7]
    assert found["score"] == pytest.approx(float(model.score_samples(PICTURES[7:8])[0]))


def test_draws_are_those_of_the_seed(client):
    first, again, other = (client.get(f"/api/draw/wide?seed={seed}").json()["z"] for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 5


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_a_path_leads_from_one_to_the_other(client, runs, kind):
    model = load(runs / "wide")
    z = client.get("/api/draw/wide?seed=1").json()["z"]
    body = {"from": {"row": 0}, "to": {"z": z}, "kind": kind, "steps": 6}
    answer = client.post("/api/path/wide", json=body)
    _, arrays = unpack(answer.content)
    assert arrays["shown"].shape == (6, 8, 8, 1)
    np.testing.assert_allclose(arrays["z"][0], model.transform(PICTURES[:1])[0], rtol=1e-5)
    np.testing.assert_allclose(arrays["z"][-1], z, rtol=1e-5)
    steps = np.linalg.norm(np.diff(arrays["z"], axis=0), axis=1)
    if kind == "linear":
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)
    strip = Image.open(io.BytesIO(client.post("/api/path/wide?as=png", json=body).content))
    assert strip.width > 5 * strip.height
    film = Image.open(io.BytesIO(client.post("/api/path/wide?as=gif", json=body).content))
    assert getattr(film, "n_frames", 1) > 1
    assert client.post("/api/path/table?as=gif", json={**body, "to": {"row": 1}}).status_code == 422


def test_a_selection_is_saved_in_every_form(client, runs):
    body = {"rows": [5, 2, 9]}
    saved = np.load(io.BytesIO(client.post("/api/selection/wide", json={**body, "as": "npz"}).content))
    np.testing.assert_array_equal(saved["X"], PICTURES[[5, 2, 9]])
    np.testing.assert_array_equal(saved["Z"], load(runs / "wide").transform(PICTURES[[5, 2, 9]]))
    np.testing.assert_array_equal(saved["rows"], [5, 2, 9])
    np.testing.assert_array_equal(saved["y"], LABELS[[5, 2, 9]])
    answer = client.post("/api/selection/wide", json={**body, "as": "csv"})
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["row"] for row in table] == ["5", "2", "9"]
    assert [float(row["z1"]) for row in table] == pytest.approx(saved["Z"][:, 1].tolist())
    assert "attachment" in answer.headers["content-disposition"]
    sheet = Image.open(io.BytesIO(client.post("/api/selection/wide", json={**body, "as": "png"}).content))
    assert sheet.size[0] % 17 == 0, "two pictures of 8 and a line between them, enlarged by a whole factor"
    assert client.post("/api/selection/table", json={**body, "as": "png"}).status_code == 422


# ------------------------------------------------------------------ live


def test_the_socket_answers_each_message_with_its_number(client, runs):
    model = load(runs / "wide")
    z = model.transform(PICTURES[:1])[0].tolist()
    url = f"ws://127.0.0.1:{client.base_url.port}/api/live"
    with connect(url) as socket:

        def ask(message):
            socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
            return unpack(socket.recv())

        header, arrays = ask({"id": 7, "op": "decode", "run": "wide", "z": z})
        assert header["id"] == 7
        assert header["ms"] > 0
        low, high = model.info_.display_range
        expected = np.clip(np.rint((model.inverse_transform([z])[0] - low) / (high - low) * 255), 0, 255)
        np.testing.assert_array_equal(arrays["shown"][0, ..., 0], expected)
        np.testing.assert_array_equal(
            ask({"id": 8, "op": "reconstruct", "run": "wide", "row": 0})[1]["shown"][0, ..., 0], expected
        )
        posterior = ask({"id": 9, "op": "posterior", "run": "wide", "row": 0})[0]["posterior"]
        np.testing.assert_allclose(posterior["mean"], z, rtol=1e-5)
        wrong = ["{", "[]", "NaN", b"\x00", {"id": 1}, {"id": 2, "op": "decode", "run": "../wide", "z": z}]
        wrong += [{"op": "decode", "run": "wide", "z": bad} for bad in ([], [1], ["a"] * 5, [1e300] * 5, None, z * 99)]
        wrong += [
            {"op": op, "run": "wide", "row": row}
            for op in ("sample", "reconstruct")
            for row in (-1, 1e9, 150, "0", None)
        ]
        wrong += [{"op": "no", "run": "wide"}, {"op": ["decode"], "run": "wide"}, {"op": "decode", "run": 5, "z": z}]
        for message in wrong:
            assert ask(message)[0]["error"], message
        assert "error" not in ask({"id": 10, "op": "sample", "run": "wide", "row": 1})[0]


def test_columns_that_are_half_known_fit_together(runs):
    run = OpenedRun("wide", runs / "wide", None, Limits())
    names = ["place", "errors"]
    whole = [getattr(run, name)(run.rows(run.numbers)) for name in names]

    async def ask():
        work, columns = Work(8), OpenedRun("wide", runs / "wide", None, Limits()).columns
        order = np.random.default_rng(0).permutation(len(PICTURES))
        # Of the errors fewer are known than of the positions, whose last ones come as we look.
        columns._so_far = {"place": (order[:90], whole[0][order[:90]]), "errors": (order[:40], whole[1][order[:40]])}
        columns._tasks = {name: asyncio.create_task(asyncio.sleep(3600)) for name in names}
        for name in names:
            columns._began[name] = asyncio.get_running_loop().create_future()
            columns._began[name].set_result(time.monotonic())
        half = await columns.so_far(names, work, 0.01)
        columns._tasks["place"].cancel()
        columns._tasks["place"] = asyncio.create_task(asyncio.sleep(0, whole[0]))
        rest = await columns.so_far(names, work, 0.01)
        columns._tasks["errors"].cancel()
        del columns._tasks["errors"]
        full = [await columns.get(name, work) for name in names]
        work.close()
        return half, rest, full

    half, rest, full = asyncio.run(ask())
    for rows, values in (half, rest):
        assert len(rows) == 40
        for found, column in zip(values, whole, strict=True):
            np.testing.assert_array_equal(found, column[rows])
    for found, column in zip(full, whole, strict=True):
        np.testing.assert_array_equal(found, column)

"""The public API gives what the estimator gives, bit for bit, whatever else is asked at the same time."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.datasets import load_iris
from studio_server import LABELS, PICTURES, labelled_data, make_run, serve

from isthmus import VAE, ConditionalVAE, LinearAutoencoder, load

NPY = "application/x-npy"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    source = labelled_data(folder)
    make_run(folder / "runs" / "digits", VAE(latent_dim=3, max_epochs=2, random_state=0), source, source)
    make_run(folder / "runs" / "told", ConditionalVAE(latent_dim=2, max_epochs=2, random_state=0), source, source)
    iris = load_iris(as_frame=True).frame.drop(columns="target")
    iris.to_csv(folder / "iris.csv", index=False)
    table = str(folder / "iris.csv")
    make_run(folder / "runs" / "deep" / "iris", LinearAutoencoder(latent_dim=2), table, table)
    return folder / "runs"


@pytest.fixture(scope="module")
def client(runs):
    with serve(runs) as client:
        yield client


@pytest.fixture(scope="module")
def model(runs):
    return load(runs / "digits")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def post(client, route, array, **headers):
    answer = client.post(f"/api/{route}", content=npy(array), headers={"Content-Type": NPY, **headers})
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


METHODS = {
    "encode": ("X", "Z", "transform"),
    "decode": ("Z", "X", "inverse_transform"),
    "reconstruct": ("X", "X", "reconstruct"),
    "score": ("X", "scores", "score_samples"),
}


@pytest.mark.parametrize("verb", METHODS)
def test_both_formats_give_what_the_model_gives(client, model, verb):
    takes, gives, method = METHODS[verb]
    given = model.transform(PICTURES[:9]) if takes == "Z" else PICTURES[:9]
    expected = getattr(model, method)(given)
    found = post(client, f"{verb}/digits", given)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    answer = client.post(f"/api/{verb}/digits", json={takes: given.tolist()})
    assert list(answer.json()) == [gives]
    listed = getattr(model, method)(np.array(given.tolist()))
    np.testing.assert_array_equal(np.array(answer.json()[gives], expected.dtype), listed)


def test_accept_chooses_the_format(client):
    given = PICTURES[:2]
    as_json = client.post(
        "/api/encode/digits", content=npy(given), headers={"Content-Type": NPY, "Accept": "application/json"}
    )
    as_npy = client.post("/api/encode/digits", json={"X": given.tolist()}, headers={"Accept": NPY})
    assert np.load(io.BytesIO(as_npy.content)).shape == np.shape(as_json.json()["Z"]) == (2, 3)


@pytest.mark.parametrize("verb", METHODS)
def test_a_row_has_the_same_bits_alone_and_among_others(client, model, verb):
    takes = METHODS[verb][0]
    rows = np.concatenate([PICTURES] * 5)  # more than are done in one piece
    given = model.transform(rows) if takes == "Z" else rows
    together = post(client, f"{verb}/digits", given)
    for row in (0, 255, 256, 700):
        np.testing.assert_array_equal(post(client, f"{verb}/digits", given[row : row + 1])[0], together[row])


def test_samples_are_those_of_the_seed(client, model):
    for n, seed in ((1, 0), (7, 3)):
        answer = client.post("/api/sample/digits", json={"n": n, "random_state": seed}, headers={"Accept": NPY})
        np.testing.assert_array_equal(np.load(io.BytesIO(answer.content)), model.sample(n, random_state=seed))


def test_tables_keep_their_names_and_runs_may_lie_deep(client, runs):
    model, X = load(runs / "deep" / "iris"), load_iris().data
    names = list(model.feature_names_in_)
    info = client.get("/api/run/deep/iris").json()
    assert info["features"] == names
    found = post(client, "encode/deep/iris", X[:5])
    import pandas as pd

    np.testing.assert_array_equal(found, model.transform(pd.DataFrame(X[:5], columns=names)))


def test_classes_can_be_told_to_models_that_know_them(client, runs):
    model = load(runs / "told")
    answer = client.post("/api/encode/told", json={"X": PICTURES[:4].tolist(), "y": LABELS[:4].tolist()})
    expected = model.transform(PICTURES[:4].astype(np.int64), LABELS[:4])
    np.testing.assert_array_equal(np.array(answer.json()["Z"], np.float32), expected)
    drawn = client.post("/api/sample/told", json={"n": 3, "y": "7"}).json()["X"]
    np.testing.assert_array_equal(np.array(drawn, np.float32), model.sample(3, y=7, random_state=0))
    for body, said in (({"n": 1, "y": 77}, "no class"), ({"n": 3, "y": [1]}, "one class for each")):
        refused = client.post("/api/sample/told", json=body)
        assert refused.status_code == 422
        assert said in refused.json()["error"]
    assert client.post("/api/sample/digits", json={"n": 1, "y": 1}).status_code == 422


def test_many_clients_at_once_get_what_each_gets_alone(client, model):
    Z = model.transform(PICTURES)
    alone = model.inverse_transform(Z)

    def ask(row: int) -> bool:
        return np.array_equal(post(client, "decode/digits", Z[row : row + 1 + row % 3])[0], alone[row])

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(100)))


def test_the_api_describes_itself(client):
    paths = client.get("/openapi.json").json()["paths"]
    for verb in (*METHODS, "sample"):
        operation = paths[f"/api/{verb}/{{run}}"]["post"]
        assert "requestBody" in operation
        assert operation["description"]
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in paths:
        assert path in page.text
    assert "//" not in page.text.replace("http://127.0.0.1", "").replace("</", "")


def test_a_score_that_is_not_finite_is_null_in_json(client):
    huge = np.full((1, 8, 8), 3e38)
    answer = client.post("/api/score/digits", json={"X": huge.tolist()})
    assert answer.status_code == 200
    assert answer.json()["scores"] == [None]

"""Strangers are kept out, and nobody can ask for more than the server can bear."""

import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from studio_server import labelled_data, make_run, serve
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from isthmus import VAE, ParameterError
from isthmus.studio.frames import unpack
from isthmus.studio.settings import Limits, Settings

TOKEN = "a-long-token.for_tests"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guards")
    source = labelled_data(folder)
    make_run(folder / "runs" / "digits", VAE(latent_dim=2, max_epochs=1, random_state=0), source, source)
    return folder / "runs"


@pytest.fixture(scope="module")
def client(runs):
    with serve(runs) as client:
        yield client


@pytest.fixture(scope="module")
def locked(runs):
    with serve(runs, token=TOKEN) as client:
        yield client


def sentence(answer: httpx.Response) -> str:
    """The one sentence of a refusal."""
    said = answer.json()
    assert list(said) == ["error"]
    return said["error"]


def live(client: httpx.Client, **options):
    """A socket."""
    url = f"{str(client.base_url).replace('http', 'ws')}/api/live".replace("//api", "/api")
    return connect(url, **options)


# ------------------------------------------------------------------ names


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "10.0.0.1"])
def test_a_name_that_was_made_to_point_here_is_refused(client, host):
    answer = client.get("/api/runs", headers={"Host": host})
    assert answer.status_code == 403
    assert "localhost" in sentence(answer)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8765", "LOCALHOST:1", "[::1]:80"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/api/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", "garbage"])
def test_pages_of_other_sites_cannot_post_or_open_a_socket(client, origin):
    answer = client.post("/api/sample/digits", json={"n": 1}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "another site" in sentence(answer)
    with pytest.raises(InvalidStatus) as refused:
        live(client, origin=origin)
    assert refused.value.response.status_code == 403


def test_pages_of_other_sites_cannot_use_addresses_as_pictures(client):
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/api/map/digits", headers=image).status_code == 403
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert client.get("/api/map/digits", headers=own).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/openapi.json", headers=link).status_code == 200


def test_the_page_itself_can(client):
    own = str(client.base_url).rstrip("/")
    assert client.post("/api/sample/digits", json={"n": 1}, headers={"Origin": own}).status_code == 200
    with live(client, origin=own) as channel:
        channel.send('{"id": 1, "op": "sample", "run": "digits", "row": 0}')
        header, arrays = unpack(channel.recv())
    assert header["id"] == 1
    assert arrays["shown"].shape == (1, 8, 8, 1)


# ------------------------------------------------------------------ token


@pytest.mark.parametrize("path", ["/", "/api/runs", "/static/js/app.js", "/openapi.json", "/docs", "/nothing"])
def test_nothing_is_told_without_the_token(locked, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": "isthmus=wrong"}):
        answer = httpx.get(locked.base_url.join(path), headers=headers)
        assert answer.status_code == 401
        assert "token" in sentence(answer)


def test_the_token_opens_by_header_and_by_cookie(locked):
    url = locked.base_url
    assert httpx.get(url.join("/api/runs"), headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    with httpx.Client(base_url=url) as browser:
        entered = browser.get(f"/?token={TOKEN}")
        assert entered.status_code == 303
        assert entered.headers["location"] == "/"
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/api/runs").status_code == 200
        # By the address only once, on the page.
        assert httpx.get(url.join(f"/api/runs?token={TOKEN}")).status_code == 401
        assert httpx.get(url.join("/?token=wrong")).status_code == 401


def test_a_socket_needs_the_token_too(locked):
    with pytest.raises(InvalidStatus) as refused:
        live(locked)
    assert refused.value.response.status_code == 401
    with live(locked, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as channel:
        channel.send("{}")
        assert "error" in unpack(channel.recv())[0]


def test_with_a_token_any_name_will_do(locked):
    headers = {"Host": "studio.example", "Authorization": f"Bearer {TOKEN}"}
    assert locked.get("/api/runs", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org", ""])
def test_other_machines_are_not_let_in_without_a_token(host):
    with pytest.raises(ParameterError, match="token"):
        Settings((), host=host).check()
    Settings((), host=host, token=TOKEN).check()


@pytest.mark.parametrize("token", ["", "short", "with space 123", "naïve-token", "x" * 201, "a;b=cdefgh"])
def test_a_token_must_pass_through_headers(token):
    with pytest.raises(ParameterError, match="token"):
        Settings((), token=token).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
def test_loopback_needs_no_token(host):
    Settings((), host=host).check()


# ------------------------------------------------------------------ limits


def test_every_answer_forbids_what_is_from_elsewhere(client):
    for path in ("/api/runs", "/nothing", "/openapi.json"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_a_body_that_is_too_long_is_refused_whether_or_not_it_says_so(runs):
    with serve(runs, limits=Limits(body=1000, json=500)) as client:
        declared = client.post("/api/encode/digits", content=b"x" * 2000, headers={"Content-Type": "application/x-npy"})
        chunked = client.post(
            "/api/encode/digits", content=(b"x" * 100 for _ in range(20)), headers={"Content-Type": "application/x-npy"}
        )
        longer = client.post("/api/encode/digits", json={"X": [[1.5] * 150]})
        for answer in (declared, chunked, longer):
            assert answer.status_code == 413
            assert "bytes" in sentence(answer)


def test_a_length_is_refused_before_anything_is_read(client):
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10) as line:
        line.sendall(
            b"POST /api/encode/digits HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\n"
            b"Content-Length: 99999999999999\r\n\r\n"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 413")


def test_rows_and_answers_have_limits(runs):
    with serve(runs, limits=Limits(rows=5, values=200)) as client:
        rows = client.post("/api/encode/digits", json={"X": [[[0] * 8] * 8] * 6})
        drawn = client.post("/api/sample/digits", json={"n": 6})
        values = client.post("/api/sample/digits", json={"n": 5})
        asked = client.get("/api/samples/digits?rows=1,2,3,4,5,6")
        for answer in (rows, drawn, values, asked):
            assert answer.status_code == 413
            assert sentence(answer)
        assert client.post("/api/sample/digits", json={"n": 3}).status_code == 200


def test_who_comes_when_all_places_are_taken_is_told_to_come_again(runs):
    with serve(runs, limits=Limits(waiting=1)) as client, ThreadPoolExecutor(12) as pool:
        client.get("/api/map/digits")
        answers = list(pool.map(lambda _: client.post("/api/sample/digits", json={"n": 400}), range(24)))
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            assert "busy" in sentence(answer)


def test_one_client_cannot_take_all_places(runs):
    with serve(runs, limits=Limits(per_client=2)) as client, ThreadPoolExecutor(12) as pool:
        client.get("/api/map/digits")
        answers = list(pool.map(lambda _: client.post("/api/sample/digits", json={"n": 400}), range(24)))
        assert client.get("/api/runs").status_code == 200
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 429}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)

"""`isthmus studio` serves its page, ends quietly, and refuses what cannot be in one line."""

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from studio_server import PICTURES, make_run

from isthmus import Autoencoder
from isthmus.cli import main


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    make_run(folder / "runs" / "digits", Autoencoder(latent_dim=2, max_epochs=1, random_state=0), PICTURES)
    return folder / "runs"


def started(*args):
    return subprocess.Popen(
        [sys.executable, "-m", "isthmus", "studio", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_it_serves_and_ends_quietly(runs):
    process = started(str(runs), "--port", "0", "--no-open")
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    with httpx.Client(timeout=60) as client:
        assert [run["name"] for run in client.get(f"{url}/api/runs").json()] == ["digits"]
        assert client.get(f"{url}/").headers["content-type"].startswith("text/html")
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0
    assert complaints == ""


def test_the_token_is_in_the_address_that_is_printed(runs):
    process = started(str(runs), "--port", "0", "--no-open", "--token", "open-sesame", "--host", "0.0.0.0")
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/?token=open-sesame")
    assert httpx.get(url, timeout=60).status_code == 303
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--host", "0.0.0.0", "--token", "short"], "8 to 200"),
        (["--port", "99999"], "0 to 65535"),
        (["--host", "no.such.host.invalid", "--token", "long-enough"], "cannot listen"),
    ],
)
def test_what_cannot_be_is_one_line(runs, capsys, args, said):
    assert main(["studio", str(runs), "--no-open", *args]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(runs, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["studio", str(runs), "--no-open", "--port", str(taken.getsockname()[1])]) == 2
    complaint = capsys.readouterr().err
    assert "--port" in complaint
    assert complaint.count("\n") == 1


def test_without_a_folder_there_is_nothing_to_serve(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["studio", "--no-open"]) == 2
    assert "runs" in capsys.readouterr().err
    assert main(["studio", "--no-open", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err

"""Hostile requests each get a 4xx with one clear sentence, and the server goes on."""

import io
import itertools
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from studio_server import labelled_data, make_run, serve

from isthmus import VAE
from isthmus.studio.settings import Limits

NPY = {"Content-Type": "application/x-npy"}
JSON = {"Content-Type": "application/json"}
GOOD = [[[0] * 8] * 8]
Case = tuple[str, str, str, dict[str, str], bytes]
"""Name, method, path, headers and body."""


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def forged(descr: str, shape: str, payload: bytes = b"", *, version: bytes = b"\x01\x00", extra: str = "") -> bytes:
    """A .npy file whose header says what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}{extra}, }}".encode() + b"\n"
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header + payload


def arrays() -> Iterator[tuple[str, bytes]]:
    """Bodies that are no arrays of pictures or codes."""
    for name, array in {
        "of one axis": np.zeros(64),
        "of no axis": np.array(1.0),
        "of no rows": np.zeros((0, 8, 8)),
        "of no columns": np.zeros((3, 0)),
        "of wrong height": np.zeros((2, 9, 8)),
        "of wrong width": np.zeros((2, 8, 7)),
        "with channels": np.zeros((2, 8, 8, 3)),
        "of five axes": np.zeros((1, 1, 8, 8, 1)),
        "of too few values": np.zeros((2, 5)),
        "of too many values": np.zeros((2, 999)),
        "with NaN": np.full((2, 8, 8), np.nan),
        "with infinity": np.full((2, 8, 8), np.inf),
        "with minus infinity": np.full((2, 8, 8), -np.inf),
        "of complex numbers": np.zeros((2, 8, 8), complex),
        "of text": np.array([["a"] * 64]),
        "of bytes": np.array([[b"a"] * 64]),
        "of dates": np.zeros((2, 64), "datetime64[s]"),
        "of durations": np.zeros((2, 64), "timedelta64[s]"),
        "of objects": np.array([[{}] * 64]),
        "of records": np.zeros((2, 64), [("a", "f4"), ("b", "O")]),
        "of too many rows": np.zeros((10_001, 1)),
    }.items():
        yield name, npy(array)
    for name, shape in {
        "of a terabyte": "(1000000, 1000, 1000)",
        "of more than memory": "(9223372036854775807, 8)",
        "of more than a word": "(99999999999999999999999, 9999999999999)",
        "of negative height": "(-1, 8, 8)",
        "of a shape that is no tuple": "8",
        "of a shape of text": "('8', 8)",
        "of a shape of floats": "(1.5, 8)",
        "of a hundred axes": str((1,) * 100),
        "shorter than it says": "(2, 8, 8)",
    }.items():
        yield name, forged("'<f8'", shape)
    yield "longer than it says", forged("'<f8'", "(1, 2)", bytes(1000))
    for name, descr in {
        "of pickles": "'|O'",
        "of an unknown type": "'<x9'",
        "of a type that is code": "__import__('os').getcwd()",
        "of a type that is a number": "5",
        "of a nested type": "[('a', [('b', '|O')])]",
        "of huge items": "'|V999999999'",
        "of long text": "'<U99999999'",
    }.items():
        yield name, forged(descr, "(1, 8)", bytes(64))
    yield "with a field too many", forged("'<f8'", "(1, 8)", bytes(64), extra=", 'evil': 1")
    yield "with an endless header", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{"
    yield "with a deep header", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000
    yield "with a long header", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b" " * 60_000
    yield "of version 9", b"\x93NUMPY\x09\x00" + bytes(100)
    yield "of version 3", b"\x93NUMPY\x03\x00" + struct.pack("<I", 10) + b"{'\xff': 1}"
    yield "without a body", b""
    yield "of magic alone", b"\x93NUMPY"
    yield "that is a pickle", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n."
    yield "that is a zip", b"PK\x03\x04" + bytes(200)
    yield "that is a picture", b"\x89PNG\r\n\x1a\n" + bytes(200)
    yield "that is noise", np.random.default_rng(0).bytes(3000)
    yield "that is text", b"hello" * 100
    yield "that is JSON", b'{"X": [[1]]}'


def texts() -> Iterator[tuple[str, bytes]]:
    """Bodies that are no JSON, or not the one that is wanted."""
    yield "empty", b""
    yield "cut off", b'{"X": [[1,'
    yield "deep lists", b'{"X": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    yield "deep objects", b'{"X":' * 50_000 + b"1" + b"}" * 50_000
    yield "many axes", json.dumps({"X": json.loads("[" * 70 + "1" + "]" * 70)}).encode()
    yield "not UTF-8", b'{"X": "\xff\xfe"}'
    yield "UTF-16", '{"X": [[1]]}'.encode("utf-16-le")
    yield "zeros", bytes(100)
    yield "XML", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    yield "a form", b"X=1&Z=2"
    yield "Python", b"{'X': __import__('os')}"
    for value in ("[]", "5", '"X"', "null", "true", "NaN", "[[1, 2]]"):
        yield f"no object: {value}", value.encode()
    for name, value in {
        "no field": {},
        "another field": {"Y": GOOD},
        "one field too many": {"X": GOOD, "Z": GOOD, "n": 1, "as": "png", "evil": 1},
        "a number": {"X": 5, "Z": 5},
        "text": {"X": "abc", "Z": "abc"},
        "null": {"X": None, "Z": None},
        "an object": {"X": {"0": [1]}, "Z": {"0": [1]}},
        "an empty list": {"X": [], "Z": []},
        "empty rows": {"X": [[]], "Z": [[]]},
        "ragged rows": {"X": [[1, 2], [3]], "Z": [[1, 2], [3]]},
        "rows of text": {"X": [["a"] * 64], "Z": [["a", "b"]]},
        "rows of null": {"X": [[None] * 64], "Z": [[None, 1]]},
        "rows of objects": {"X": [[{}] * 64], "Z": [[{}, {}]]},
        "huge whole numbers": {"X": [[10**400] * 64], "Z": [[10**400, 1]]},
        "wrong shape": {"X": [[1, 2, 3]], "Z": [[1, 2, 3]]},
        "too many rows": {"X": [[1]] * 10_001, "Z": [[1, 2]] * 10_001},
        "classes that it has not": {"X": GOOD, "Z": [[0, 0]], "y": [1]},
    }.items():
        yield name, json.dumps(value).encode()
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999"):
        yield f"rows of {number}", f'{{"X": [[{number}, 1]], "Z": [[{number}, 1]]}}'.encode()


def cases() -> Iterator[Case]:
    """All hostile requests."""
    for name, body in arrays():
        for verb in ("encode", "decode", "score"):
            yield f"{verb} an array {name}", "POST", f"/api/{verb}/digits", NPY, body
    for name, body in texts():
        for verb in ("encode", "decode"):
            yield f"{verb} JSON: {name}", "POST", f"/api/{verb}/digits", JSON, body
        for verb in ("sample", "path", "selection"):
            # What these do without a body, or with an empty one, is no attack on `sample`.
            if not (verb == "sample" and name == "no field"):
                yield f"{verb} JSON: {name}", "POST", f"/api/{verb}/digits", JSON, body
    yield from fields()
    yield from addresses()
    yield from strangers()


def fields() -> Iterator[Case]:
    """Values of fields that do not fit."""

    def post(verb: str, value: Any) -> Case:
        return f"{verb} {json.dumps(value)[:80]}", "POST", f"/api/{verb}/digits", JSON, json.dumps(value).encode()

    for n in (0, -1, 1.5, "many", None, [1], 10**9, 10**30, True, {}):
        if n is not True:
            yield post("sample", {"n": n})
    for seed in (-1, 2**40, "a", [0], 0.5):
        yield post("sample", {"n": 1, "random_state": seed})
    ends: list[Any] = [
        {},
        {"row": -1},
        {"row": 10**9},
        {"row": 10**40},
        {"row": "1"},
        {"z": []},
        {"z": [1]},
        {"z": ["a", 1]},
    ]
    ends += [{"z": [1, 2, 3]}, {"z": [1e300, 0]}, {"row": 0, "z": [0, 0]}, None, [], "x", {"evil": 1}, {"z": [[0, 0]]}]
    for end in ends:
        yield post("path", {"from": end, "to": {"row": 0}, "steps": 3})
    for steps in (0, 1, -5, 10**9, "a", 2.5, None):
        yield post("path", {"from": {"row": 0}, "to": {"row": 1}, "steps": steps})
    yield post("path", {"from": {"row": 0}, "to": {"row": 1}, "kind": "round"})
    for rows in ([], [-1], [10**9], [10**40], ["a"], "0", None, [0.5], [[0]], [0] * 10_001):
        yield post("selection", {"rows": rows, "as": "npz"})
    for kind in ("exe", "../png", "", None, 5, "PNG", "png\x00"):
        yield post("selection", {"rows": [0], "as": kind})


def addresses() -> Iterator[Case]:
    """Paths that lead elsewhere, and queries that do not fit."""
    tricks = [
        "..",
        "../..",
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e",
        "/etc/passwd",
    ]
    tricks += ["//etc/passwd", "digits/../../etc", "digits/../digits", "digits%00", "digits%00.png", "....//....//etc"]
    tricks += ["..\\..\\etc", "..%5c..%5cetc", "~root", "$HOME", "%c0%ae%c0%ae/etc", "file:///etc/passwd", "x" * 5000]
    tricks += [
        "params.json",
        "digits/params.json",
        "digits/model.safetensors",
        b"a\r\nb".hex(),
        "%0d%0aSet-Cookie:x",
    ]
    tricks += [
        "link",
        "link/secret",
        "dig%69ts/..",
        "%ff%fe",
        "DIGITS",
        "digits ",
        " digits",
        "digits/",
        "*",
        "[a-z]*",
        "'",
    ]
    for trick in tricks:
        for verb in ("run", "map", "posterior"):
            row = "?row=0" if verb == "posterior" else ""
            yield f"{verb} {trick[:40]!r}", "GET", f"/api/{verb}/{trick}{row}", {}, b""
    for trick in tricks[:12]:
        yield f"static {trick!r}", "GET", f"/static/{trick}", {}, b""
    for query in (
        "",
        "row=",
        "row=a",
        "row=-1",
        "row=1.5",
        "row=99999",
        "row=1e3",
        f"row={10**40}",
        "row[]=1",
        "rows=1",
    ):
        yield f"posterior ?{query[:30]}", "GET", f"/api/posterior/digits?{query}", {}, b""
    for rows in (
        "",
        ",",
        "a",
        "-1",
        "1.5",
        "1,",
        ",1",
        "1,,2",
        "99999",
        "9" * 30,
        "1;2",
        "0x1",
        "%C2%B2",
        ",".join(["0"] * 10_001),
    ):
        yield f"samples ?rows={rows[:30]}", "GET", f"/api/samples/digits?rows={rows}", {}, b""
    for query in (
        "x=pc99",
        "x=z-1",
        "x=__class__",
        "y=z0&x=z0",
        "colour=../x",
        "colour=attribute:",
        "limit=a",
        "limit=-1",
        "limit=1e9",
    ):
        yield f"map ?{query}", "GET", f"/api/map/digits?{query}", {}, b""
    for seed in ("a", "-1", str(2**40), "1.5", "9" * 60):
        yield f"draw ?seed={seed[:20]}", "GET", f"/api/draw/digits?seed={seed}", {}, b""
    for method, path in itertools.product(
        ("PUT", "DELETE", "PATCH", "TRACE", "BREW"), ("/", "/api/runs", "/api/encode/digits")
    ):
        yield f"{method} {path}", method, path, {}, b""
    for path in ("/api/encode/digits", "/api/sample/digits", "/api/selection/digits"):
        yield f"GET {path}", "GET", path, {}, b""
    for path in ("/api/run/digits", "/api/runs", "/openapi.json"):
        yield f"POST {path}", "POST", path, JSON, b"{}"
    for path in (
        "/api",
        "/api/",
        "/admin",
        "/.env",
        "/.git/config",
        "/static",
        "/static/",
        "/api/eval/digits",
        "/api/live",
        "/%00",
    ):
        yield f"GET {path}", "GET", path, {}, b""


def strangers() -> Iterator[Case]:
    """Requests from elsewhere, and types that are not known."""
    body = json.dumps({"n": 1}).encode()
    for origin in (
        "http://evil.example",
        "null",
        "https://127.0.0.1",
        "http://localhost.evil.example",
        "javascript:1",
        "",
    ):
        yield f"origin {origin!r}", "POST", "/api/sample/digits", {**JSON, "Origin": origin}, body
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "[::2]",
        "a" * 300,
        "%",
        "[",
        "user@evil.example",
    ):
        yield f"host {host[:30]!r}", "GET", "/api/runs", {"Host": host}, b""
    for kind in (
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "application/pickle",
        "a/b;c",
        "\x7f",
    ):
        yield f"type {kind!r}", "POST", "/api/encode/digits", {"Content-Type": kind}, body
    for length in ("99999999999", "9" * 40, "-1", "1e3", "0x10", "67108865"):
        yield f"length {length}", "POST", "/api/encode/digits", {**NPY, "Content-Length": length}, b""


CASES = list(cases())


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    source = labelled_data(folder)
    make_run(folder / "runs" / "digits", VAE(latent_dim=2, max_epochs=1, random_state=0), source, source)
    make_run(folder / "secret", VAE(latent_dim=2, max_epochs=1, random_state=0), source, source)
    (folder / "runs" / "link").symlink_to(folder / "secret")
    with serve(folder / "runs", limits=Limits()) as client:
        yield client


def send(port: int, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """A request as it is, which no client library would send; status, headers and body of the answer."""
    lines = {"Host": f"127.0.0.1:{port}", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = f"{method} {path.replace(' ', '%20')} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        answer = b""
        # What is refused is not read to its end.
        with suppress(BrokenPipeError, ConnectionResetError):
            line.sendall(head.encode("latin-1") + b"\r\n" + body)
        with suppress(ConnectionResetError):
            while part := line.recv(1 << 16):
                answer += part
    top, _, content = answer.partition(b"\r\n\r\n")
    status, *rest = top.decode("latin-1").split("\r\n")
    named = dict(field.lower().split(": ", 1) for field in rest)
    return int(status.split()[1]), named, content


def test_there_are_at_least_two_hundred():
    assert len({name for name, *_ in CASES}) >= 200


@pytest.mark.parametrize("case", CASES, ids=[name for name, *_ in CASES])
def test_each_is_refused_with_one_sentence(client, case):
    _, method, path, headers, body = case
    status, named, content = send(client.base_url.port, method, path, headers, body)
    assert 400 <= status < 500, (status, content[:200])
    if named["content-type"].startswith("application/json"):
        said = json.loads(content)
        assert list(said) == ["error"]
        sentence = said["error"]
    else:
        # What is no HTTP never comes as far as the application.
        assert status == 400
        sentence = content.decode()
    assert 10 <= len(sentence) <= 450
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert not any(folder in sentence for folder in ("/tmp/", "/home/", "/root/", "/work/"))


def test_the_server_goes_on(client):
    assert client.get("/api/runs").json()[0]["name"] == "digits"
    assert client.post("/api/encode/digits", json={"X": GOOD}).status_code == 200
    assert client.get("/api/map/digits").status_code == 200

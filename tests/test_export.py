"""A model for others: the command, the page as text, what the page knows, and what it may replace."""

import gzip
import hashlib
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus import FSQVAE, VAE, VQVAE, ExportError, ParameterError, ResidualVQVAE
from isthmus.cli import main
from isthmus.data import load
from isthmus.engines.settings import RUNTIME as PACKAGES
from isthmus.engines.settings import has_onnx
from isthmus.export import page as pages
from isthmus.export import write_page
from isthmus.export.content import content
from isthmus.export.modules import RUNTIME, STATIC, FrontEnd, policy
from isthmus.export.positions import positions_of
from isthmus.export.reading import open_run
from isthmus.export.sheets import lay_out
from isthmus.export.writing import MARK, write_file, write_folder
from isthmus.networks import Linear
from isthmus.onnx import Graphs, make_graphs
from isthmus.runs import write_run
from isthmus.studio.frames import unpack
from isthmus.studio.sliders import sliders_of

needs_onnx = pytest.mark.skipif(not has_onnx((*PACKAGES, "onnxscript")), reason="needs the extra onnx")

NAME = '</script><script>alert("1")</script>&amp;'
OURS = f'{MARK}0">'.encode()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of digits with an attribute, which says where its data are."""
    folder = tmp_path_factory.mktemp("export")
    digits = load("digits")
    model = VAE(3, network=Linear(), max_epochs=1, random_state=0).fit(digits)
    model.fit_attribute("slim", digits.X[digits.y == 1][:20], digits.X[digits.y == 0][:20])
    write_run(model, folder / "digits", {"data": "digits", "options": {}})
    return folder / "digits"


@pytest.fixture
def quick(monkeypatch):
    """Without the networks, which take seconds to write."""
    monkeypatch.setattr("isthmus.onnx.make_graphs", lambda *_: Graphs(b"encoder", b"decoder", 0.0, True))


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say what to write: --onnx FOLDER for ONNX graphs, --web OUT for a page, or both"),
        (["digits", "--onnx", "o"], "data are for a page only"),
        (["--web", "page", "--samples", "-1"], "a page holds from 0 to 100,000 samples, and not -1"),
        (["nothing.csv", "--web", "page"], "nothing.csv"),
        (["--web", "taken.txt"], "taken.txt is a file; a page is a folder, or one file that ends in .html"),
        (["--web", "taken.html"], "taken.html is not a page of isthmus, and is left as it is"),
        (["--web", "folder"], "folder holds mine.txt, which is not of a page of isthmus"),
        (["--web", "dir.html"], "dir.html is a folder"),
        (["--onnx", "taken.txt"], "taken.txt is a file; --onnx names a folder"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(options, message, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("taken.txt", "taken.html", "folder/mine.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("mine")
    Path("dir.html").mkdir()
    before = sorted(Path().rglob("*"))
    assert main(["export", str(run), *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert len([line for line in said if "Traceback" in line]) == 0
    assert sorted(Path().rglob("*")) == before
    assert Path("folder/mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_what_is_no_run_is_refused(name, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["export", str(tmp_path / name), "--web", str(tmp_path / "out")]) == 2
    assert re.search(r"isthmus: .*(there is no run folder|is not a run folder)", capsys.readouterr().err)


@needs_onnx
def test_the_command_writes_graphs_and_a_page(run, tmp_path, capsys):
    out, graphs = tmp_path / "page.html", tmp_path / "graphs"
    assert main(["export", str(run), "--web", str(out), "--onnx", str(graphs), "--samples", "20"]) == 0
    said = capsys.readouterr().out
    assert "and std, the spread of the posterior" in said
    assert f"{out}: " in said
    assert "with 20 samples on its map" in said
    assert sorted(path.name for path in graphs.iterdir()) == ["decoder.onnx", "encoder.onnx"]
    assert out.read_bytes().count(b'type="text/plain" id="asset-') == 5


# ------------------------------------------------------------------ the page as text


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.scripts, self.title, self.within = [], "", None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.within = tag
        if tag == "script":
            self.scripts.append(dict(attrs))

    def handle_data(self, data):
        if self.within == "title":
            self.title += data

    def handle_endtag(self, tag):
        self.within = None


@pytest.mark.parametrize("out", ["page", "page.html"])
def test_a_name_cannot_break_out_of_the_page(out, run, tmp_path, quick):
    plain, named = (
        write_page(run, tmp_path / kind / out, name=name, n_samples=5) for kind, name in (("a", "d"), ("b", NAME))
    )
    tags, others = (Tags(written.start.read_text()) for written in (named, plain))
    assert tags.scripts == others.scripts
    assert tags.title == f"{NAME} · isthmus"
    assert "alert" not in named.start.read_text().partition("<title>")[2].partition("</title>")[2]


def test_the_frame_of_a_page_needs_nothing_beside_it():
    frame = FrontEnd().frame
    # Within modules, which are encoded, an address is text.
    assert "/static/" not in frame
    assert not re.findall(r'(?:src|href)="(?!data:|#)', frame)
    assert "url(" not in frame


def test_every_module_that_is_imported_is_there_and_those_of_the_server_are_not():
    modules = FrontEnd().modules
    assert {"isthmus/web/app.js", "isthmus/onnx_backend.js", "isthmus/views/explore.js", "onnxruntime-web"} <= set(
        modules
    )
    assert not {"isthmus/app.js", "isthmus/server.js", "isthmus/live.js", "isthmus/views/runs.js"} & set(modules)
    for name, source in modules.items():
        assert "sourceMappingURL" not in source
        assert "/api/" not in source, name
        if name.startswith("isthmus/") and name != "isthmus/views/index.js":
            wanted = re.findall(r'^(?:import|export) [^;]*?from "([^"]+)"', source, re.MULTILINE)
            assert set(wanted) <= set(modules), name


def test_the_policy_names_every_script_and_style_of_the_frame():
    frame = FrontEnd().frame
    inline = [script for script in Tags(frame).scripts if "src" not in script]
    assert policy(frame).count("'sha256-") == len(inline) + frame.count("<style>")
    assert "default-src 'none'" in policy(frame)


def test_the_runtime_is_what_its_record_says():
    record = (RUNTIME / "VERSION").read_text()
    script = (RUNTIME / "ort.wasm.bundle.min.mjs").read_bytes()
    binary = gzip.decompress((RUNTIME / "ort-wasm-simd-threaded.wasm.gz").read_bytes())
    version = re.search(rb"ONNX Runtime Web v([\d.]+)", script)[1].decode()
    assert record.startswith(f"onnxruntime-web {version}\n")
    assert re.findall(r"sha256 (\w{64})", record) == [hashlib.sha256(data).hexdigest() for data in (script, binary)]
    assert "MIT License" in (RUNTIME / "LICENSE").read_text()
    assert STATIC in RUNTIME.parents


def test_one_file_that_would_be_too_large_names_the_folder(run, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(pages, "_MOST_SINGLE", 1000)
    with pytest.raises(
        ExportError, match=r"one HTML file with this model would have \d+ MB.* write a folder instead: --web"
    ):
        write_page(run, tmp_path / "page.html", n_samples=5)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_no_browser_takes_is_refused(run, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(pages, "_MOST_GRAPH", 3)
    with pytest.raises(ExportError, match="a network of this model has"):
        write_page(run, tmp_path / "page", n_samples=5)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ what the page knows


def test_the_page_knows_what_the_model_says(run):
    opened, summary = open_run(run, None, 50, None)
    header, arrays = unpack(content(opened, summary, spread=True, meaning=False))
    rows, est, digits = opened.numbers, opened.est, load("digits")
    X, y = digits.X[rows], digits.y[rows]
    assert header["info"]["name"] == "digits"
    assert header["info"]["n_rows"] == len(rows) == 50
    assert header["labels"] == y.tolist()
    np.testing.assert_array_equal(arrays["positions"], est.transform(X))
    np.testing.assert_allclose(arrays["stds"], est.posterior(X).std, rtol=1e-6)
    for number, axis in enumerate(header["axes"]):
        if axis["id"].startswith("z"):
            np.testing.assert_array_equal(arrays["places"][number], est.transform(X)[:, int(axis["id"][1:])])
        if axis["id"] == "attribute:slim":
            np.testing.assert_allclose(arrays["places"][number], est.attribute("slim", X).mean, rtol=1e-4)
    colours = {colour["id"]: arrays.get(f"colour{i}") for i, colour in enumerate(header["colours"])}
    np.testing.assert_allclose(colours["score"], est.score_samples(X), rtol=1e-5)
    assert colours["none"] is None


def test_planes_of_the_page_lead_back_to_the_places_on_it(run):
    """A point of the plane of two axes stands for a code that lies where the point is."""
    opened, summary = open_run(run, None, 50, None)
    header, arrays = unpack(content(opened, summary, spread=True, meaning=False))
    n, d = len(header["axes"]), header["info"]["latent_dim"]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    assert len(pairs) == len(header["planes"]) == len(header["contours"])
    planes = iter(arrays["planes"].reshape(-1, 5 * d + 2).astype(np.float64))
    codes, compared = arrays["positions"].astype(np.float64), 0
    for (i, j), width in zip(pairs, header["planes"], strict=True):
        if width is None:
            continue
        plane = next(planes)
        (origin, across, up, *weights), offsets = plane[: 5 * d].reshape(5, d), plane[5 * d :]
        places = arrays["places"][[i, j]].T.astype(np.float64)
        np.testing.assert_allclose(codes @ np.transpose(weights) - offsets, places, atol=1e-4 * np.abs(places).max())
        back = origin + places @ np.stack([across, up])
        again = back @ np.transpose(weights) - offsets
        np.testing.assert_allclose(again, places, atol=1e-3 * np.abs(places).max())
        compared += 1
    assert compared >= 3
    assert next(planes, None) is None


def test_without_samples_no_data_are_part_of_the_page(run):
    opened, summary = open_run(run, None, 0, "mine")
    header, arrays = unpack(content(opened, summary, spread=True, meaning=False))
    assert header["of"] == "prior"
    assert header["info"]["has"]["data"] is False
    assert not any(name.startswith("sheet") or name in ("rows", "stds") for name in arrays)
    assert opened.numbers.shape == (len(arrays["positions"]),)


@pytest.mark.parametrize("shape", [(130, 8, 8, 1), (7, 5, 9, 3), (1, 700, 600, 3)])
def test_sheets_hold_every_picture(shape):
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    sheets = lay_out(pictures)
    layout = sheets.layout
    width, height = layout["width"], layout["height"]
    assert sheets.exact
    opened = [np.asarray(Image.open(io.BytesIO(file))) for file in sheets.files]
    for row in (0, shape[0] // 2, shape[0] - 1):
        place = row % layout["each"]
        left, top = place % layout["columns"] * width, place // layout["columns"] * height
        found = opened[row // layout["each"]][top : top + height, left : left + width, : shape[3]]
        truth = np.asarray(Image.fromarray(pictures[row].squeeze()).reduce(max(1, -(-max(shape[1:3]) // 128))))
        np.testing.assert_array_equal(found, truth.reshape(found.shape))


def test_many_pictures_are_kept_as_photographs(monkeypatch):
    monkeypatch.setattr("isthmus.export.sheets._EXACT", 10)
    smooth = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8)[None, None, :, None], (4, 64, 64, 3))
    sheets = lay_out(smooth)
    assert not sheets.exact
    found = np.asarray(Image.open(io.BytesIO(sheets.files[0])))[:64, :64]
    assert np.abs(found.astype(int) - smooth[0]).mean() < 3


@needs_onnx
@pytest.mark.parametrize(
    "model",
    [
        FSQVAE(4),
        pytest.param(VQVAE(4, token_dim=2), marks=pytest.mark.slow),
        pytest.param(ResidualVQVAE(4, token_dim=2), marks=pytest.mark.slow),
        pytest.param(VAE(3, posterior_family="hyperspherical"), marks=pytest.mark.slow),
    ],
    ids=lambda model: model.name,
)
def test_sliders_stand_for_the_same_codes_in_a_page(model, tmp_path):
    import onnxruntime

    X = load("digits").X[:200]
    model.set_params(network=Linear(), max_epochs=1, random_state=0).fit(X)
    sliders = sliders_of(model)
    graphs = make_graphs(model, positions_of(model.module_, sliders))

    def run(graph, name, given):
        return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run([name], given)[0]

    places = sliders.place(X)
    np.testing.assert_allclose(run(graphs.encoder, "code", {"x": X}), places, atol=1e-5)
    # Between the steps, beyond the ends, and at the origin.
    for z in (places, places * 1.3 + 0.2, places * 40, places * 0):
        codes = sliders.codes(z)
        np.testing.assert_allclose(run(graphs.codes, "code", {"position": z}), codes, atol=1e-5)
        if model.name != "rvqvae":  # there the graph looks less far than the sliders do
            found = run(graphs.positions, "position", {"code": codes})
            np.testing.assert_allclose(found, sliders.find(codes), atol=1e-5)
    decoded = run(graphs.decoder, "x", {"code": sliders.codes(places)})
    np.testing.assert_allclose(decoded, model.inverse_transform(sliders.codes(places)), atol=2e-5 * X.max())


# ------------------------------------------------------------------ what a page may replace


def test_a_page_replaces_a_page_whole(tmp_path):
    out = tmp_path / "page"
    write_folder(out, {"index.html": OURS, "assets/old.js": b"old"})
    write_folder(out, {"index.html": OURS + b"2", "assets/new.js": b"new"})
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert files == ["assets/new.js", "index.html", "page.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_a_page_with_a_file_of_somebody_else_is_left_alone(tmp_path):
    out = tmp_path / "page"
    write_folder(out, {"index.html": OURS})
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"holds notes\.txt, which is not of a page of isthmus"):
        write_folder(out, {"index.html": OURS})
    (out / "notes.txt").unlink()
    (out / "index.html").write_text("<p>mine</p>")
    with pytest.raises(ExportError, match="which is not of a page of isthmus"):
        write_folder(out, {"index.html": OURS})
    assert (out / "index.html").read_text() == "<p>mine</p>"


@pytest.mark.parametrize("fails", ["atomic_write", "rename"])
def test_a_page_that_fails_leaves_the_old_one(fails, tmp_path, monkeypatch):
    out = tmp_path / "page"
    write_folder(out, {"index.html": OURS})

    def refuse(*args, **kwargs):
        raise OSError("no space")

    if fails == "rename":
        original = Path.rename
        monkeypatch.setattr(
            Path,
            "rename",
            lambda self, target: refuse() if target == out and self.suffix != ".old" else original(self, target),
        )
    else:
        monkeypatch.setattr("isthmus.export.writing.atomic_write", refuse)
    with pytest.raises(OSError, match="no space"):
        write_folder(out, {"index.html": OURS + b"2"})
    assert (out / "index.html").read_bytes() == OURS
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_one_file_replaces_only_a_page(tmp_path):
    out = tmp_path / "page.html"
    write_file(out, OURS)
    write_file(out, OURS + b"2")
    assert out.read_bytes() == OURS + b"2"
    out.write_text("<p>mine</p>")
    with pytest.raises(ExportError, match="is not a page of isthmus, and is left as it is"):
        write_file(out, OURS)
    assert out.read_text() == "<p>mine</p>"


def test_an_unknown_number_of_samples_is_refused(run, tmp_path):
    with pytest.raises(ParameterError, match="from 0 to 100,000 samples"):
        write_page(run, tmp_path / "page", n_samples=100_001)


def test_a_page_is_written_without_the_packages_of_a_server():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('fastapi', 'starlette', 'uvicorn', 'pydantic'))); "
        "import isthmus.export.content, isthmus.export.reading, isthmus.export.positions"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

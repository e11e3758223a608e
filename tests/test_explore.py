"""Walks through the code, films of them, and latent spaces: closed forms, degenerate cases, every variant."""

import stat
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError

import isthmus
from isthmus import VAE, Autoencoder, DataError, LinearAutoencoder, MissingExtraError, ParameterError, Trainer
from isthmus.data import Samples
from isthmus.explore import (
    animate,
    grid_figure,
    interpolate,
    interpolation_figure,
    latent_grid,
    side_by_side,
    three_latent_spaces,
    traversal_figure,
    traverse,
)
from isthmus.explore.axes import Axis, as_code, find_axis, line, prior_moments, spreads
from isthmus.explore.latent_spaces import MEASURES, aggregate_divergence, covered, gaps, latent_spaces_figure
from isthmus.explore.sheets import enlarge, sheet, to_bytes
from isthmus.explore.walks import plane, slerp
from isthmus.models.inference import Posterior
from isthmus.training import ReconstructionRecorder

PICTURES = load_digits().images[:120]
TABLE = load_iris().data
FRAME = load_iris(as_frame=True).data
DATA = {"pictures": PICTURES, "table": TABLE, "rows of pictures": PICTURES.reshape(-1, 64), "frame": FRAME}
every_model = pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)


@cache
def fitted(cls, data: str = "pictures", latent_dim: int = 2):
    shape = (8, 8) if data == "rows of pictures" else None
    return cls(latent_dim=latent_dim, max_epochs=2, random_state=0, image_shape=shape).fit(DATA[data])


def test_exploring_does_not_import_torch():
    code = "import sys; from isthmus.explore import animate, traverse; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    import isthmus.explore

    assert all(callable(getattr(isthmus.explore, name)) for name in isthmus.explore.__all__)
    with pytest.raises(AttributeError, match="no attribute 'traverze'"):
        isthmus.explore.traverze  # noqa: B018


# ------------------------------------------------------------------ axes and traversals


@every_model
@pytest.mark.parametrize("data", DATA)
def test_a_walk_of_every_model_decodes_the_codes_it_says(cls, data):
    est, X = fitted(cls, data), DATA[data]
    codes = est.transform(X).astype(float)
    start = np.asarray(X)[3]
    for latent in (0, 1):
        expected = np.tile(codes[3], (5, 1))
        expected[:, latent] = codes[:, latent].mean() + codes[:, latent].std() * np.linspace(-2, 2, 5)
        walk = traverse(est, latent, X=X, start=start, reach=2, steps=5)
        assert walk.shape == (5, *np.shape(X)[1:])
        np.testing.assert_allclose(walk, est.inverse_transform(expected), rtol=1e-3, atol=1e-3)
    middle = traverse(est, 0, X=X)[5]
    np.testing.assert_allclose(middle, est.inverse_transform(codes.mean(0)[None])[0], rtol=1e-3, atol=1e-3)


def test_without_data_the_prior_marks_the_axis():
    vae, ae = fitted(VAE), fitted(Autoencoder)
    np.testing.assert_allclose(
        traverse(vae, 0, steps=3), vae.inverse_transform(np.array([[-2.5, 0], [0, 0], [2.5, 0]])), rtol=1e-5
    )
    mean, factor = prior_moments(ae)
    codes = ae.transform(PICTURES).astype(float)
    np.testing.assert_allclose(mean, codes.mean(0), atol=0.3 * codes.std())
    covariance = factor @ factor.T
    np.testing.assert_allclose(spreads(ae, None), np.sqrt(np.diag(covariance)))
    unit = np.array([0.6, 0.8])
    axis = find_axis(ae, 7 * unit)
    np.testing.assert_allclose(axis.direction, unit * np.sqrt(unit @ covariance @ unit))
    assert axis.value(mean) == pytest.approx(0, abs=1e-9)


def test_a_direction_of_any_length_gives_the_same_walk():
    est = fitted(VAE)
    short = traverse(est, np.array([0.3, -0.1]), X=PICTURES)
    np.testing.assert_allclose(short, traverse(est, np.array([30.0, -10.0]), X=PICTURES), rtol=1e-5)
    np.testing.assert_allclose(traverse(est, [1, 0], X=PICTURES), traverse(est, 0, X=PICTURES), rtol=1e-5)


def test_an_axis_moves_by_what_it_measures():
    rng = np.random.default_rng(0)
    axis = line(rng.normal(size=4), rng.normal(size=4), 1.7)
    start = rng.normal(size=4)
    np.testing.assert_allclose(axis.value(axis.place(start, np.array([-1.0, 0, 2]))), [-1, 0, 2], atol=1e-12)
    across = np.linalg.svd(axis.direction[None])[2][1:]
    np.testing.assert_allclose(across @ (axis.place(start, np.array([3.0]))[0] - start), 0, atol=1e-12)


def test_a_latent_that_never_varies_stays_where_it_is():
    walk = line(np.array([1.0, 0]), np.array([3.0, 0]), 0.0).place(np.array([3.0, 1.0]), np.array([-2.0, 2.0]))
    np.testing.assert_allclose(walk, [[3, 1], [3, 1]], atol=1e-9)


def test_a_prior_without_moments_is_sampled():
    import torch

    class Sampled:
        @property
        def mean(self):
            raise NotImplementedError

        def sample(self, shape):
            return 2 * torch.randn(*shape, 3) + 1

    class Estimator:
        class module_:
            @staticmethod
            def prior():
                return Sampled()

    torch.manual_seed(1)
    before = torch.get_rng_state()
    mean, scale = prior_moments(Estimator())  # type: ignore[arg-type]
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_allclose(mean, 1, atol=0.1)
    np.testing.assert_allclose(scale, 2, rtol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"along": 2}, "there is no latent 2; the code has 2"),
        ({"along": -1}, "there is no latent -1"),
        ({"along": "smile"}, "no attribute 'smile'; it has none yet"),
        ({"along": np.zeros(2)}, "direction of 2 values that are not all zero"),
        ({"along": np.ones(3)}, "direction of 2 values"),
        ({"along": np.array([np.nan, 1])}, "direction of 2 values"),
        ({"along": True}, "direction of 2 values"),
        ({"along": 0, "steps": 1}, "steps must be at least 2"),
        ({"along": 0, "reach": 0}, "reach must be positive"),
        ({"along": 0, "start": np.ones(3)}, "neither a code of 2 values nor a sample"),
        ({"along": 0, "start": np.array([np.inf, 0])}, "finite"),
    ],
)
def test_walks_that_cannot_be(options, message):
    with pytest.raises((ParameterError, DataError), match=message):
        traverse(fitted(VAE), **options)


def test_a_model_must_be_fitted_first():
    for walk in (lambda: traverse(VAE(), 0), lambda: interpolate(VAE(), 0, 1), lambda: latent_grid(VAE())):
        with pytest.raises(NotFittedError):
            walk()


def test_what_is_as_wide_as_the_code_is_a_code_unless_samples_are():
    est = fitted(VAE)
    np.testing.assert_array_equal(as_code(est, [1, 2]), [1, 2])
    np.testing.assert_array_equal(as_code(est, PICTURES[0]), est.transform(PICTURES[:1])[0])
    copy = VAE(latent_dim=4, max_epochs=1, random_state=0).fit(TABLE)
    np.testing.assert_array_equal(as_code(copy, TABLE[0]), copy.transform(TABLE[:1])[0])
    framed = fitted(VAE, "frame")
    np.testing.assert_array_equal(as_code(framed, FRAME.iloc[0]), framed.transform(FRAME[:1])[0])


# ------------------------------------------------------------------ interpolation


def test_spherical_interpolation_is_shoemakes_with_a_length_that_grows_evenly():
    rng = np.random.default_rng(0)
    at = np.linspace(0, 1, 7)
    for d in (2, 3, 50):
        a, b = rng.normal(size=(2, d)) * [[1], [4]]
        first, last = a / np.linalg.norm(a), b / np.linalg.norm(b)
        angle = np.arccos(first @ last)
        closed = (np.outer(np.sin((1 - at) * angle), first) + np.outer(np.sin(at * angle), last)) / np.sin(angle)
        length = (1 - at) * np.linalg.norm(a) + at * np.linalg.norm(b)
        np.testing.assert_allclose(slerp(a, b, at), length[:, None] * closed, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-6, 1e-3, 1, np.pi - 1e-3, np.pi - 1e-9, np.pi])
def test_spherical_interpolation_turns_evenly_at_any_angle(angle):
    a, b = np.array([2.0, 0, 0]), 3 * np.array([np.cos(angle), np.sin(angle), 0])
    way = slerp(a, b, np.linspace(0, 1, 9))
    np.testing.assert_allclose(way[[0, -1]], [a, b], atol=1e-9)
    lengths = np.linalg.norm(way, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(2, 3, 9), rtol=1e-6)
    units = way / lengths[:, None]
    turns = 2 * np.arcsin(np.linalg.norm(np.diff(units, axis=0), axis=1) / 2)
    np.testing.assert_allclose(turns, angle / 8, rtol=1e-3, atol=1e-9)


def test_where_there_is_no_direction_the_way_is_straight():
    at, b = np.linspace(0, 1, 5), np.array([1.0, 2.0])
    np.testing.assert_allclose(slerp(np.zeros(2), b, at), np.outer(at, b))
    np.testing.assert_allclose(slerp(b, np.zeros(2), at), np.outer(1 - at, b))
    np.testing.assert_array_equal(slerp(np.zeros(2), np.zeros(2), at), np.zeros((5, 2)))
    np.testing.assert_allclose(slerp(b, 3 * b, at), np.outer(1 + 2 * at, b))
    np.testing.assert_allclose(slerp(np.array([-1.0]), np.array([1.0]), at)[:, 0], np.linspace(-1, 1, 5))


@every_model
@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_interpolations_begin_and_end_where_they_should(cls, kind):
    est = fitted(cls)
    walk = interpolate(est, PICTURES[0], PICTURES[1], steps=4, kind=kind)
    assert walk.shape == (4, 8, 8)
    np.testing.assert_allclose(walk[[0, -1]], est.reconstruct(PICTURES[:2]), rtol=1e-3, atol=1e-3)
    codes = est.transform(PICTURES[:2])
    np.testing.assert_allclose(walk, interpolate(est, *codes, steps=4, kind=kind), rtol=1e-3, atol=1e-3)


def test_a_spherical_walk_turns_about_the_mean_of_the_prior():
    ae = fitted(Autoencoder)
    middle = prior_moments(ae)[0]
    a, b = middle + np.eye(2)
    half = interpolate(ae, a, b, steps=3, kind="spherical")[1]
    np.testing.assert_allclose(half, ae.inverse_transform((middle + np.sqrt([0.5, 0.5]))[None])[0], rtol=1e-4)
    with pytest.raises(ParameterError, match="'linear' or 'spherical', got 'cubic'"):
        interpolate(ae, a, b, kind="cubic")  # type: ignore[arg-type]


# ------------------------------------------------------------------ grids


def test_a_grid_lies_at_equal_shares_of_the_prior():
    vae = fitted(VAE)
    marks = stats.norm.ppf(np.linspace(0.01, 0.99, 4))
    grid = latent_grid(vae, steps=4)
    assert grid.shape == (4, 4, 8, 8)
    for row in range(4):
        for column in range(4):
            code = np.array([[marks[column], marks[3 - row]]])
            np.testing.assert_allclose(grid[row, column], vae.inverse_transform(code)[0], rtol=1e-4, atol=1e-4)


@every_model
def test_a_grid_of_every_model_covers_the_codes(cls):
    est = fitted(cls, latent_dim=3)
    codes = est.transform(PICTURES).astype(float)
    low, high = np.quantile(codes[:, :2], [0.01, 0.99], axis=0)
    grid = latent_grid(est, along=(0, 1), X=PICTURES, steps=3)
    corner = np.array([[low[0], high[1], codes[:, 2].mean()]])
    np.testing.assert_allclose(grid[0, 0], est.inverse_transform(corner)[0], rtol=1e-3, atol=1e-3)
    assert latent_grid(est, X=PICTURES, steps=2).shape == (2, 2, 8, 8)


def test_a_wide_code_varies_most_along_its_principal_components():
    est = fitted(LinearAutoencoder, latent_dim=4)
    by_itself = latent_grid(est, X=PICTURES, steps=5)
    named = latent_grid(est, along=(0, 1), X=PICTURES, steps=5)  # the latents of PCA are its components, in order
    flipped = [by_itself[::i, ::j] for i in (1, -1) for j in (1, -1)]
    assert min(np.abs(grid - named).max() for grid in flipped) < 0.05 * np.abs(named).max()


def test_a_plane_reaches_its_values_even_if_the_axes_are_at_an_angle():
    rng = np.random.default_rng(0)
    axes = []
    for _ in range(2):
        weights, direction = rng.normal(size=(2, 5))
        axes.append(Axis(weights, direction / (weights @ direction), 0.3))
    codes = plane(axes, rng.normal(size=5), np.array([-1.0, 0, 1]), np.array([2.0, 5.0]))
    np.testing.assert_allclose(axes[0].value(codes), [[-1, 0, 1]] * 2, atol=1e-9)
    np.testing.assert_allclose(axes[1].value(codes), [[5] * 3, [2] * 3], atol=1e-9)


@pytest.mark.parametrize(
    ("latent_dim", "options", "message"),
    [
        (1, {}, "at least two latents"),
        (3, {}, r"no two of the 3 latents come first by themselves; give along=\(i, j\), or X"),
        (2, {"along": (0,)}, "goes along two axes, got 1"),
        (2, {"along": (0, np.array([2.0, 0]))}, "both axes of the grid go the same way"),
    ],
)
def test_grids_that_cannot_be(latent_dim, options, message):
    with pytest.raises(ParameterError, match=message):
        latent_grid(fitted(VAE, latent_dim=latent_dim), **options)


@pytest.mark.parametrize("data", ["pictures", "frame", "rows of pictures"])
def test_figures_of_walks(data):
    est, X = fitted(VAE, data), DATA[data]
    pair = (np.asarray(X)[0], np.asarray(X)[1])
    figures = [
        traversal_figure(est, [0, 1, [1, 1]], X=X, start=pair[0], steps=5),
        traversal_figure(est, [1]),
        interpolation_figure(est, [pair, pair[::-1]], steps=4, kind="spherical", labels=["there", "back"]),
        grid_figure(est, steps=3),
        grid_figure(est, along=(1, [1, 1]), X=X, steps=3),
    ]
    for figure in figures:
        figure.draw_without_rendering()
    shown = {text.get_text() for axes in figures[0].axes for text in [axes.title, axes._left_title, *axes.texts]}  # type: ignore[attr-defined]
    assert {"latent 0", "latent 1", "direction"} <= shown


# ------------------------------------------------------------------ films


def frames(n=5, *, colour=False, size=(6, 9)):
    tail = (3,) if colour else ()
    return np.random.default_rng(0).integers(0, 256, (n, *size, *tail), dtype=np.uint8)


def read(path):
    with Image.open(path) as film:
        shown = []
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            shown.append(np.asarray(film.convert("RGB")))
        return np.stack(shown), film.info


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_films_show_every_pixel_as_a_square(tmp_path, ending, colour):
    X = frames(colour=colour)
    path = animate(X, tmp_path / "new" / f"film{ending}", fps=10)
    shown, info = read(path)
    assert shown.shape == (5, 6 * 56, 9 * 56, 3)
    assert info["loop"] == 0
    assert info["duration"] == 100
    expected = np.broadcast_to(X if colour else X[..., None], (*X.shape[:3], 3))
    small = shown[:, 28::56, 28::56].astype(int)
    # A GIF has 256 colours; random ones are further apart than that.
    assert np.abs(small - expected).mean() < (12 if colour and ending == ".gif" else 0.5)
    np.testing.assert_array_equal(shown, shown[:, 28::56, 28::56].repeat(56, 1).repeat(56, 2))


def test_ping_pong_goes_back_without_showing_an_end_twice(tmp_path):
    shown, _ = read(animate(frames(), tmp_path / "f.webp", ping_pong=True))
    assert len(shown) == 8
    np.testing.assert_array_equal(shown[5:], shown[3:0:-1])
    assert len(read(animate(frames(1), tmp_path / "one.webp", ping_pong=True))[0]) == 1


def test_a_strip_and_an_array(tmp_path):
    X = frames(4).astype(float)
    strip, _ = read(animate(X, tmp_path / "s.png", limits=(0, 255)))
    factor = 1600 // 39
    assert strip.shape == (1, 6 * factor, 39 * factor, 3)
    np.testing.assert_array_equal(strip[0, ::factor, ::factor, 0][:, 10:19], X[1])
    animate(X, tmp_path / "s.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), X)


def test_values_are_stretched_to_the_limits():
    np.testing.assert_array_equal(to_bytes(np.array([-5.0, 0, 1, 2, 9]), 0, 2), [0, 0, 128, 255, 255])
    np.testing.assert_array_equal(to_bytes(np.ones(2), 1, 1), [0, 0])


def test_captions_stand_below_the_pictures(tmp_path):
    plain = read(animate(frames(2), tmp_path / "p.webp"))[0]
    said = read(animate(frames(2), tmp_path / "c.webp", captions=["one", "two"]))[0]
    np.testing.assert_array_equal(said[:, : plain.shape[1]], plain)
    below = said[:, plain.shape[1] :]
    assert below.shape[1] == 24
    assert (below < 100).any(axis=(1, 2, 3)).all()
    assert not np.array_equal(below[0], below[1])
    with pytest.raises(ParameterError, match="there are 1 captions for 2 frames"):
        animate(frames(2), tmp_path / "x.gif", captions=["one"])


def test_sheets_have_white_lines_between_pictures():
    tiles = sheet(np.zeros((3, 2, 2), np.uint8), 2)
    expected = np.array([[0, 0, 255, 0, 0]] * 2 + [[255] * 5] + [[0, 0, 255, 255, 255]] * 2)
    np.testing.assert_array_equal(tiles, expected)
    np.testing.assert_array_equal(enlarge(np.array([[1, 2]], np.uint8), 2), [[1, 1, 2, 2]] * 2)


def test_walks_side_by_side():
    est = fitted(VAE)
    walks = np.stack([traverse(est, latent, steps=3) for latent in (0, 1)])
    film = side_by_side(walks, limits=(0, 16))
    assert film.shape == (3, 8, 17)
    np.testing.assert_array_equal(film[2, :, 9:], to_bytes(walks[1, 2], 0, 16))
    assert side_by_side(walks, 1, limits=(0, 16)).shape == (3, 17, 8)
    assert side_by_side(np.ones((2, 3, 4, 4, 3)), limits=(0, 1)).shape == (3, 4, 9, 3)


@pytest.mark.parametrize(
    ("X", "name", "options", "error", "message"),
    [
        (frames(), "f.avi", {}, ParameterError, "an animation goes to .gif, .webp, .mp4, .png, .npy"),
        (frames(), "f.gif", {"fps": 0}, ParameterError, "fps must be above 0"),
        (frames(), "f.gif", {"fps": float("nan")}, ParameterError, "fps must be above 0"),
        (np.ones((3, 4)), "f.gif", {}, DataError, "pictures to be drawn are"),
        (np.ones((3, 4, 4, 2)), "f.gif", {}, DataError, "1 or 3 channels"),
        (np.full((3, 4, 4), np.nan), "f.gif", {}, DataError, "must be finite"),
        (np.ones((0, 4, 4)), "f.png", {}, DataError, "at least one frame"),
    ],
)
def test_films_that_cannot_be(tmp_path, X, name, options, error, message):
    with pytest.raises(error, match=message):
        animate(X, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


_FAKE = """#!{python}
import sys
args = sys.argv[1:]
size = args[args.index("-s") + 1]
width, height = map(int, size.split("x"))
data = sys.stdin.buffer.read()
if "{mood}" == "cross":
    print("Unknown encoder 'libx264'", file=sys.stderr)
    sys.exit(1)
open(args[-1], "wb").write(f"{{size}} {{len(data) // (3 * width * height)}} {{args[args.index('-r') + 1]}}".encode())
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """Puts a program of this name on an otherwise empty PATH."""
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # not to be imported
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(mood):
        program = folder / "ffmpeg"
        program.write_text(_FAKE.format(python=sys.executable, mood=mood))
        program.chmod(program.stat().st_mode | stat.S_IEXEC)

    return make


@pytest.mark.parametrize("colour", [False, True])
def test_mp4_goes_through_ffmpeg(tmp_path, ffmpeg, colour):
    ffmpeg("calm")
    path = animate(frames(colour=colour), tmp_path / "f.mp4", fps=12.5)
    assert path.read_text() == "504x336 5 12.5"


def test_mp4_without_an_encoder_is_one_clear_error(tmp_path, ffmpeg):
    with pytest.raises(MissingExtraError, match=r"MP4 needs ffmpeg: pip install 'isthmus\[video\]', or write .gif"):
        animate(frames(), tmp_path / "f.mp4")
    ffmpeg("cross")
    with pytest.raises(MissingExtraError, match=r"cannot write MP4 \(Unknown encoder 'libx264'\); write .gif or .webp"):
        animate(frames(), tmp_path / "f.mp4")
    assert not (tmp_path / "f.mp4").exists()


# ------------------------------------------------------------------ recorder


@every_model
def test_a_recorder_sees_every_epoch_and_changes_nothing(cls):
    def train(callbacks, X, **options):
        trainer = Trainer(callbacks=callbacks, early_stopping=None)
        return cls(latent_dim=2, max_epochs=3, random_state=0, trainer=trainer, **options).fit(X)

    recorder = ReconstructionRecorder(PICTURES[:4])
    est, plain = train([recorder], PICTURES), train([], PICTURES)
    np.testing.assert_array_equal(est.transform(PICTURES), plain.transform(PICTURES))
    if not est.history_:
        with pytest.raises(DataError, match="no epoch was recorded"):
            recorder.frames  # noqa: B018
        return
    assert recorder.frames.shape == (3, 4, 8, 8)
    assert [m["epoch"] for m in recorder.metrics] == [1, 2, 3]
    best = recorder.frames[est.best_epoch_ - 1]
    np.testing.assert_array_equal(best, est.reconstruct(PICTURES[:4]))
    rows = ReconstructionRecorder(PICTURES[:4].reshape(4, 64))
    train([rows], PICTURES.reshape(-1, 64), image_shape=(8, 8))
    np.testing.assert_array_equal(rows.frames, recorder.frames.reshape(3, 4, 64))


def test_a_recorder_starts_anew_with_every_training():
    recorder = ReconstructionRecorder(PICTURES[:2].astype(np.uint16))
    est = Autoencoder(2, max_epochs=1, trainer=Trainer(callbacks=[recorder]))
    est.fit(PICTURES).fit(PICTURES)
    assert recorder.frames.shape == (1, 2, 8, 8)


# ------------------------------------------------------------------ three latent spaces


def posterior(n, spread, seed=0):
    mean = np.random.default_rng(seed).normal(size=(n, 2)) * np.sqrt(1 - spread**2)
    return Posterior(mean.astype(np.float32), np.full((n, 2), spread, np.float32))


def test_the_divergence_of_an_aggregate_posterior_is_its_integral():
    q = posterior(6, 0.5)
    codes = np.concatenate([q.sample(random_state=seed)[0] for seed in range(1000)])
    grid = np.linspace(-6, 6, 601)
    z = np.stack(np.meshgrid(grid, grid), -1)
    density = np.mean([stats.multivariate_normal(m, 0.25 * np.eye(2)).pdf(z) for m in q.mean], 0)
    prior = stats.multivariate_normal(np.zeros(2)).pdf(z)
    exact = np.sum(density * np.log(density / prior)) * (grid[1] - grid[0]) ** 2
    assert aggregate_divergence(q, codes) == pytest.approx(exact, abs=0.03)


def test_the_divergence_of_the_prior_itself_is_zero():
    q = Posterior(np.zeros((50, 2), np.float32), np.ones((50, 2), np.float32))
    assert aggregate_divergence(q, q.sample(random_state=0)[0]) == pytest.approx(0, abs=1e-6)


def test_gaps_are_what_no_row_covers():
    tight, wide = posterior(200, 0.01), posterior(2000, 0.5)
    assert gaps(tight) > 0.8
    assert gaps(wide) < 0.02
    alone = Posterior(np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32))
    assert gaps(alone, n_draws=20_000) == pytest.approx(0.01, abs=0.003)
    edge = np.sqrt(stats.chi2(2).ppf(0.99))
    np.testing.assert_array_equal(covered(alone, np.array([[0, edge - 1e-6], [edge + 1e-6, 0]])), [True, False])


def test_three_latent_spaces_differ_as_they_should():
    digits = load_digits()
    rows = np.flatnonzero(digits.target < 4)[:500]
    X, y = digits.images[rows], digits.target[rows]
    before = isthmus.models()
    spaces = three_latent_spaces(Samples(X, "digits", y=y), max_epochs=25)
    assert isthmus.models() == before
    alone, divergence, both = (space.measures for space in spaces)
    assert all(measures.keys() == MEASURES.keys() for measures in (alone, divergence, both))
    assert min(alone["separation"], both["separation"]) > 0.7 > 0.45 > divergence["separation"]
    assert alone["gaps"] > 0.5 > 0.1 > max(both["gaps"], divergence["gaps"])
    assert alone["prior_kl"] > both["prior_kl"] + 1 > 1 > 0.1 > abs(divergence["prior_kl"])
    assert min(alone["r2"], both["r2"]) > 0.3 > 0.05 > divergence["r2"]
    assert all(space.codes.shape == (len(X), 2) for space in spaces)
    figure = latent_spaces_figure(spaces, y)
    figure.draw_without_rendering()
    texts = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    assert texts.count("class told by neighbours") == 3


def test_without_classes_there_is_no_separation():
    spaces = three_latent_spaces(TABLE, max_epochs=1)
    assert all(space.measures.keys() == MEASURES.keys() - {"separation"} for space in spaces)
    latent_spaces_figure(spaces).draw_without_rendering()

"""Generated data sets: pictures that are reproducible and true to their factors."""

import subprocess
import sys

import numpy as np
import pytest

from isthmus.data import _drawing
from isthmus.data._portrait import Portrait
from isthmus.data.faces import FACE_NEUTRAL, FACE_RANGES, faces
from isthmus.data.shapes import SHAPE_RANGES, shapes
from isthmus.errors import ParameterError

both = pytest.mark.parametrize("draw", [faces, shapes])


def sweep(name, n, size=64, **options):
    return faces(n, size, factors={name: np.linspace(*FACE_RANGES[name], n)}, neutral=True, **options)


def neutral_face(size: int | tuple[int, int] = 64, **factors):
    return faces(1, size, factors=factors, neutral=True)[0].astype(float)


@both
def test_same_seed_same_bytes(draw):
    first = draw(9, 32, random_state=3)
    assert np.array_equal(first, draw(9, 32, random_state=3))
    assert np.array_equal(first, draw(9, 32, random_state=np.random.default_rng(3)))
    assert not np.array_equal(first, draw(9, 32, random_state=4))
    legacy = [draw(2, 32, random_state=np.random.RandomState(3)) for _ in range(2)]
    assert np.array_equal(*legacy)


@both
def test_a_sample_depends_neither_on_chunks_nor_on_how_many_are_asked_for(draw, monkeypatch):
    whole = draw(11, 24, random_state=0)
    assert np.array_equal(draw(4, 24, random_state=0), whole[:4])
    monkeypatch.setattr(_drawing, "CHUNK_PIXELS", 3 * 24 * 24)
    assert np.array_equal(draw(11, 24, random_state=0), whole)


@pytest.mark.parametrize(
    ("size", "channels", "shape"),
    [(32, 1, (3, 32, 32)), (8, 1, (3, 8, 8)), (33, 3, (3, 33, 33, 3)), ((40, 64), 3, (3, 40, 64, 3))],
)
def test_faces_shape_and_dtype(size, channels, shape):
    X = faces(3, size, channels=channels, random_state=0)
    assert X.shape == shape
    assert X.dtype == np.uint8
    assert X.std() > 20


@pytest.mark.parametrize(("size", "shape"), [(32, (3, 32, 32)), (8, (3, 8, 8)), ((24, 40), (3, 24, 40))])
def test_shapes_shape_and_dtype(size, shape):
    X = shapes(3, size, random_state=0)
    assert X.shape == shape
    assert X.dtype == np.uint8


def test_a_wide_picture_shows_the_same_face_in_the_middle():
    assert np.array_equal(neutral_face((32, 48))[:, 8:40], neutral_face(32))


@pytest.mark.parametrize(("draw", "ranges"), [(faces, FACE_RANGES), (shapes, SHAPE_RANGES)])
def test_drawn_factors_fill_their_ranges_independently(draw, ranges):
    _, factors = draw(2000, 8, random_state=0, return_factors=True)
    assert list(factors) == list(ranges)
    for name, (low, high) in ranges.items():
        assert factors[name].shape == (2000,)
        assert low <= factors[name].min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < factors[name].max() <= high
    correlation = np.corrcoef(np.stack(list(factors.values())))
    assert np.abs(correlation - np.eye(len(ranges))).max() < 0.1


@pytest.mark.parametrize(("draw", "name"), [(faces, "smile"), (shapes, "scale")])
def test_fixed_factors_are_honoured_and_leave_the_others_alone(draw, name):
    values = np.array([0.5, 0.75, 1.0])
    _, free = draw(3, 16, random_state=1, return_factors=True)
    X, fixed = draw(3, 16, random_state=1, factors={name: values}, return_factors=True)
    assert np.array_equal(fixed.pop(name), values)
    assert all(np.array_equal(fixed[other], free[other]) for other in fixed)
    # The factors that come back are all that a picture depends on.
    assert np.array_equal(X, draw(3, 16, factors=dict(fixed, **{name: values})))


def test_neutral_takes_every_other_factor_at_neutral():
    _, factors = faces(4, 16, factors={"smile": 1}, neutral=True, return_factors=True)
    expected = {**FACE_NEUTRAL, "smile": 1.0}
    assert {name: set(values) for name, values in factors.items()} == {k: {v} for k, v in expected.items()}
    assert all(low <= FACE_NEUTRAL[name] <= high for name, (low, high) in FACE_RANGES.items())


@pytest.mark.parametrize("name", FACE_RANGES)
@pytest.mark.parametrize(("size", "channels"), [(32, 1), (64, 3)])
def test_every_factor_changes_the_face_smoothly(name, size, channels):
    X = sweep(name, 401, size, channels=channels).astype(int)
    steps = np.abs(np.diff(X, axis=0)).reshape(400, -1)
    # In so fine a sweep an edge glides over a pixel in several steps; a jump takes it in one, or many pixels.
    assert steps.max() <= 24
    assert steps.mean(axis=1).max() < 0.5
    assert (np.abs(np.diff(X[::20], axis=0)).max(axis=tuple(range(1, X.ndim))) > 1).all()
    assert np.abs(X[-1] - X[0]).max() > 50


def test_mirrored_pose_and_light_give_the_mirrored_face():
    pose, light = np.array([0.0, 0.3, 0.7, -1.0]), np.array([0.6, -0.2, 1.0, -0.8])
    X = faces(4, 48, channels=3, factors={"pose_x": pose, "light": light}, neutral=True)
    Y = faces(4, 48, channels=3, factors={"pose_x": -pose, "light": -light}, neutral=True)
    assert np.abs(X.astype(int) - Y[:, :, ::-1]).max() <= 1
    assert np.abs(X.astype(int) - X[:, :, ::-1]).max() > 50


def test_light_comes_from_the_side_it_names():
    left, right = neutral_face(light=-1.0), neutral_face(light=1.0)
    middle = slice(20, 44)
    assert left[middle, 16:30].mean() > left[middle, 34:48].mean() + 20
    assert right[middle, 16:30].mean() < right[middle, 34:48].mean() - 20


def eye_width_and_place(pose_x):
    """Return where closing the eyes changes the picture: (columns left, columns right, mean column)."""
    change = np.abs(neutral_face(pose_x=pose_x) - neutral_face(pose_x=pose_x, eye_openness=0.0)).max(axis=0)
    columns = np.flatnonzero(change > 15)
    middle = columns.mean()
    return (columns < middle).sum(), (columns > middle).sum(), middle


def test_head_turns_to_the_side_it_names_and_the_far_side_is_compressed():
    left, right, ahead = eye_width_and_place(0.0)
    assert left == right
    assert ahead == pytest.approx(31.5)
    left, right, turned = eye_width_and_place(0.8)
    assert turned > ahead + 5
    assert left > right


def test_nose_moves_more_than_the_skin_when_the_head_turns():
    def midline(pose_x, radius):
        values = {name: np.array([value]) for name, value in {**FACE_NEUTRAL, "pose_x": pose_x}.items()}
        return Portrait(values, (8, 8), 1).project(0.15, radius)[0].item()

    skin, nose = (midline(1.0, radius) - midline(0.0, radius) for radius in (1.0, 1.2))
    assert 0.1 < skin < 0.9 * nose


def test_head_nods_to_the_side_it_names():
    def eye_row(pose_y):
        change = np.abs(neutral_face(pose_y=pose_y) - neutral_face(pose_y=pose_y, eye_openness=0.0))
        return np.average(np.arange(64), weights=change.sum(axis=1))

    assert eye_row(-0.8) < eye_row(0.0) - 3 < eye_row(0.8) - 6


def test_mouth_bends_with_the_smile():
    def rows_of_the_lips(smile):
        mouth = neutral_face(smile=smile)[40:54]
        return mouth[:, 31].argmin(), mouth[:, 26].argmin()

    for smile, sign in [(-1.0, -1), (0.25, 1)]:
        middle, corner = rows_of_the_lips(smile)
        assert sign * (int(middle) - int(corner)) >= 1


@pytest.mark.parametrize(("name", "direction"), [("hair", -1), ("hair_tone", 1), ("skin_tone", -1), ("face_width", -1)])
def test_tones_and_sizes_go_the_way_they_say(name, direction):
    brightness = sweep(name, 9, 32).mean(axis=(1, 2))
    assert (direction * np.diff(brightness) > 0).all()


def test_painting_stays_in_single_precision():
    values = {name: np.array([value]) for name, value in FACE_NEUTRAL.items()}
    portrait = Portrait(values, (8, 8), 1)
    assert {portrait.canvas.dtype, portrait.u.dtype, portrait.v.dtype, portrait.front.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("size", [16, 32, (24, 40)])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_sprites_never_touch_the_border(size, kind):
    corners = {"x": np.tile([0.0, 1.0], 100), "y": np.repeat([0.0, 1.0], 100)}
    X = shapes(200, size, random_state=0, factors={"shape": kind, "scale": 1.0, **corners})
    assert X[:, [0, -1]].max() == 0
    assert X[:, :, [0, -1]].max() == 0
    assert (X.max(axis=(1, 2)) > 200).all()


@pytest.mark.parametrize(("kind", "area"), [(0, 2 * 0.44**2), (1, np.pi * 0.55 * 0.44**2)])
def test_sprites_have_the_area_of_their_shape_at_every_scale_and_place(kind, area):
    X, factors = shapes(50, 64, random_state=0, factors={"shape": kind}, return_factors=True)
    seen = X.sum(axis=(1, 2)) / 255 * (2 / 64) ** 2
    assert seen == pytest.approx(area * factors["scale"] ** 2, rel=0.03)


def test_sprites_sit_where_x_and_y_say():
    X, factors = shapes(60, 64, random_state=0, factors={"shape": np.arange(60) % 2}, return_factors=True)
    mass = X.sum(axis=(1, 2))
    for name, axis in [("x", 1), ("y", 2)]:
        centre = (X.sum(axis=axis) * np.arange(64)).sum(axis=1) / mass
        slope, offset = np.polyfit(factors[name], centre, 1)
        assert slope > 25
        assert np.abs(slope * factors[name] + offset - centre).max() < 0.1


def test_sprites_turn_clockwise_by_their_rotation():
    angles = np.linspace(0, 2 * np.pi, 9)
    still = {"scale": 1.0, "x": 0.5, "y": 0.5}
    hearts = shapes(9, 32, factors={"shape": 2, "rotation": angles, **still}).astype(int)
    assert np.abs(hearts[0] - hearts[-1]).max() <= 1
    assert np.abs(np.rot90(hearts[0], -1) - hearts[2]).max() <= 1
    squares = shapes(9, 32, factors={"shape": 0, "rotation": angles, **still}).astype(int)
    assert np.abs(squares[0] - squares[2]).max() <= 1
    assert np.abs(squares[0] - squares[1]).max() > 100


@both
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples is 0"),
        ({"n_samples": 2.5}, r"n_samples is 2\.5"),
        ({"n_samples": True}, "n_samples is True"),
        ({"size": 4}, "size is 4"),
        ({"size": (32,)}, r"size is \(32,\)"),
        ({"size": (32, 32, 3)}, "size is"),
        ({"size": "big"}, "size is 'big'"),
        ({"random_state": -1}, "random_state is -1"),
        ({"random_state": "dice"}, "random_state is 'dice'"),
        ({"factors": [1, 2]}, "factors is a list"),
        ({"factors": {"nose": 1}}, "no factor 'nose'"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(draw, arguments, message):
    with pytest.raises(ParameterError, match=message) as caught:
        draw(**{"n_samples": 3, "size": 16, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("draw", "factors", "message"),
    [
        (faces, {"smile": 1.5}, r"'smile' is 1\.5; keep it between -1 and 1"),
        (faces, {"smile": [0, 0, np.nan]}, "'smile' is nan"),
        (faces, {"hair": [0, 1]}, r"'hair' has shape \(2,\)"),
        (faces, {"hair": "long"}, "'hair' is not numeric"),
        (shapes, {"scale": 0.4}, r"'scale' is 0\.4; keep it between 0\.5 and 1"),
        (shapes, {"shape": [0, 1, 1.5]}, r"'shape' is 1\.5; use 0"),
    ],
)
def test_bad_factor_values_are_refused_in_one_line(draw, factors, message):
    with pytest.raises(ParameterError, match=message) as caught:
        draw(3, 16, factors=factors)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [0, 2, 4, "rgb"])
def test_channels_are_one_or_three(channels):
    with pytest.raises(ParameterError, match="use 1 for grey or 3 for RGB"):
        faces(1, 16, channels=channels)


def test_range_ends_survive_a_detour_through_single_precision():
    _, factors = shapes(1, 16, factors={"rotation": np.float32(2 * np.pi)}, return_factors=True)
    assert factors["rotation"][0] <= 2 * np.pi


def test_drawing_needs_nothing_but_numpy():
    code = (
        "import sys, isthmus.data.faces, isthmus.data.shapes;"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'sklearn', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

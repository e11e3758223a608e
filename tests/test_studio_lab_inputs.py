"""Own files brought to a model's shape and units."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from isthmus.data.info import describe_data
from isthmus.errors import IsthmusError
from isthmus.studio.lab.files import MOST_BYTES, read_file
from isthmus.studio.lab.inputs import Options, background_note, bring, of_values

GREY = describe_data(np.random.default_rng(0).integers(0, 256, (20, 8, 6), dtype=np.uint8))
COLOUR = describe_data(np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32))
TABLE = describe_data(np.random.default_rng(0).normal(size=(20, 3)))
NAMES = ["height", "weight", "age"]


def encoded(picture, form="PNG", **options):
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def ramp(height, width):
    """Brightness that grows to the right, so that cutting, stretching and inverting can be told apart."""
    return Image.fromarray(np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1)))


def taken(data, info, names=None, **options):
    chosen = Options(**options)
    return bring(read_file(data, "the file", index=chosen.index), info, names, chosen)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height):
    """A PNG that declares a size and holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


# ------------------------------------------------------------------ pictures


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_picture_of_the_right_size_is_taken_as_it_is(form):
    brought = taken(encoded(Image.new("L", (6, 8), 200), form), GREY)
    assert brought.sample.shape == (8, 6)
    assert brought.sample.dtype == np.uint8
    assert np.abs(brought.sample.astype(int) - 200).max() <= 3


def test_a_picture_is_cut_to_proportion_or_stretched():
    picture = encoded(ramp(80, 240))
    cut, stretched = (taken(picture, GREY, fit=fit).sample.astype(int) for fit in ("crop", "stretch"))
    # The middle quarter of the ramp against all of it.
    assert np.ptp(cut) < 80 < 200 < np.ptp(stretched)
    assert abs(cut.mean() - 127) < 5


def test_what_was_done_is_said():
    notes = taken(encoded(Image.new("RGB", (120, 80), "red")), GREY).notes
    assert any("60 x 80 of 120 x 80" in note for note in notes)
    assert any("6 x 8 pixels" in note for note in notes)
    assert any("grey" in note for note in notes)
    assert not taken(encoded(Image.new("L", (6, 8))), GREY).notes


def test_grey_becomes_colour_and_levels_the_models_own():
    brought = taken(encoded(Image.new("L", (8, 8), 255)), COLOUR)
    assert brought.sample.shape == (8, 8, 3)
    assert brought.sample.dtype == np.float32
    assert brought.sample.max() == pytest.approx(COLOUR.high)


def test_inverting_twice_changes_nothing():
    once = taken(encoded(ramp(8, 6)), GREY, invert=True).sample
    twice = taken(encoded(Image.fromarray(once)), GREY, invert=True).sample
    assert np.array_equal(twice, np.asarray(ramp(8, 6)))


def test_a_binary_model_gets_zeros_and_ones():
    info = describe_data((np.random.default_rng(0).random((9, 8, 6)) > 0.5).astype(np.uint8))
    sample = taken(encoded(ramp(8, 6)), info).sample
    assert set(np.unique(sample)) == {0, 1}


def test_a_bright_border_on_dark_data_is_pointed_out():
    dark = np.zeros((5, 8, 6))
    dark[:, 2:6, 2:4] = 255
    info = describe_data(dark)
    assert "invert" in (background_note(255 - dark[0], dark, info) or "")
    assert background_note(dark[0], dark, info) is None


def test_transparency_and_orientation_are_seen_to():
    clear = Image.new("LA", (6, 8), (0, 0))
    assert taken(encoded(clear), GREY).sample.min() == 255
    lying = ramp(6, 8)
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = taken(encoded(lying, "JPEG", exif=exif), GREY).sample
    assert abs(int(upright[0, 0]) - int(upright[-1, 0])) > 200


# ------------------------------------------------------------------ arrays


def test_arrays_of_the_models_shape_are_taken_exactly():
    sample = np.random.default_rng(1).integers(0, 256, (8, 6), dtype=np.uint8)
    for array in (sample, sample[None], sample[..., None], sample.ravel(), np.asfortranarray(sample)):
        assert np.array_equal(taken(npy(array), GREY).sample, sample)
    assert np.array_equal(taken(npz(x=sample), GREY).sample, sample)


def test_one_of_many_can_be_chosen():
    many = np.random.default_rng(1).integers(0, 256, (5, 8, 6), dtype=np.uint8)
    brought = taken(npy(many), GREY, index=3)
    assert np.array_equal(brought.sample, many[3])
    assert brought.of == 5
    rows = np.random.default_rng(1).normal(size=(5, 3))
    assert np.array_equal(taken(npy(rows), TABLE, index=4).sample, rows[4])


def test_float_pictures_of_zero_to_one_reach_the_models_units():
    brought = taken(npy(np.full((8, 6), 0.5)), GREY)
    assert brought.sample.dtype == np.uint8
    assert abs(int(brought.sample[0, 0]) - 128) <= 1
    assert taken(npy(np.full((8, 8, 3), 255, np.uint8)), COLOUR).sample.max() == pytest.approx(COLOUR.high)


def test_pictures_as_arrays_are_resized_and_measurements_are_not():
    assert taken(npy(np.full((16, 12), 100, np.uint8)), GREY).sample.shape == (8, 6)
    with pytest.raises(IsthmusError, match=r"measurements are taken as they are"):
        taken(npy(np.full((16, 12), 1000.0)), GREY)


def test_values_beyond_the_range_are_kept_and_said():
    brought = taken(npy(np.full((8, 6), 400.0)), GREY)
    assert brought.sample.max() == 400
    assert any("beyond" in note for note in brought.notes)


# ------------------------------------------------------------------ tables


def test_a_row_is_read_by_name_in_any_order():
    brought = taken(b"age,name,weight,height\n3,Ann,2,1\n", TABLE, NAMES)
    assert brought.sample.tolist() == [1, 2, 3]
    assert "name" in brought.notes[0]


def test_rows_without_names_are_read_by_place():
    assert taken(b"1,2,3\n4,5,6\n", TABLE, NAMES, index=1).sample.tolist() == [4, 5, 6]
    assert taken(b"1\t2\t3\n", TABLE).sample.tolist() == [1, 2, 3]
    # What pandas writes, with its index.
    assert taken(b",a,b,c\n0,1,2,3\n", TABLE).sample.tolist() == [1, 2, 3]

    assert taken(b"a,b,label,c\n1,2,seven,3\n", TABLE).sample.tolist() == [1, 2, 3]


def test_values_of_a_form_are_taken_exactly():
    assert of_values([0.1, 2, -3], TABLE).tolist() == [0.1, 2, -3]


@pytest.mark.parametrize(
    "values", [[1, 2], [1, 2, "3"], [1, 2, None], [1, 2, True], [1, 2, float("nan")], [1, 2, 10**400]]
)
def test_values_that_are_no_row_are_refused(values):
    with pytest.raises(IsthmusError):
        of_values(values, TABLE)


# ------------------------------------------------------------------ what is refused, in one sentence each

HALF = encoded(Image.effect_noise((64, 64), 50))
BOMB = io.BytesIO()
with zipfile.ZipFile(BOMB, "w", zipfile.ZIP_DEFLATED) as archive:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (MOST_BYTES,), "fortran_order": False, "descr": "|u1"})
    archive.writestr("x.npy", header.getvalue() + bytes(MOST_BYTES))


def declares(shape, dtype="<f8"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"shape": shape, "fortran_order": False, "descr": dtype})
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "info", "match"),
    [
        (b"", GREY, "empty"),
        (b"\x00\x01\x02 nothing at all", GREY, "no picture"),
        (bytes(range(128, 256)), GREY, "no picture"),
        (png_header(20_000, 20_000), GREY, "pixels"),
        (png_header(5000, 5000), GREY, "25,000,000|5,000 x 5,000"),
        (HALF[: len(HALF) // 2], GREY, "damaged or cut short"),
        (b"\x89PNG\r\n\x1a\n", GREY, "not a picture"),
        (b"\xff\xd8\xff\xe0 no jpeg", GREY, "not a picture|damaged"),
        (npy(np.full((8, 6), np.nan)), GREY, "NaN in 48 of 48"),
        (npy(np.full((8, 6), np.inf)), GREY, "infinity"),
        (npy(np.array(["a"])), GREY, "real numbers"),
        (npy(np.ones(3, complex)), TABLE, "real numbers"),
        (npy(np.zeros((0, 3))), TABLE, "no values"),
        (npy(np.zeros(4)), TABLE, "rows of 3"),
        (npy(np.zeros((3, 8, 6, 2))), GREY, "sample of the model"),
        (declares((1 << 40,)), TABLE, "declares"),
        (declares((3,)) + bytes(7), TABLE, "declares"),
        (b"\x93NUMPY\x01\x00garbage", TABLE, r"not a \.npy"),
        (b"PK\x03\x04garbage", TABLE, r"not an \.npz"),
        (BOMB.getvalue(), TABLE, "bytes"),
        (npz(), TABLE, r"no|not an"),
        (encoded(Image.new("L", (4, 4))), TABLE, "is a picture"),
        (b"1,2\n", TABLE, "2 values"),
        (b"1,2,three\n", TABLE, "not a number|lacks|no row"),
        (b"a,b,c\n1,2,three\n", TABLE, "'three' in column c"),
        (b"a,b,c\n1,,3\n", TABLE, "no value in column b"),
        (b"a,b,c\n1,nan,3\n", TABLE, "finite"),
        (b"a,b,c\n", TABLE, "no row"),
        (b"a,b,c\n1,2\n", TABLE, "2 cells"),
        (b"," * 100_000, TABLE, "columns"),
        (b"1,2,3\n" * 200_002, TABLE, "lines"),
        (b"a;b;c\n1;2;3\n", TABLE, "semicolons"),
        (b"just some text about nothing", TABLE, "no picture"),
    ],
)
def test_files_that_cannot_be_taken_are_refused_in_one_sentence(data, info, match):
    with pytest.raises(IsthmusError, match=match) as caught:
        taken(data, info)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_missing_columns_are_named():
    with pytest.raises(IsthmusError, match="lacks 2 of the model's 3 columns: height, age"):
        taken(b"weight,size\n1,2\n", TABLE, NAMES)


def test_a_row_that_is_not_there_is_refused():
    with pytest.raises(IsthmusError, match="no row 9"):
        taken(b"1,2,3\n", TABLE, index=8)
    with pytest.raises(IsthmusError, match="no number 9"):
        taken(npy(np.zeros((2, 3))), TABLE, index=8)


@pytest.mark.parametrize("options", [{"fit": "bend"}, {"index": -1}])
def test_options_that_cannot_be(options):
    with pytest.raises(IsthmusError):
        Options(**options)

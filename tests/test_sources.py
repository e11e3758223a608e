"""What `isthmus.data.load` reads, and what it says about what it cannot read."""

import gzip
import io
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from isthmus.data import BUILTINS, Samples, load
from isthmus.data.pictures import parse_resize
from isthmus.errors import DataError, DataSourceError, IsthmusError, MissingExtraError, ParameterError

few = settings(max_examples=25, deadline=None, derandomize=True, database=None)
numbers = hnp.arrays(
    st.sampled_from(["f4", "f8", "i4", "u1"]),
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
    elements={"allow_nan": False, "allow_infinity": False},
)
pixels = hnp.arrays("u1", hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def label_list(samples: Samples) -> list:
    assert samples.y is not None
    return samples.y.tolist()


def write_picture(path: Path, pixels: np.ndarray, mode: str | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def idx_bytes(array: np.ndarray) -> bytes:
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def npz_of(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


GREY = np.arange(35, dtype=np.uint8).reshape(5, 7)
COLOUR = np.arange(105, dtype=np.uint8).reshape(5, 7, 3)
TABLE = np.array([[1.5, 2.0], [3.0, -4.0], [0.1, 7.0]])


class TestArrays:
    def test_array_passes_through(self):
        assert load(TABLE).X is TABLE
        assert load(TABLE).y is None

    def test_list(self):
        assert load([[1, 2], [3, 4]]).X.tolist() == [[1, 2], [3, 4]]

    def test_memmap_stays_a_memmap(self, tmp_path):
        X = np.memmap(tmp_path / "m", np.float32, "w+", shape=(3, 2))
        assert load(X).X is X

    def test_tensor_with_gradient_and_bfloat16(self):
        torch = pytest.importorskip("torch")
        X = torch.tensor([[1.0, 2.0]], requires_grad=True)
        assert load(X).X.tolist() == [[1.0, 2.0]]
        assert load(X.detach().bfloat16()).X.dtype == np.float32

    def test_samples_pass_through(self):
        samples = Samples(TABLE, "mine", y=np.arange(3))
        assert load(samples) is samples

    def test_foreign_byte_order_becomes_native(self):
        X = load(TABLE.astype(">f8")).X
        assert X.dtype.isnative
        np.testing.assert_array_equal(X, TABLE)

    @pytest.mark.parametrize(
        ("array", "seen"),
        [
            (np.array(3.0), r"shape \(\)"),
            (np.zeros(4), r"shape \(4,\).*reshape"),
            (np.zeros((1,) * 5), r"shape \(1, 1, 1, 1, 1\)"),
            (np.zeros((0, 3)), r"shape \(0, 3\).*empty"),
            (np.zeros((3, 0)), r"shape \(3, 0\).*empty"),
            (np.zeros((2, 2), complex), "complex128"),
            (np.array([[None, 1]]), "object"),
            (np.array([["a"]]), "<U1"),
            (np.ma.masked_less(TABLE, 0), "masked"),
            ([[1], [2, 3]], "list"),
            (3.5, "float"),
            (None, "NoneType"),
        ],
    )
    def test_unusable(self, array, seen):
        with pytest.raises(DataError, match=seen):
            load(array)

    def test_sparse_matrix_names_toarray(self):
        from scipy.sparse import csr_array

        with pytest.raises(DataError, match=r"\.toarray\(\)"):
            load(csr_array(TABLE))

    @pytest.mark.parametrize("option", [{"resize": 8}, {"grey": True}, {"label": "a"}, {"columns": ["a"]}])
    def test_options_that_do_not_apply(self, option):
        for source in (TABLE, "digits"):
            with pytest.raises(ParameterError, match=f"{next(iter(option))}="):
                load(source, **option)


class TestBuiltins:
    def test_digits(self):
        digits = load("digits")
        assert (digits.X.shape, digits.X.dtype, digits.X.max()) == ((1797, 8, 8), np.uint8, 255)
        assert digits.y is not None
        assert set(digits.y) == set(range(10))
        assert digits.name == "digits"

    def test_faces_and_their_options(self):
        small = load("faces:n=6")
        assert small.X.shape == (6, 32, 32)
        assert small.X.dtype == np.uint8
        assert small.factors is not None
        assert small.factors["smile"].shape == (6,)
        assert load("faces:n=2,size=16,channels=3,seed=1").X.shape == (2, 16, 16, 3)
        assert not np.array_equal(small.X, load("faces:n=6,seed=1").X)

    def test_shapes_carry_the_shape_as_label(self):
        shapes = load("shapes:n=9,size=16")
        assert shapes.X.shape == (9, 16, 16)
        assert shapes.factors is not None
        np.testing.assert_array_equal(shapes.y, shapes.factors["shape"])

    @pytest.mark.parametrize(
        ("source", "seen"),
        [
            ("digits:n=3", "no options"),
            ("faces:m=3", "no option 'm'.*n=, size=, channels=, seed="),
            ("faces:n=0", "n=0.*from 1"),
            ("faces:n=many", "n=many"),
            ("faces:size=", "size="),
            ("faces:channels=2", "channels=2"),
            ("shapes:channels=3", "no option 'channels'"),
        ],
    )
    def test_bad_options(self, source, seen):
        with pytest.raises(ParameterError, match=seen):
            load(source)

    def test_unknown_name(self):
        with pytest.raises(DataSourceError, match="did you mean 'digits'") as caught:
            load("digit")
        assert all(name in str(caught.value) for name in BUILTINS)


class TestPaths:
    @pytest.mark.parametrize("source", ["", "no/such/file.npy", "~nobody-of-that-name/x.npy", "a\0b", "x" * 5000])
    def test_missing(self, source):
        with pytest.raises(DataSourceError):
            load(source)

    def test_missing_file_suggests_its_neighbour(self, tmp_path):
        npz_of(tmp_path / "measured.npz", X=TABLE)
        with pytest.raises(DataSourceError, match=r"did you mean 'measured\.npz'"):
            load(tmp_path / "mesured.npz")

    def test_unsupported_ending_lists_what_is_supported(self, tmp_path):
        with pytest.raises(DataSourceError, match=r"\.npy, \.npz, \.csv.*\.parquet.*\.png"):
            load(write_text(tmp_path / "a.xlsx", "hello"))

    def test_device_is_not_read(self):
        with pytest.raises(DataSourceError, match="neither a file nor a folder"):
            load("/dev/null")


class TestNumpyFiles:
    def test_npy_is_mapped_not_read(self, tmp_path):
        np.save(tmp_path / "a.npy", TABLE)
        X = load(tmp_path / "a.npy").X
        assert isinstance(X, np.memmap)
        assert X.mode == "r"
        np.testing.assert_array_equal(X, TABLE)

    def test_npy_never_unpickles(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([[{}]]), allow_pickle=True)
        with pytest.raises(DataError, match="dtype object"):
            load(tmp_path / "a.npy")

    def test_npy_cut_short(self, tmp_path):
        np.save(tmp_path / "a.npy", TABLE)
        data = (tmp_path / "a.npy").read_bytes()
        (tmp_path / "a.npy").write_bytes(data[:-1])
        with pytest.raises(DataSourceError, match=r"cut short.*\(3, 2\), 48 bytes, but holds 47"):
            load(tmp_path / "a.npy")

    def test_npy_fortran_order(self, tmp_path):
        np.save(tmp_path / "a.npy", np.asfortranarray(TABLE))
        np.testing.assert_array_equal(load(tmp_path / "a.npy").X, TABLE)

    @pytest.mark.parametrize(
        ("arrays", "chosen", "labels"),
        [
            ({"whatever": TABLE}, "whatever", None),
            ({"X": TABLE, "y": np.arange(3)}, "X", "y"),
            ({"x": TABLE, "labels": np.arange(3)}, "x", "labels"),
            ({"X": TABLE, "y": np.arange(4)}, "X", None),
            ({"X": TABLE, "y": TABLE[:, :1]}, "X", "y"),
            ({"images": TABLE, "extra": TABLE}, "images", None),
            ({"features": TABLE, "ids": np.arange(3)}, "features", None),
            (
                {"x_test": TABLE, "y_test": np.arange(3), "x_train": -TABLE, "y_train": -np.arange(3)},
                "x_train",
                "y_train",
            ),
        ],
    )
    def test_npz_choice(self, tmp_path, arrays, chosen, labels):
        samples = load(npz_of(tmp_path / "a.npz", **arrays))
        np.testing.assert_array_equal(samples.X, arrays[chosen])
        if labels is None:
            assert samples.y is None
        else:
            np.testing.assert_array_equal(samples.y, arrays[labels].reshape(-1))

    def test_npz_by_name(self, tmp_path):
        path = npz_of(tmp_path / "a.npz", x_train=TABLE, x_test=-TABLE, y_test=np.arange(3), y_train=np.ones(3))
        samples = load(f"{path}:x_test")
        np.testing.assert_array_equal(samples.X, -TABLE)
        np.testing.assert_array_equal(samples.y, np.arange(3))
        assert samples.name == "a.npz:x_test"
        with pytest.raises(DataSourceError, match="no array 'x_tst'; did you mean 'x_test'"):
            load(f"{path}:x_tst")

    def test_npz_label(self, tmp_path):
        path = npz_of(tmp_path / "a.npz", X=TABLE, y=np.arange(3), colour=np.array(["r", "g", "b"]), bad=np.ones(2))
        assert label_list(load(path, label="colour")) == ["r", "g", "b"]
        with pytest.raises(ParameterError, match=r"'hue'.*holds only X"):
            load(path, label="hue")
        with pytest.raises(DataError, match=r"'bad' of shape \(2,\)"):
            load(path, label="bad")

    @pytest.mark.parametrize("names", [("train", "test"), ("X", "x_train")])
    def test_npz_ambiguous(self, tmp_path, names):
        path = npz_of(tmp_path / "a.npz", **dict.fromkeys(names, TABLE))
        with pytest.raises(DataSourceError, match=rf"{names[0]} \(3, 2\), {names[1]} \(3, 2\).*a\.npz:NAME"):
            load(path)

    def test_npz_never_unpickles(self, tmp_path):
        with pytest.raises(DataError, match="dtype object"):
            load(npz_of(tmp_path / "a.npz", X=np.array([[{}]])))

    def test_npz_with_a_lying_header_reserves_nothing(self, tmp_path):
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("X.npy", head.getvalue())
        assert_small_refusal(tmp_path / "a.npz", "does not hold")

    def test_npz_empty(self, tmp_path):
        with pytest.raises(DataError, match="holds no arrays"):
            load(npz_of(tmp_path / "a.npz"))


def assert_small_refusal(path: Path, seen: str) -> None:
    """Loading is refused, without reserving more than a few megabytes on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(DataSourceError, match=seen):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()


class TestTables:
    def test_csv(self, tmp_path):
        path = write_text(tmp_path / "a.csv", "u,v,kind\n1.5,2,red\n3,4,blue\n")
        samples = load(path, label="kind")
        assert samples.X.tolist() == [[1.5, 2.0], [3.0, 4.0]]
        assert samples.X.dtype == np.float64
        assert samples.feature_names == ("u", "v")
        assert label_list(samples) == ["red", "blue"]
        assert isinstance(label_list(samples)[0], str)
        assert samples.name == "a.csv"

    def test_tsv_with_byte_order_mark_and_blank_first_line(self, tmp_path):
        path = write_text(tmp_path / "a.tsv", "\ufeff\na\tb\n1\t2\n")
        assert load(path).feature_names == ("a", "b")
        assert load(path).X.tolist() == [[1, 2]]

    def test_quoted_names(self, tmp_path):
        samples = load(write_text(tmp_path / "a.csv", '"a, of\nb", c\n1, 2\n'))
        assert samples.feature_names == ("a, of\nb", "c")
        assert samples.X.tolist() == [[1, 2]]

    def test_csv_without_header(self, tmp_path):
        samples = load(write_text(tmp_path / "a.csv", "1,-2.5e3\n3,.5\n"))
        assert samples.X.tolist() == [[1.0, -2500.0], [3.0, 0.5]]
        assert samples.feature_names == ("x0", "x1")

    @pytest.mark.parametrize("names", [["a", "b"], [0, 1]])
    def test_pandas_index_is_dropped(self, tmp_path, names):
        pd.DataFrame(TABLE, columns=names).to_csv(tmp_path / "a.csv")
        samples = load(tmp_path / "a.csv")
        np.testing.assert_array_equal(samples.X, TABLE)

    def test_unnamed_column_that_is_no_index_stays(self, tmp_path):
        assert load(write_text(tmp_path / "a.csv", ",a\n5,1\n6,2\n")).X.tolist() == [[5, 1], [6, 2]]

    @pytest.mark.parametrize(
        ("text", "error", "seen"),
        [
            ("", DataError, "empty"),
            ("a,b\n", DataError, "empty.*2 column"),
            ("a,a\n1,2\n", DataError, "more than one column named 'a'"),
            ("a,b\n1,2,3\n", DataSourceError, r"more cells than its first row has \(2\)"),
            ("a,b\n1,2\n3,4,5\n", DataSourceError, "Expected 2 fields in line 3, saw 3"),
            ("a;b\n1,5;2\n", DataSourceError, "semicolons"),
            ("a,b\n1,\n,4\n", DataError, r"missing values in 2 column\(s\).*'a' \(1\), 'b' \(1\)"),
            ("1,2\n3,\n", DataError, r"'x1' \(1\)"),
            ("1,,3\n4,5,6\n", DataError, r"missing values.*'x1' \(1\)"),
            ("a,b\n1,inf\n2,3\n", DataError, r"infinite values.*'b' \(1\)"),
            ("a,b\n1,x\n2,y\n", DataError, r"not numbers: 'b' \(String\).*label=.*columns="),
            ("a,b,c,d,e,f,g\n" + "x,x,x,x,x,x,1\n", DataError, r"6 column\(s\).*'e' \(String\) and 1 more"),
        ],
    )
    def test_bad_csv(self, tmp_path, text, error, seen):
        with pytest.raises(error, match=seen):
            load(write_text(tmp_path / "a.csv", text))

    def test_csv_in_another_encoding(self, tmp_path):
        (tmp_path / "a.csv").write_bytes("gr\u00f6\u00dfe,b\n1,2\n".encode("latin-1"))
        with pytest.raises(DataSourceError, match="UTF-8"):
            load(tmp_path / "a.csv")

    def test_columns_choose_and_order(self, tmp_path):
        path = write_text(tmp_path / "a.csv", "a,b,c\n1,x,3\n4,y,6\n")
        samples = load(path, columns=["c", "a"], label="b")
        assert samples.X.tolist() == [[3, 1], [6, 4]]
        assert samples.feature_names == ("c", "a")
        options: list[dict[str, Any]] = [{"columns": ["cc"]}, {"label": "cc"}]
        for option in options:
            with pytest.raises(ParameterError, match=r"'cc'.*did you mean 'c'.*a, b, c"):
                load(path, **option)
        with pytest.raises(DataError, match="no column left"):
            load(path, columns=["a"], label="a")

    def test_label_with_missing_values(self, tmp_path):
        with pytest.raises(DataError, match=r"1 missing value\(s\) of 2 in its label column 'y'"):
            load(write_text(tmp_path / "a.csv", "a,y\n1,\n2,b\n"), label="y")

    @pytest.mark.parametrize(
        ("columns", "dtype"),
        [
            ({"a": np.ones(2, "f4"), "b": np.ones(2, "f4")}, "f4"),
            ({"a": np.ones(2, "f4"), "b": np.ones(2, "f8")}, "f8"),
            ({"a": np.ones(2, "u1"), "b": np.ones(2, "i2")}, "i2"),
            ({"a": np.ones(2, "u1"), "b": np.ones(2, "f4")}, "f8"),
            ({"a": np.ones(2, "?"), "b": np.ones(2, "i4")}, "f8"),
            ({"a": pd.array([1, 2], "Int64"), "b": pd.array([1, 2], "Int64")}, "i8"),
        ],
    )
    def test_dtype(self, columns, dtype):
        X = load(pd.DataFrame(columns)).X
        assert X.dtype == dtype
        assert X.flags.c_contiguous

    def test_index_of_a_frame_is_not_data(self):
        frame = pd.DataFrame(TABLE, index=[7, 7, 9], columns=["a", "b"])
        np.testing.assert_array_equal(load(frame).X, TABLE)

    def test_column_kinds_that_are_not_numbers(self):
        frame = pd.DataFrame(
            {"t": pd.to_datetime(["2020-01-01"]), "c": pd.Categorical(["x"]), "o": np.array([{}]), "n": [1.0]}
        )
        with pytest.raises(DataError, match=r"'t' \(Datetime\), 'c' \(Categorical\), 'o' \(Object\)"):
            load(frame)
        assert label_list(load(frame, columns=["n"], label="c")) == ["x"]

    def test_duplicate_columns(self):
        import pyarrow as pa

        for frame in (pd.DataFrame(TABLE, columns=["a", "a"]), pa.table([[1], [2]], names=["a", "a"])):
            with pytest.raises(DataError, match="more than one column named 'a'"):
                load(frame)
        with pytest.raises(DataError, match="more than one column named '0'"):
            load(pd.DataFrame(TABLE, columns=[0, "0"]))

    def test_arrow_table_with_nulls_nans_and_decimals(self):
        from decimal import Decimal

        import pyarrow as pa

        good = pa.table({"a": [Decimal("1.5"), Decimal("2.5")], "b": [True, False]})
        assert load(good).X.tolist() == [[1.5, 1.0], [2.5, 0.0]]
        with pytest.raises(DataError, match=r"'a' \(2\)"):
            load(pa.table({"a": [1.0, None, float("nan")]}))

    def test_parquet_file_and_folder(self, tmp_path):
        frame = pd.DataFrame(TABLE, columns=["a", "b"], index=pd.Index([3, 1, 2], name="id"))
        for name in ("part10.parquet", "part9.parquet"):
            (frame if name == "part9.parquet" else -frame).to_parquet(tmp_path / name)
        np.testing.assert_array_equal(load(tmp_path / "part9.parquet").X, TABLE)
        np.testing.assert_array_equal(load(tmp_path).X, np.concatenate([TABLE, -TABLE]))
        assert label_list(load(tmp_path / "part9.parquet", label="id")) == [3, 1, 2]
        frame.rename(columns={"a": "c"}).to_parquet(tmp_path / "part11.parquet")
        with pytest.raises(DataSourceError, match=r"part11\.parquet has other columns than part9\.parquet"):
            load(tmp_path)

    @pytest.mark.parametrize(("module", "file"), [("pandas", "a.csv"), ("pyarrow", "a.parquet")])
    def test_without_the_extra(self, tmp_path, monkeypatch, module, file):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=r'pip install "isthmus\[tables\]"'):
            load(write_text(tmp_path / file, "a\n1\n"))


class TestIdx:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    @pytest.mark.parametrize("name", ["train-{}-idx3-ubyte", "t10k-{}.idx3-ubyte"])
    def test_images_find_their_labels(self, tmp_path, pack, name):
        X = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        ending = ".gz" if pack is gzip.compress else ""
        (tmp_path / (name.format("images") + ending)).write_bytes(pack(idx_bytes(X)))
        labels = tmp_path / (name.format("labels").replace("idx3", "idx1") + ending)
        labels.write_bytes(pack(idx_bytes(np.array([7, 8], np.int32))))
        samples = load(tmp_path / (name.format("images") + ending))
        np.testing.assert_array_equal(samples.X, X)
        assert label_list(samples) == [7, 8]
        assert samples.y is not None
        assert samples.y.dtype == np.int32
        labels.write_bytes(pack(idx_bytes(np.array([7], np.uint8))))
        with pytest.raises(DataError, match=r"labels of shape \(1,\).*2 samples"):
            load(tmp_path / (name.format("images") + ending))

    def test_found_by_magic_alone(self, tmp_path):
        (tmp_path / "numbers.bin").write_bytes(idx_bytes(TABLE))
        np.testing.assert_array_equal(load(tmp_path / "numbers.bin").X, TABLE)

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    @pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (60000, 28, 28), (2, 3, 5)])
    def test_declares_more_than_it_holds(self, tmp_path, pack, shape):
        head = bytes([0, 0, 8, 3]) + struct.pack(">3I", *shape)
        (tmp_path / "a.idx").write_bytes(pack(head + bytes(24)))
        assert_small_refusal(tmp_path / "a.idx", "declares " + " x ".join(map(str, shape)))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_more_bytes_than_declared(self, tmp_path, pack):
        (tmp_path / "a.idx").write_bytes(pack(idx_bytes(TABLE) + b"?"))
        with pytest.raises(DataSourceError, match="more bytes follow"):
            load(tmp_path / "a.idx")

    def test_gzip_cut_short(self, tmp_path):
        (tmp_path / "a.idx").write_bytes(gzip.compress(idx_bytes(TABLE))[:-9])
        with pytest.raises(DataSourceError, match="cut short"):
            load(tmp_path / "a.idx")


class TestPictures:
    def test_folder_in_natural_order(self, tmp_path):
        for number in (10, 2, 1):
            write_picture(tmp_path / f"img{number}.png", np.full((4, 3), number, np.uint8))
        (tmp_path / "notes.txt").write_text("no picture")
        (tmp_path / ".hidden.png").write_text("no picture")
        write_picture(tmp_path / ".thumbnails" / "img1.png", GREY)
        samples = load(tmp_path)
        assert samples.X.dtype == np.uint8
        assert samples.X.shape == (3, 4, 3)
        assert samples.X[:, 0, 0].tolist() == [1, 2, 10]
        assert samples.y is None

    def test_subfolders_are_classes(self, tmp_path):
        for kind in ("dog", "cat"):
            write_picture(tmp_path / kind / "deep" / "a.png", COLOUR)
        assert label_list(load(tmp_path)) == ["cat", "dog"]
        write_picture(tmp_path / "a.png", COLOUR)
        assert load(tmp_path).y is None

    def test_single_picture(self, tmp_path):
        samples = load(write_picture(tmp_path / "A.PNG", COLOUR))
        np.testing.assert_array_equal(samples.X, COLOUR[None])

    @pytest.mark.parametrize("first", ["grey", "colour"])
    def test_grey_among_colour_becomes_colour(self, tmp_path, first):
        names = ("a.png", "b.png") if first == "grey" else ("b.png", "a.png")
        write_picture(tmp_path / names[0], GREY)
        write_picture(tmp_path / names[1], COLOUR)
        X = load(tmp_path).X[:: 1 if first == "grey" else -1]
        np.testing.assert_array_equal(X, [np.repeat(GREY[..., None], 3, 2), COLOUR])
        grey = load(tmp_path, grey=True).X
        assert grey.shape == (2, 5, 7)

    def test_mixed_sizes(self, tmp_path):
        write_picture(tmp_path / "a.png", GREY)
        write_picture(tmp_path / "b.png", GREY.T)
        seen = r"a\.png is 5x7 \(height x width\) and b\.png is 7x5.*resize=\(H, W\).*--resize 64x64"
        with pytest.raises(DataError, match=seen):
            load(tmp_path)
        assert load(tmp_path, resize=(4, 6)).X.shape == (2, 4, 6)
        assert load(tmp_path, resize=3).X.shape == (2, 3, 3)
        assert load(tmp_path, resize="6x2").X.shape == (2, 6, 2)

    def test_alpha_goes_onto_white(self, tmp_path):
        rgba = np.zeros((1, 3, 4), np.uint8)
        rgba[0, :, 3] = (0, 255, 51)
        X = load(write_picture(tmp_path / "a.png", rgba)).X
        assert X[0, 0].tolist() == [[255] * 3, [0] * 3, [204] * 3]
        la = load(write_picture(tmp_path / "b.png", rgba[..., 2:])).X
        assert la[0].tolist() == [[255, 0, 204]]

    def test_transparent_palette_colour(self, tmp_path):
        picture = Image.new("P", (2, 1))
        picture.putpalette([10, 20, 30, 40, 50, 60])
        picture.putpixel((1, 0), 1)
        picture.save(tmp_path / "a.gif", transparency=1)
        assert load(tmp_path / "a.gif").X[0, 0].tolist() == [[10, 20, 30], [255, 255, 255]]

    def test_sixteen_bit_grey(self, tmp_path):
        levels = np.array([[0, 128, 129, 257, 65535]], np.uint16)
        for ending in ("png", "tif"):
            X = load(write_picture(tmp_path / f"a.{ending}", levels)).X
            assert X.dtype == np.uint8
            assert X[0, 0].tolist() == [0, 0, 1, 1, 255]

    def test_bilevel(self, tmp_path):
        bits = np.array([[True, False]])
        assert load(write_picture(tmp_path / "a.png", bits)).X.tolist() == [[[255, 0]]]

    def test_photograph_is_turned_upright(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        assert load(write_picture(tmp_path / "a.jpg", COLOUR, exif=exif)).X.shape == (1, 7, 5, 3)

    def test_first_frame(self, tmp_path):
        frames = [Image.new("L", (2, 2), level) for level in (9, 200)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        assert np.unique(load(tmp_path / "a.gif").X) == [9]

    def test_floating_point_picture(self, tmp_path):
        with pytest.raises(DataError, match=r"a\.tif: The picture has mode 'F'.*\.npy"):
            load(write_picture(tmp_path / "a.tif", TABLE.astype(np.float32)))

    @pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp", "tif", "gif"])
    def test_damaged_file_is_named(self, tmp_path, ending):
        path = write_picture(tmp_path / f"bad.{ending}", np.tile(COLOUR, (9, 9, 1)))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataSourceError, match=rf"bad\.{ending} is"):
            load(tmp_path)

    def test_only_the_promised_formats_are_opened(self, tmp_path):
        Image.fromarray(GREY).save(tmp_path / "a.png", format="PPM")
        with pytest.raises(DataSourceError, match=r"a\.png is not a picture in one of the formats PNG"):
            load(tmp_path)

    @pytest.mark.parametrize("limit", [30, 10])
    def test_decompression_bomb(self, tmp_path, monkeypatch, limit):
        # Pillow warns above its limit and refuses above twice the limit: here both are refused.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataSourceError, match=f"decompression bombs \\({limit}\\)"):
            load(write_picture(tmp_path / "a.png", GREY))

    def test_folder_without_pictures(self, tmp_path):
        with pytest.raises(DataSourceError, match=r"holds no pictures \(it is empty\).*\.png, \.jpg"):
            load(tmp_path)
        (tmp_path / "a.txt").touch()
        with pytest.raises(DataSourceError, match=r"found 1 files: 1 \.txt"):
            load(tmp_path)

    def test_folder_of_pictures_and_tables(self, tmp_path):
        write_picture(tmp_path / "a.png", GREY)
        pd.DataFrame(TABLE, columns=["a", "b"]).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(DataSourceError, match="both pictures and Parquet"):
            load(tmp_path)

    @pytest.mark.parametrize(
        ("resize", "size"),
        [(64, (64, 64)), ("64", (64, 64)), ("4x8", (4, 8)), ((4, 8), (4, 8)), (None, None)],
    )
    def test_resize_forms(self, resize, size):
        assert parse_resize(resize) == size

    @pytest.mark.parametrize("resize", [0, -1, "64x", "x", "4x5x6", (1, 2, 3), (4, 0), 2.5, True, 10**6])
    def test_bad_resize(self, resize):
        with pytest.raises(ParameterError, match=r"resize=.* is not a size"):
            parse_resize(resize)


class TestRoundTrips:
    @few
    @given(X=numbers)
    def test_npy_and_npz(self, folder, X):
        np.save(folder / "a.npy", X)
        npz_of(folder / "a.npz", X=X, y=X[:, 0])
        for path in (folder / "a.npy", folder / "a.npz"):
            back = load(path).X
            assert back.dtype == X.dtype
            np.testing.assert_array_equal(back, X)
            del back

    @few
    @given(X=numbers, index=st.booleans())
    def test_csv(self, folder, X, index):
        pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).to_csv(folder / "a.csv", index=index)
        # pandas writes float32 in the fewest digits that single precision tells apart.
        np.testing.assert_array_equal(load(folder / "a.csv").X.astype(X.dtype), X)

    @few
    @given(X=numbers)
    def test_csv_without_header(self, folder, X):
        np.savetxt(folder / "a.csv", X, delimiter=",", fmt="%.17g")
        np.testing.assert_array_equal(load(folder / "a.csv").X, X)

    @few
    @given(X=numbers)
    def test_parquet(self, folder, X):
        pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).to_parquet(folder / "a.parquet")
        back = load(folder / "a.parquet").X
        assert back.dtype == X.dtype
        np.testing.assert_array_equal(back, X)

    @few
    @given(X=numbers, zipped=st.booleans())
    def test_idx(self, folder, X, zipped):
        (folder / "a.idx").write_bytes(gzip.compress(idx_bytes(X)) if zipped else idx_bytes(X))
        back = load(folder / "a.idx").X
        assert back.dtype == X.dtype
        np.testing.assert_array_equal(back, X)

    @few
    @given(X=pixels)
    def test_png(self, folder, X):
        for i, picture in enumerate(X):
            write_picture(folder / "pictures" / f"{i}.png", picture)
        back = load(folder / "pictures").X
        for path in (folder / "pictures").iterdir():
            path.unlink()
        np.testing.assert_array_equal(back, X)


def valid_file(ending: str) -> bytes:
    """Return the bytes of a small file that loads."""
    out = io.BytesIO()
    if ending == "npy":
        np.save(out, TABLE)
    elif ending == "npz":
        np.savez_compressed(out, X=TABLE, y=np.arange(3))
    elif ending == "csv":
        return pd.DataFrame(TABLE, columns=["a", "b"]).to_csv().encode()
    elif ending == "parquet":
        pd.DataFrame(TABLE, columns=["a", "b"]).to_parquet(out)
    elif ending.startswith("idx"):
        return gzip.compress(idx_bytes(COLOUR)) if ending.endswith("gz") else idx_bytes(COLOUR)
    else:
        Image.fromarray(COLOUR).save(out, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
    return out.getvalue()


@pytest.mark.parametrize(
    "ending", ["npy", "npz", "csv", "parquet", "idx", "idx.gz", "png", "jpg", "webp", "bmp", "tif", "gif"]
)
def test_damaged_bytes_give_our_errors_only(folder, ending):
    good = valid_file(ending)
    path = folder / f"damaged.{ending}"

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(
        st.one_of(
            st.binary(max_size=60),
            st.integers(0, len(good)).map(lambda n: good[:n]),
            st.tuples(st.integers(0, len(good) - 1), st.binary(min_size=1, max_size=4)).map(
                lambda change: good[: change[0]] + change[1] + good[change[0] + len(change[1]) :]
            ),
        )
    )
    def check(data):
        path.write_bytes(data)
        X, message = np.zeros((1, 1)), ""
        try:
            X = load(path).X
        except IsthmusError as error:
            message = str(error)
        assert "\n" not in message
        assert X.ndim in (2, 3, 4)
        assert X.dtype.kind in "biuf"

    path.write_bytes(good)
    assert load(path).X.size
    check()


def test_pillow_warnings_stay_inside(tmp_path):
    path = write_picture(tmp_path / "a.png", GREY)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(path)
    assert not caught


def test_import_is_light():
    heavy = ("torch", "pandas", "pyarrow", "narwhals", "sklearn", "PIL", "matplotlib")
    code = f"import sys, isthmus.data; print(*(name for name in {heavy} if name in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""

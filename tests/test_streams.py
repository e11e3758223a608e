"""Data that are read on demand: each kind of source, from opening it to what a model makes of it."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import isthmus
import isthmus.data
from isthmus import (
    VAE,
    Autoencoder,
    DataError,
    DataSourceError,
    LinearAutoencoder,
    MissingExtraError,
    Noise2Noise,
    Trainer,
)
from isthmus.cli import main
from isthmus.data import Samples, load
from isthmus.data.datasets import ItemRows, PassRows
from isthmus.data.info import describe_data
from isthmus.data.raw import ArrayRows, FileRows, rows_of_memmap
from isthmus.data.streams import Rows, chunks
from isthmus.data.writing import write_rows
from isthmus.models.fitting import split_rows
from isthmus.report import sections
from isthmus.report.view import View
from isthmus.training.loop import Loop

rng = np.random.default_rng(0)
TABLE = (rng.normal(size=(120, 3)) @ rng.normal(size=(3, 6)) + rng.normal(size=(120, 6))).astype(np.float32)
PICTURES = rng.integers(0, 255, (40, 6, 5), dtype=np.uint8)


class Items(Dataset):
    """A data set in the style of PyTorch, with labels."""

    def __init__(self, X: np.ndarray, change: Callable[[Any], Any] = lambda x: x) -> None:
        self.X, self.change = X, change

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.change(self.X[i]), i


class Passes(IterableDataset):
    """An iterable data set, which may bring fewer rows the next time."""

    def __init__(self, X: np.ndarray, lost: int = 0) -> None:
        self.X, self.lost, self.n_passes = X, lost, 0

    def __iter__(self):
        n = len(self.X) - self.lost * min(self.n_passes, 1)
        self.n_passes += 1
        return iter(torch.tensor(self.X[:n]))


class HubData:
    """The part of `datasets.Dataset` that is used."""

    def __init__(self, columns: dict[str, list], kind: str = "Value", form: str | None = None) -> None:
        self.columns, self.kind, self.form = columns, kind, form
        self.features = {name: type(kind, (), {})() for name in columns}

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        if isinstance(key, int):
            return {name: values[key] for name, values in self.columns.items()}
        rows = range(len(self))[key] if isinstance(key, slice) else key
        part = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        return pa.table(part) if self.form == "arrow" else part

    def select_columns(self, names):
        return HubData({name: self.columns[name] for name in names}, self.kind, self.form)

    def with_format(self, form):
        return HubData(self.columns, self.kind, form)

    def to_pandas(self):
        return pd.DataFrame(self.columns)


def npy(folder: Path, X: np.ndarray) -> Path:
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


def mapped(folder: Path, X: np.ndarray) -> np.memmap:
    return np.load(npy(folder, X), mmap_mode="r")


def parquet(folder: Path, X: np.ndarray) -> Path:
    (folder / "parts").mkdir()
    for i, part in enumerate(np.array_split(X, 2)):
        frame = pd.DataFrame(part, columns=list("abcdef"))
        frame.to_parquet(folder / "parts" / f"{i}.parquet", row_group_size=7)
    return folder / "parts"


def zarr_folder(folder: Path, X: np.ndarray) -> Path:
    zarr = pytest.importorskip("zarr")
    zarr.save_array(str(folder / "x.zarr"), X)
    return folder / "x.zarr"


def zarr_array(folder: Path, X: np.ndarray) -> Any:
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(store={}, shape=X.shape, chunks=(7, *X.shape[1:]), dtype=X.dtype)
    array[:] = X
    return array


TABLES: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "npy": npy,
    "memmap": mapped,
    "part of a memmap": lambda folder, X: mapped(folder, np.concatenate([X[:9], X]))[9:],
    "foreign byte order": lambda folder, X: npy(folder, X.astype(">f4")),
    "Fortran order": lambda folder, X: npy(folder, np.asfortranarray(X)),
    "Parquet": parquet,
    "zarr folder": zarr_folder,
    "zarr array": zarr_array,
    "data set": lambda folder, X: Items(X, torch.tensor),
    "tensors": lambda folder, X: TensorDataset(torch.tensor(X), torch.zeros(len(X))),
    "loader": lambda folder, X: DataLoader(Items(X), batch_size=9, shuffle=True),
    "iterable": lambda folder, X: Passes(X),
    "loader of an iterable": lambda folder, X: DataLoader(Passes(X), batch_size=9),
    "hub": lambda folder, X: HubData({name: list(X[:, i]) for i, name in enumerate("abcdef")}),
    "hub arrays": lambda folder, X: HubData({"x": [row.tolist() for row in X.astype(float)]}, "List"),
}
tables = pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
STREAM = Trainer(memory_limit=0, batch_size=16)


def one_thread(function):
    found = function()
    # zarr keeps a thread of its own.
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("isthmus")]
    return found


# ---------------------------------------------------------------- every kind of source


@tables
def test_a_stream_gives_the_bits_of_its_array(make, tmp_path):
    source = make(tmp_path, TABLE)
    X = load(source, memory_limit=0).X
    assert isinstance(X, Rows)
    assert (X.shape, X.ndim, X.nbytes) == (TABLE.shape, 2, len(X) * X.row_bytes)
    assert X.dtype.isnative
    picked = TABLE[:, 0] > 0
    for key in (slice(None), slice(3, 90, 4), np.array([70, 3, 3, 71, -1]), 5, -1, np.array([], int), picked, [4, 2]):
        np.testing.assert_array_equal(X[key], TABLE[key])
    np.testing.assert_array_equal(np.asarray(X), TABLE)
    whole = load(source).X
    assert isinstance(whole, np.ndarray)
    np.testing.assert_array_equal(whole, TABLE)


@tables
def test_a_model_learns_from_a_stream_and_reads_it(make, tmp_path):
    source = make(tmp_path, TABLE)
    model = one_thread(lambda: VAE(2, max_epochs=3, random_state=0, trainer=STREAM).fit(source))
    assert np.isfinite(model.history_["val_loss"]).all()
    array = load(source)
    for name in ("transform", "reconstruct", "score_samples"):
        method = getattr(model, name)
        assert one_thread(lambda method=method: method(source)).tobytes() == method(array).tobytes()
    assert model.log_likelihood(source, 5).tobytes() == model.log_likelihood(array, 5).tobytes()
    assert model.evaluate(source) == pytest.approx(model.evaluate(array))
    assert model.posterior(source).std.tobytes() == model.posterior(array).std.tobytes()


@tables
def test_principal_components_of_a_stream(make, tmp_path):
    source = make(tmp_path, TABLE)
    array = load(source)
    streamed, held = (LinearAutoencoder(2, trainer=Trainer(memory_limit=limit)).fit(source) for limit in (0, 2))
    assert streamed.components_.tobytes() == held.components_.tobytes()
    assert streamed.score_samples(source).tobytes() == held.score_samples(array).tobytes()


def test_description_in_one_pass_is_that_of_the_array(tmp_path):
    found, expected = describe_data(load(npy(tmp_path, TABLE), memory_limit=0).X), describe_data(TABLE)
    for name in ("mean", "std", "minimum", "maximum"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()


class TestPictures:
    @pytest.fixture
    def folder(self, tmp_path):
        for i, picture in enumerate(PICTURES):
            (tmp_path / f"class{i % 2}").mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / f"class{i % 2}" / f"{i:02}.png")
        return tmp_path

    def test_the_same_as_at_once(self, folder):
        held, streamed = load(folder), load(folder, memory_limit=0)
        assert isinstance(streamed.X, Rows)
        assert held.y is not None
        assert streamed.y is not None
        np.testing.assert_array_equal(streamed.X[:], held.X)
        np.testing.assert_array_equal(streamed.y, held.y)
        np.testing.assert_array_equal(
            load(folder, memory_limit=0, resize=(9, 4), grey=True).X[:], load(folder, resize=(9, 4)).X
        )
        model = Autoencoder(2, max_epochs=2, random_state=0, trainer=STREAM).fit(folder)
        assert model.reconstruct(streamed).tobytes() == model.reconstruct(held).tobytes()

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "CMYK"])
    @pytest.mark.parametrize("orientation", [None, 3, 6])
    def test_the_header_says_what_decoding_gives(self, mode, orientation, tmp_path):
        from isthmus.data.pictures import _decode, _look

        ending = {"I": "tif", "CMYK": "jpg"}.get(mode, "png")
        picture = Image.new(mode, (7, 4))
        exif = Image.Exif()
        if orientation is not None:
            exif[0x0112] = orientation
        picture.save(tmp_path / f"a.{ending}", exif=exif)
        for resize in (None, (3, 5)):
            for grey in (False, True):
                path = tmp_path / f"a.{ending}"
                assert _look(path, resize, grey) == _decode(path, resize, grey).shape

    def test_colour_among_grey(self, folder):
        Image.fromarray(np.stack([PICTURES[0]] * 3, -1)).save(folder / "class0" / "x.png")
        np.testing.assert_array_equal(load(folder, memory_limit=0).X[:], load(folder).X)

    def test_other_sizes_are_named_at_once(self, folder):
        Image.fromarray(PICTURES[0].T).save(folder / "class1" / "x.png")
        for limit in (0, 2):
            with pytest.raises(DataError, match=r"differ in size: .*00\.png is 6x5 .*x\.png is 5x6"):
                load(folder, memory_limit=limit)

    def test_a_file_that_changed(self, folder):
        X = load(folder, memory_limit=0).X
        Image.fromarray(PICTURES[0].T).save(folder / "class0" / "02.png")
        with pytest.raises(DataError, match=r"02\.png has shape \(5, 6\)"):
            X[:]
        (folder / "class0" / "02.png").unlink()
        with pytest.raises(DataSourceError, match=r"02\.png"):
            X[:]

    def test_of_a_data_set_or_a_hub(self):
        pictures = [Image.fromarray(picture) for picture in PICTURES]
        for source in (
            Items(PICTURES, Image.fromarray),
            DataLoader(Items(PICTURES, Image.fromarray), num_workers=2),
            HubData({"image": pictures}, "Image"),
        ):
            X = load(source, memory_limit=0).X
            assert isinstance(X, Rows)
            np.testing.assert_array_equal(X[[7, 3]], PICTURES[[7, 3]])
            np.testing.assert_array_equal(load(source).X, PICTURES)

    def test_image_shape_of_a_stream(self, tmp_path):
        path = npy(tmp_path, PICTURES.reshape(40, 30))
        model = VAE(2, image_shape=(6, 5), max_epochs=1, random_state=0, trainer=STREAM).fit(path)
        assert model.info_.shape == (6, 5)
        assert model.reconstruct(path).shape == (40, 30)


class TestHub:
    def test_arrays_of_other_lengths(self):
        rows = TABLE.astype(float).tolist()
        rows[77] = rows[77][:3]
        X = load(HubData({"x": rows}, "List"), memory_limit=0).X
        with pytest.raises(DataError, match="rows of other shapes among those from 70 to 79"):
            X[70:80]

    def test_a_missing_number_is_named(self):
        values: list[Any] = TABLE[:, 0].tolist()
        values[77] = None
        with pytest.raises(DataError, match="NaN in row 77 of the data set"):
            VAE(1, trainer=STREAM).fit(HubData({"a": values, "b": TABLE[:, 1].tolist()}))

    def test_pictures_of_other_shapes(self):
        pictures = [Image.fromarray(picture) for picture in PICTURES]
        pictures[7] = Image.fromarray(PICTURES[7].T)
        with pytest.raises(DataError, match=r"row 7 of the data set is a picture of shape \(5, 6\)"):
            load(HubData({"image": pictures}, "Image"), memory_limit=0).X[:]


class TestParquet:
    def test_labels_and_columns(self, tmp_path):
        frame = pd.DataFrame(TABLE, columns=list("abcdef")).assign(kind=["u", "v"] * 60, n=range(120))
        frame.to_parquet(tmp_path / "x.parquet", row_group_size=50)
        held, streamed = (
            load(tmp_path / "x.parquet", label="kind", columns=["n", "c"], memory_limit=limit) for limit in (2, 0)
        )
        assert isinstance(streamed.X, Rows)
        assert (streamed.feature_names, streamed.X.dtype) == (held.feature_names, held.X.dtype)
        np.testing.assert_array_equal(streamed.X[:], held.X)
        assert list(streamed.y) == list(held.y)

    def test_types_of_all_files_and_kinds(self, tmp_path):
        for i, dtype in enumerate(("int8", "float64", "bool")):
            frame = pd.DataFrame({"a": np.arange(2).astype(dtype), "b": np.arange(2, dtype="float32")})
            (tmp_path / str(i)).mkdir()
            frame.to_parquet(tmp_path / str(i) / "x.parquet")
        pq.write_table(pa.table({"a": pa.array([1, 2], pa.decimal128(5, 2)), "b": [1, 2]}), tmp_path / "y.parquet")
        for path in [*(tmp_path / str(i) for i in range(3)), tmp_path / "y.parquet"]:
            held, streamed = (load(path, memory_limit=limit).X for limit in (2, 0))
            assert isinstance(streamed, Rows)
            assert streamed.dtype == held.dtype
            np.testing.assert_array_equal(streamed[:], held)

    def test_feature_names_are_kept_and_compared(self, tmp_path):
        folder = parquet(tmp_path, TABLE)
        model = VAE(2, max_epochs=1, trainer=STREAM).fit(folder)
        assert list(model.feature_names_in_) == list("abcdef")
        with pytest.raises(DataError, match=r"the columns are b, .* but the model was fitted on a, b"):
            model.transform(load(folder, columns=list("bacdef"), memory_limit=0))

    def test_a_missing_value_is_named(self, tmp_path):
        frame = pd.DataFrame(TABLE, columns=list("abcdef"))
        frame.loc[101, "c"] = None
        frame.to_parquet(tmp_path / "x.parquet", row_group_size=30)
        with pytest.raises(DataError, match=r"^Input X contains NaN in row 101 of x\.parquet: [^\n]*$"):
            VAE(trainer=STREAM).fit(tmp_path / "x.parquet")

    def test_text_is_refused_at_once(self, tmp_path):
        pd.DataFrame({"a": ["x", "y"]}).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(DataError, match="not numbers: 'a'"):
            load(tmp_path / "x.parquet", memory_limit=0)

    def test_damaged_later(self, tmp_path):
        path = tmp_path / "x.parquet"
        pd.DataFrame(TABLE, columns=list("abcdef")).to_parquet(path, row_group_size=30)
        X = load(path, memory_limit=0).X
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(DataSourceError, match=r"x\.parquet cannot be read as Parquet"):
            X[:]

    def test_a_row_group_is_read_once_in_a_pass(self, tmp_path, monkeypatch):
        read, groups = pq.ParquetFile.read_row_group, []
        monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *a, **k: groups.append(a[1]) or read(*a, **k))
        X = load(parquet(tmp_path, TABLE), memory_limit=0).X
        groups.clear()
        np.testing.assert_array_equal(np.concatenate(list(chunks(X, 5))), TABLE)
        assert len(groups) == 18


class TestZarr:
    def test_groups(self, tmp_path):
        zarr = pytest.importorskip("zarr")
        group = zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
        with pytest.raises(DataError, match="holds no arrays"):
            load(tmp_path / "g.zarr")
        group.create_array("x", data=TABLE)
        np.testing.assert_array_equal(load(tmp_path / "g.zarr").X, TABLE)
        group.create_array("y", data=PICTURES)
        with pytest.raises(DataSourceError, match=r"several arrays: x \(120, 6\), y \(40, 6, 5\); name one"):
            load(tmp_path / "g.zarr")
        np.testing.assert_array_equal(load(tmp_path / "g.zarr" / "y", memory_limit=0).X[:], PICTURES)

    def test_damage_and_wrong_types(self, tmp_path):
        zarr = pytest.importorskip("zarr")
        (tmp_path / "a.zarr").mkdir()
        (tmp_path / "a.zarr" / "zarr.json").write_text("{")
        with pytest.raises(DataSourceError, match="not a zarr array, or is damaged"):
            load(tmp_path / "a.zarr")
        zarr.save_array(str(tmp_path / "b.zarr"), TABLE.astype(complex))
        with pytest.raises(DataError, match="complex128"):
            load(tmp_path / "b.zarr")

    def test_without_the_extra(self, tmp_path, monkeypatch):
        (tmp_path / "a.zarr").mkdir()
        monkeypatch.setitem(sys.modules, "zarr", None)
        with pytest.raises(MissingExtraError, match=r'pip install "isthmus\[zarr\]"'):
            load(tmp_path / "a.zarr")


class TestDataSets:
    def test_an_item_of_another_shape_or_type(self):
        for change, message in (
            (lambda x: x[:4] if x[0] == TABLE[77, 0] else x, r"row 77 of the Items has shape \(4,\)"),
            (lambda x: x.astype(float) if x[0] == TABLE[77, 0] else x, "row 77 of the Items has dtype float64"),
            (lambda x: ["text"] if x[0] == TABLE[77, 0] else x, "Row 77 of the Items has dtype <U4"),
            (lambda x: x / 0 if x[0] == TABLE[77, 0] else x, "NaN|infinity in row 77 of the Items"),
        ):
            with np.errstate(all="ignore"), pytest.raises(DataError, match=message):
                VAE(2, trainer=STREAM).fit(Items(TABLE, change))

    def test_what_a_data_set_raises_names_the_row(self):
        def fail(x):
            if x[0] == TABLE[77, 0]:
                raise KeyError("lost")
            return x

        with pytest.raises(DataSourceError, match="the Items cannot give row 77: 'lost'"):
            VAE(2, trainer=STREAM).fit(Items(TABLE, fail))

    def test_dicts_and_empty_ones(self):
        with pytest.raises(DataError, match="Row 0 of the Items is a dict with a, b"):
            ItemRows(Items(TABLE, lambda x: {"a": x, "b": 0}))
        for empty in (Items(TABLE[:0]), Passes(TABLE[:0])):
            with pytest.raises(DataError, match="is empty"):
                VAE().fit(empty)

    def test_an_iterable_is_passed_through_once_for_each_reading(self):
        passes = Passes(TABLE)
        rows = PassRows(passes, batched=False)
        assert passes.n_passes == 1
        np.testing.assert_array_equal(np.concatenate(list(chunks(rows, 7))), TABLE)
        assert passes.n_passes == 2
        np.testing.assert_array_equal(rows[[100, 3]], TABLE[[100, 3]])
        assert passes.n_passes == 3

    def test_an_iterable_that_ends_early(self):
        with pytest.raises(DataSourceError, match="the Passes ended after 90 rows, and had 120 the first time"):
            VAE(2, trainer=STREAM).fit(Passes(TABLE, lost=30))

    def test_an_iterator_cannot_be_read_again(self):
        class Once(IterableDataset):
            def __iter__(self):
                return self

            def __next__(self):
                return TABLE[0]

        with pytest.raises(DataError, match="the Once can be read only once"):
            VAE().fit(Once())

    def test_bfloat16_and_pairs(self):
        rows = ItemRows(Items(TABLE, lambda x: torch.tensor(x).bfloat16()))
        assert rows.dtype == np.float32


class TestFiles:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_value_that_is_not_finite_is_named(self, bad, tmp_path):
        X = TABLE.copy()
        X[77, 2] = bad
        path = npy(tmp_path, X)
        what = "NaN" if np.isnan(bad) else "infinity"
        with pytest.raises(DataError, match=rf"^Input X contains {what} in row 77 of x\.npy: [^\n]*$"):
            VAE(2, trainer=STREAM).fit(path)
        with pytest.raises(DataError, match=f"Input X contains {what}"):  # and of an array
            VAE(2).fit(path)
        model = VAE(2, max_epochs=1, trainer=STREAM).fit(TABLE)
        with pytest.raises(DataError, match="row 77"):
            one_thread(lambda: model.transform(path))

    def test_large_values_are_finite(self, tmp_path):
        X = np.full((30, 4), 3e38, np.float32)
        X[::2] *= -1
        np.testing.assert_array_equal(load(npy(tmp_path, X), memory_limit=0).X[:], X)

    def test_cut_short(self, tmp_path):
        path = npy(tmp_path, TABLE)
        X = load(path, memory_limit=0).X
        os.truncate(path, 128 + 50 * 24)
        with pytest.raises(DataSourceError, match=r"x\.npy is cut short: it declares 120 rows and ends in row 50"):
            X[:]
        with pytest.raises(DataSourceError, match="is cut short"):
            load(path, memory_limit=0)
        path.unlink()
        with pytest.raises(DataSourceError, match=r"x\.npy cannot be read"):
            X[:]

    def test_far_and_near_rows(self, tmp_path, monkeypatch):
        monkeypatch.setattr("isthmus.data.raw._GAP_BYTES", 3 * 24)
        monkeypatch.setattr("isthmus.data.raw._SPAN_BYTES", 10 * 24)
        X = load(npy(tmp_path, TABLE), memory_limit=0).X
        for step in (1, 2, 3, 4, 7, 50):
            np.testing.assert_array_equal(X[::step], TABLE[::step])

    @pytest.mark.parametrize("mode", ["r", "r+", "c"])
    def test_changes_in_a_map_are_seen(self, mode, tmp_path):
        X = np.load(npy(tmp_path, TABLE), mmap_mode=mode)
        if mode != "r":
            X[3] = 7
        rows = rows_of_memmap(X, "it")
        assert isinstance(rows, ArrayRows if mode == "c" else FileRows)
        np.testing.assert_array_equal(rows[:], X)

    def test_views_of_a_map_are_themselves(self, tmp_path):
        np.save(tmp_path / "big.npy", np.arange(40_000.0).reshape(10_000, 4))
        X: Any = np.load(tmp_path / "big.npy", mmap_mode="r")
        for view in (X[5000:], X[::3], X[:, 1:3], X[7:9999].reshape(-1, 2, 4), X.T):
            np.testing.assert_array_equal(rows_of_memmap(view, "it")[:], view)

    def test_shapes_are_refused_in_the_words_of_arrays(self, tmp_path):
        model = VAE(2, max_epochs=1, trainer=STREAM).fit(TABLE)
        other = npy(tmp_path, TABLE[:, :5])
        messages = []
        for data in (other, np.asarray(TABLE[:, :5])):
            with pytest.raises(DataError) as caught:
                model.transform(data)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert "5 features" in messages[0]

    def test_one_row_is_too_few_to_learn_from(self, tmp_path):
        with pytest.raises(DataError, match=r"1 sample"):
            VAE(trainer=STREAM).fit(npy(tmp_path, TABLE[:1]))

    @pytest.mark.parametrize("dtype", [bool, np.float16, np.uint16, np.uint32, np.int8, ">f8", np.longdouble])
    def test_every_numeric_type(self, dtype, tmp_path):
        X = (TABLE > 0).astype(dtype)
        model = VAE(2, max_epochs=1, random_state=0, trainer=STREAM).fit(npy(tmp_path, X))
        assert model.transform(npy(tmp_path, X)).tobytes() == model.transform(X).tobytes()


# ---------------------------------------------------------------- training


def interrupt(monkeypatch, number: int) -> None:
    real, count = Loop._step, iter(range(10_000))

    def step(self, *args, **kwargs):
        if next(count) == number:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Loop, "_step", step)


@pytest.mark.parametrize("kind", ["npy", "Parquet", "loader of an iterable"])
@pytest.mark.parametrize("step", [0, 4, 7, 13])
def test_resumed_at_any_batch_equals_uninterrupted(kind, step, tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.training.pools.POOL_BYTES", 40 * 24)

    def model(**options):
        trainer = Trainer(memory_limit=0, batch_size=16, **options)
        return VAE(2, max_epochs=3, random_state=0, trainer=trainer)

    source = TABLES[kind](tmp_path, TABLE)
    whole = model().fit(source)
    folder = tmp_path / "checkpoint"
    with monkeypatch.context() as patch:
        interrupt(patch, step)
        with pytest.raises(KeyboardInterrupt):
            model(checkpoint=folder).fit(source)
    resumed = model(checkpoint=folder, resume=True).fit(source)
    for name, tensor in whole.module_.state_dict().items():
        assert torch.equal(tensor, resumed.module_.state_dict()[name]), name
    assert whole.history_["val_loss"] == resumed.history_["val_loss"]


def test_no_thread_is_left_after_an_interrupt(tmp_path, monkeypatch):
    interrupt(monkeypatch, 2)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt) as caught:  # the traceback is still there, and with it the loop
        VAE(2, trainer=STREAM).fit(npy(tmp_path, TABLE))
    assert threading.active_count() == before
    assert caught.value is not None


def test_the_order_of_rows_does_not_decide_the_split():
    X = load(Items(np.repeat(np.arange(100.0), 10)[:, None]), memory_limit=0).X
    split = split_rows(X, 0.1, seed=0)
    held_out = split.validation[:]
    assert np.array_equal(np.sort(np.concatenate([split.train[:], held_out])), np.arange(1000))
    assert len(held_out) == 100
    assert np.bincount(held_out // 100).tolist() == [10] * 10
    assert not np.array_equal(held_out, split_rows(X, 0.1, seed=1).validation[:])
    assert len(split_rows(X, 0.0, seed=0).validation) == 0


def test_a_stream_learns_as_well_as_an_array(tmp_path):
    path = npy(tmp_path, TABLE)

    def score(epochs: int, limit: float) -> float:
        trainer = Trainer(memory_limit=limit, early_stopping=None)
        return VAE(2, max_epochs=epochs, random_state=0, trainer=trainer).fit(path).score(TABLE)

    start = score(1, 2)
    assert score(40, 0) - start > 0.8 * (score(40, 2) - start) > 0.5


def test_pairs_of_streams(tmp_path):
    np.save(tmp_path / "noisy.npy", TABLE + 1)
    model = Noise2Noise(2, max_epochs=2, random_state=0, trainer=STREAM)
    model.fit(tmp_path / "noisy.npy", target=npy(tmp_path, TABLE))
    assert model.denoise(TABLE + 1).shape == TABLE.shape
    with pytest.raises(DataError, match="each row of X needs its own target"):
        model.fit(tmp_path / "noisy.npy", target=TABLE[:50])


@pytest.mark.parametrize("name", sorted(isthmus.models()))
def test_every_variant_learns_from_a_stream(name, tmp_path):
    path = npy(tmp_path, TABLE)
    model = isthmus.models()[name](2, max_epochs=1, random_state=0, trainer=STREAM).fit(path)
    assert model.transform(path).shape == (120, 2)
    assert np.isfinite(list(model.evaluate(path).values())).all()


# ---------------------------------------------------------------- results to files


class TestWriting:
    @pytest.mark.parametrize("ending", ["npy", "csv", "parquet"])
    def test_the_file_holds_what_the_method_gives(self, ending, tmp_path, monkeypatch):
        monkeypatch.setattr("isthmus.data.writing.POOL_BYTES", 4 * 50 * 24)
        source, out = npy(tmp_path, TABLE), tmp_path / f"codes.{ending}"
        model = VAE(2, max_epochs=1, random_state=0).fit(TABLE)
        shape = isthmus.data.apply(model.transform, source, out, names=["u", "v"], memory_limit=0)
        assert shape == (120, 2)
        found = np.load(out) if ending == "npy" else load(out).X
        np.testing.assert_array_equal(found, model.transform(TABLE))
        if ending != "npy":
            assert load(out).feature_names == ("u", "v")

    def test_scores_and_pictures(self, tmp_path):
        model = VAE(2, max_epochs=1, random_state=0).fit(PICTURES)
        assert isthmus.data.apply(model.score_samples, PICTURES, tmp_path / "s.npy") == (40,)
        np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), model.score_samples(PICTURES))
        assert isthmus.data.apply(model.reconstruct, PICTURES, tmp_path / "r.npy") == (40, 6, 5)
        assert isthmus.data.apply(model.reconstruct, PICTURES, tmp_path / "r.csv") == (40, 6, 5)
        assert load(tmp_path / "r.csv").X.shape == (40, 30)

    @pytest.mark.parametrize("ending", ["npy", "csv", "parquet"])
    def test_nothing_is_left_of_a_file_that_was_not_finished(self, ending, tmp_path):
        out = tmp_path / f"x.{ending}"
        out.write_text("before")

        def parts():
            yield TABLE[:50]
            raise DataError("NaN")

        with pytest.raises(DataError):
            write_rows(out, parts(), 120)
        assert [path.name for path in tmp_path.iterdir()] == [out.name]
        assert out.read_text() == "before"

    def test_the_command_line(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        path = npy(tmp_path, TABLE)
        options = ["--latent_dim", "2", "--max_epochs", "2", "--random_state", "0", "--trainer.memory_limit", "0"]
        options += ["--report", "false"]
        assert main(["fit", "vae", "x.npy", "--out", "run", *options]) == 0, capsys.readouterr().err
        model = isthmus.load("run")
        assert main(["encode", "run", "x.npy", "--out", "codes.npy"]) == 0
        np.testing.assert_array_equal(np.load("codes.npy"), model.transform(path))
        assert main(["reconstruct", "run", "x.npy", "--out", "again.parquet"]) == 0
        np.testing.assert_array_equal(load("again.parquet").X, model.reconstruct(path))
        assert main(["score", "run", "x.npy", "--out", "scores.csv"]) == 0
        np.testing.assert_allclose(load("scores.csv").X[:, 0], model.score_samples(path), rtol=1e-6)
        assert main(["evaluate", "run", "x.npy"]) == 0
        assert "codes of shape (120, 2)" in capsys.readouterr().out
        os.truncate(path, 1000)
        assert main(["encode", "run", "x.npy", "--out", "codes.npy"]) == 2
        assert "is cut short" in capsys.readouterr().err


def test_a_report_looks_at_rows_of_a_stream(tmp_path):
    samples = load(npy(tmp_path, TABLE), memory_limit=0)
    view = View(LinearAutoencoder(2).fit(TABLE), samples)
    assert view.rows.tobytes() == TABLE[view.row_numbers].tobytes()
    tables = [sections.data(View(view.estimator, given)).tables for given in (samples, Samples(TABLE, "x.npy"))]
    assert tables[0] == tables[1]


def test_samples_of_a_stream_can_be_used_by_name(tmp_path):
    samples = load(npy(tmp_path, TABLE), memory_limit=0)
    assert isinstance(samples, Samples)
    assert repr(samples.X) == "FileRows('x.npy', shape=(120, 6), dtype='float32')"
    for key in (120, -121, np.array([3, 120])):
        with pytest.raises(IndexError):
            samples.X[key]


def test_what_a_stage_makes_of_a_stream_may_exceed_the_memory_too(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("isthmus.models.pretraining.load", lambda *a, **k: made.append(load(*a, **k)) or made[-1])
    model = isthmus.StackedAutoencoder(2, widths=(5, 4), max_epochs=2, random_state=0, trainer=STREAM)
    model.fit(npy(tmp_path, TABLE))
    assert [stage.n_in for stage in model.stages_] == [6, 5, 4]
    assert [(type(samples.X), samples.X.shape) for samples in made] == [(FileRows, (120, 5)), (FileRows, (120, 4))]
    with pytest.raises(DataSourceError):  # the temporary files are gone
        made[0].X[:]

"""Remote data sets, against small local stand-ins for scikit-learn's fetcher and for `datasets`."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn.datasets
from PIL import Image as PillowImage

from isthmus.data import Samples, load
from isthmus.errors import DataError, DataSourceError, MissingExtraError, ParameterError

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0], "kind": pd.Categorical(["x", "y", "x"])})


def label_list(samples: Samples) -> list:
    assert samples.y is not None
    return samples.y.tolist()


@pytest.fixture
def openml(monkeypatch):
    """Replace the fetcher; gives the calls made and the answer, which a test may change."""
    state = SimpleNamespace(calls=[], error=None, frame=FRAME, target="kind")

    def fetch_openml(**options):
        state.calls.append(options)
        if state.error is not None:
            raise state.error
        target = None if state.target is None else state.frame[state.target]
        data = state.frame if state.target is None else state.frame.drop(columns=state.target)
        return SimpleNamespace(data=data, target=target, frame=state.frame)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    return state


class TestOpenML:
    def test_by_name_with_its_own_target(self, openml):
        samples = load("openml:toy")
        assert openml.calls == [{"name": "toy", "as_frame": True, "parser": "auto"}]
        assert samples.X.tolist() == [[1, 4], [2, 5], [3, 6]]
        assert samples.feature_names == ("a", "b")
        assert label_list(samples) == ["x", "y", "x"]
        assert isinstance(label_list(samples)[0], str)
        assert samples.name == "openml:toy"

    def test_by_number(self, openml):
        load("openml:61")
        assert openml.calls == [{"data_id": 61, "as_frame": True, "parser": "auto"}]

    def test_label_and_columns(self, openml):
        samples = load("openml:toy", label="b", columns=["a"])
        assert samples.X.tolist() == [[1], [2], [3]]
        assert label_list(samples) == [4, 5, 6]

    def test_target_that_is_absent_or_incomplete_is_left_out(self, openml):
        openml.frame = FRAME.assign(kind=[1.0, np.nan, 2.0])
        assert load("openml:toy").y is None
        openml.frame, openml.target = FRAME[["a", "b"]], None
        assert load("openml:toy").y is None

    def test_text_columns(self, openml):
        openml.target = None
        with pytest.raises(DataError, match=r"openml:toy.*'kind' \(Categorical\)"):
            load("openml:toy")

    @pytest.mark.parametrize("error", [URLError("no route"), TimeoutError(), ConnectionResetError("gone")])
    def test_no_network(self, openml, error):
        openml.error = error
        with pytest.raises(DataSourceError, match=rf"openml:toy.*{type(error).__name__}.*needs a network"):
            load("openml:toy")

    def test_unknown_name(self, openml):
        openml.error = ValueError("No active dataset toy found.")
        with pytest.raises(DataSourceError, match="No active dataset toy found"):
            load("openml:toy")

    def test_without_pandas(self, openml):
        openml.error = ImportError("pandas")
        with pytest.raises(MissingExtraError, match=r"isthmus\[tables\]"):
            load("openml:toy")

    def test_options_that_do_not_apply(self, openml):
        with pytest.raises(ParameterError, match="resize="):
            load("openml:toy", resize=8)
        with pytest.raises(ParameterError, match="needs a name"):
            load("openml:")
        assert not openml.calls


# Named as in `datasets`, as features are told apart by their class.
class Value:
    pass


class Image:
    pass


class ClassLabel:
    def __init__(self, names):
        self.names = names


class Rows:
    """The part of `datasets.Dataset` that is used."""

    def __init__(self, features: dict[str, Any], columns: dict[str, list]):
        self.features, self.columns, self.format = features, columns, None

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        if isinstance(key, int):
            return {name: values[key] for name, values in self.columns.items()}
        rows = range(len(self))[key] if isinstance(key, slice) else key
        part = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        return pa.table(part) if self.format == "arrow" else part

    def __iter__(self):
        return ({name: values[i] for name, values in self.columns.items()} for i in range(len(self)))

    def select_columns(self, names):
        return Rows({n: self.features[n] for n in names}, {n: self.columns[n] for n in names})

    def with_format(self, name):
        twin = Rows(self.features, self.columns)
        twin.format = name
        return twin

    def to_pandas(self):
        return pd.DataFrame(self.columns)


PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
PICTURES = [PillowImage.fromarray(picture) for picture in PIXELS]


@pytest.fixture
def hub(monkeypatch):
    """Put a `datasets` module in place whose rows, or error, a test may choose."""
    state = SimpleNamespace(
        calls=[],
        error=None,
        rows=Rows({"image": Image(), "label": ClassLabel(["cat", "dog"])}, {"image": PICTURES, "label": [1, 0]}),
    )

    def load_dataset(path, *, split):
        state.calls.append((path, split))
        if state.error is not None:
            raise state.error
        return state.rows

    module: Any = ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    state.module = module
    return state


class TestHub:
    def test_pictures_and_class_names(self, hub):
        samples = load("hf:me/pets:test")
        assert hub.calls == [("me/pets", "test")]
        np.testing.assert_array_equal(samples.X, PIXELS)
        assert label_list(samples) == ["dog", "cat"]
        assert samples.name == "hf:me/pets:test"

    def test_default_split(self, hub):
        load("hf:me/pets")
        assert hub.calls == [("me/pets", "train")]

    def test_resize(self, hub):
        assert load("hf:me/pets", resize=(2, 5), grey=True).X.shape == (2, 2, 5)

    def test_unlabelled_rows(self, hub):
        hub.rows.columns["label"] = [-1, -1]
        assert load("hf:me/pets").y is None

    def test_missing_picture(self, hub):
        hub.rows.columns["image"] = [PICTURES[0], None]
        with pytest.raises(DataError, match="Row 1 has no picture in column 'image'"):
            load("hf:me/pets")

    def test_several_picture_columns(self, hub):
        hub.rows = Rows({"a": Image(), "b": Image()}, {"a": PICTURES, "b": PICTURES[::-1]})
        with pytest.raises(DataError, match=r"a, b: choose one with columns="):
            load("hf:me/pets")
        np.testing.assert_array_equal(load("hf:me/pets", columns=["b"]).X, PIXELS[::-1])

    def test_numbers(self, hub):
        hub.rows = Rows(
            {"u": Value(), "v": Value(), "kind": ClassLabel(["n", "p"])},
            {"u": [1.0, 2.0], "v": [3.0, 4.0], "kind": [1, 0]},
        )
        samples = load("hf:me/table")
        assert samples.X.tolist() == [[1, 3], [2, 4]]
        assert label_list(samples) == ["p", "n"]
        assert samples.feature_names == ("u", "v")
        assert label_list(load("hf:me/table", columns=["v"], label="u")) == [1, 2]
        with pytest.raises(ParameterError, match="no column of pictures"):
            load("hf:me/table", resize=8)
        with pytest.raises(ParameterError, match="'w' is not a column of hf:me/table; its columns are u, v, kind"):
            load("hf:me/table", columns=["w"])

    @pytest.mark.parametrize("error", [ConnectionError("offline"), FileNotFoundError("no such data set")])
    def test_no_network(self, hub, error):
        hub.error = error
        with pytest.raises(DataSourceError, match=rf"hf:me/pets.*{error}.*needs a network"):
            load("hf:me/pets")

    @pytest.mark.parametrize("error", [ValueError("Unknown split"), RuntimeError("scripts are not supported")])
    def test_refused(self, hub, error):
        hub.error = error
        with pytest.raises(DataSourceError, match=str(error)):
            load("hf:me/pets")

    def test_code_of_a_data_set_is_never_run(self, hub):
        given = []

        def load_dataset(path, *, split, trust_remote_code=None):
            given.append(trust_remote_code)
            return hub.rows

        hub.module.load_dataset = load_dataset
        load("hf:me/pets")
        assert given == [False]

    def test_without_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(MissingExtraError, match=r'pip install "isthmus\[hub\]"'):
            load("hf:me/pets")

    def test_no_name(self, hub):
        with pytest.raises(ParameterError, match="needs a name"):
            load("hf:")
        assert not hub.calls

"""Frames come back as they went, lie where a browser can use them, and are refused when they are cut off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from isthmus import DataError
from isthmus.studio.frames import DTYPES, pack, unpack

ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=5).filter(lambda name: name.isidentifier() and name != "header"),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    ),
    max_size=4,
)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=3), ARRAYS)
def test_what_is_packed_comes_back(header, named):
    header.pop("arrays", None)
    frame = pack(header, **named)
    found, back = unpack(frame)
    assert {name: value for name, value in found.items() if name != "arrays"} == header
    assert list(back) == list(named)
    for name, array in named.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


@given(st.text(max_size=20), ARRAYS)
def test_arrays_start_at_multiples_of_eight(text, named):
    frame = pack({"text": text}, **named)
    length = int.from_bytes(frame[:4], "little")
    header = unpack(frame)[0]
    for place in header["arrays"]:
        assert (4 + length + place["offset"]) % 8 == 0
    assert len(frame) % 8 == 0


def test_what_is_cut_off_or_forged_is_refused():
    frame = pack({"a": 1}, x=np.arange(6.0))
    for size in (0, 3, 8, 40, len(frame) - 1):
        with pytest.raises(DataError, match="not a frame"):
            unpack(frame[:size])
    for old, new in ((b'"float64"', b'"object_"'), (b"[6]", b"[9]"), (b'"offset":0', b'"offset":9')):
        assert old in frame
        with pytest.raises(DataError, match="not a frame"):
            unpack(frame.replace(old, new))


def test_only_types_that_a_browser_has_are_packed():
    with pytest.raises(TypeError, match="int64"):
        pack({}, x=np.arange(3))

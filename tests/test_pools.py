"""Streams in batches: every row once, the same order again, and no thread left behind."""

import threading
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.data.ahead import ahead
from isthmus.data.ranges import Ranges
from isthmus.data.streams import Chunked, Rows
from isthmus.errors import DataError, ParameterError
from isthmus.training import pools
from isthmus.training.batches import Batches

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
CPU = torch.device("cpu")


class Counting(Rows):
    """Rows that hold their own number, in blocks of a length of one's own."""

    def __init__(self, n: int, block: int = 4, *, in_order: bool = False) -> None:
        super().__init__((n, 2), np.float32, "the numbers")
        self._block, self.in_order, self.reads = block, in_order, []

    @property
    def block(self) -> int:
        return self._block

    def _take(self, rows):
        self.reads.append(rows)
        return np.stack([rows, -rows], axis=1).astype(np.float32)


class Pieces(Chunked):
    """The same in pieces."""

    def __init__(self, cuts) -> None:
        super().__init__((int(cuts[-1]), 2), np.float32, "the pieces", np.asarray(cuts))
        self.decoded: list[int] = []

    def _read_piece(self, number):
        self.decoded.append(number)
        rows = np.arange(*self.cuts[number : number + 2])
        return np.stack([rows, -rows], axis=1)


@pytest.fixture(autouse=True)
def small_pools(monkeypatch):
    monkeypatch.setattr(pools, "POOL_BYTES", 16 * 8)  # 16 rows
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def joined(parts) -> list:
    return [row for part in parts for row in part]


def numbers(batches) -> list[list[int]]:
    found = []
    for batch in batches:
        assert all(torch.equal(part[:, 0], -part[:, 1]) for part in batch)
        found.append([int(value) for value in batch[0][:, 0]])
    return found


@few
@given(
    n=st.integers(1, 120),
    block=st.integers(1, 40),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 5),
    start=st.floats(0, 1),
    world=st.integers(1, 3),
)
def test_every_row_once_and_the_same_again(n, block, batch_size, seed, start, world):
    rows = np.sort(np.random.default_rng(seed).permutation(3 * n)[:n])
    whole = Batches(Counting(3 * n, block), rows, batch_size, CPU)
    epoch = numbers(whole.epoch(seed))
    assert len(epoch) == whole.n_batches
    sizes = [len(part) for part in epoch]
    assert max(sizes) <= batch_size
    # No tiny batch, and one size for all but the last unless that were tiny.
    assert 2 * min(sizes) >= max(sizes) - 1
    assert len(set(sizes[:-1])) <= 1 or max(sizes) - min(sizes) <= 1
    assert sorted(joined(epoch)) == rows.tolist()
    assert numbers(whole.epoch(None)) == [part.tolist() for part in np.split(rows, np.cumsum(sizes)[:-1])]
    first = int(start * whole.n_batches)
    assert numbers(whole.epoch(seed, first)) == epoch[first:]
    if world <= min(sizes):
        parts = [
            numbers(Batches(Counting(3 * n, block), rows, batch_size, CPU, shard=(rank, world)).epoch(seed))
            for rank in range(world)
        ]
        assert [joined(shares) for shares in zip(*parts, strict=True)] == epoch


@few
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8), batch_size=st.integers(1, 40))
def test_pieces_are_read_once_in_an_epoch(sizes, batch_size):
    pieces = Pieces(np.cumsum([0, *sizes]))
    batches = Batches(pieces, Ranges.up_to(len(pieces)), batch_size, CPU)
    assert sorted(joined(numbers(batches.epoch(3)))) == list(range(len(pieces)))
    assert sorted(pieces.decoded) == list(range(len(sizes)))


def test_order_depends_on_the_seed_and_mixes_distant_rows():
    batches = Batches(Counting(400), Ranges.up_to(400), 16, CPU)
    first, second = (numbers(batches.epoch(seed)) for seed in (1, 2))
    assert first != second
    assert np.mean([max(batch) - min(batch) for batch in first]) > 200
    assert all(batch != sorted(batch) for batch in first)


def test_a_source_with_an_order_of_its_own_keeps_it():
    batches = Batches(Counting(50, in_order=True), Ranges.up_to(50), 7, CPU)
    assert joined(numbers(batches.epoch(1))) == list(range(50))


def test_rows_before_the_start_are_not_read():
    stream = Counting(200)
    batches = Batches(stream, Ranges.up_to(200), 10, CPU)
    assert len(numbers(batches.epoch(0, start=18))) == 2
    assert sum(len(rows) for rows in stream.reads) == 20


def test_a_target_goes_with_its_rows():
    target = np.arange(60, dtype=np.float32)[:, None]
    batches = Batches(Counting(60), np.arange(0, 60, 2), 7, CPU, target)
    assert not batches.resident
    for x, y in batches.epoch(1):
        assert torch.equal(x[:, :1], y)


def test_arrays_are_shared_among_processes_too():
    X = np.arange(60.0)[:, None]
    whole = [batch[0][:, 0].tolist() for batch in Batches(X, np.arange(60), 8, CPU).epoch(5)]
    parts = [
        [batch[0][:, 0].tolist() for batch in Batches(X, np.arange(60), 8, CPU, shard=(rank, 3)).epoch(5)]
        for rank in range(3)
    ]
    assert [joined(shares) for shares in zip(*parts, strict=True)] == whole
    with pytest.raises(ParameterError, match="batches of 2 rows cannot be shared by 3 processes"):
        Batches(X, np.arange(60), 2, CPU, shard=(0, 3))


def test_what_fits_is_resident():
    X = np.zeros((10, 2), np.float32)
    assert Batches(X, np.arange(10), 4, CPU).resident
    assert not Batches(X, np.arange(10), 4, CPU, memory_limit=0).resident


class TestThread:
    """The autouse fixture checks that it has ended."""

    def test_after_a_whole_epoch(self):
        numbers(Batches(Counting(100), Ranges.up_to(100), 8, CPU).epoch(0))

    def test_after_a_closed_one(self):
        epoch = Batches(Counting(100), Ranges.up_to(100), 8, CPU).epoch(0)
        next(epoch)
        epoch.close()

    def test_after_a_dropped_one(self):
        next(islice(Batches(Counting(100), Ranges.up_to(100), 8, CPU).epoch(0), 2))

    def test_after_an_error_of_the_caller(self):
        def fail():
            for _ in Batches(Counting(100), Ranges.up_to(100), 8, CPU).epoch(0):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()

    def test_an_error_of_the_source_comes_out(self):
        class Broken(Counting):
            def _take(self, rows):
                values = super()._take(rows)
                values[rows == 77] = np.nan
                return values

        with pytest.raises(DataError, match="Input X contains NaN in row 77 of the numbers"):
            numbers(Batches(Broken(100), Ranges.up_to(100), 8, CPU).epoch(0))

    def test_at_most_two_items_are_alive(self):
        alive = []

        class Item:
            def __init__(self):
                alive.append(self)

        def make():
            for _ in range(20):
                assert len(alive) <= 1
                yield Item()

        for item in ahead(make):
            assert len(alive) <= 2
            alive.remove(item)


class TestRanges:
    @few
    @given(st.lists(st.integers(0, 6), min_size=2, max_size=12), st.slices(30), st.integers(0, 40))
    def test_like_an_array_of_all(self, steps, key, row):
        edges = np.cumsum(steps)
        edges = edges[: len(edges) // 2 * 2]
        ranges = Ranges(edges[::2], edges[1::2])
        rows = np.concatenate([np.arange(a, b) for a, b in edges.reshape(-1, 2)])
        assert len(ranges) == len(rows)
        np.testing.assert_array_equal(ranges[key], rows[key])
        np.testing.assert_array_equal(ranges.count_below(np.array([row, 3])), [(rows < row).sum(), (rows < 3).sum()])

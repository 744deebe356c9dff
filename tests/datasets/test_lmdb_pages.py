import random
import tempfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ganet_mm.datasets.lmdb_pages import record_places
from ganet_mm.datasets.lmdb_store import record_key

OVER_A_PAGE = 4096  # bytes: a value of so many has pages of its own whatever its key


def open_env(path):
    return lmdb.open(str(path), map_size=1 << 27, lock=False, subdir=False)


def find(path, transaction, count):
    with path.open("rb") as file:
        return record_places(file.fileno(), 4096, transaction, count)


def places_of(path, count):
    with open_env(path) as env:
        transaction = env.info()["last_txnid"]
        assert env.stat()["psize"] == 4096
    return find(path, transaction, count)


def values_of(path):
    with open_env(path) as env, env.begin() as txn:
        return dict(txn.cursor())


def write(path, steps, rng):
    """Each step a transaction: size of the value by index, None to delete it."""
    with open_env(path) as env:
        for step in steps:
            with env.begin(write=True) as txn:
                txn.put(b"!meta", rng.randbytes(300))
                for index, size in step:
                    if size is None:
                        txn.delete(record_key(index))
                    else:
                        txn.put(record_key(index), rng.randbytes(size))


def check(path, count):
    places, values = places_of(path, count), values_of(path)
    data = path.read_bytes()
    for index, (offset, length) in enumerate(places):
        value = values.get(record_key(index))
        if length:
            assert data[offset : offset + length] == value
        else:
            assert offset == 0
            assert value is None or len(value) < OVER_A_PAGE
    return places


sizes = st.one_of(
    st.none(), st.integers(0, 3000), st.integers(OVER_A_PAGE, 60_000), st.sampled_from([2022, 2023])
)
step = st.lists(st.tuples(st.integers(0, 400), sizes), max_size=60)


@settings(max_examples=40, deadline=None)
@given(st.lists(step, min_size=1, max_size=5), st.integers(0, 99))
@example([[(0, 4096), (0, 0)]], 0)  # an empty value in the pages of the one before
def test_places_are_lmdbs_own(steps, seed):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        write(path, steps, random.Random(seed))
        check(path, 401)


def test_deep_tree(tmp_path):
    path, count = tmp_path / "a", 1500
    write(path, [[(i, (4100, 1900, 1900)[i % 3]) for i in range(count)]], random.Random(0))
    with open_env(path) as env:
        assert env.stat()["depth"] > 2  # branches of branches
    assert (check(path, count)[::3, 1] == 4100).all()


def test_compacted_copy(tmp_path):
    path, copy = tmp_path / "a", tmp_path / "b"
    write(path, [[(i, 9000) for i in range(50)], [(i, None) for i in range(9)]], random.Random(1))
    with open_env(path) as env:
        env.copy(str(copy), compact=True)
    assert not np.array_equal(check(path, 50), check(copy, 50))


@pytest.fixture
def store(tmp_path):
    """301 records by two transactions: the second's meta page is page 0."""
    path = tmp_path / "a"
    write(path, [[(i, 9000) for i in range(300)], [(300, 9000)]], random.Random(2))
    return path


def test_of_another_transaction_nothing_is_known(store):
    assert find(store, 2, 301).all()
    assert find(store, 1, 301)[:300].all()  # the one before is still in the file
    assert not find(store, 7, 301).any()


def test_of_another_version_nothing_is_known(store):
    data = bytearray(store.read_bytes())
    assert data[20:24] == b"\1\0\0\0"
    data[20] = 2
    store.write_bytes(data)
    assert not find(store, 2, 301).any()


def test_not_an_lmdb(tmp_path):
    for content in (b"", b"x" * 50, b"\xff" * 20_000):
        (tmp_path / "a").write_bytes(content)
        assert not find(tmp_path / "a", 0, 5).any()


def test_fewer_records_than_keys(store):
    assert np.array_equal(find(store, 2, 10), find(store, 2, 301)[:10])


def test_damaged_pages_never_raise_nor_lead_out_of_the_file(store):
    """Junk in the tree's pages: places may be wrong or missing, but the search ends in peace."""
    whole, rng = store.read_bytes(), random.Random(3)
    starts = [
        start
        for start in range(8192, len(whole), 4096)
        if int.from_bytes(whole[start : start + 8], "little") == start // 4096
        and whole[start + 10] in (1, 2)
    ]
    changed = 0
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 20))):
            start = rng.choice(starts)
            data[start + rng.choice((rng.randrange(64), rng.randrange(4096)))] = rng.randrange(256)
        store.write_bytes(data)
        places = find(store, 2, 301)
        assert (places >= 0).all()
        assert (places.sum(1) <= len(data)).all()
        changed += not places.all()
    assert changed > 5


def test_a_branch_in_a_circle_ends(store):
    data = bytearray(store.read_bytes())
    # Meta page 0: head, magic … map size, the free list's tree, and the records' root.
    root = int.from_bytes(data[16 + 24 + 48 + 40 :][:8], "little")
    start = root * 4096
    assert data[start + 10] == 1
    node = start + int.from_bytes(data[start + 16 :][:2], "little")
    data[node : node + 2] = root.to_bytes(2, "little")  # the first child is the branch itself
    store.write_bytes(data)
    assert find(store, 2, 301)[-1].all()

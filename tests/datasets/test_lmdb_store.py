import errno
import json
import multiprocessing
import os
import pickle
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import lmdb
import numpy as np
import pytest

from ganet_mm.datasets.lmdb_store import META_KEY, LmdbReader, LmdbWriter, record_key
from ganet_mm.datasets.record import encode_record


def record(index: int) -> bytes:
    lane = np.full((2, 2), index, np.float32)
    return encode_record(b"%d" % index * 3000, [lane], f"{index}.jpg", None, (1, 2))


def write(path, count=5, complete=True):
    with LmdbWriter(path, 1 << 26) as writer:
        writer.write(0, [record(i) for i in range(count)], {"complete": complete})
    return path


@pytest.fixture
def store(tmp_path):
    return write(tmp_path / "a_lmdb")


def change_meta(path, **changes):
    """Rewrites the index behind the package's back; None removes it."""
    with lmdb.open(str(path), map_size=1 << 26, lock=False) as env, env.begin(write=True) as txn:
        if changes:
            txn.put(META_KEY, json.dumps({**json.loads(txn.get(META_KEY)), **changes}).encode())
        else:
            txn.delete(META_KEY)


def test_reads_what_was_written(store):
    reader = LmdbReader(store)
    assert len(reader) == 5
    for i in range(5):
        assert reader.read_bytes(i) == record(i)
        assert reader.read(i)["img_path"] == f"{i}.jpg"
    assert sorted(p.name for p in store.iterdir()) == ["data.mdb"]


def test_two_readers_share_one_open_file(store, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(store)
    first, second, third = LmdbReader(store), LmdbReader(str(store)), LmdbReader(link)
    first.close()
    assert second.read(1)["img_path"] == third.read(1)["img_path"] == "1.jpg"
    assert first.read(2)["img_path"] == "2.jpg"


def test_last_reader_closes_the_file(store):
    reader = LmdbReader(store)
    reader.read(0)
    del reader
    lmdb.open(str(store), lock=False).close()  # lmdb refuses a second open of an open path


def test_pickled_reader_reads(store):
    reader = pickle.loads(pickle.dumps(LmdbReader(store)))
    assert reader.read(3)["img_path"] == "3.jpg"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_reader_crosses_into_a_child(store, method):
    reader, other = LmdbReader(store), LmdbReader(store)
    reader.read(0)
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        frames = [pool.submit(r.read, i) for i, r in enumerate((reader, other, reader))]
        assert [frame.result(60)["img_path"] for frame in frames] == ["0.jpg", "1.jpg", "2.jpg"]
    assert reader.read(4)["img_path"] == "4.jpg"  # the parent's own is unharmed


def test_every_reader_of_a_forked_process_reads(store):
    """Both readers were open before the fork: the first to read must not leave the second out."""
    first, second = LmdbReader(store), LmdbReader(store)
    pid = os.fork()
    if pid == 0:
        try:
            whole = [r.read(i)["img_path"] for i, r in enumerate((first, second, first))]
            os._exit(whole != ["0.jpg", "1.jpg", "2.jpg"])
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert first.read(4)["img_path"] == "4.jpg"


def test_path_packed_anew_while_open(store):
    old = LmdbReader(store)
    shutil.rmtree(store)
    write(store, 3)
    new = LmdbReader(store)
    assert len(new) == 3
    assert new.read(2)["img_path"] == old.read(2)["img_path"] == "2.jpg"


def test_nothing_there_says_which_command_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x_lmdb: no LMDB here; make it by: .*pack_culane"):
        LmdbReader(tmp_path / "x_lmdb")


def test_interrupted_pack_beside_it_is_named(tmp_path):
    write(tmp_path / "x_lmdb.partial", complete=False)
    with pytest.raises(FileNotFoundError, match=r"not packed to the end .*--resume"):
        LmdbReader(tmp_path / "x_lmdb")


def test_without_index(store):
    change_meta(store)
    with pytest.raises(ValueError, match="a_lmdb: an LMDB without an index"):
        LmdbReader(store)


def test_of_another_program(store):
    change_meta(store, schema="else")
    with pytest.raises(ValueError, match=r"an LMDB without an index .* another program"):
        LmdbReader(store)


def test_unknown_version_is_refused_by_name(store):
    change_meta(store, version=7)
    with pytest.raises(ValueError, match="schema version 7; this reader knows version 1"):
        LmdbReader(store)


def test_unfinished(tmp_path):
    path = write(tmp_path / "a_lmdb", complete=False)
    with pytest.raises(ValueError, match=r"an unfinished pack \(5 frames so far\)"):
        LmdbReader(path)
    assert len(LmdbReader(path, partial_ok=True)) == 5


@pytest.mark.parametrize("size", [0, 100, 4096, 5000, 8192, 10_000, -1])
def test_cut_short(store, size):
    data = store / "data.mdb"
    os.truncate(data, data.stat().st_size - 1 if size < 0 else size)
    with pytest.raises(OSError, match=r"a_lmdb: (data\.mdb is cut short|not a readable LMDB)"):
        LmdbReader(store)


def test_not_an_lmdb(store):
    (store / "data.mdb").write_bytes(b"x" * 20_000)
    with pytest.raises(OSError, match="a_lmdb: not a readable LMDB"):
        LmdbReader(store)


@contextmanager
def without_lmdb(monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(LmdbReader, "_record")
        yield


def test_long_records_are_read_without_the_map(store, monkeypatch):
    reader = LmdbReader(store)
    with without_lmdb(monkeypatch):
        assert [reader.read(i)["img_path"] for i in range(5)] == [f"{i}.jpg" for i in range(5)]


def test_record_that_is_not_where_it_ought_to_be(store, monkeypatch):
    """A wrong place costs time, never the record."""
    reader = LmdbReader(store)
    reader.read(0)
    places = reader._environment._places
    for wrong in (places - 16, places + 4096, places + [0, 1], places + [1 << 40, 0]):
        monkeypatch.setattr(reader._environment, "_places", wrong)
        assert [reader.read(i)["img_path"] for i in range(5)] == [f"{i}.jpg" for i in range(5)]
        with without_lmdb(monkeypatch), pytest.raises(AttributeError):
            reader.read(1)


def test_compacted_copy_after_another_programs_changes(store, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    with lmdb.open(str(store), map_size=1 << 26, lock=False) as env:
        with env.begin(write=True) as txn:
            txn.put(record_key(1), record(9))
        with env.begin(write=True) as txn:
            txn.put(record_key(3), record(7) * 2)
            txn.put(record_key(3), record(7))
        env.copy(str(copy), compact=True)
    for path in (store, copy):
        reader = LmdbReader(path)
        names = [reader.read(i)["img_path"] for i in range(5)]
        assert names == ["0.jpg", "9.jpg", "2.jpg", "7.jpg", "4.jpg"]


def test_short_records(tmp_path):
    with LmdbWriter(tmp_path / "a", 1 << 26) as writer:
        short = [encode_record(b"%d" % i, [], f"{i}.jpg", None, (1, 2)) for i in range(5)]
        writer.write(0, [*short, record(5)], {"complete": True})
    reader = LmdbReader(tmp_path / "a")
    assert [reader.read(i)["img_path"] for i in range(6)] == [f"{i}.jpg" for i in range(6)]


def test_disk_that_does_not_give_a_record(store, monkeypatch):
    reader = LmdbReader(store)
    reader.read(0)

    def fail(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(OSError, match=r"record '00000002': cannot be read .*Input/output error"):
        reader.read(2)


def test_file_is_let_go(store):
    def open_files():
        return [p.readlink() for p in Path("/proc/self/fd").iterdir() if p.exists()]

    reader = LmdbReader(store)
    reader.read(0)
    assert store / "data.mdb" in open_files()
    reader.close()
    assert store / "data.mdb" not in open_files()


def test_damaged_record_names_its_key(store):
    data = bytearray((store / "data.mdb").read_bytes())
    data[data.index(b"3333333333") + 5] ^= 1
    (store / "data.mdb").write_bytes(data)
    reader = LmdbReader(store)
    assert reader.read(2)["img_path"] == "2.jpg"
    with pytest.raises(ValueError, match="record '00000003': damaged record"):
        reader.read(3)


def test_missing_record_names_its_key(store):
    with lmdb.open(str(store), map_size=1 << 26, lock=False) as env, env.begin(write=True) as txn:
        txn.delete(record_key(2))
    with pytest.raises(KeyError, match="record '00000002' is missing"):
        LmdbReader(store).read(2)


def test_full_map_is_an_os_error_and_keeps_what_was_whole(tmp_path):
    with LmdbWriter(tmp_path / "a", 1 << 17) as writer:
        writer.write(0, [record(0)], {"complete": False})
        with pytest.raises(OSError, match="could not write frame 1"):
            writer.write(1, [record(1)] * 100, {"complete": False})
        assert writer.meta["count"] == 1
    assert LmdbReader(tmp_path / "a", partial_ok=True).read(0)["img_path"] == "0.jpg"


def test_culanes_number_of_records_opens_within_a_second(tmp_path):
    count = 133_235
    with LmdbWriter(tmp_path / "a", 1 << 28) as writer:
        short = encode_record(b"x", [], "a.jpg", None, (1, 2))
        writer.write(0, [short] * count, {"complete": True})
    start = time.perf_counter()
    reader = LmdbReader(tmp_path / "a")
    assert reader.read(count - 1)["img_path"] == "a.jpg"
    assert time.perf_counter() - start < 1
    assert len(reader) == count
    assert len(pickle.dumps(reader)) < 2000  # no list of keys is held

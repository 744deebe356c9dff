import multiprocessing
import os
import random
import shutil
import signal
import time
from collections import namedtuple

import pytest

from ganet_mm.datasets import packing
from ganet_mm.datasets.culane import lines_name, read_lines, read_list
from ganet_mm.datasets.lmdb_store import LmdbReader, LmdbWriter
from ganet_mm.datasets.packing import BadFrameError, Source, disk, packer
from ganet_mm.datasets.record import encode_record

from .conftest import COUNT, make_folder


def source(folder, **kwargs):
    return Source.open(folder, folder / "list" / "train.txt", **kwargs)


def contents(path):
    reader = LmdbReader(path)
    return reader.meta, [reader.read_bytes(i) for i in range(len(reader))]


def nothing_left(folder):
    return not [p for p in folder.parent.iterdir() if p != folder]


@pytest.mark.parametrize("workers", [1, 3])
def test_pack_holds_the_files_own_bytes(folder, tmp_path, workers):
    out = tmp_path / "train_lmdb"
    meta = packing.pack(source(folder), out, workers=workers)
    assert meta["count"] == COUNT
    assert meta["lanes"] == 48
    assert meta["category_frames"]["normal"] == 3
    reader = LmdbReader(out)
    for i, name in enumerate(read_list(folder / "list" / "train.txt")):
        frame = reader.read(i)
        assert frame["img_path"] == name
        assert frame["img_bytes"] == (folder / name).read_bytes()
        assert frame["shape"] == (90, 200)
        lanes = read_lines(folder / lines_name(name))
        assert [lane.tolist() for lane in frame["gt_lanes_ori"]] == [x.tolist() for x in lanes]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["culane", "train_lmdb"]
    assert [p.name for p in out.iterdir()] == ["data.mdb"]


def test_packed_already(folder, tmp_path):
    out = tmp_path / "train_lmdb"
    assert not packing.is_packed(source(folder), out)
    packing.pack(source(folder), out)
    assert packing.is_packed(source(folder), out)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert packing.is_packed(source(copy), out)
    with pytest.raises(FileExistsError, match="is there already"):
        packing.pack(source(folder), out)


def test_another_source_is_not_taken_for_this_one(folder, tmp_path):
    out = tmp_path / "train_lmdb"
    packing.pack(source(folder), out)
    (folder / "clip_0.MP4/00003.lines.txt").write_text("1 2 3 4 5 6\n")
    with pytest.raises(FileExistsError, match="of another source"):
        packing.is_packed(source(folder), out)
    out.joinpath("data.mdb").write_bytes(b"")
    with pytest.raises(FileExistsError, match="no whole pack"):
        packing.is_packed(source(folder), out)


Damage = namedtuple("Damage", "file content message")
JPEG_START = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    "damage",
    [
        Damage("00012.jpg", None, r"00012\.jpg: line 13 of list train names this picture"),
        Damage("00012.jpg", b"", r"00012\.jpg: the file is empty"),
        Damage("00012.jpg", b"no picture", r"00012\.jpg: .* no picture"),
        Damage("00012.jpg", JPEG_START, r"00012\.jpg: the JPEG has no frame header"),
        Damage("00012.jpg", 600, r"00012\.jpg: the JPEG "),
        Damage("00012.lines.txt", None, r"00012\.lines\.txt: no such annotation"),
        Damage("00012.lines.txt", b"1 2 3", r"00012\.lines\.txt:1: 3 numbers"),
        Damage("00012.lines.txt", b"1 2 3 4\n5 nan", r"00012\.lines\.txt:2: 'nan'"),
    ],
)
class TestBadFrame:
    def spoil(self, folder, damage):
        path = folder / "clip_1.MP4" / damage.file
        if damage.content is None:
            path.unlink()
        elif isinstance(damage.content, int):
            os.truncate(path, damage.content)
        else:
            path.write_bytes(damage.content)
        return path

    def test_is_named_and_leaves_nothing(self, folder, tmp_path, damage):
        self.spoil(folder, damage)
        with pytest.raises(BadFrameError, match=damage.message):
            packing.pack(source(folder), tmp_path / "out", batch_bytes=1)
        assert nothing_left(folder)

    def test_can_be_skipped_and_reported(self, folder, tmp_path, damage):
        self.spoil(folder, damage)
        meta = packing.pack(source(folder), tmp_path / "out", skip_bad=True, batch_bytes=1)
        assert meta["count"] == COUNT - 1
        assert list(meta["skipped"]) == ["clip_1.MP4/00012.jpg"]
        reader = LmdbReader(tmp_path / "out")
        assert reader.read(11)["img_path"] == "clip_1.MP4/00011.jpg"
        assert reader.read(12)["img_path"] == "clip_1.MP4/00013.jpg"


def test_verify_images_decodes(folder, tmp_path):
    # A frame header that promises four components no JPEG decoder knows how to turn into BGR.
    path = folder / "clip_0.MP4/00002.jpg"
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 13
    path.write_bytes(data)
    packing.pack(source(folder), tmp_path / "unseen")
    with pytest.raises(BadFrameError, match=r"00002\.jpg: .*decoded"):
        packing.pack(source(folder), tmp_path / "out", verify_images=True)


def test_all_frames_bad(folder, tmp_path):
    for path in folder.glob("*/*.lines.txt"):
        path.unlink()
    with pytest.raises(BadFrameError, match="no frame of list train is whole"):
        packing.pack(source(folder), tmp_path / "out", skip_bad=True)
    assert nothing_left(folder)


def test_error_with_resume_keeps_what_is_packed(folder, tmp_path):
    good = tmp_path / "good"
    packing.pack(source(folder), good)
    picture = folder / "clip_1.MP4/00012.jpg"
    data = picture.read_bytes()
    picture.write_bytes(data[:-2] + b"xx")  # of the same size, so the source's identity is kept
    with pytest.raises(BadFrameError):
        packing.pack(source(folder), tmp_path / "out", resume=True, batch_bytes=1)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileExistsError, match="an unfinished pack; finish it with --resume"):
        packing.pack(source(folder), tmp_path / "out")
    picture.write_bytes(data)
    done = []
    packing.pack(source(folder), tmp_path / "out", resume=True, progress=done.append)
    assert done[0] == 12
    assert contents(tmp_path / "out") == contents(good)


def test_resume_refuses_another_source(folder, tmp_path):
    (folder / "clip_1.MP4/00012.jpg").unlink()
    with pytest.raises(BadFrameError):
        packing.pack(source(folder), tmp_path / "out", resume=True, batch_bytes=1)
    (folder / "clip_0.MP4/00001.lines.txt").write_text("")
    with pytest.raises(FileExistsError, match="unfinished pack of another source"):
        packing.pack(source(folder), tmp_path / "out", resume=True)


def slow_pack(folder, out, begun):
    def progress(done):
        begun.set()
        time.sleep(0.01)

    packing.pack(source(folder), out, resume=True, batch_bytes=1, progress=progress)


def test_killed_packs_resume_to_the_same_records(tmp_path):
    """kill -9 at ten random moments: nothing lost, nothing twice, never taken for whole."""
    folder, undisturbed, out = (tmp_path / name for name in ("culane", "undisturbed", "out"))
    count = 60  # more frames than ten packers of 40 ms manage at 10 ms a frame
    make_folder(folder, count)
    packing.pack(source(folder), undisturbed)
    context, rng = multiprocessing.get_context("fork"), random.Random(3)
    for _ in range(10):
        begun = context.Event()
        process = context.Process(target=slow_pack, args=(folder, out, begun))
        process.start()
        assert begun.wait(60)
        time.sleep(rng.uniform(0, 0.04))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not out.exists()
        with pytest.raises(FileNotFoundError, match="not packed to the end"):
            LmdbReader(out)
    done = []
    packing.pack(source(folder), out, resume=True, batch_bytes=1, progress=done.append)
    assert 0 < done[0] < count  # the killed packs' work was kept
    assert contents(out) == contents(undisturbed)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_merged_shards_equal_a_single_pack(folder, tmp_path, count):
    packing.pack(source(folder), tmp_path / "single")
    shards = []
    for number in range(1, count + 1):
        shards.append(tmp_path / f"part{number}")
        packing.pack(source(folder, shard=(number, count)), shards[-1])
    packing.merge(shards[::-1], tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(tmp_path / "single")
    assert packing.is_packed(source(folder), tmp_path / "merged")


def test_merge_with_skipped_frames(folder, tmp_path):
    for name in ("00002", "00013"):
        next(folder.glob(f"*/{name}.jpg")).write_bytes(b"")
    packing.pack(source(folder), tmp_path / "single", skip_bad=True)
    shards = [tmp_path / "part1", tmp_path / "part2"]
    for number, path in enumerate(shards, 1):
        packing.pack(source(folder, shard=(number, 2)), path, skip_bad=True)
    packing.merge(shards, tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(tmp_path / "single")


def test_merge_refuses_what_is_not_all_of_one_list(folder, tmp_path):
    shards = [tmp_path / f"part{n}" for n in (1, 2)]
    for number, path in enumerate(shards, 1):
        packing.pack(source(folder, shard=(number, 2)), path)
    for wrong in (shards[:1], [shards[0]] * 2):
        with pytest.raises(ValueError, match="expected each of 1/2 … 2/2 once"):
            packing.merge(wrong, tmp_path / "merged")
    other = Source.open(folder, folder / "list" / "test.txt", shard=(2, 2))
    packing.pack(other, tmp_path / "other")
    with pytest.raises(ValueError, match="a part of another list"):
        packing.merge([shards[0], tmp_path / "other"], tmp_path / "merged")
    assert not list(tmp_path.glob("merged*"))


def test_merge_of_a_damaged_shard_leaves_nothing(folder, tmp_path):
    packing.pack(source(folder), tmp_path / "part")
    flip_a_byte(tmp_path / "part", folder / "clip_0.MP4/00005.jpg")
    with pytest.raises(ValueError, match="record '00000005': damaged"):
        packing.merge([tmp_path / "part"], tmp_path / "merged")
    assert not list(tmp_path.glob("merged*"))


def flip_a_byte(path, picture):
    data = bytearray((path / "data.mdb").read_bytes())
    data[data.index(picture.read_bytes()) + 400] ^= 1
    (path / "data.mdb").write_bytes(data)


def test_verify_names_the_record_of_a_flipped_byte(folder, tmp_path):
    packing.pack(source(folder), tmp_path / "out")
    assert packing.verify(tmp_path / "out", decode=True) == []
    flip_a_byte(tmp_path / "out", folder / "clip_1.MP4/00009.jpg")
    (fault,) = packing.verify(tmp_path / "out")
    assert "record '00000009': damaged record" in fault


@pytest.mark.parametrize("outside", [True, False])
def test_verify_survives_a_damaged_tree(tmp_path, outside):
    """A wrong page number leads LMDB out of the file, or into the middle of a record."""
    path = tmp_path / "out"
    with LmdbWriter(path, 1 << 26) as writer:
        record = encode_record(bytes(6000), [], "x.jpg", None, (1, 1))
        writer.write(0, [record] * 200, {"complete": True})
    data = bytearray((path / "data.mdb").read_bytes())
    page = 2**20 if outside else data.index(b"LANE") // 4096 + 1
    # Record 150's node: key size 8, key, and the number of the page that holds its value.
    place = data.rindex(b"\x08\x0000000150") + 10
    data[place : place + 8] = page.to_bytes(8, "little")
    (path / "data.mdb").write_bytes(data)
    faults = packing.verify(path)
    assert faults
    assert all("damaged" in fault for fault in faults)


def test_full_disk_is_noticed_first(folder, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    with pytest.raises(OSError, match=r"the pack needs .* GB, the disk has 0\.00 GB free"):
        packing.pack(source(folder), tmp_path / "deep" / "out")
    assert nothing_left(folder)


def test_disk_that_fills_up_meanwhile(folder, tmp_path, monkeypatch):
    """The map's limit stands for the disk's: LMDB fails in the middle, and room lets it resume."""
    writer = packer.LmdbWriter
    monkeypatch.setattr(packer, "LmdbWriter", lambda path, size: writer(path, 1 << 16))
    with pytest.raises(OSError, match="could not write frame"):
        packing.pack(source(folder), tmp_path / "out", batch_bytes=1)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    packing.pack(source(folder), tmp_path / "out", resume=True)
    packing.pack(source(folder), tmp_path / "good")
    assert contents(tmp_path / "out") == contents(tmp_path / "good")


def test_second_packer_is_kept_out(folder, tmp_path):
    def progress(done):
        with pytest.raises(FileExistsError, match="another process is packing there"):
            packing.pack(source(folder), tmp_path / "out", resume=True)

    packing.pack(source(folder), tmp_path / "out", progress=progress)
    assert len(LmdbReader(tmp_path / "out")) == COUNT


def test_missing_folder_and_list(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such folder.*make_synlane"):
        Source.open(tmp_path / "nowhere", tmp_path / "list.txt")
    with pytest.raises(FileNotFoundError, match=r"val\.txt: no such list file"):
        Source.open(folder, folder / "list" / "val.txt")
    with pytest.raises(ValueError, match="shard 3/2: expected i/n"):
        source(folder, shard=(3, 2))

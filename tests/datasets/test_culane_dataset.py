import pickle

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from ganet_mm.datasets import packing
from ganet_mm.datasets.packing import Source
from ganet_mm.registry import DATASETS

from .conftest import COUNT, HEIGHT, WIDTH

PIPELINE = [
    {"type": "DecodeImage"},
    {"type": "FixedCrop", "y": 30},
    {"type": "Resize", "size": (32, 80)},
    {"type": "PackLaneInputs"},
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("ganet_mm")


@pytest.fixture
def packed(folder, tmp_path):
    out = tmp_path / "test_lmdb"
    packing.pack(Source.open(folder, folder / "list" / "test.txt"), out)
    return out


def build(**kwargs):
    return DATASETS.build({"type": "CuLaneDataset", **kwargs})


def same(a, b):
    assert a.keys() == b.keys()
    for key in a.keys() - {"gt_lanes_ori"}:
        assert a[key] == b[key]
    assert [x.tolist() for x in a["gt_lanes_ori"]] == [x.tolist() for x in b["gt_lanes_ori"]]


def test_lmdb_shards_and_folder_give_the_same_frames(folder, packed, tmp_path):
    shards = [str(tmp_path / f"part{n}") for n in (1, 2, 3)]
    for number, path in enumerate(shards, 1):
        shard = Source.open(folder, folder / "list" / "test.txt", shard=(number, 3))
        packing.pack(shard, path)
    whole = build(data_root=str(packed))
    for other in (
        build(data_root=shards),
        build(data_root=str(folder), ann_file="list/test.txt"),
    ):
        assert len(other) == len(whole) == COUNT
        for i in range(COUNT):
            same(whole[i], other[i])


def test_frame_as_the_pipeline_gets_it(folder, packed):
    frame = build(data_root=packed)[8]
    assert frame.keys() == {"img_bytes", "img_path", "category", "gt_lanes_ori", "sample_idx"}
    assert frame["img_path"] == "clip_1.MP4/00008.jpg"
    assert frame["category"] == "night"
    assert frame["sample_idx"] == 8
    assert [lane.shape for lane in frame["gt_lanes_ori"]] == [(4, 2), (5, 2), (6, 2)]
    assert frame["gt_lanes_ori"][0].dtype == np.float32


def test_frames_without_lanes_are_kept(packed):
    dataset = build(data_root=packed, pipeline=PIPELINE)
    assert [len(dataset[i]["data_samples"].gt_lanes) for i in range(5)] == [3, 3, 3, 3, 0]


def test_pipeline_output(packed):
    item = build(data_root=packed, pipeline=PIPELINE, test_mode=True)[3]
    assert item["inputs"].shape == (3, 32, 80)
    sample = item["data_samples"]
    assert sample.ori_shape == (HEIGHT, WIDTH)
    assert sample.crop_offset == (0, 30)
    assert sample.scale_factor == (80 / WIDTH, 32 / 60)
    for lane, original in zip(sample.gt_lanes, sample.gt_lanes_ori, strict=True):
        expected = (original - [0, 30]) * sample.scale_factor
        np.testing.assert_allclose(lane, expected, atol=1e-4)


def test_indices_and_negative_positions(packed):
    assert len(build(data_root=packed, indices=7)) == 7
    some = build(data_root=packed, indices=[5, 2])
    assert [some[i]["img_path"][-9:] for i in (0, 1)] == ["00005.jpg", "00002.jpg"]
    assert some[1]["sample_idx"] == 1
    assert build(data_root=packed)[-1]["sample_idx"] == COUNT - 1
    subset = build(data_root=packed).get_subset([4, 9])
    assert [frame["img_path"][-9:] for frame in subset] == ["00004.jpg", "00009.jpg"]
    with pytest.raises(IndexError):
        some[2]


def test_lazy_init(packed):
    dataset = build(data_root=packed, lazy_init=True)
    assert len(dataset) == COUNT
    assert dataset[1]["img_path"].endswith("00001.jpg")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_datasets_on_one_path_in_workers(packed, method):
    """Both are read in this process first: open files must not cross into the workers."""
    train, test = (build(data_root=packed, pipeline=PIPELINE, test_mode=t) for t in (False, True))
    expected = [train[i]["data_samples"].img_path for i in range(COUNT)]
    options = {
        "batch_size": 4,
        "num_workers": 2 if method == "fork" else 1,
        "multiprocessing_context": method,
        "collate_fn": pseudo_collate,
    }
    for dataset in (train, test):
        batches = list(DataLoader(dataset, **options))
        assert [s.img_path for batch in batches for s in batch["data_samples"]] == expected
    assert test[0]["data_samples"].img_path == expected[0]


def test_pickled_dataset_holds_no_frames(packed):
    data = pickle.dumps(build(data_root=packed))
    assert len(data) < 4000
    same(pickle.loads(data)[3], build(data_root=packed)[3])


def test_missing_roots_say_which_command_makes_them(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no LMDB here; make it by: python tools"):
        build(data_root=str(tmp_path / "nothing_lmdb"))
    with pytest.raises(FileNotFoundError, match=r"no such folder.*make_synlane\.py"):
        build(data_root=str(tmp_path / "nothing"), ann_file="list/train.txt")
    with pytest.raises(ValueError, match=r"raw folder; give its list.*pack_culane"):
        build(data_root=str(folder))
    with pytest.raises(ValueError, match="no path given"):
        build(data_root=[])


def test_list_for_an_lmdb(packed):
    with pytest.raises(ValueError, match=r"is an LMDB.*ann_file='list/test\.txt'.*remove it"):
        build(data_root=packed, ann_file="list/test.txt")


def test_missing_files_of_a_folder_are_named(folder):
    dataset = build(data_root=str(folder), ann_file="list/train.txt")
    (folder / "clip_0.MP4/00001.jpg").unlink()
    (folder / "clip_0.MP4/00002.lines.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"00001\.jpg: the list names this picture"):
        dataset[1]
    with pytest.raises(FileNotFoundError, match=r"00002\.lines\.txt: no such annotation"):
        dataset[2]

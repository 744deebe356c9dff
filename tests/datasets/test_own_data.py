"""TuSimple's labels, a folder of one's own, and the page of the docs that tells about them."""

import importlib.util
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ganet_mm.datasets import packing, tusimple
from ganet_mm.datasets.culane import lines_name, read_lines, read_list, write_lines
from ganet_mm.datasets.own_folder import find_frames, split_frames
from ganet_mm.registry import DATASETS

ROOT = Path(__file__).parents[2]
SHAPE = (720, 1280)


def tool(name):
    path = ROOT / "tools/dataset_converters" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *args: module.main([str(arg) for arg in args])


def picture(path, shape=SHAPE):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*shape, 3), 90, np.uint8))


@pytest.fixture
def labels(tmp_path):
    rows = [300, 310, 320, 330]
    frames = {
        "clips/a/20.jpg": [[-2, 500, 490, 480.5], [-2, -2, -2, -2], [700, 710, -2, 730]],
        "clips/b/20.jpg": [],
    }
    for name in frames:
        picture(tmp_path / name)
    lines = [
        json.dumps({"raw_file": name, "h_samples": rows, "lanes": lanes})
        for name, lanes in frames.items()
    ]
    path = tmp_path / "label_data.json"
    path.write_text("\n".join(lines) + "\n\n")
    return path


def test_tusimple_by_hand(labels, tmp_path, capsys):
    args = ("--data-root", tmp_path, "--labels", labels, "--split", "train")
    assert tool("tusimple_to_culane")(*args) == 0
    assert "2 frames, 2 lanes" in capsys.readouterr().out
    assert read_list(tmp_path / "list/train.txt") == ["clips/a/20.jpg", "clips/b/20.jpg"]
    lanes = read_lines(tmp_path / "clips/a/20.lines.txt")
    np.testing.assert_array_equal(lanes[0], [[480.5, 330], [490, 320], [500, 310]])
    np.testing.assert_array_equal(lanes[1], [[730, 330], [710, 310], [700, 300]])
    assert read_lines(tmp_path / "clips/b/20.lines.txt") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"label_data\.json:3: no TuSimple label"),
        ('{"raw_file": "clips/a/20.jpg"}', r":3: no TuSimple label \('lanes'\)"),
        ('{"raw_file": "c", "lanes": [[1, 2]], "h_samples": [1]}', ":3: .*2 x for 1 h_samples"),
        ('{"raw_file": "c", "lanes": [[NaN]], "h_samples": [1]}', ":3: .*no number"),
        ('{"raw_file": "gone.jpg", "lanes": [], "h_samples": []}', r"gone\.jpg: .* not there"),
        ('{"raw_file": "clips/a/20.jpg", "lanes": [], "h_samples": []}', "labelled twice"),
    ],
)
def test_bad_labels_are_named_and_nothing_is_written(labels, tmp_path, line, message):
    labels.write_text(labels.read_text().strip() + "\n" + line)
    with pytest.raises((ValueError, OSError), match=message):
        tusimple.convert(tmp_path, [labels], "train")
    assert not list(tmp_path.rglob("*.txt"))


def own_folder(root, drives=(4, 3, 5)):
    for drive, count in enumerate(drives):
        for i in range(count):
            name = f"drive_{drive}/{i:03d}.png"
            picture(root / name)
            lane = np.array([[600 + i, 719], [640, 300]], np.float32)
            write_lines(root / lines_name(name), [lane] if i else [])
    picture(root / "drive_0" / "not_annotated.jpg", (10, 10))
    return root


def test_lists_of_an_own_folder(tmp_path, capsys):
    own_folder(tmp_path)
    assert tool("make_lists")("--data-root", tmp_path, "--val", 0.3) == 0
    assert "1 pictures have no .lines.txt" in capsys.readouterr().out
    train, val = (read_list(tmp_path / f"list/{split}.txt") for split in ("train", "val"))
    assert sorted(train + val) == find_frames(tmp_path)[0]
    assert len(train + val) == 12
    assert val
    assert not {name.split("/")[0] for name in train} & {name.split("/")[0] for name in val}


def test_no_validation_list_stays_where_all_frames_train(tmp_path, capsys):
    own_folder(tmp_path)
    make_lists = tool("make_lists")
    assert make_lists("--data-root", tmp_path, "--val", 0.3) == 0
    assert read_list(tmp_path / "list/val.txt")
    capsys.readouterr()
    assert make_lists("--data-root", tmp_path, "--val", 0) == 0
    assert len(read_list(tmp_path / "list/train.txt")) == 12
    assert not (tmp_path / "list/val.txt").exists()
    assert f"{tmp_path / 'list/val.txt'}: removed" in capsys.readouterr().out
    assert make_lists("--data-root", tmp_path, "--val", 0) == 0
    assert "removed" not in capsys.readouterr().out


def test_split_of_a_single_folder_and_of_none():
    names = [f"{i}.jpg" for i in range(10)]
    assert split_frames(names, 0.2) == (names[:8], names[8:])
    assert split_frames(names, 0.0) == (names, [])
    many = [f"{i}/x.jpg" for i in range(2000)]
    val = split_frames(many, 0.2)[1]
    assert 330 < len(val) < 470
    assert split_frames([*many, "new/x.jpg"], 0.2)[1][: len(val)] == val
    with pytest.raises(ValueError, match="expected 0 ≤ fraction < 1"):
        split_frames(names, 1.0)
    with pytest.raises(ValueError, match="leave none for training"):
        split_frames(names[:1], 0.5)


def test_folder_without_annotations(tmp_path, capsys):
    picture(tmp_path / "a.jpg")
    assert tool("make_lists")("--data-root", tmp_path) == 1
    assert "1 pictures, none with an annotation" in capsys.readouterr().err
    assert tool("make_lists")("--data-root", tmp_path / "gone") == 1


def test_the_docs_config_trains_on_an_own_folder(tmp_path):
    """The config of docs/own_data.md, word for word, on pictures of 1280×720."""
    init_default_scope("ganet_mm")
    own_folder(tmp_path / "my_data")
    tool("make_lists")("--data-root", tmp_path / "my_data")
    for split in ("train", "val"):
        list_file = tmp_path / "my_data/list" / f"{split}.txt"
        source = packing.Source.open(tmp_path / "my_data", list_file)
        packing.pack(source, tmp_path / "my_data" / f"{split}_lmdb")
    page = (ROOT / "docs/own_data.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = code.replace("ganet_culane.py", str(ROOT / "configs/ganet_culane.py"))
    code = code.replace("my_data/", f"{tmp_path}/my_data/")
    (tmp_path / "my_lanes.py").write_text(code)
    cfg = Config.fromfile(tmp_path / "my_lanes.py")
    calibrate = cfg.stages.calibration.test_cfg.calibrate_dataloader
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader, calibrate)
    for loader in loaders:
        dataset = DATASETS.build(loader.dataset)
        for item in dataset:
            assert item["inputs"].shape == (3, 320, 800)
            assert item["data_samples"].ori_shape == SHAPE
            assert item["data_samples"].crop_offset == (0, 240)
            np.testing.assert_allclose(item["data_samples"].scale_factor, (800 / 1280, 320 / 480))
    assert cfg.train_dataloader.batch_size <= 8  # a first set is small, and the last batch dropped

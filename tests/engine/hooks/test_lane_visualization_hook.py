from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganet_mm.engine.hooks import lane_visualization_hook
from ganet_mm.engine.hooks.lane_visualization_hook import (
    LaneVisualizationHook,
    evenly_spread,
    original_picture,
    picture_path,
)
from ganet_mm.registry import DATASETS, METRICS, MODELS
from ganet_mm.structures import LaneDataSample
from ganet_mm.visualization.drawing import HIT

FRAMES = 10
SHAPE = (118, 328)


class ShiftedAnnotation(BaseModel):
    """Stands in for a network: predicts the annotation, two pixels aside."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode="tensor"):
        if mode == "loss":
            return {"loss": self.weight.sum()}
        for sample in data_samples:
            sample.pred_lanes = [lane + np.float32([2, 0]) for lane in sample.gt_lanes_ori]
            sample.pred_scores = [0.75] * len(sample.pred_lanes)
        return data_samples


class Count:
    """Stands in for a metric: counts frames."""

    def __init__(self, **kwargs):
        self.dataset_meta, self.frames = None, 0

    def process(self, data_batch, data_samples):
        self.frames += len(data_samples)

    def evaluate(self, size):
        return {"frames": self.frames}


@pytest.fixture(scope="module", autouse=True)
def _registered():
    MODELS.register_module(module=ShiftedAnnotation, force=True)
    METRICS.register_module(module=Count, force=True)
    yield
    del MODELS._module_dict["ShiftedAnnotation"], METRICS._module_dict["Count"]


@pytest.fixture
def data_root(tmp_path):
    root = tmp_path / "data"
    (root / "list").mkdir(parents=True)
    names = [f"clip.MP4/{i:05d}.jpg" for i in range(FRAMES)]
    (root / "list/test.txt").write_text("".join(f"/{name}\n" for name in names))
    (root / "clip.MP4").mkdir()
    for i, name in enumerate(names):
        img = np.full((*SHAPE, 3), 20 * i, np.uint8)  # its brightness says which frame it is
        cv2.imwrite(str(root / name), img)
        x = 60 + 20 * i
        points = " ".join(f"{x} {y}" for y in range(110, 50, -10))
        (root / name).with_suffix(".lines.txt").write_text(points + " \n")
    return root


def make_runner(tmp_path, data_root, hook, indices=None, batch_size=3, epochs=2, **kwargs):
    dataset = {
        "type": "CuLaneDataset",
        "data_root": str(data_root),
        "ann_file": "list/test.txt",
        "indices": indices,
        "pipeline": [
            {"type": "DecodeImage"},
            {"type": "Resize", "size": (32, 64)},
            {"type": "PackLaneInputs"},
        ],
    }
    loader = {
        "batch_size": batch_size,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "dataset": dataset,
    }
    return Runner(
        model={"type": "ShiftedAnnotation"},
        work_dir=str(tmp_path / "work"),
        train_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        val_dataloader=loader,
        val_cfg={},
        val_evaluator={"type": "Count"},
        test_dataloader=loader,
        test_cfg={},
        test_evaluator={"type": "Count"},
        custom_hooks=[hook],
        visualizer=kwargs.pop(
            "visualizer",
            {"type": "LaneVisualizer", "vis_backends": [{"type": "TensorboardVisBackend"}]},
        ),
        default_scope="ganet_mm",
        experiment_name=tmp_path.name,
        log_level="ERROR",
        **kwargs,
    )


def logged_pictures(runner):
    """Tag to (steps, first picture BGR) in the run's event file."""
    runner.visualizer.close()
    found = {}
    folders = list(Path(runner.work_dir).glob("*/vis_data"))
    if not folders:
        return found
    events = EventAccumulator(str(folders[0]), size_guidance={"images": 0}).Reload()
    for tag in events.Tags()["images"]:
        images = events.Images(tag)
        encoded = np.frombuffer(images[0].encoded_image_string, np.uint8)
        img = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        found[tag] = ([image.step for image in images], img)
    return found


def frame_number(img):
    """Which of data_root's frames a drawn picture is, from its unpainted right edge."""
    return round(float(img[60:, -4:].mean()) / 20)


def test_every_validation_draws_the_same_frames(tmp_path, data_root):
    runner = make_runner(tmp_path, data_root, {"type": "LaneVisualizationHook", "num": 4})
    runner.train()
    found = logged_pictures(runner)
    assert sorted(found) == [f"val_frames/clip.MP4/0000{i}.jpg" for i in (0, 3, 6, 9)]
    for tag, (steps, img) in found.items():
        number = int(tag[-5])
        assert steps == [1, 2]
        assert frame_number(img) == number
        # the prediction, a hit, is drawn on the original picture
        assert tuple(img[85, 60 + 20 * number + 3]) == HIT


def test_a_subset_of_the_data_is_drawn_by_its_own_numbers(tmp_path, data_root):
    hook = {"type": "LaneVisualizationHook", "num": 3}
    runner = make_runner(tmp_path, data_root, hook, indices=[8, 1, 6, 3, 5], batch_size=2, epochs=1)
    runner.train()
    found = logged_pictures(runner)
    # first, middle and last of the subset
    assert sorted(found) == [f"val_frames/clip.MP4/0000{i}.jpg" for i in (5, 6, 8)]
    for tag, (_, img) in found.items():
        assert frame_number(img) == int(tag[-5])


def test_frames_that_are_not_drawn_are_not_read(tmp_path, data_root):
    runner = make_runner(
        tmp_path, data_root, {"type": "LaneVisualizationHook", "num": 2}, batch_size=4
    )
    dataset = runner.val_loop.dataloader.dataset
    read, get_data_info = [], dataset.get_data_info
    dataset.get_data_info = lambda idx: read.append(idx) or get_data_info(idx)
    runner.val()
    assert sorted(read) == sorted([*range(FRAMES), 0, FRAMES - 1])


def test_epochs_between_are_skipped(tmp_path, data_root):
    hook = {"type": "LaneVisualizationHook", "num": 1, "interval": 2}
    runner = make_runner(tmp_path, data_root, hook, epochs=5)
    runner.train()
    ((steps, _),) = logged_pictures(runner).values()
    assert steps == [2, 4]


def test_nothing_is_drawn_off_the_main_process(tmp_path, data_root, monkeypatch):
    monkeypatch.setattr(lane_visualization_hook, "is_main_process", lambda: False)
    runner = make_runner(tmp_path, data_root, {"type": "LaneVisualizationHook", "num": 4})
    runner.train()
    assert logged_pictures(runner) == {}


def test_a_test_writes_every_frame_to_its_folder(tmp_path, data_root):
    out = tmp_path / "shown"
    hook = {"type": "LaneVisualizationHook", "show_dir": str(out)}
    runner = make_runner(tmp_path, data_root, hook)
    runner.test()
    written = sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*.*") if path.is_file()
    )
    assert written == [f"clip.MP4/0000{i}.jpg" for i in range(FRAMES)]
    img = cv2.imread(str(out / "clip.MP4/00004.jpg"))
    assert img.shape == (*SHAPE, 3)
    assert frame_number(img) == 4
    assert np.abs(img[85, 60 + 20 * 4 + 3].astype(int) - HIT).max() < 60  # JPEG
    assert logged_pictures(runner) == {}


def test_a_test_can_write_some_frames(tmp_path, data_root):
    out = tmp_path / "shown"
    hook = {"type": "LaneVisualizationHook", "show_dir": str(out), "show_num": 2}
    make_runner(tmp_path, data_root, hook).test()
    assert sorted(path.name for path in out.rglob("*.jpg")) == ["00000.jpg", "00009.jpg"]


def test_a_test_without_a_folder_writes_nothing(tmp_path, data_root):
    make_runner(tmp_path, data_root, {"type": "LaneVisualizationHook"}).test()
    assert not list((tmp_path / "work").rglob("*.jpg"))


def test_a_plain_visualizer_is_refused(tmp_path, data_root):
    runner = make_runner(
        tmp_path, data_root, {"type": "LaneVisualizationHook"}, visualizer={"type": "Visualizer"}
    )
    assert type(runner.visualizer) is Visualizer
    with pytest.raises(TypeError, match=r"visualizer=dict.type='LaneVisualizer'"):
        runner.val()


def fake_runner(dataset, drawn):
    loader = SimpleNamespace(sampler=range(len(dataset)), dataset=dataset)
    return SimpleNamespace(
        epoch=1,
        iter=7,
        val_loop=SimpleNamespace(dataloader=loader),
        visualizer=SimpleNamespace(add_datasample=lambda name, *a, **k: drawn.append(name)),
    )


@pytest.fixture
def dataset(data_root):
    return DATASETS.build(
        {"type": "CuLaneDataset", "data_root": str(data_root), "ann_file": "list/test.txt"}
    )


def outputs(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [
        LaneDataSample(metainfo={key: info[key] for key in ("img_path", "sample_idx")})
        for info in infos
    ]


def test_a_loop_that_validates_twice_is_drawn_once(dataset):
    # mmrazor's QATValLoop: one before_val, then the set for the fake-quant and the float model
    hook, drawn = LaneVisualizationHook(num=2), []
    runner = fake_runner(dataset, drawn)
    hook.before_val(runner)
    for _ in range(2):
        hook.after_val_iter(runner, 0, None, outputs(dataset))
    assert drawn == ["val_frames/clip.MP4/00000.jpg", "val_frames/clip.MP4/00009.jpg"]
    hook.before_val(runner)
    hook.after_val_iter(runner, 0, None, outputs(dataset))
    assert len(drawn) == 4


def test_calibration_without_outputs_draws_nothing(tmp_path, dataset):
    hook = LaneVisualizationHook(show_dir=str(tmp_path / "shown"))
    runner = fake_runner(dataset, [])
    runner.test_loop = runner.val_loop
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, None, None)
    assert not (tmp_path / "shown").exists()


def test_a_rank_draws_from_its_own_share():
    frames = list(range(11))
    for rank in (0, 1):
        sampler = DefaultSampler(frames, shuffle=False)
        sampler.rank, sampler.world_size = rank, 2
        sampler.num_samples, sampler.total_size = 6, 12
        chosen = evenly_spread(SimpleNamespace(sampler=sampler, dataset=frames), 3)
        assert len(chosen) == 3 and chosen <= set(sampler)


@pytest.mark.parametrize(
    ("num", "expected"),
    [
        (None, set(range(10))),
        (10, set(range(10))),
        (99, set(range(10))),
        (0, set()),
        (1, {5}),
        (2, {0, 9}),
        (4, {0, 3, 6, 9}),
    ],
)
def test_frames_are_spread_evenly(num, expected):
    loader = SimpleNamespace(sampler=range(10), dataset=range(10))
    assert evenly_spread(loader, num) == expected


def test_a_sample_of_another_picture_is_found_out(dataset):
    sample = outputs(dataset)[3]
    sample.set_metainfo({"sample_idx": 4})
    with pytest.raises(RuntimeError, match=r"sample_idx 4 is 'clip\.MP4/00003\.jpg'"):
        original_picture(dataset, sample)


def test_a_dataset_without_bytes_is_named(dataset):
    sample = outputs(dataset)[0]
    dataset.get_data_info = lambda idx: {"img_path": sample.img_path}
    with pytest.raises(KeyError, match=r"CuLaneDataset.get_data_info gives no 'img_bytes'"):
        original_picture(dataset, sample)


@pytest.mark.parametrize("name", ["a/b.png", "/a/b.png", "../a/./b.jpg"])
def test_pictures_stay_inside_the_folder(tmp_path, name):
    assert picture_path(tmp_path, name) == tmp_path / "a/b.jpg"


def test_senseless_settings_are_refused():
    with pytest.raises(ValueError, match="num must be"):
        LaneVisualizationHook(num=-1)
    with pytest.raises(ValueError, match="interval"):
        LaneVisualizationHook(interval=0)


def test_colours_are_those_of_the_picture(data_root, tmp_path):
    """Blue stays blue on its way through the RGB drawing into the BGR file."""
    blue = np.zeros((*SHAPE, 3), np.uint8)
    blue[..., 0] = 250
    cv2.imwrite(str(data_root / "clip.MP4/00003.jpg"), blue)
    runner = make_runner(
        tmp_path, data_root, dict(type="LaneVisualizationHook", show_dir=str(tmp_path / "show"))
    )
    runner.test()
    written = cv2.imread(str(tmp_path / "show/clip.MP4/00003.jpg"))
    assert np.median(written.reshape(-1, 3), axis=0).round(-1).tolist() == [250, 0, 0]

import json
import pickle
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from ganet_mm.apis import LaneInferencer
from ganet_mm.apis.inputs import UnreadableInputError
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.engine.checkpoints import build_model
from ganet_mm.engine.stages import stage_config
from ganet_mm.evaluation.lines_file import read_lines_file
from ganet_mm.quantization.architecture import QuantLaneDetector
from ganet_mm.registry import MODELS, TRANSFORMS
from ganet_mm.structures import LaneDataSample


@pytest.fixture(scope="module")
def inferencer(cfg, checkpoint):
    return LaneInferencer(cfg, checkpoint, device="cpu", show_progress=False)


def write_video(path, frames, rate=12.0):
    size = frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def read_video(path):
    reader = cv2.VideoCapture(str(path))
    frames = []
    while (read := reader.read())[0]:
        frames.append(read[1])
    return frames, reader.get(cv2.CAP_PROP_FPS)


def test_lanes_are_those_of_the_test_pipeline_and_the_model(cfg, checkpoint, inferencer, road):
    model = build_model(cfg, checkpoint, device="cpu")
    lengths = []
    for seed in range(3):
        results = {
            "img_bytes": cv2.imencode(".png", road(seed))[1].tobytes(),
            "img_path": "",
            "sample_idx": 0,
        }
        for transform in cfg.test_dataloader.dataset.pipeline:
            results = TRANSFORMS.build(transform)(results)
        with torch.no_grad():
            (sample,) = model.test_step(
                {"inputs": [results["inputs"]], "data_samples": [results["data_samples"]]}
            )
        (prediction,) = inferencer(road(seed))["predictions"]
        assert len(prediction["lanes"]) == len(sample.pred_lanes) > 0
        for lane, expected in zip(prediction["lanes"], sample.pred_lanes, strict=True):
            np.testing.assert_allclose(lane, expected, atol=6e-4)  # printed to 0.001
        np.testing.assert_allclose(prediction["scores"], sample.pred_scores, atol=6e-5)
        lengths.append(prediction["lanes"])
    assert lengths[0] != lengths[1] != lengths[2]  # the pictures matter


@pytest.mark.parametrize("shape", [(118, 328), (590, 1640), (720, 1280), (333, 517)])
def test_lanes_come_back_in_the_pictures_own_pixels(inferencer, shape):
    # A picture of one colour is the same network input at any size, so the lanes must lie at the
    # same part of the crop.
    def lanes(shape):
        (prediction,) = inferencer(np.full((*shape, 3), 170, np.uint8))["predictions"]
        assert (prediction["height"], prediction["width"]) == shape
        return [np.array(lane) for lane in prediction["lanes"]]

    top = round(54 * shape[0] / 118)
    by = np.array([shape[1] / 328, (shape[0] - top) / 64])
    reference, found = lanes((118, 328)), lanes(shape)
    assert len(reference) == len(found) > 0
    for lane, expected in zip(found, reference, strict=True):
        np.testing.assert_allclose(lane, (expected - [0, 54]) * by + [0, top], atol=0.02)


def test_predictions_are_plain_python(inferencer, road, tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), road())
    result = inferencer([path, road()])
    assert result["visualization"] is None
    assert result["failed"] == []
    first, second = json.loads(json.dumps(result["predictions"]))
    assert first == result["predictions"][0]
    assert first.pop("path") == str(path)
    assert second.pop("path") is None
    assert first == second
    assert first["frame"] is None
    assert all(0 <= score <= 1 for score in first["scores"])


@pytest.mark.parametrize("batch_size", [2, 5, 16])
def test_the_batch_size_changes_nothing(inferencer, road, batch_size):
    pictures = [road(seed, shape) for seed, shape in enumerate([(118, 328), (200, 300)] * 3)]
    single = inferencer(pictures)["predictions"]
    together = inferencer(pictures, batch_size=batch_size)["predictions"]
    for one, other in zip(single, together, strict=True):
        assert len(one["lanes"]) == len(other["lanes"])
        for lane, expected in zip(one["lanes"], other["lanes"], strict=True):
            np.testing.assert_allclose(lane, expected, atol=0.01)


def test_low_scores_are_left_out(inferencer, road):
    (everything,) = inferencer(road())["predictions"]
    best = max(everything["scores"])
    (none,) = inferencer(road(), score_thr=best + 1e-3)["predictions"]
    assert none["lanes"] == none["scores"] == []
    (some,) = inferencer(road(), score_thr=best - 1e-3)["predictions"]
    assert max(some["scores"]) == best


def test_data_samples_and_pictures_on_request(inferencer, road):
    img = road(2)
    result = inferencer(img, return_datasamples=True, return_vis=True)
    assert isinstance(result["predictions"][0], LaneDataSample)
    (drawn,) = result["visualization"]
    assert drawn.shape == img.shape and drawn.dtype == np.uint8
    changed = (drawn[..., ::-1] != img).any(axis=2)
    assert 0 < changed.mean() < 0.2
    x, y = result["predictions"][0].pred_lanes[0][4]
    assert changed[round(float(y)), round(float(x))]


def test_a_folder_is_written_out_by_name(inferencer, road, tmp_path):
    for name, seed in (("a/0.png", 0), ("a/1.jpg", 1), ("b.png", 2)):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), road(seed))
    out = tmp_path / "out"
    result = inferencer(tmp_path / "in", batch_size=2, out_dir=out, lines=True)
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == [
        "a/0.jpg",
        "a/0.lines.txt",
        "a/1.jpg",
        "a/1.lines.txt",
        "b.jpg",
        "b.lines.txt",
    ]
    prediction = result["predictions"][0]
    lanes = read_lines_file(out / "a/0.lines.txt")
    assert len(lanes) == len(prediction["lanes"])
    for lane, expected in zip(lanes, prediction["lanes"], strict=True):
        np.testing.assert_allclose(lane, expected, atol=1e-3)
    assert cv2.imread(str(out / "b.jpg")).shape == (118, 328, 3)


def test_a_video_becomes_an_mp4_with_lanes(inferencer, road, tmp_path):
    frames = [road(seed) for seed in range(5)]
    path = write_video(tmp_path / "drive.avi", frames)
    result = inferencer(path, batch_size=2, out_dir=tmp_path / "out")
    assert [prediction["frame"] for prediction in result["predictions"]] == [0, 1, 2, 3, 4]
    drawn, rate = read_video(tmp_path / "out/drive.mp4")
    assert rate == pytest.approx(12)
    assert [frame.shape for frame in drawn] == [(118, 328, 3)] * 5
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["drive.mp4"]


def test_an_interrupted_video_leaves_no_half_file(cfg, checkpoint, road, tmp_path, monkeypatch):
    inferencer = LaneInferencer(cfg, checkpoint, device="cpu", show_progress=False)
    path = write_video(tmp_path / "drive.mp4", [road(seed) for seed in range(4)])
    picture = tmp_path / "first.png"
    cv2.imwrite(str(picture), road())
    forward, calls = inferencer.model.test_step, []

    def interrupted(data):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return forward(data)

    monkeypatch.setattr(inferencer.model, "test_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        inferencer([picture, path], out_dir=tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["first.jpg"]
    assert cv2.imread(str(tmp_path / "out/first.jpg")) is not None


def test_a_stream_gives_frames_one_by_one(inferencer, road, tmp_path):
    path = write_video(tmp_path / "v.mp4", [road(seed) for seed in range(3)])
    stream = inferencer.stream(path)
    frame, sample = next(stream)
    assert frame.index == 0 and frame.img.shape == (118, 328, 3)
    assert len(sample.pred_lanes) == len(sample.pred_scores)
    assert [frame.index for frame, _ in stream] == [1, 2]


def test_a_picture_that_does_not_decode(inferencer, road, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), road())
    (tmp_path / "b.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "c.png"), road(1))
    with pytest.raises(UnreadableInputError, match=r"b\.png"):
        inferencer(tmp_path)
    result = inferencer(tmp_path, on_error="record", batch_size=3)
    assert [prediction["path"][-5:] for prediction in result["predictions"]] == ["a.png", "c.png"]
    (failure,) = result["failed"]
    assert failure["path"] == str(tmp_path / "b.png") and "b.png" in failure["error"]
    with pytest.raises(ValueError, match="on_error"):
        inferencer(tmp_path, on_error="ignore")


class _Maps(nn.Module):
    """The network alone: input (1, 3, H, W) to the head's three maps."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        return self.model(inputs)


@pytest.fixture(scope="module")
def onnx_file(cfg, checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    model = build_model(cfg, checkpoint, device="cpu")
    export_onnx(_Maps(model), tuple(cfg.model.neck.input_size), path, {})
    return path


@pytest.mark.parametrize("backend", [None, "onnxruntime", "openvino"])
def test_an_exported_model_finds_the_same_lanes(cfg, inferencer, onnx_file, road, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    exported = LaneInferencer(cfg, onnx_file, backend=backend, show_progress=False)
    pictures = [road(seed) for seed in range(3)]
    expected = inferencer(pictures)["predictions"]
    found = exported(pictures, batch_size=2)["predictions"]
    for one, other in zip(found, expected, strict=True):
        assert len(one["lanes"]) == len(other["lanes"]) > 0
        for lane, reference in zip(one["lanes"], other["lanes"], strict=True):
            # These untrained maps have near ties, and OpenVINO computes in bfloat16 where the CPU
            # can: a row may take its other maximum.
            lane, reference = np.array(lane), np.array(reference)
            distance = np.linalg.norm(lane[:, None] - reference, axis=2).min(axis=0)
            assert np.mean(distance < 0.5) > 0.7


def test_a_fake_quantized_checkpoint_is_told_from_a_float_one(cfg, checkpoint, road, tmp_path):
    repository = Path(__file__).parents[2]
    cfg = Config(cfg.to_dict())
    cfg.stages = Config.fromfile(repository / "configs/_base_/quantization.py").stages
    stage = stage_config(cfg, "qat")
    model = MODELS.build(stage.model)
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    model.architecture.load_state_dict(state)
    model.eval().apply(torch.ao.quantization.enable_observer)
    height, width = cfg.model.data_preprocessor.input_size
    picture = cv2.resize(road()[54:], (width, height))
    model.calibrate_step({"inputs": [torch.from_numpy(picture).permute(2, 0, 1)]})
    model.apply(torch.ao.quantization.disable_observer)
    path = tmp_path / "qat.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {"cfg": stage.pretty_text}}, path)
    inferencer = LaneInferencer(cfg, path, device="cpu", show_progress=False)
    assert isinstance(inferencer.model, QuantLaneDetector)
    (prediction,) = inferencer(road())["predictions"]
    assert len(prediction["lanes"]) == len(prediction["scores"]) > 0


@pytest.mark.parametrize(
    ("suffix", "backend", "words"),
    [
        (".pth", "onnxruntime", "only backend 'torch'.*tools/export.py"),
        (".onnx", "torch", "must be onnxruntime or openvino"),
        (".pth", "tensorrt", "'tensorrt' is unknown"),
    ],
)
def test_a_backend_that_cannot_run_the_weights(cfg, tmp_path, suffix, backend, words):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=words):
        LaneInferencer(cfg, path, backend=backend)


def test_missing_files_are_named(cfg, checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config 'no\.py'"):
        LaneInferencer("no.py", checkpoint)
    with pytest.raises(FileNotFoundError, match=r"weights 'no\.pth'"):
        LaneInferencer(cfg, "no.pth")
    with pytest.raises(ValueError, match="weights are needed"):
        LaneInferencer(cfg, None)


def test_settings_of_a_config_object_are_overridden_in_a_copy(cfg, checkpoint):
    options = {"model.head.decoder.min_points": 7}
    inferencer = LaneInferencer(
        cfg, checkpoint, device="cpu", show_progress=False, cfg_options=options
    )
    assert inferencer.model.head.decoder.min_points == 7
    assert cfg.model.head.decoder.min_points == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model.neck.foo": 1}, "GaNetNeck.*unexpected keyword argument 'foo'"),
        ({"modell.neck.foo": 1}, "has no modell; is model meant"),
    ],
)
def test_settings_that_nothing_knows_are_named(cfg, checkpoint, options, message):
    with pytest.raises(ValueError, match=message):
        LaneInferencer(cfg, checkpoint, device="cpu", cfg_options=options)


@pytest.mark.parametrize("score_thr", [-0.1, 5])
def test_a_threshold_that_no_score_can_have_is_refused(inferencer, road, score_thr):
    with pytest.raises(ValueError, match=r"score_thr must be in 0\.\.1, not"):
        inferencer(road(), score_thr=score_thr)
    with pytest.raises(ValueError, match=r"score_thr must be in 0\.\.1, not"):
        next(inferencer.stream(road(), score_thr=score_thr))


def test_weights_need_their_config(checkpoint):
    with pytest.raises(ValueError, match=r"epoch_1\.pth' need the config"):
        LaneInferencer(weights=checkpoint)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("gpu", "'gpu' is unknown: give cpu, cuda"),
        ("cuda", "'cuda' is not there, torch finds 0 CUDA devices: use cpu"),
        ("cuda:3", "'cuda:3' is not there, torch finds 2 CUDA devices"),
    ],
)
def test_a_device_that_is_not_there(cfg, checkpoint, monkeypatch, device, words):
    count = 2 if device == "cuda:3" else 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ValueError, match=words):
        LaneInferencer(cfg, checkpoint, device=device)


def test_an_exported_file_does_not_run_on_a_gpu(cfg, onnx_file, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"model\.onnx' runs on the CPU, not on 'cuda': leave"):
        LaneInferencer(cfg, onnx_file, device="cuda")


def test_an_exported_file_leaves_a_core_to_reading_and_writing(cfg, onnx_file, monkeypatch):
    import ganet_mm.apis.model_files as model_files

    def threads(cores):
        monkeypatch.setattr(model_files.os, "sched_getaffinity", lambda _: set(range(cores)))
        session = LaneInferencer(cfg, onnx_file, show_progress=False).model.runtime.session
        return session.get_session_options().intra_op_num_threads

    assert [threads(cores) for cores in (1, 2, 4)] == [1, 1, 3]


def test_a_missing_extra_says_what_to_install(cfg, onnx_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r"pip install ganet_mm\[openvino\]"):
        LaneInferencer(cfg, onnx_file, backend="openvino")


def test_a_drawing_that_cannot_be_written_ends_the_run(inferencer, road, tmp_path):
    path = write_video(tmp_path / "drive.mp4", [road(seed) for seed in range(12)])
    (tmp_path / "out").write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match="out"):
        inferencer(path, out_dir=tmp_path / "out")


def test_no_thread_is_left_behind(inferencer, road, tmp_path):
    before = threading.active_count()
    path = write_video(tmp_path / "drive.mp4", [road(seed) for seed in range(6)])
    inferencer(path, out_dir=tmp_path / "out")
    next(inferencer.stream(path))
    assert threading.active_count() == before


def test_nothing_in_a_checkpoint_is_executed(cfg, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"state_dict": Payload()}))
    with pytest.raises(ValueError, match=r"evil\.pth"):
        LaneInferencer(cfg, path, device="cpu")
    torch.save({"state_dict": Payload()}, path)
    with pytest.raises(ValueError, match=r"evil\.pth"):
        LaneInferencer(cfg, path, device="cpu")
    assert not (tmp_path / "executed").exists()


def test_a_config_file_and_its_visualizer_options(cfg, checkpoint, road, tmp_path):
    cfg = Config(cfg.to_dict())
    cfg.visualizer = {
        "type": "LaneVisualizer",
        "vis_backends": [{"type": "TensorboardVisBackend"}],
        "line_width": 9,
    }
    cfg.dump(tmp_path / "config.py")
    inferencer = LaneInferencer(str(tmp_path / "config.py"), checkpoint, show_progress=False)
    assert inferencer.visualizer.line_width == 9
    inferencer(road(), out_dir=tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.py", "out"]


def test_a_progress_bar_for_more_than_one_batch(cfg, checkpoint, road, capsys):
    inferencer = LaneInferencer(cfg, checkpoint, device="cpu")
    inferencer(road())
    assert "finding lanes" not in capsys.readouterr().out
    inferencer([road(), road(1), road(2)])
    assert "3/3" in capsys.readouterr().out

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from ganet_mm import model_zoo
from ganet_mm.evaluation.lines_file import read_lines_file
from ganet_mm.registry import MODELS

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / "tools/infer.py"


@pytest.fixture(scope="module")
def infer():
    """The tool as a module; its ``run`` returns the exit status."""
    spec = importlib.util.spec_from_file_location("infer_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *args: module.run(module.parse_args([str(arg) for arg in args]))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A config file and weights that find a lane on any picture."""
    folder = tmp_path_factory.mktemp("model")
    cfg = Config.fromfile(REPOSITORY / "configs/_base_/models/ganet_mixvargenet.py")
    size = (96, 192)
    cfg.merge_from_dict(
        {
            "default_scope": "ganet_mm",
            "model.data_preprocessor.input_size": size,
            "model.neck.input_size": size,
            "model.head.decoder.min_points": 4,
        }
    )
    pipeline = [
        {"type": "DecodeImage"},
        {"type": "FixedCrop", "x": 0, "y": 54, "w": 328, "h": 64},
        {"type": "Resize", "size": size},
        {"type": "PackLaneInputs"},
    ]
    cfg.test_dataloader = {"dataset": {"type": "CuLaneDataset", "pipeline": pipeline}}
    cfg.dump(folder / "tiny.py")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    # every cell is a keypoint and a root: they group into one lane in the middle
    torch.nn.init.constant_(model.head.kpts_branch[-1].bias, 1.0)
    torch.save({"state_dict": model.state_dict()}, folder / "tiny.pth")
    return folder / "tiny.py", folder / "tiny.pth"


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("driver/0530.MP4/00000.jpg", "driver/0530.MP4/00030.jpg", "last.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (118, 328, 3), np.uint8))
    return tmp_path / "in"


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_folder_gives_drawings_lines_and_json(infer, files, pictures, tmp_path, capsys):
    out, found = tmp_path / "out", tmp_path / "found.json"
    status = infer(
        *files, pictures, "--out-dir", out, "--lines", "--json", found, "--batch-size", 2
    )
    assert status == 0
    stems = ["driver/0530.MP4/00000", "driver/0530.MP4/00030", "last"]
    assert names(out) == [f"{stem}{end}" for stem in stems for end in (".jpg", ".lines.txt")]
    content = json.loads(found.read_text())
    assert content["backend"] == "torch" and content["failed"] == []
    assert [frame["path"] for frame in content["frames"]] == [
        str(pictures / "driver/0530.MP4/00000.jpg"),
        str(pictures / "driver/0530.MP4/00030.jpg"),
        str(pictures / "last.png"),
    ]
    for stem, frame in zip(stems, content["frames"], strict=True):
        lanes = read_lines_file(out / f"{stem}.lines.txt")
        assert len(lanes) == len(frame["lanes"]) == len(frame["scores"]) > 0
        np.testing.assert_allclose(lanes[0], frame["lanes"][0], atol=1e-3)
    printed = capsys.readouterr().out
    total = sum(len(frame["lanes"]) for frame in content["frames"])
    assert f"3 frames, {total} lanes, " in printed and "frames/s" in printed


@pytest.fixture
def zoo(files, tmp_path, monkeypatch):
    """A zoo with that model; its exported file is none that could run."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    Config.fromfile(files[0]).dump(folder / "tiny.json")
    shutil.copy(files[1], folder / "tiny.pth")
    (folder / "tiny_int8.onnx").write_bytes(b"")
    (folder / "metafile.yml").write_text("Models: [{Name: tiny}]")
    monkeypatch.setattr(model_zoo, "FOLDER", folder)
    return folder


def test_the_shipped_weights_need_no_config(infer, zoo, pictures, tmp_path, capsys):
    options = ("--backend", "torch", "--out-dir", tmp_path / "out", "--json", tmp_path / "f.json")
    assert infer(pictures, *options) == 0
    assert len(names(tmp_path / "out")) == 3
    content = json.loads((tmp_path / "f.json").read_text())
    assert (content["config"], Path(content["weights"]).name) == (None, "tiny.pth")
    assert "tiny.pth on torch" in capsys.readouterr().out
    assert infer(pictures / "last.png", *options, "--model", "tiny") == 0
    with pytest.raises(ValueError, match="'huge'; there are tiny"):
        infer(pictures / "last.png", *options, "--model", "huge")


def test_settings_of_a_shipped_config_can_be_overridden(infer, zoo, pictures, tmp_path):
    found = tmp_path / "found.json"
    options = ("--backend", "torch", "--no-draw", "--json", found)
    setting = ("--cfg-options", "model.head.decoder.min_points=1000")
    assert infer(pictures / "last.png", *options, *setting) == 0
    assert json.loads(found.read_text())["frames"][0]["lanes"] == []


def test_the_names_are_listed(infer, zoo, capsys):
    with pytest.raises(SystemExit) as stop:
        infer("--list-models")
    assert stop.value.code == 0
    assert capsys.readouterr().out == "tiny\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["best.pth", "a.jpg"], "'best.pth' needs its config before it"),
        (["a.py", "a.jpg"], "after config 'a.py' come its weights"),
        (["a.py"], "after config 'a.py' come its weights"),
        (["a.py", "best.pth"], "no input"),
        (["a.py", "best.pth", "a.jpg", "--model", "tiny"], "there is no name to give"),
        ([], "INPUT"),
        (["a.jpg", "--score-thr", "5"], "--score-thr 5.0: a score is in 0..1"),
    ],
)
def test_what_is_missing_before_the_inputs_is_said(infer, words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        infer(*words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_options_may_stand_between_the_inputs(infer, files, pictures, tmp_path):
    found = tmp_path / "found.json"
    options = ("--no-draw", "--json", found, "--backend", "torch")
    assert infer(*files, *options, pictures / "last.png", "--device", "cpu", pictures) == 0
    assert len(json.loads(found.read_text())["frames"]) == 4


def test_without_drawings_only_the_json_is_written(infer, files, pictures, tmp_path):
    found = tmp_path / "found.json"
    options = ("--no-draw", "--out-dir", tmp_path / "out", "--json", found, "--score-thr", 0.999)
    assert infer(*files, pictures / "last.png", *options) == 0
    assert json.loads(found.read_text())["frames"][0]["lanes"] == []
    assert not (tmp_path / "out").exists()


def test_the_config_can_be_overridden(infer, files, pictures, tmp_path):
    found = tmp_path / "found.json"
    options = ("--no-draw", "--json", found, "--device", "cpu")
    assert (
        infer(
            *files, pictures / "last.png", *options,
            "--cfg-options", "model.head.decoder.min_points=1000",
        )
        == 0
    )  # fmt: skip
    assert json.loads(found.read_text())["frames"][0]["lanes"] == []


def test_a_broken_picture_is_listed_at_the_end(infer, files, pictures, tmp_path, capsys):
    (pictures / "bad.jpg").write_bytes(b"no picture")
    found = tmp_path / "found.json"
    status = infer(*files, pictures, "--out-dir", tmp_path / "out", "--json", found)
    assert status == 1
    assert len(names(tmp_path / "out")) == 3
    content = json.loads(found.read_text())
    assert len(content["frames"]) == 3
    assert content["failed"][0]["path"] == str(pictures / "bad.jpg")
    error = capsys.readouterr().err
    assert "bad.jpg" in error and "1 input(s) could not be read" in error


def command(*args):
    return subprocess.Popen(
        [sys.executable, TOOL, *map(str, args)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background lets them, and so the tool, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_missing_input_is_one_line_and_exit_1(files, tmp_path):
    process = command(*files, tmp_path / "nowhere", "--out-dir", tmp_path / "out")
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"error: input '{tmp_path / 'nowhere'}' does not exist" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_a_message_and_whole_files(files, tmp_path):
    video = tmp_path / "drive.mp4"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 25, (328, 118))
    for i in range(3000):
        writer.write(np.full((118, 328, 3), i % 256, np.uint8))
    writer.release()
    out = tmp_path / "out"
    process = command(*files, video, "--out-dir", out, "--lines", "--json", tmp_path / "f.json")
    for _ in range(600):
        if len(list(out.rglob("*.lines.txt"))) > 5 or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in error and "Traceback" not in error
    assert all(name.endswith(".lines.txt") for name in names(out))
    assert not (tmp_path / "f.json").exists()

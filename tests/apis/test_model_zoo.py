"""The zoo's mechanism, on a small model published into a folder of the test's own."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from torch import nn

from ganet_mm import model_zoo
from ganet_mm.apis import LaneInferencer
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.engine.checkpoints import build_model, load_checkpoint_file
from ganet_mm.model_zoo import find_model, list_models, read_metafile
from ganet_mm.model_zoo.publish import publish

ROOT = Path(__file__).parents[2]
SCORES = {"culane/F1@50": 0.91236, "culane/F1@75": 0.5, "culane/FP_cross": 3.0}


class _Maps(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        return self.model(inputs)


def export(cfg, checkpoint, path, precision="int8"):
    """The network in floats, under the name of integers: how it computes is not tested here."""
    model = build_model(cfg, checkpoint)
    export_onnx(_Maps(model), tuple(cfg.model.neck.input_size), path, {"precision": precision})
    return path


@pytest.fixture(scope="module", autouse=True)
def room():
    """The exported file stands in floats here, so it is four times as large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganet_mm.model_zoo.publish.SIZE_LIMIT", 12_000_000)
        yield


@pytest.fixture(scope="module")
def parts(cfg, checkpoint, tmp_path_factory):
    """Config file, float checkpoint with a training's ballast, exported file."""
    folder = tmp_path_factory.mktemp("parts")
    config = Config(cfg.to_dict())
    config.dump(folder / "small.py")
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    ballast = {"state": {0: {"exp_avg": torch.zeros(1000)}}, "param_groups": []}
    torch.save({"state_dict": state, "optimizer": ballast, "meta": {"epoch": 3}}, folder / "a.pth")
    return folder / "small.py", folder / "a.pth", export(cfg, checkpoint, folder / "a.onnx")


@pytest.fixture(scope="module")
def zoo(parts, tmp_path_factory):
    """A folder with two models; the first one published is the default."""
    folder = tmp_path_factory.mktemp("zoo")
    results = {("int8", "drawn test"): SCORES}
    publish(*parts, "lanes_small", folder, training_data="drawn roads", results=results)
    publish(*parts, "lanes_other", folder, training_data="drawn roads", macs=7)
    return folder


@pytest.fixture
def own_zoo(zoo, monkeypatch):
    """The same zoo in the place of the package's own."""
    monkeypatch.setattr(model_zoo, "FOLDER", zoo)
    return zoo


def test_a_published_model_holds_weights_and_nothing_else(zoo, parts):
    model = find_model("lanes_small", zoo)
    published = load_checkpoint_file(model.checkpoint)
    assert set(published) == {"state_dict", "meta"}
    original = load_checkpoint_file(parts[1])["state_dict"]
    assert published["state_dict"].keys() == original.keys()
    assert all(torch.equal(published["state_dict"][key], original[key]) for key in original)
    assert model.exported.read_bytes() == parts[2].read_bytes()
    assert sorted(path.name for path in zoo.iterdir()) == [
        "lanes_other.json",
        "lanes_other.pth",
        "lanes_other_int8.onnx",
        "lanes_small.json",
        "lanes_small.pth",
        "lanes_small_int8.onnx",
        "metafile.yml",
    ]


def test_the_config_needs_no_other_file(zoo, parts):
    flat = Config.fromfile(find_model("lanes_small", zoo).config)
    plain = json.loads(json.dumps(Config.fromfile(parts[0]).to_dict()))  # tuples become lists
    assert flat.to_dict() == plain


def test_the_metafile_says_what_was_measured(zoo):
    first, second = read_metafile(zoo)
    assert first["Results"] == [
        {
            "Task": "Lane Detection",
            "Dataset": "drawn test (int8, onnxruntime)",
            "Metrics": {"F1@50": 91.24, "F1@75": 50.0},
        }
    ]
    assert second["Results"] == [] and second["Metadata"]["FLOPs"] == 7
    assert first["Metadata"]["Parameters"] == 1210166
    for name, digest in first["Metadata"]["SHA256"].items():
        assert hashlib.sha256((zoo / name).read_bytes()).hexdigest() == digest


def test_publishing_again_replaces(zoo, parts, tmp_path):
    folder = tmp_path / "zoo"
    shutil.copytree(zoo, folder)
    publish(*parts, "lanes_small", folder, training_data="more roads")
    assert list_models(folder) == ["lanes_small", "lanes_other"]
    assert read_metafile(folder)[0]["Metadata"]["Training Data"] == "more roads"


def test_an_unknown_name_lists_those_there_are(own_zoo):
    assert LaneInferencer.list_models() == ["lanes_small", "lanes_other"]
    with pytest.raises(ValueError, match="'lanes_big'; there are lanes_small, lanes_other"):
        LaneInferencer("lanes_big")


def test_a_zoo_without_models_says_what_to_do(tmp_path):
    assert list_models(tmp_path) == []
    with pytest.raises(ValueError, match="no trained weights: give a config"):
        find_model(folder=tmp_path)


def test_a_missing_file_is_named(zoo, tmp_path):
    shutil.copy(zoo / "metafile.yml", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lanes_small\.json.*install"):
        find_model(folder=tmp_path)


@pytest.mark.parametrize(
    ("options", "backend", "suffix"),
    [
        ({}, "onnxruntime", "lanes_small_int8.onnx"),
        ({"model": "lanes_other"}, "onnxruntime", "lanes_other_int8.onnx"),
        ({"device": "cpu"}, "onnxruntime", "lanes_small_int8.onnx"),
        ({"backend": "onnxruntime"}, "onnxruntime", "lanes_small_int8.onnx"),
        ({"backend": "openvino"}, "openvino", "lanes_small_int8.onnx"),
        ({"backend": "torch"}, "torch", "lanes_small.pth"),
        ({"backend": "torch", "device": "cpu"}, "torch", "lanes_small.pth"),
    ],
)
def test_the_weights_of_each_backend(own_zoo, monkeypatch, road, options, backend, suffix):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if backend == "openvino":
        pytest.importorskip("openvino")
    inferencer = LaneInferencer(**options, show_progress=False)
    assert (inferencer.backend, Path(inferencer.weights).name) == (backend, suffix)
    (prediction,) = inferencer(road())["predictions"]
    assert len(prediction["lanes"]) > 0


def test_without_arguments_it_is_the_model_that_was_published(own_zoo, cfg, checkpoint, road):
    expected = LaneInferencer(cfg, checkpoint, device="cpu", show_progress=False)
    found = LaneInferencer(backend="torch", device="cpu", show_progress=False)
    pictures = [road(seed) for seed in range(3)]
    assert found(pictures)["predictions"] == expected(pictures)["predictions"]


def test_settings_of_the_config_can_be_overridden(own_zoo, road):
    options = {"model.head.decoder.min_points": 1000}
    inferencer = LaneInferencer(device="cpu", cfg_options=options, show_progress=False)
    assert inferencer(road())["predictions"][0]["lanes"] == []


def test_other_weights_for_a_shipped_config(own_zoo, checkpoint):
    inferencer = LaneInferencer("lanes_small", checkpoint, device="cpu", show_progress=False)
    assert (inferencer.backend, inferencer.weights) == ("torch", str(checkpoint))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exported": "float.onnx"}, "holds float32 weights"),
        ({"exported": "none.onnx"}, "does not exist"),
        ({"exported": "small.py"}, r"small\.py"),
        ({"checkpoint": "none.pth"}, "does not exist"),
        ({"checkpoint": "other.pth"}, "does not fit"),
        ({"name": "with blank"}, "letters, digits and underscores"),
        ({"results": {("int8", "test"): {"tp": 3}}}, "holds no F1"),
    ],
)
def test_what_cannot_be_published_changes_nothing(cfg, checkpoint, parts, tmp_path, change, words):
    folder = tmp_path / "parts"
    shutil.copytree(parts[0].parent, folder)
    if change.get("exported") == "float.onnx":
        export(cfg, checkpoint, folder / "float.onnx", "float32")
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, folder / "other.pth")
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        publish(
            folder / "small.py",
            folder / change.get("checkpoint", "a.pth"),
            folder / change.get("exported", "a.onnx"),
            change.get("name", "lanes"),
            tmp_path / "zoo",
            training_data="drawn roads",
            results=change.get("results"),
        )
    assert not (tmp_path / "zoo").exists()


def test_more_than_the_package_may_carry_is_refused(parts, tmp_path, monkeypatch):
    monkeypatch.setattr("ganet_mm.model_zoo.publish.SIZE_LIMIT", 1_000_000)
    with pytest.raises(ValueError, match=r"take \d+\.\d+ MB, more than the 1 MB"):
        publish(*parts, "lanes", tmp_path / "zoo", training_data="drawn roads")
    assert not (tmp_path / "zoo").exists()


def test_the_tool_publishes(parts, tmp_path, capsys):
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps(SCORES))
    words = [
        *parts, "--name", "lanes_tool", "--out-dir", tmp_path / "zoo", "--training-data", "roads",
        "--result", "float", "drawn test", scores,
    ]  # fmt: skip
    publishing = runpy.run_path(str(ROOT / "tools/model_converters/publish_model.py"))
    publishing["run"](publishing["parse_args"](list(map(str, words))))
    assert capsys.readouterr().out.count(" MB ") == 3
    entry = yaml.safe_load((tmp_path / "zoo/metafile.yml").read_text())["Models"][0]
    tool = runpy.run_path(str(ROOT / "tools/analysis_tools/get_flops.py"))
    network = tool["build_model"](str(parts[0]), None)
    macs = tool["count_macs"](network, network.data_preprocessor.input_size)[""]
    assert entry["Metadata"]["FLOPs"] == np.round(macs, -6)
    assert entry["Results"][0]["Dataset"] == "drawn test (float, torch)"


def test_the_shipped_metafile_and_files_agree():
    """Whatever the package carries: what its metafile names is there, and is what was hashed."""
    named = {"__init__.py", "publish.py", "metafile.yml", "MODEL_CARD.md"}
    for entry in read_metafile():
        model = find_model(entry["Name"])
        assert (ROOT / entry["Config"]).is_file()
        assert (ROOT / entry["Weights"]).samefile(model.checkpoint)
        assert set(entry["Metadata"]["SHA256"]) == {path.name for path in model.files}
        for name, digest in entry["Metadata"]["SHA256"].items():
            assert hashlib.sha256((model.folder / name).read_bytes()).hexdigest() == digest
            named.add(name)
    there = {path.name for path in model_zoo.FOLDER.iterdir() if path.is_file()}
    assert there == named
    assert sum((model_zoo.FOLDER / name).stat().st_size for name in named) <= 8_000_000

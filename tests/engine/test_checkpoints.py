import pytest
import torch

from ganet_mm.engine.checkpoints import build_model, load_checkpoint_file
from ganet_mm.engine.stages import stage_config
from ganet_mm.model_zoo import find_model
from ganet_mm.quantization import QuantLaneDetector
from ganet_mm.registry import MODELS


@pytest.fixture
def float_file(tmp_path, float_weights):
    path = tmp_path / "float.pth"
    torch.save(dict(state_dict=float_weights, meta=dict(cfg="stage = 'float'\n")), path)
    return path


@pytest.fixture
def quant_file(tmp_path, quantized):
    """Function of a stage: a checkpoint of its model."""

    def write(stage: str):
        path = tmp_path / f"{stage}.pth"
        meta = dict(cfg=f"default_scope = 'ganet_mm'\nstage = '{stage}'\n")
        torch.save(dict(state_dict=quantized(stage).state_dict(), meta=meta), path)
        return path

    return write


def test_a_float_file_gives_the_float_model(small_cfg, float_file, float_weights):
    model = build_model(small_cfg, float_file)
    assert type(model).__name__ == "GaNet"
    assert not model.training
    key = "backbone.stem.0.weight"
    torch.testing.assert_close(model.state_dict()[key], float_weights[key])


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_a_quantized_file_gives_the_same_maps_again(small_cfg, quant_file, quantized, stage):
    original = quantized(stage)
    model = build_model(small_cfg, quant_file(stage), quant=True)
    assert isinstance(model, QuantLaneDetector)
    x = torch.rand(1, 3, 96, 192) * 2 - 1
    with torch.no_grad():
        for a, b in zip(original(x, mode="tensor"), model(x, mode="tensor"), strict=True):
            torch.testing.assert_close(a, b)


def test_float_and_quantized_are_not_taken_for_each_other(small_cfg, float_file, quant_file):
    with pytest.raises(ValueError, match=r"float.pth is a float checkpoint.*leave --quant out"):
        build_model(small_cfg, float_file, quant=True)
    with pytest.raises(ValueError, match=r"qat.pth is a fake-quantized checkpoint: add --quant"):
        build_model(small_cfg, quant_file("qat"), quant=False)


def test_another_networks_weights_are_refused(small_cfg, tmp_path, float_weights):
    others = {key: value for key, value in float_weights.items() if key != "backbone.stem.0.weight"}
    path = tmp_path / "other.pth"
    torch.save(dict(state_dict=others), path)
    with pytest.raises(ValueError, match=r"other.pth does not fit.*missing backbone.stem.0.weight"):
        build_model(small_cfg, path)


def test_another_shape_is_refused(small_cfg, tmp_path, float_weights):
    path = tmp_path / "shape.pth"
    others = {**float_weights, "backbone.stem.0.weight": torch.zeros(1)}
    torch.save(dict(state_dict=others), path)
    with pytest.raises(ValueError, match=r"backbone.stem.0.weight is \(1,\)"):
        build_model(small_cfg, path)


@pytest.mark.parametrize("stage", ["float", "qat"])
def test_another_input_size_is_refused(small_cfg, tmp_path, float_weights, quantized, stage):
    """As a Runner writes it: the whole config's text."""
    path = tmp_path / "trained.pth"
    weights = float_weights if stage == "float" else quantized(stage).state_dict()
    text = stage_config(small_cfg, stage).pretty_text
    torch.save(dict(state_dict=weights, meta=dict(cfg=text)), path)
    build_model(small_cfg, path)
    for part in ("data_preprocessor", "neck"):
        small_cfg.model[part].input_size = (160, 192)
    with pytest.raises(ValueError, match=r"trained\.pth was .* 96×192 .* config's is 160×192"):
        build_model(small_cfg, path)


def test_shipped_weights_say_their_input_size(small_cfg):
    with pytest.raises(ValueError, match=r"320×800 .* config's is 96×192"):
        build_model(small_cfg, find_model().checkpoint)


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_another_shape_in_a_quantized_file_is_refused(small_cfg, quant_file, stage):
    path = quant_file(stage)
    small_cfg.model.head.feat_channels = 16
    with pytest.raises(ValueError, match=rf"{stage}.pth does not fit.*the model's is \(16, "):
        build_model(small_cfg, path)


@pytest.mark.parametrize("content", [b"hello\n", b"\x80\x02.", b"q", b"PK\x03\x04", bytes(99)])
def test_junk_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "junk.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"junk.pth (cannot be read|is damaged)"):
        load_checkpoint_file(path)


def test_a_missing_and_a_cut_file_are_named(small_cfg, float_file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.pth does not exist"):
        build_model(small_cfg, tmp_path / "none.pth")
    whole = float_file.read_bytes()
    for length in (0, 100, len(whole) // 2):
        float_file.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"float.pth (cannot be read|is damaged)"):
            build_model(small_cfg, float_file)


def test_a_file_that_runs_code_is_refused(tmp_path, capsys):
    class Malicious:
        def __reduce__(self):
            return (print, ("executed",))

    path = tmp_path / "evil.pth"
    torch.save(dict(state_dict=Malicious()), path)
    with pytest.raises(ValueError, match=r"evil.pth asks for \S*print to be run"):
        load_checkpoint_file(path)
    assert "executed" not in capsys.readouterr().out


def test_a_quantized_file_of_unknown_stage_is_refused(small_cfg, tmp_path, quantized):
    path = tmp_path / "unknown.pth"
    torch.save(dict(state_dict=quantized("qat").state_dict()), path)
    with pytest.raises(ValueError, match=r"unknown\.pth does not say which stage"):
        build_model(small_cfg, path)


def test_stage_goes_into_the_config_text(small_cfg):
    """A checkpoint's meta holds this text: it is how the stage is known again."""
    assert "\nstage = 'qat'\n" in stage_config(small_cfg, "qat").pretty_text
    assert MODELS.get("QuantLaneDetector") is QuantLaneDetector

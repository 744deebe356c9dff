import pytest
from mmengine.registry import init_default_scope

from ganet_mm.engine.config_file import config_at_fault, read_config
from ganet_mm.registry import MODELS

CONFIG = "configs/ganet_synlane.py"


def test_options_override_the_file():
    cfg = read_config(CONFIG, {"train_cfg.max_epochs": 7})
    assert cfg.train_cfg.max_epochs == 7
    assert read_config(CONFIG).train_cfg.max_epochs != 7


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"config configs/nowhere\.py does not exist"):
        read_config("configs/nowhere.py")


@pytest.mark.parametrize("name", ["best.pth", "model.onnx", "picture.jpg", "configs"])
def test_another_kind_of_file_is_named(name):
    with pytest.raises(ValueError, match=f"{name} is no config"):
        read_config(name)


def test_a_syntax_error_names_file_and_line(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("a = 1\nb = (\n")
    with pytest.raises(ValueError, match=r"broken\.py, line 2"):
        read_config(str(path))


def test_an_option_that_leads_nowhere_is_named():
    with pytest.raises(ValueError, match=r"default_scope\.x"):
        read_config(CONFIG, {"default_scope.x": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model.nonsense": 3}, "GaNet.*unexpected keyword argument 'nonsense'"),
        ({"model.type": "GaNot"}, "GaNot is not in"),
        ({"model.data_preprocessor.type": "CameraDataPreprocessor"}, "missing 1 required.*layout"),
    ],
)
def test_settings_that_no_class_knows(options, message):
    cfg = read_config(CONFIG, options)
    init_default_scope(cfg.default_scope)
    with pytest.raises(ValueError, match=rf"ganet_synlane\.py.*{message}"), config_at_fault(cfg):
        MODELS.build(cfg.model)


def test_other_errors_are_no_fault_of_the_config():
    cfg = read_config(CONFIG)
    with pytest.raises(TypeError), config_at_fault(cfg):
        len(3)
    with pytest.raises(KeyError), config_at_fault(cfg):
        {}[1]

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


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("name.py", "a = b", "NameError: name 'b' is not defined"),
        ("key.py", "a = {}['b']", "KeyError: 'b'"),
        ("cut.json", '{"a": ', "JSONDecodeError"),
        ("cut.yaml", "a: [1\nb: 2", "ParserError: while parsing .* line 2"),
    ],
)
def test_a_config_that_fails_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"{name} is no valid config: {message}") as raised:
        read_config(str(tmp_path / name))
    assert "\n" not in str(raised.value)


def test_a_missing_base_is_named(tmp_path):
    (tmp_path / "child.py").write_text("_base_ = ['gone.py']")
    with pytest.raises(FileNotFoundError, match=r"gone\.py"):
        read_config(str(tmp_path / "child.py"))


def test_an_option_of_no_known_first_key_is_refused():
    message = r"test_dataloder\.dataset: \S*synlane\.py has no test_dataloder; is test_dataloader"
    with pytest.raises(ValueError, match=message):
        read_config(CONFIG, {"test_dataloder.dataset": 1})
    with pytest.raises(ValueError, match=r"has no zzz$"):
        read_config(CONFIG, {"zzz": 1})


@pytest.mark.parametrize("key", ["experiment_name", "compile.mode", "frame_size", "work_dir"])
def test_what_is_read_may_be_set_where_the_config_leaves_it_out(key):
    assert key.split(".")[0] not in read_config(CONFIG)
    read_config(CONFIG, {key: 1})


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

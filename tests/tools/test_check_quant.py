import re
import runpy

import pytest

from ganet_mm.deploy.check import check_config
from ganet_mm.deploy.operators import integer_share


@pytest.fixture
def check(monkeypatch, capsys):
    """Function of the tool's arguments: (what it printed, its exit status)."""

    def run(*words) -> tuple[str, object]:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["check_quant.py", *words])
        status = 0
        try:
            runpy.run_path("tools/check_quant.py", run_name="__main__")
        except SystemExit as stopped:
            status = stopped.code
        return capsys.readouterr().out, status

    return run


def small(*more: str) -> list[str]:
    options = ["model.data_preprocessor.input_size=(96,192)", "model.neck.input_size=(96,192)"]
    return ["configs/ganet_culane.py", "--cfg-options", *options, *more]


def test_all_macs_of_the_network_are_integer(check):
    printed, status = check(*small())
    assert status == 0
    assert re.search(r"100\.00% of 0\.\d+ GMAC in integers", printed)
    assert "backbone.stages.0.0.conv1.0" in printed and "QLinearConv" in printed
    assert re.search(r"neck\.upsample16 .*Resize .*float32 .*bilinear", printed)


def test_a_float_convolution_is_named(check):
    float_layers = "stages.qat.model.quantizer.float_layers=['backbone.stages.2.1.conv1.0']"
    printed, status = check(*small(float_layers))
    assert status == 1
    assert "must be integer but are not: backbone.stages.2.1.conv1.0" in printed


def test_macs_are_those_of_the_specification(small_cfg):
    """5.37 GMAC at 320×800, of which the two attention products are 2.5 M."""
    small_cfg.model.data_preprocessor.input_size = (320, 800)
    small_cfg.model.neck.input_size = (320, 800)
    operators = check_config(small_cfg)
    assert sum(operator.macs for operator in operators) == pytest.approx(5.37e9, rel=1e-3)
    products = [operator.macs for operator in operators if operator.kind == "MatMul"]
    assert sum(products) == 250 * 250 * (8 + 32)
    assert integer_share(operators) == 1
    assert all(operator.reason for operator in operators if not operator.integer)


def test_an_unknown_layer_is_refused(check):
    _, status = check(*small("stages.qat.model.quantizer.float_layers=['backbone.none']"))
    assert status == "error: float_layers: the detector has no module backbone.none"


def test_a_config_without_stages_is_refused(check):
    _, status = check("configs/ganet_culane.py", "--cfg-options", "stages.qat=None")
    assert "no `stages.qat`" in status

import json
import runpy

import pytest


@pytest.fixture
def study(monkeypatch, capsys, trained):
    def run(*words) -> tuple[str, object]:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["sensitivity.py", str(trained.config), *map(str, words)])
        status = 0
        try:
            runpy.run_path("tools/analysis_tools/sensitivity.py", run_name="__main__")
        except SystemExit as stopped:
            status = stopped.code
        return capsys.readouterr().out, status

    return run


def test_a_table_a_picture_and_a_proposal(study, trained, tmp_path):
    printed, status = study(
        trained.best("qat"), "--frames", 2, "--budget", 100, "--out", tmp_path / "costs.json",
        "--picture", tmp_path / "costs.png",
    )  # fmt: skip
    assert status == 0
    assert "neck.lateral8" in printed and "add_20" in printed
    assert "for at most 100.0 points: float_layers=[]" in printed
    written = json.loads((tmp_path / "costs.json").read_text())
    # 55 convolutions, the input, 21 additions and 8 other operations
    assert len(written["layers"]) == 85
    assert written["float_layers"] == []
    assert all(row["error_alone"] >= 0 for row in written["layers"])
    assert written["all_error"] > max(row["error_alone"] for row in written["layers"]) / 2
    assert (tmp_path / "costs.png").stat().st_size > 10_000


def test_a_float_checkpoint_is_refused(study, trained):
    _, status = study(trained.best("float"), "--frames", 2)
    assert "is a float checkpoint" in status
    assert "--stage qat" in status and "--quant" not in status


def test_f1_where_the_data_has_another_metric(study, trained):
    printed, status = study(
        trained.best("qat"), "--frames", 1, "--cfg-options", "test_evaluator.type=TuSimpleMetric"
    )
    assert status == 0
    assert "F1@50 float" in printed

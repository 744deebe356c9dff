"""The standard tools, run as a user runs them, from drawn roads to integers."""

import json
import re
import runpy
import shutil

import pytest
import torch
from mmengine.config import Config


def test_each_stage_leaves_its_checkpoint(trained):
    assert trained.best("float").stat().st_size > 4e6
    assert trained.best("qat").stat().st_size > 4e6
    assert len(list((trained.work / "calibration").glob("*/model_ptq.pth"))) == 1


def test_amp_trains_on_the_cpu_too(trained, tmp_path):
    trained.run(
        "train.py", trained.config, "--amp", "--work-dir", tmp_path, "--cfg-options",
        "train_cfg.max_epochs=1",
    )  # fmt: skip
    config = Config.fromfile(tmp_path / "float" / "toy.py")
    assert config.optim_wrapper.type == "CpuAmpOptimWrapper"
    state = torch.load(tmp_path / "float" / "epoch_1.pth", weights_only=True)["state_dict"]
    assert {v.dtype for v in state.values() if v.is_floating_point()} == {torch.float32}


def test_quantized_stages_start_from_the_best_float_weights(trained):
    name = trained.best("float").name
    assert f"weights of {trained.work}/float/{name}" in trained.printed["calibration"]
    assert f"weights of {trained.work}/float/{name}" in trained.printed["qat"]


def test_tensorboard_gets_losses_rates_scores_and_pictures(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (trained.work / "float").glob("*/vis_data/events.*")
    accumulator = EventAccumulator(str(events), size_guidance={"images": 0}).Reload()
    scalars = accumulator.Tags()["scalars"]
    for key in ("loss", "loss_kpts_cls", "loss_pts_offset", "loss_int_offset", "lr"):
        assert any(tag.split("/")[-1] == key for tag in scalars), key
    for key in ("culane/F1@50", "culane/F1@75", "culane_by_category/F1@50_normal"):
        assert any(tag.endswith(key) for tag in scalars), key
    assert accumulator.Tags()["images"]


@pytest.mark.parametrize("name", ["float", "calibration", "qat", "int8"])
def test_every_stages_model_is_evaluated(trained, tmp_path, name):
    checkpoint = {
        "float": lambda: [trained.best("float")],
        "calibration": lambda: [
            next((trained.work / "calibration").glob("*/model_ptq.pth")),
            "--quant",
        ],
        "qat": lambda: [trained.best("qat"), "--quant"],
        "int8": lambda: [
            trained.work / "model_int8.onnx",
            "--show-dir",
            tmp_path / "pictures",
            "--lines-dir",
            tmp_path / "lines",
        ],
    }[name]()
    out = tmp_path / "scores.json"
    trained.run(
        "test.py", trained.config, *checkpoint, "--out", out, "--work-dir", tmp_path / "work"
    )
    scores = json.loads(out.read_text())
    assert 0 <= scores["culane/F1@75"] <= scores["culane/F1@50"] <= 1
    assert "culane/F1@50_night" in scores
    assert "culane/FP_cross" in scores
    if name == "int8":
        assert len(list((tmp_path / "pictures").rglob("*.jpg"))) == 9
        assert len(list((tmp_path / "lines").rglob("*.lines.txt"))) == 9


def test_export_reports_operators_and_differences(trained):
    printed = trained.printed["export"]
    assert re.search(r"52 QLinearConv", printed)
    assert "3 ConvInteger" in printed
    assert "2 Resize" in printed
    assert "kpts_logits" in printed and "5 frames" in printed


def test_a_float_checkpoint_exports_to_a_float_file(trained, tmp_path):
    out = tmp_path / "float.onnx"
    printed = trained.run(
        "export.py", trained.config, trained.best("float"), "--out", out, "--frames", 2
    )
    assert "float32" in printed
    assert out.stat().st_size > 4e6


def test_openvino_runs_the_same_file(trained, tmp_path):
    out = tmp_path / "scores.json"
    trained.run(
        "test.py", trained.config, trained.work / "model_int8.onnx", "--backend", "openvino",
        "--out", out, "--work-dir", tmp_path / "work",
    )  # fmt: skip
    assert "culane/F1@50" in json.loads(out.read_text())


def test_resume_goes_on_with_the_next_epoch(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(trained.work / "float", work / "float")
    (work / "float" / "last_checkpoint").write_text(str(work / "float" / "epoch_1.pth"))
    printed = trained.run(
        "train.py", trained.config, "--work-dir", work, "--resume", str(work / "float/epoch_1.pth")
    )
    assert "resumed epoch: 1" in printed
    assert "Epoch(train) [2]" in printed and "Epoch(train) [1]" not in printed


@pytest.mark.slow
def test_resume_keeps_learned_step_sizes(trained, tmp_path):
    config = tmp_path / "lsq.py"
    config.write_text(
        trained.config.read_text().replace("ganet_synlane.py", "ganet_synlane_lsq.py")
    )
    words = (
        "train.py", config, "--stage", "qat", "--work-dir", tmp_path, "--load-from",
        trained.best("float"), "--cfg-options", "stages.qat.optim_wrapper.optimizer.lr=0",
    )  # fmt: skip
    trained.run(*words)
    trained.run(*words, "stages.qat.train_cfg.max_epochs=2", "--resume")
    first, second = (
        torch.load(tmp_path / f"qat/epoch_{epoch}.pth", weights_only=True)["state_dict"]
        for epoch in (1, 2)
    )
    scales = [key for key in first if key.endswith(".scale")]
    assert len(scales) > 130
    assert all(torch.equal(first[key], second[key]) for key in scales)


@pytest.mark.parametrize("stage", ["calibration", "qat"])
def test_resume_of_a_stage_that_left_nothing_starts_it(trained, tmp_path, stage):
    """Interrupted before its first checkpoint; the weights are the float stage's all the same."""
    printed = trained.run(
        "train.py", trained.config, "--stage", stage, "--work-dir", tmp_path,
        "--load-from", trained.best("float"), "--resume", "--cfg-options",
        "stages.qat.optim_wrapper.optimizer.lr=0",
    )  # fmt: skip
    assert f"weights of {trained.best('float')}" in printed
    start = torch.load(trained.best("float"), weights_only=True)["state_dict"]
    (path,) = [*tmp_path.glob("qat/best_*.pth"), *tmp_path.glob("calibration/*/model_ptq.pth")]
    end = torch.load(path, weights_only=True)["state_dict"]
    weight = "head.kpts_branch.2.weight"
    torch.testing.assert_close(end[f"architecture.{weight}"], start[weight], rtol=0, atol=0)


CONFIG = "configs/ganet_culane.py"


class TestBadInput:
    """In this process: the tools' own start-up would take most of the time."""

    @pytest.fixture
    def error(self, monkeypatch):
        """Function of a tool and its arguments: the message it ends with."""

        def run(tool: str, *words) -> str:
            monkeypatch.setattr("sys.argv", [tool, *map(str, words)])
            main = runpy.run_path(f"tools/{tool}", run_name="tool")["main"]
            with pytest.raises(SystemExit) as stopped:
                main()
            assert str(stopped.value).startswith("error: ")
            return str(stopped.value)

        return run

    @pytest.mark.parametrize("stage", ["calibration", "qat"])
    def test_a_later_stage_before_float(self, error, drawn, tmp_path, stage):
        message = error("train.py", drawn.config, "--stage", stage, "--work-dir", tmp_path)
        assert "holds no checkpoint" in message
        assert "python tools/train.py CONFIG" in message
        assert list(tmp_path.iterdir()) == []

    def test_resume_of_a_calibration_from_a_checkpoint(self, error, trained, tmp_path):
        options = ("--stage", "calibration", "--work-dir", tmp_path, "--load-from")
        best = trained.best("float")
        printed = error("train.py", trained.config, *options, best, "--resume", best)
        assert "calibration starts over" in printed

    def test_resume_from_what_is_no_checkpoint(self, error, tmp_path):
        """Said before anything is built."""
        options = ("--work-dir", tmp_path / "work", "--resume")
        message = error("train.py", CONFIG, *options, tmp_path / "nope.pth")
        assert "nope.pth does not exist" in message
        junk = tmp_path / "junk.pth"
        junk.write_text("hello")
        assert "junk.pth cannot be read" in error("train.py", CONFIG, *options, junk)
        assert not (tmp_path / "work").exists()

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("demo.py", "--train", -1), "--train must be at least 1"),
            (
                ("analysis_tools/browse_dataset.py", CONFIG, "--out", "x", "--number", -1),
                "--number must be at least 1",
            ),
            (
                ("analysis_tools/browse_dataset.py", CONFIG, "--out", "x", "--start", -1),
                "--start must be at least 0",
            ),
        ],
    )
    def test_numbers_that_make_no_sense(self, monkeypatch, capsys, words, message):
        monkeypatch.setattr("sys.argv", list(map(str, words)))
        main = runpy.run_path(f"tools/{words[0]}", run_name="tool")["main"]
        with pytest.raises(SystemExit):
            main()
        assert message in capsys.readouterr().err

    def test_a_picture_as_a_list(self, error, tmp_path):
        picture = tmp_path / "road.jpg"
        picture.write_bytes(b"\xff\xd8\xff")
        words = ("--gt-dir", tmp_path, "--pred-dir", tmp_path, "--list", picture)
        assert "road.jpg: no list" in error("analysis_tools/eval_culane.py", *words)

    def test_a_missing_data_root(self, error, drawn, tmp_path):
        message = error(
            "train.py", drawn.config, "--work-dir", tmp_path, "--cfg-options",
            "train_dataloader.dataset.data_root=/nowhere/train_lmdb",
        )  # fmt: skip
        assert "/nowhere/train_lmdb" in message
        assert "pack_culane.py" in message

    def test_fewer_frames_than_a_batch(self, error, drawn, tmp_path):
        message = error(
            "train.py", drawn.config, "--work-dir", tmp_path, "--cfg-options",
            "train_dataloader.batch_size=9", "train_dataloader.drop_last=True",
        )  # fmt: skip
        assert "8 frames" in message and "train_dataloader.batch_size=9" in message

    def test_a_float_checkpoint_given_as_quantized(self, error, trained):
        message = error("test.py", trained.config, trained.best("float"), "--quant")
        assert "is a float checkpoint" in message

    def test_a_quantized_checkpoint_given_as_float(self, error, trained):
        assert "add --quant" in error("test.py", trained.config, trained.best("qat"))

    def test_an_exported_file_of_another_input_size(self, error, trained, tmp_path):
        message = error(
            "test.py", "configs/ganet_synlane.py", trained.work / "model_int8.onnx", "--work-dir",
            tmp_path,
        )  # fmt: skip
        assert "96×192" in message and "160×416" in message

    def test_an_export_of_nothing_leaves_nothing(self, error, trained, tmp_path):
        message = error(
            "export.py", "configs/ganet_synlane.py", trained.work / "none.pth", "--out",
            tmp_path / "model.onnx",
        )  # fmt: skip
        assert "none.pth does not exist" in message
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "words",
        [
            ("export.py", CONFIG, "none.pth", "--out", "none.onnx"),
            ("check_quant.py", CONFIG),
            ("infer.py", CONFIG, "none.pth", "none.jpg"),
            ("analysis_tools/sensitivity.py", CONFIG, "none.pth"),
        ],
    )
    def test_a_setting_that_no_class_knows(self, error, tmp_path, words):
        weights = tmp_path / "none.pth"
        state = {"qmodels.none": torch.zeros(1)}
        torch.save(dict(state_dict=state, meta=dict(cfg="stage = 'qat'\n")), weights)
        words = [weights if word == "none.pth" else word for word in words]
        options = ["--cfg-options", "model.neck.foo=1", f"work_dir={tmp_path}"]
        message = error(*words, *options)
        assert "ganet_culane.py, or --cfg-options" in message
        assert "'foo'" in message and len(message.splitlines()) == 1

    def test_a_setting_that_no_class_of_the_data_knows(self, drawn, tmp_path, capsys):
        main = runpy.run_path("tools/analysis_tools/browse_dataset.py", run_name="tool")["main"]
        option = "train_dataloader.dataset.foo=1"
        words = [str(drawn.config), "--out", str(tmp_path / "look"), "--cfg-options", option]
        assert main(words) == 1
        message = capsys.readouterr().err
        assert "error: " in message and "toy.py, or --cfg-options" in message
        assert "'foo'" in message

    @pytest.mark.parametrize(
        "words",
        [
            ("train.py", CONFIG, "--work-dir", "PICTURE"),
            ("test.py", CONFIG, "none.pth", "--out", "PICTURE/scores.json"),
            ("export.py", CONFIG, "none.pth", "--out", "PICTURE/model.onnx"),
            ("infer.py", "none.jpg", "--json", "PICTURE/found.json"),
            ("analysis_tools/sensitivity.py", CONFIG, "none.pth", "--out", "PICTURE/costs.json"),
            ("profile.py", "none.onnx", "--json", "PICTURE/profile.json"),
        ],
    )
    def test_an_output_in_a_file_instead_of_a_folder(self, error, tmp_path, words):
        picture = tmp_path / "road.jpg"
        picture.write_bytes(b"no folder")
        message = error(*[word.replace("PICTURE", str(picture)) for word in words])
        assert "road.jpg" in message and len(message.splitlines()) == 1
        assert "none." not in message  # said before anything is read

    def test_an_exported_file_cannot_be_exported(self, error, tmp_path):
        file = tmp_path / "model.onnx"
        message = error("export.py", CONFIG, file, "--out", tmp_path / "new.onnx")
        assert "model.onnx is exported already" in message

    @pytest.mark.parametrize("number", [0, -1])
    def test_an_export_compared_on_no_frame(self, error, tmp_path, number):
        words = ("export.py", CONFIG, "a.pth", "--out", tmp_path / "a.onnx", "--frames", number)
        assert f"--frames {number}" in error(*words)
        assert list(tmp_path.iterdir()) == []

    def test_a_config_that_is_not_there(self, error):
        assert "config nope.py does not exist" in error("demo.py", "nope.py")
        assert "nope.py does not exist" in error("analysis_tools/get_flops.py", "nope.py")
        message = error("demo.py", "configs/_base_/default_runtime.py")
        assert "has no data_root" in message

    def test_a_quantized_checkpoint_as_the_start_of_training(self, error, trained, tmp_path):
        message = error(
            "train.py", trained.config, "--load-from", trained.best("qat"), "--work-dir", tmp_path
        )
        assert "is fake-quantized" in message
